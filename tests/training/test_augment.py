import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_fcn.config import TrainingConfig
from keras_fcn.models.precision import use_precision
from keras_fcn.training.augment import Augment, make_augment, rotate_hue, warp

VOID = 255
MEAN_RGB = (123.68, 116.779, 103.939)
OFF = {
    "flip": False,
    "scale": (1.0, 1.0),
    "rotation": 0.0,
    "brightness": 0.0,
    "contrast": 0.0,
    "saturation": 0.0,
    "hue": 0.0,
}
GEOMETRY = {
    "nothing": {},
    "flip": {"flip": True},
    "smaller": {"scale": (0.4, 0.9)},
    "larger": {"scale": (1.1, 3.0)},
    "a little rotation": {"rotation": 10.0},
    "any rotation": {"rotation": 180.0},
    "everything": {"flip": True, "scale": (0.5, 2.0), "rotation": 30.0},
}
COLOR = {"brightness": 0.3, "contrast": 0.5, "saturation": 0.5, "hue": 0.2}


def augment_of(crop, seed=0, void=VOID, **changes):
    return Augment(crop, void, seed=seed, **{**OFF, **changes})


def sizes_of(image):
    batch, height, width = image.shape[:3]
    return np.tile(np.int32([height, width]), (batch, 1))


def apply(augment, image, label_map, size=None, mode="eager"):
    function = augment
    if mode != "eager":
        function = tf.function(augment.__call__, jit_compile=mode == "jit")
    results = function(
        tf.constant(image),
        tf.constant(label_map),
        tf.constant(sizes_of(image) if size is None else np.int32(size)),
    )
    return tuple(np.asarray(result) for result in results)


def coordinates(batch, height, width):
    """Images that encode their own label maps.

    Red is the row, green the column, and the label is `row * width + column`.
    """
    row, column = np.mgrid[:height, :width]
    image = np.stack([row, column, 0 * row], axis=-1).astype("uint8")
    label_map = (row * width + column).astype("int32")
    return np.stack([image] * batch), np.stack([label_map] * batch)


def random_images(batch, height, width, seed=0):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (batch, height, width, 3), dtype="uint8")
    return image, rng.integers(0, 5, (batch, height, width)).astype("uint8")


@pytest.mark.parametrize(
    ("changes", "mode"),
    [
        *((changes, "eager") for changes in GEOMETRY.values()),
        (GEOMETRY["everything"], "compiled"),
        (GEOMETRY["everything"], "jit"),
    ],
    ids=[*GEOMETRY, "everything compiled", "everything under XLA"],
)
def test_label_map_moves_with_its_image(changes, mode):
    height, width, void = 60, 80, 10**6
    image, label_map = coordinates(8, height, width)
    augment = augment_of((40, 50), seed=1, void=void, **changes)
    new_image, new_label_map = apply(augment, image, label_map, mode=mode)
    inside = new_label_map != void
    assert inside.mean() > 0.2
    row, column = np.divmod(new_label_map[inside], width)
    # The nearest pixel is at most half a pixel away from the sampling position.
    assert np.abs(new_image[inside][:, 0] - row).max() <= 0.501
    assert np.abs(new_image[inside][:, 1] - column).max() <= 0.501


@pytest.mark.parametrize("changes", GEOMETRY.values(), ids=GEOMETRY)
@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
def test_no_new_label_appears_and_labels_stay_integer(changes, dtype):
    image, label_map = random_images(4, 20, 24)
    label_map = (3 * label_map).astype(dtype)
    label_map[:, :4] = VOID
    new_image, new_label_map = apply(
        augment_of((30, 16), **changes, **COLOR), image, label_map
    )
    assert new_label_map.dtype == np.int32
    assert new_image.dtype == np.float32
    assert set(np.unique(new_label_map)) <= {0, 3, 6, 9, 12, VOID}


@pytest.mark.parametrize("mode", ["eager", "compiled"])
def test_without_augmentation_the_crop_is_a_slice_of_the_image(mode):
    height, width = 30, 40
    image, _ = random_images(6, height, width)
    _, position = coordinates(6, height, width)
    new_image, new_position = apply(augment_of((16, 24)), image, position, mode=mode)
    corners = set()
    for index in range(6):
        top, left = divmod(int(new_position[index, 0, 0]), width)
        view = np.s_[index, top : top + 16, left : left + 24]
        np.testing.assert_array_equal(new_image[index], image[view])
        np.testing.assert_array_equal(new_position[index], position[view])
        corners.add((top, left))
    assert len(corners) > 1


def test_crops_reach_every_edge_of_the_image():
    image, position = coordinates(300, 12, 14)
    _, new_position = apply(augment_of((8, 8)), image, position)
    top, left = np.divmod(new_position[:, 0, 0], 14)
    assert set(top) == set(range(5))
    assert set(left) == set(range(7))


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (7, 9), (16, 16)])
def test_without_augmentation_a_crop_of_the_images_size_is_the_image(batch, size):
    image, label_map = random_images(batch, *size)
    new_image, new_label_map = apply(augment_of(size), image, label_map)
    np.testing.assert_array_equal(new_image, image)
    np.testing.assert_array_equal(new_label_map, label_map)


def test_a_larger_crop_contains_the_whole_image_surrounded_by_void():
    height, width = 5, 6
    image, label_map = random_images(20, height, width)
    new_image, new_label_map = apply(augment_of((9, 13)), image, label_map)
    for index in range(20):
        rows, columns = np.nonzero(new_label_map[index] != VOID)
        view = np.s_[
            index, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1
        ]
        np.testing.assert_array_equal(new_label_map[view], label_map[index])
        np.testing.assert_array_equal(new_image[view], image[index])
    outside = new_label_map == VOID
    assert outside.sum() == 20 * (9 * 13 - height * width)
    np.testing.assert_allclose(
        new_image[outside], np.tile(MEAN_RGB, (outside.sum(), 1)), rtol=1e-6
    )


def test_an_enlarged_image_is_surrounded_by_void_without_a_gap():
    image, label_map = random_images(10, 4, 4)
    _, new_label_map = apply(augment_of((12, 12), scale=(2.0, 2.0)), image, label_map)
    for index in range(10):
        rows, columns = np.nonzero(new_label_map[index] != VOID)
        assert len(rows) == 64
        view = new_label_map[
            index, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1
        ]
        twice = label_map[index].repeat(2, axis=0).repeat(2, axis=1)
        np.testing.assert_array_equal(view, twice)


def test_warp_samples_at_the_given_positions():
    # One row with the values 0, 10, 20 and the labels 5, 6, 7.
    image = np.repeat(np.float32([[[0, 10, 20]]])[..., None], 3, axis=-1)
    label_map = np.array([[[5, 6, 7]]])
    column = np.float32([[[-0.6, -0.4, 0.0, 0.25, 0.75, 2.0, 2.4, 2.6]]])
    size = np.int32([[1, 3]])
    new_image, new_label_map = warp(image, label_map, 0 * column, column, size, VOID)
    mean = MEAN_RGB[0]
    np.testing.assert_allclose(
        new_image[0, 0, :, 0], [mean, 0, 0, 2.5, 7.5, 20, 20, mean], rtol=1e-6
    )
    np.testing.assert_array_equal(new_label_map, [[[VOID, 5, 5, 5, 6, 7, 7, VOID]]])


def test_warp_interpolates_between_rows_too():
    image = np.zeros((1, 2, 2, 3), "float32")
    image[0, ..., 0] = [[0, 10], [20, 50]]
    position = np.full((1, 1, 1), 0.5, "float32")
    size = np.int32([[2, 2]])
    label_map = np.zeros((1, 2, 2), int)
    new_image, _ = warp(image, label_map, position, position, size, VOID)
    assert float(new_image[0, 0, 0, 0]) == 20


@pytest.mark.parametrize("changes", GEOMETRY.values(), ids=GEOMETRY)
def test_padding_of_smaller_images_is_always_void(changes):
    image = np.full((6, 40, 50, 3), 255, "uint8")
    label_map = np.full((6, 40, 50), 7)
    sizes = [(40, 50), (30, 50), (40, 20), (9, 11), (1, 1), (24, 24)]
    for index, (height, width) in enumerate(sizes):
        image[index, :height, :width] = 40
        label_map[index, :height, :width] = 1
    for seed in range(3):
        augment = augment_of((24, 24), seed=seed, **changes)
        new_image, new_label_map = apply(augment, image, label_map, sizes)
        assert set(np.unique(new_label_map)) <= {1, VOID}
        labelled = new_image[new_label_map == 1]
        np.testing.assert_allclose(labelled, 40, rtol=1e-5)


def test_half_of_the_examples_are_flipped():
    image, label_map = coordinates(400, 3, 4)
    new_image, new_label_map = apply(augment_of((3, 4), flip=True), image, label_map)
    is_flipped = new_label_map[:, 0, 0] == 3
    assert 160 < is_flipped.sum() < 240  # four standard deviations
    np.testing.assert_array_equal(new_image[is_flipped], image[is_flipped, :, ::-1])
    np.testing.assert_array_equal(new_image[~is_flipped], image[~is_flipped])


def test_scale_is_uniformly_distributed_on_a_logarithmic_scale():
    image, label_map = coordinates(400, 40, 40)
    new_image, _ = apply(augment_of((3, 3), scale=(0.5, 2.0)), image, label_map)
    # Only positions between the outermost pixel centers: edge pixels are repeated.
    position = new_image[..., :2]
    inside = ((position > 0.1) & (position < 38.9)).all(axis=(1, 2, 3))
    position = position[inside]
    zoom = np.log2(2 / (position[:, 1, 2, 1] - position[:, 1, 0, 1]))
    assert len(zoom) > 300
    assert -1.001 < zoom.min() < -0.95
    assert 0.95 < zoom.max() < 1.001
    assert abs(zoom.mean()) < 0.13  # four standard deviations
    rows = np.log2(2 / (position[:, 2, 1, 0] - position[:, 0, 1, 0]))
    np.testing.assert_allclose(rows, zoom, atol=1e-3)


def test_rotation_is_uniformly_distributed_in_both_directions():
    image, label_map = coordinates(400, 40, 40)
    new_image, _ = apply(augment_of((3, 3), rotation=20.0), image, label_map)
    right = new_image[:, 1, 2] - new_image[:, 1, 1]
    np.testing.assert_allclose(np.hypot(right[:, 0], right[:, 1]), 1, atol=1e-3)
    angle = np.degrees(np.arctan2(right[:, 0], right[:, 1]))
    assert -20.1 < angle.min() < -19
    assert 19 < angle.max() < 20.1
    assert abs(angle.mean()) < 2.4


def test_the_maximum_rotation_is_in_degrees(monkeypatch):
    maximum = np.ones((1, 1, 1), "float32")
    monkeypatch.setattr(
        Augment, "_uniform", lambda self, size, low, high: high * maximum
    )
    image, label_map = coordinates(1, 40, 40)
    new_image, _ = apply(augment_of((3, 3), rotation=20.0), image, label_map)
    down, right = new_image[0, 1, 2, :2] - new_image[0, 1, 1, :2]
    assert np.degrees(np.arctan2(down, right)) == pytest.approx(20, abs=1e-3)


def test_a_rotated_view_keeps_lengths_and_right_angles():
    image, label_map = coordinates(100, 40, 40)
    new_image, _ = apply(augment_of((3, 3), rotation=60.0), image, label_map)
    right = (new_image[:, 1, 2] - new_image[:, 1, 1])[:, :2]  # (row, column)
    down = (new_image[:, 2, 1] - new_image[:, 1, 1])[:, :2]
    assert np.abs(right[:, 0]).max() > 0.5  # some images are rotated
    rotated = np.stack([right[:, 1], -right[:, 0]], axis=-1)
    np.testing.assert_allclose(down, rotated, atol=1e-3)


def test_results_are_equal_for_equal_seeds_only():
    image, label_map = random_images(2, 20, 20)
    changes = {**GEOMETRY["everything"], **COLOR}
    first, again, other = (
        apply(augment_of((16, 16), seed=seed, **changes), image, label_map)
        for seed in (3, 3, 4)
    )
    for one, two, three in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one, two)
        assert (one != three).any()


@pytest.mark.parametrize("mode", ["eager", "compiled"])
def test_every_call_uses_new_random_numbers(mode):
    image, label_map = coordinates(2, 20, 20)
    augment = augment_of((8, 8), **GEOMETRY["everything"])
    function = tf.function(augment.__call__) if mode == "compiled" else augment
    size = tf.constant(sizes_of(image))
    first, second = (
        np.asarray(function(tf.constant(image), tf.constant(label_map), size)[0])
        for _ in range(2)
    )
    assert (first != second).any()


@pytest.mark.parametrize("name", [*GEOMETRY, *COLOR])
def test_examples_of_a_batch_are_augmented_differently(name):
    if name == "nothing":
        name, changes = "crop", {}
    else:
        changes = GEOMETRY.get(name) or {name: COLOR[name]}
    image, label_map = random_images(1, 20, 20)
    image, label_map = image.repeat(16, axis=0), label_map.repeat(16, axis=0)
    crop = (20, 20) if name in COLOR or name == "flip" else (16, 16)
    new_image, _ = apply(augment_of(crop, **changes), image, label_map)
    different = {example.tobytes() for example in new_image}
    assert len(different) >= (2 if name == "flip" else 8)


def test_compiled_result_equals_the_eager_one():
    image, label_map = random_images(3, 24, 30)
    changes = {**GEOMETRY["everything"], **COLOR}
    size = [(24, 30), (10, 30), (24, 9)]
    eager, compiled = (
        apply(augment_of((20, 22), seed=5, **changes), image, label_map, size, mode)
        for mode in ("eager", "compiled")
    )
    # A position halfway between two pixels may be rounded to either of them.
    agrees = eager[1] == compiled[1]
    assert agrees.mean() > 0.995
    np.testing.assert_allclose(eager[0][agrees], compiled[0][agrees], atol=0.05)


def test_warp_under_xla_equals_the_eager_one():
    # XLA has different random numbers for a seed: the whole layer can't be compared.
    image, label_map = random_images(2, 12, 15)
    rng = np.random.default_rng(0)
    row, column = rng.uniform(-2, 14, (2, 2, 20, 20)).astype("float32")
    size = np.int32([(12, 15), (7, 9)])
    eager = warp(image, label_map, row, column, size, VOID)
    compiled = tf.function(warp, jit_compile=True)(
        *map(tf.constant, (image, label_map, row, column, size)), VOID
    )
    np.testing.assert_array_equal(eager[1], compiled[1])
    np.testing.assert_allclose(eager[0], compiled[0], atol=1e-3)


@pytest.mark.parametrize("mode", ["compiled", "jit"])
def test_same_seed_gives_the_same_compiled_result(mode):
    image, label_map = random_images(2, 16, 16)
    first, again, other = (
        apply(augment_of((8, 8), seed, scale=(0.5, 2)), image, label_map, mode=mode)[0]
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_batch_size_may_be_unknown_while_compiling():
    augment = augment_of((8, 8), **GEOMETRY["everything"], **COLOR)
    function = tf.function(
        augment.__call__,
        input_signature=[
            tf.TensorSpec((None, None, None, 3), "uint8"),
            tf.TensorSpec((None, None, None), "uint8"),
            tf.TensorSpec((None, 2), "int32"),
        ],
    )
    for batch, height, width in ((1, 9, 12), (3, 6, 7)):
        image, label_map = random_images(batch, height, width)
        new_image, new_label_map = function(image, label_map, sizes_of(image))
        assert new_image.shape == (batch, 8, 8, 3)
        assert new_label_map.shape == (batch, 8, 8)


@pytest.mark.parametrize("changes", [{name: 0.9} for name in COLOR if name != "hue"])
def test_colors_stay_between_0_and_255(changes):
    image, label_map = random_images(16, 8, 8)
    image[0], image[1] = 0, 255
    new_image, _ = apply(augment_of((8, 8), hue=0.5, **changes), image, label_map)
    assert new_image.min() >= 0
    assert new_image.max() <= 255
    assert np.isfinite(new_image).all()


def test_label_map_does_not_depend_on_the_colors():
    image, label_map = random_images(4, 20, 20)
    with_color = apply(augment_of((16, 16), **COLOR), image, label_map)
    without = apply(augment_of((16, 16)), image, label_map)
    np.testing.assert_array_equal(with_color[1], without[1])
    assert np.abs(with_color[0] - without[0]).max() > 1


def test_brightness_shifts_by_a_share_of_255():
    image = np.full((200, 2, 2, 3), 100, "uint8")
    label_map = np.zeros((200, 2, 2), int)
    new_image, _ = apply(augment_of((2, 2), brightness=0.2), image, label_map)
    shift = new_image - 100
    assert -51.01 < shift.min() < -45
    assert 45 < shift.max() < 51.01
    np.testing.assert_allclose(
        shift, np.broadcast_to(shift[:, :1, :1, :1], shift.shape)
    )


def test_contrast_scales_differences_from_the_mean_gray():
    image = np.full((100, 2, 2, 3), 100, "uint8")
    image[:, 0] = 140  # mean 120
    label_map = np.zeros((100, 2, 2), int)
    new_image, _ = apply(augment_of((2, 2), contrast=0.5), image, label_map)
    np.testing.assert_allclose(new_image.mean(axis=(1, 2, 3)), 120, rtol=1e-4)
    stretch = (new_image[:, 0, 0, 0] - new_image[:, 1, 0, 0]) / 40
    assert 0.499 < stretch.min() < 0.6
    assert 1.4 < stretch.max() < 1.501


def test_contrast_of_an_image_does_not_depend_on_others_of_its_batch():
    image = np.stack([np.full((2, 2, 3), grey, "uint8") for grey in (40, 200)])
    label_map = np.zeros((2, 2, 2), int)
    for seed in range(3):  # an image of one color has no contrast to change
        new_image, _ = apply(augment_of((2, 2), seed, contrast=0.5), image, label_map)
        np.testing.assert_allclose(new_image, image, atol=1e-3)


def test_saturation_keeps_luma_and_scales_color_differences():
    image = np.broadcast_to(np.uint8([140, 120, 100]), (100, 2, 2, 3)).copy()
    label_map = np.zeros((100, 2, 2), int)
    new_image, _ = apply(augment_of((2, 2), saturation=0.5), image, label_map)
    luma = (0.299, 0.587, 0.114)
    np.testing.assert_allclose(
        new_image @ luma, np.full((100, 2, 2), image[0, 0, 0] @ luma), rtol=1e-4
    )
    stretch = (new_image[:, 0, 0, 0] - new_image[:, 0, 0, 2]) / 40
    assert 0.499 < stretch.min() < 0.6
    assert 1.4 < stretch.max() < 1.501


@pytest.mark.parametrize("name", ["saturation", "hue"])
def test_gray_has_neither_saturation_nor_hue(name):
    grey = np.random.default_rng(0).integers(0, 256, (3, 6, 6, 1), dtype="uint8")
    image, label_map = grey.repeat(3, axis=-1), np.zeros((3, 6, 6), int)
    new_image, _ = apply(augment_of((6, 6), **{name: 0.5}), image, label_map)
    np.testing.assert_allclose(new_image, image, atol=0.02)


@pytest.mark.parametrize("turn", [0.0, 1.0, -1.0, 2.0])
def test_hue_rotation_by_whole_turns_is_the_identity(turn):
    image = random_images(2, 4, 5)[0].astype("float32")
    rotated = rotate_hue(image, np.full((2, 1, 1), turn, "float32"))
    np.testing.assert_allclose(rotated, image, atol=0.01)


def test_hue_rotations_are_additive_and_keep_luma():
    image = random_images(2, 4, 5)[0].astype("float32")
    turns = [np.float32([[[a]], [[b]]]) for a, b in ((0.1, 0.3), (0.2, -0.4))]
    twice = rotate_hue(rotate_hue(image, turns[0]), turns[1])
    np.testing.assert_allclose(rotate_hue(image, sum(turns)), twice, atol=0.01)
    luma = (0.299, 0.587, 0.114)
    np.testing.assert_allclose(np.asarray(twice) @ luma, image @ luma, atol=0.01)


def test_hue_rotation_by_a_third_makes_red_blue_or_green():
    red = np.full((1, 1, 1, 3), (200, 0, 0), "float32")
    for turn, strongest in ((1 / 3, 2), (-1 / 3, 1)):
        rotated = rotate_hue(red, np.float32([[[turn]]]))
        assert int(np.argmax(rotated[0, 0, 0])) == strongest


def test_compute_output_spec_matches_the_outputs():
    augment = augment_of((8, 10))
    image, label_map = random_images(3, 12, 12)
    declared = augment.compute_output_spec(image, label_map)
    results = apply(augment, image, label_map)
    assert [(spec.shape, spec.dtype) for spec in declared] == [
        (result.shape, result.dtype) for result in results
    ]


def test_computation_is_float32_under_mixed_precision():
    image, label_map = random_images(2, 12, 12)
    with use_precision("bfloat16"):
        augment = augment_of((12, 12))
        image = image * np.float32(0.99)  # which bfloat16 would round
        new_image, _ = augment(image, label_map, sizes_of(image))
    assert keras.backend.standardize_dtype(new_image.dtype) == "float32"
    np.testing.assert_array_equal(new_image, image)


def test_disabled_augmentation_only_crops():
    layer = make_augment(TrainingConfig(augment=False), (48, 64), VOID)
    image, label_map = random_images(2, 48, 64)
    new_image, new_label_map = apply(layer, image, label_map)
    np.testing.assert_array_equal(new_image, image)
    np.testing.assert_array_equal(new_label_map, label_map)


def test_each_option_is_passed_to_the_augmentation():
    values = {
        "flip": False, "scale": (0.7, 1.1), "rotation": 3.0, "brightness": 0.11,
        "contrast": 0.12, "saturation": 0.13, "hue": 0.14,
    }  # fmt: skip
    layer = make_augment(TrainingConfig(**values), (8, 9), VOID)
    assert {name: getattr(layer, name) for name in values} == values
    assert (layer.crop, layer.ignore_class) == ((8, 9), VOID)


@pytest.mark.parametrize("crop", ["a", (64,), (0, 5), (64, -1)])
def test_a_crop_without_two_positive_lengths_is_refused(crop):
    with pytest.raises(ValueError, match=r"`crop` must be \(height, width\), at least"):
        Augment(crop)
