import numpy as np
import pytest

from keras_fcn.classes import ClassMap, distinct_colors
from keras_fcn.datasets.camvid import CLASS_MAP as CAMVID
from keras_fcn.drawing.overlays import (
    OverlayStyle,
    has_contours,
    legend,
    overlay,
    overlay_legend,
    overlay_palette,
    overlay_with_legend,
)

CLASS_MAP = ClassMap(
    ("road", "sky"), ((200, 0, 0), (0, 100, 0)), void_id=255, void_color=(1, 2, 3)
)
SIZES = [(1, 1), (1, 4), (4, 1), (3, 3), (50, 70)]


def random_scene(size, class_map=CLASS_MAP):
    rng = np.random.default_rng(0)
    ids = [*range(class_map.num_classes), class_map.void_id]
    image = rng.integers(0, 256, (*size, 3), dtype="uint8")
    return image, rng.choice(ids, size), rng.integers(0, class_map.num_classes, size)


def has_color(result, color):
    return (result == color).all(axis=-1).any()


def check_rgb(result):
    assert result.dtype == np.uint8
    assert result.ndim == 3
    assert result.shape[2] == 3


@pytest.mark.parametrize("size", SIZES)
def test_overlay_blends_all_pixels_except_void(size):
    image, label_map, _ = random_scene(size)
    result = overlay(image, label_map, CLASS_MAP, opacity=0.25)
    check_rgb(result)
    blended = 0.75 * image + 0.25 * overlay_palette(CLASS_MAP)[label_map]
    expected = np.where((label_map == 255)[..., None], image, blended)
    np.testing.assert_allclose(result, expected, atol=0.5)


def test_overlay_of_opacity_0_is_the_image_and_of_1_the_colors():
    image, label_map, prediction = random_scene((5, 6))
    np.testing.assert_array_equal(overlay(image, label_map, CLASS_MAP, 0), image)
    np.testing.assert_array_equal(
        overlay(image, prediction, CLASS_MAP, 1), overlay_palette(CLASS_MAP)[prediction]
    )


def test_overlay_does_not_modify_its_arguments():
    image, label_map, _ = random_scene((5, 6))
    before = image.copy(), label_map.copy()
    overlay(image, label_map, CLASS_MAP)
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(label_map, before[1])


def test_legend_contains_the_colors_of_its_classes_only():
    result = legend(CAMVID, [0, 3, CAMVID.void_id], 400)
    check_rgb(result)
    assert result.shape[1] == 400
    for class_id in (0, 3, 11):
        assert has_color(result, overlay_palette(CAMVID)[class_id])
    for class_id in (1, 2, 4):
        assert not has_color(result, overlay_palette(CAMVID)[class_id])


def test_a_narrow_legend_has_more_lines():
    ids = range(CAMVID.num_classes)
    heights = [legend(CAMVID, ids, width).shape[0] for width in (2000, 400, 120)]
    assert heights[0] < heights[1] < heights[2]
    for width in (400, 120):
        result = legend(CAMVID, ids, width)
        assert result.shape[1] == width
        assert all(has_color(result, color) for color in overlay_palette(CAMVID)[:11])


def test_legend_without_classes_is_an_empty_line():
    assert (legend(CAMVID, [], 50) == 255).all()


@pytest.mark.parametrize("size", SIZES)
def test_the_legend_is_below_the_overlay(size):
    image, label_map, _ = random_scene(size)
    result = overlay_with_legend(image, label_map, CLASS_MAP)
    check_rgb(result)
    height, width = size
    assert result.shape[0] > height
    assert result.shape[1] == max(width, 160)
    np.testing.assert_array_equal(
        result[:height, :width], overlay(image, label_map, CLASS_MAP)
    )


def on_grey(value, class_map=CAMVID, size=(480, 640)):
    """A uniform gray image, and a label map of vertical stripes of all classes."""
    ids = np.arange(size[1]) * class_map.num_classes // size[1]
    return np.full((*size, 3), value, "uint8"), np.tile(ids, (size[0], 1))


def lightness_and_color(colors):
    """CIELAB, computed from sRGB by its definition."""
    linear = np.asarray(colors, dtype=float) / 255
    curve = ((linear + 0.055) / 1.055) ** 2.4
    linear = np.where(linear > 0.04045, curve, linear / 12.92)
    to_x, to_y = (0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722)
    to_xyz = np.array([to_x, to_y, (0.0193, 0.1192, 0.9505)])
    xyz = linear @ to_xyz.T / (0.9505, 1.0, 1.089)
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def least_distance(colors):
    lab = lightness_and_color(colors)
    distances = np.linalg.norm(lab[:, None] - lab, axis=-1)
    return distances[~np.eye(len(lab), dtype=bool)].min()


def test_camvid_classes_are_distinguishable_on_a_dark_image():
    own, legible = CAMVID.palette()[:11], overlay_palette(CAMVID)[:11]
    dark = 0.5 * 20
    assert least_distance(0.5 * own + dark) < 14  # pedestrian and tree, among others
    assert least_distance(0.5 * legible + dark) > 18
    assert lightness_and_color(legible)[:, 0].min() > 59


def test_light_and_distinct_colors_are_not_changed():
    colors = ((255, 160, 160), (120, 255, 120), (140, 170, 255))
    class_map = ClassMap(("a", "b", "c"), colors, 255, (9, 9, 9))
    np.testing.assert_array_equal(overlay_palette(class_map)[:3], colors)
    np.testing.assert_array_equal(overlay_palette(class_map)[3:], [(9, 9, 9)] * 253)


def test_each_of_40_classes_gets_a_color_of_its_own():
    class_map = ClassMap(tuple(map(str, range(40))), ((0, 0, 0),) * 40, 255)
    assert least_distance(overlay_palette(class_map)[:40]) > 5


@pytest.mark.parametrize("opacity", [0.2, 0.5, 1.0])
def test_a_class_has_one_color_in_all_legends(opacity):
    style = OverlayStyle(opacity=opacity)
    for value in (20, 200):
        result = overlay_with_legend(*on_grey(value), CAMVID, style)
        for color in overlay_palette(CAMVID)[:11]:
            assert has_color(result[480:], color)
    image, label_map = on_grey(90)
    style = OverlayStyle(legend=False)
    assert overlay_with_legend(image, label_map, CAMVID, style).shape == image.shape


def test_the_legend_scales_with_the_image():
    small, large = (
        overlay_with_legend(*on_grey(90, size=(n * 480, n * 640)), CAMVID)
        for n in (1, 4)
    )
    below = [result.shape[0] - n for result, n in ((small, 480), (large, 1920))]
    assert below[1] == pytest.approx(4 * below[0], rel=0.1)


def test_void_in_a_prediction_is_in_the_legend():
    image, label_map = on_grey(90)
    label_map[:, :100] = CAMVID.void_id
    result = overlay_with_legend(image, label_map, CAMVID)
    assert (result[:480, :100] == 90).all()
    ids = [*range(1, 11), CAMVID.void_id]
    np.testing.assert_array_equal(result[480:], overlay_legend(CAMVID, ids, 640))


def test_a_background_class_is_not_tinted_and_others_have_contours():
    colors = ((140, 170, 255), (255, 160, 160), (120, 255, 120))
    class_map = ClassMap(("Background", "crack", "leaf"), colors, void_id=255)
    image, label_map = on_grey(90, class_map)
    result = overlay_with_legend(image, label_map, class_map)
    assert (result[:480][label_map == 0] == 90).all()
    tinted = result[:480][label_map == 1]
    assert has_color(tinted, (172, 125, 125)) and has_color(tinted, colors[1])
    assert not has_color(result[480:], overlay_palette(class_map)[0])


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (CAMVID.names, False),
        (("road", "Traffic Sign", "Person", "pipe"), False),
        (("background", "crack"), True),
        (("road", "crack", "leaf"), True),
    ],
)
def test_contours_are_the_default_unless_classes_are_of_streets(names, expected):
    class_map = ClassMap(tuple(names), distinct_colors(len(names)), void_id=255)
    assert has_contours(class_map) == expected
    scene = on_grey(90, class_map)
    drawn = overlay(*scene, class_map)
    np.testing.assert_array_equal(drawn, overlay(*scene, class_map, contours=expected))
    assert not np.array_equal(drawn, overlay(*scene, class_map, contours=not expected))


@pytest.mark.parametrize("size", [(1, 1), (100, 140), (1000, 1400)])
def test_contours_are_drawn_on_both_sides_of_a_border_only(size):
    label_map = np.zeros(size, dtype=int)
    label_map[:, size[1] // 2 :] = 1
    image = np.full((*size, 3), 50, "uint8")
    result = overlay(image, label_map, CLASS_MAP, opacity=0, contours=True)
    drawn = np.flatnonzero((result[0] != 50).any(axis=-1))
    border = size[1] // 2
    if size == (1, 1):
        assert not len(drawn)
        return
    assert drawn.min() < border <= drawn.max()
    assert len(drawn) == drawn.max() - drawn.min() + 1 <= 2 * (1 + size[0] // 480)
    left, right = overlay_palette(CLASS_MAP)[:2]
    np.testing.assert_array_equal(result[0, border - 1], left)
    np.testing.assert_array_equal(result[0, border], right)
