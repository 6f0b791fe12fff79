import cv2
import numpy as np
import pytest

from street_rendering import render_street
from street_rendering.camera import Camera
from street_rendering.canvas import Canvas
from street_rendering.classes import (
    BICYCLIST,
    BUILDING,
    CAR,
    CLASSES,
    FENCE,
    PAVEMENT,
    PEDESTRIAN,
    POLE,
    ROAD,
    SIGN,
    SKY,
    TREE,
    VOID,
)
from street_rendering.furniture import Clutter
from street_rendering.light import Light
from street_rendering.void import blur_borders

NUM_SCENES = 60


@pytest.fixture(scope="module")
def scenes():
    return [render_street(0, index, 180, 240) for index in range(NUM_SCENES)]


@pytest.fixture(scope="module")
def class_pixels(scenes):
    return np.stack(
        [
            np.bincount(label_map.ravel(), minlength=len(CLASSES))
            for _, label_map in scenes
        ]
    )


@pytest.mark.parametrize(
    ("height", "width"),
    [(1, 1), (1, 200), (33, 47), (47, 33), (96, 128), (360, 480), (720, 960)],
)
def test_arrays_are_uint8_and_have_the_requested_size(height, width):
    image, label_map = render_street(0, 1, height, width)
    assert image.shape == (height, width, 3)
    assert label_map.shape == (height, width)
    assert image.dtype == np.uint8
    assert label_map.dtype == np.uint8
    assert label_map.max() <= VOID


@pytest.mark.parametrize(("height", "width"), [(0, 5), (5, 0), (-1, 5)])
def test_a_size_below_one_is_refused(height, width):
    with pytest.raises(ValueError, match=f"Received: height={height}, width={width}"):
        render_street(0, 0, height, width)


def test_label_maps_contain_class_ids_and_void_only(class_pixels):
    assert class_pixels.shape == (NUM_SCENES, len(CLASSES))


@pytest.mark.parametrize(("height", "width"), [(20, 30), (180, 240)])
def test_equal_arguments_render_equal_scenes(height, width):
    for index in range(8):
        first = render_street(3, index, height, width)
        second = render_street(3, index, height, width)
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])


def test_a_scene_does_not_depend_on_earlier_calls(scenes):
    render_street(9, 9, 100, 100)
    image, label_map = render_street(0, 5, 180, 240)
    np.testing.assert_array_equal(image, scenes[5][0])
    np.testing.assert_array_equal(label_map, scenes[5][1])


def test_scenes_of_different_indices_differ(scenes):
    for (image, label_map), (other_image, other_map) in zip(
        scenes[:-1], scenes[1:], strict=True
    ):
        assert np.mean(image != other_image) > 0.5
        assert np.mean(label_map != other_map) > 0.05


def test_scenes_of_different_seeds_differ(scenes):
    image, label_map = render_street(1, 0, 180, 240)
    assert np.mean(image != scenes[0][0]) > 0.5
    assert np.mean(label_map != scenes[0][1]) > 0.05


def test_label_maps_agree_between_sizes():
    for index in range(6):
        _, small = render_street(0, index, 120, 160)
        _, large = render_street(0, index, 360, 480)
        is_known = (small != VOID) & (large[1::3, 1::3] != VOID)
        assert np.mean((small == large[1::3, 1::3])[is_known]) > 0.9


def test_labels_of_small_scenes_are_not_blended():
    _, large = render_street(0, 1, 48, 48)
    _, small = render_street(0, 1, 24, 24)
    np.testing.assert_array_equal(small, large[::2, ::2])


@pytest.mark.parametrize("class_id", [SKY, BUILDING, ROAD, PAVEMENT, TREE, CAR])
def test_large_classes_are_in_nearly_every_scene(class_pixels, class_id):
    assert np.mean(class_pixels[:, class_id] > 0) > 0.9


@pytest.mark.parametrize("class_id", [POLE, SIGN, FENCE, PEDESTRIAN, BICYCLIST])
def test_thin_classes_are_in_many_scenes(class_pixels, class_id):
    assert np.mean(class_pixels[:, class_id] > 0) > 0.4


def test_no_class_covers_most_pixels(class_pixels):
    shares = class_pixels.sum(axis=0) / class_pixels.sum()
    assert shares.max() < 0.45
    assert shares[:VOID].min() > 0.002


def test_void_covers_a_few_percent(class_pixels):
    share = class_pixels[:, VOID].sum() / class_pixels.sum()
    assert 0.005 < share < 0.06


def test_void_covers_a_few_percent_of_small_images():
    label_maps = [render_street(0, index, 96, 128)[1] for index in range(40)]
    assert 0.005 < np.mean(np.stack(label_maps) == VOID) < 0.06


def test_sky_lies_above_the_road(scenes):
    for _, label_map in scenes:
        rows = np.arange(label_map.shape[0])[:, None]
        is_sky, is_road = label_map == SKY, label_map == ROAD
        assert is_road.any()
        if is_sky.any():
            mean_sky_row = (rows * is_sky).sum() / is_sky.sum()
            assert mean_sky_row < (rows * is_road).sum() / is_road.sum()


def test_road_pavement_and_building_overlap_in_color(scenes):
    greys = {
        class_id: np.concatenate(
            [
                image[label_map == class_id].mean(axis=1)[::50]
                for image, label_map in scenes
            ]
        )
        for class_id in (ROAD, PAVEMENT, BUILDING)
    }
    low, high = np.percentile(greys[ROAD], [5, 95])
    for class_id in (PAVEMENT, BUILDING):
        assert np.mean((greys[class_id] > low) & (greys[class_id] < high)) > 0.3


def test_the_global_random_state_does_not_change():
    before = np.random.get_state()
    render_street(0, 2, 96, 128)
    after = np.random.get_state()
    assert before[0] == after[0]
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]


def test_opencv_random_state_and_threads_do_not_change():
    num_threads = cv2.getNumThreads()
    samples = []
    for is_rendering in (False, True):
        cv2.setRNGSeed(5)
        if is_rendering:
            render_street(0, 2, 96, 128)
        samples.append(cv2.randu(np.zeros((4, 4), np.uint8), 0, 255).copy())
    np.testing.assert_array_equal(samples[0], samples[1])
    assert cv2.getNumThreads() == num_threads


def test_void_bands_lie_on_large_classes_only():
    rng = np.random.default_rng(0)
    canvas = Canvas(Camera.sample(rng, 96, 128), Light.sample(rng))
    canvas.label_map[:] = ROAD
    canvas.label_map[:, ::4] = POLE
    before = canvas.label_map.copy()
    blur_borders(canvas, rng)
    is_changed = canvas.label_map != before
    assert is_changed.any() and (canvas.label_map[is_changed] == VOID).all()
    assert (before[is_changed] == ROAD).all()


def test_a_street_of_positive_curvature_bends_to_the_right():
    camera = Camera(100, 200, 50.0, 100.0, 40.0, 1.5, curvature=0.02, roll=0.0)
    # At 10 m the axis is 1 m to the right; 5 pixels per metre.
    np.testing.assert_allclose(camera.project([(0.0, 0.0, 10.0)]), [(105.0, 47.5)])
    np.testing.assert_allclose(camera.project_point(0.0, 0.0, 10.0), (105.0, 47.5))


def test_haze_replaces_the_color_of_distant_surfaces():
    light, color = Light.sample(np.random.default_rng(0)), (200.0, 30.0, 60.0)
    np.testing.assert_allclose(light.tone(color, 0.0), color)
    np.testing.assert_allclose(light.tone(color, 1e6), light.sky_foot)


@pytest.mark.parametrize("kind", ["bin", "cabinet", "cone", "bags"])
def test_clutter_is_void(kind):
    rng = np.random.default_rng(0)
    canvas = Canvas(Camera.sample(rng, 96, 128), Light.sample(rng))
    Clutter(x=0.0, z=4.0, kind=kind, color=(200, 30, 30)).draw(canvas)
    assert set(np.unique(canvas.label_map)) == {0, VOID}
