import numpy as np
import pytest

from keras_fcn.classes import ClassMap, distinct_colors
from keras_fcn.datasets.camvid import CLASS_MAP as CAMVID
from keras_fcn.drawing.overlays import overlay_palette
from keras_fcn.drawing.panels import (
    colorize,
    draw_confusion_matrix,
    error_map,
    image_grid,
    sample_panel,
    stack_panels,
)

CLASS_MAP = ClassMap(
    ("road", "sky"), ((200, 0, 0), (0, 100, 0)), void_id=255, void_color=(1, 2, 3)
)
SIZES = [(1, 1), (1, 4), (4, 1), (3, 3), (50, 70)]


def make_class_map(count):
    names = tuple(f"class {index}" for index in range(count))
    return ClassMap(names, distinct_colors(count), void_id=255)


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


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
def test_each_pixel_has_the_color_of_its_class(dtype):
    result = colorize(np.array([[0, 1, 255]], dtype), CLASS_MAP)
    check_rgb(result)
    np.testing.assert_array_equal(
        result, [[*overlay_palette(CLASS_MAP)[:2], (1, 2, 3)]]
    )


def test_image_grid_fills_rows_and_pads_the_last_with_white():
    images = [np.full((2, 3, 3), value, "uint8") for value in (1, 2, 3)]
    result = image_grid(images, num_columns=2)
    check_rgb(result)
    assert result[0, [0, 2, 3, 5], 0].tolist() == [1, 1, 2, 2]
    assert result[2, [0, 2, 3, 5], 0].tolist() == [3, 3, 255, 255]
    assert result.shape == (4, 6, 3)


def test_errors_are_red_correct_pixels_gray_and_void_black():
    result = error_map(np.array([[0, 1, 255]]), np.array([[0, 0, 0]]), CLASS_MAP)
    check_rgb(result)
    np.testing.assert_array_equal(result, [[(225,) * 3, (214, 39, 40), (0, 0, 0)]])


@pytest.mark.parametrize("size", SIZES)
def test_sample_panel_has_four_views_side_by_side(size):
    image, label_map, prediction = random_scene(size)
    panel = sample_panel(image, label_map, prediction, CLASS_MAP)
    check_rgb(panel)
    height, width = size
    assert panel.shape[1] == 4 * width
    views = (
        image,
        colorize(label_map, CLASS_MAP),
        colorize(prediction, CLASS_MAP),
        error_map(label_map, prediction, CLASS_MAP),
    )
    title = 22
    for index, view in enumerate(views):
        shown = panel[title : title + height, index * width : (index + 1) * width]
        np.testing.assert_array_equal(shown, view)


def test_sample_panel_has_a_legend_of_the_classes_that_occur():
    image, label_map, prediction = random_scene((40, 60), CAMVID)
    below = sample_panel(image, label_map, prediction, CAMVID)[22 + 40 :]
    colors = overlay_palette(CAMVID)
    assert all(has_color(below, color) for color in colors[:12])
    below = sample_panel(image, 0 * label_map, 0 * prediction + 1, CAMVID)[22 + 40 :]
    found = [has_color(below, color) for color in colors[:12]]
    assert found == [True, True, *[False] * 10]


def test_stacked_panels_are_padded_with_white():
    first, second = np.zeros((2, 3, 3), "uint8"), np.full((1, 5, 3), 7, "uint8")
    result = stack_panels([first, second])
    check_rgb(result)
    np.testing.assert_array_equal(result[:2, :3], first)
    np.testing.assert_array_equal(result[:2, 3:], np.full((2, 2, 3), 255))
    np.testing.assert_array_equal(result[2:], second)


@pytest.mark.parametrize("count", [1, 11, 32])
def test_confusion_matrix_image_grows_with_the_number_of_classes(count):
    class_map = make_class_map(count)
    result = draw_confusion_matrix(1000 * np.eye(count, dtype="int64"), class_map)
    check_rgb(result)
    assert result.shape[1] >= 44 * count
    assert (result[:, -4:] == 255).all()  # the line below is not clipped
    full, none = (8, 48, 107), (255, 255, 255)
    assert (result == full).all(axis=-1).sum() > 1000 * count  # the diagonal's cells
    assert has_color(result, none)


def test_the_confusion_matrix_is_normalized_by_row():
    # Row 1 is all in column 0: a full cell below the diagonal and none above it.
    class_map = make_class_map(2)
    result = draw_confusion_matrix(np.array([[5, 0], [900, 0]]), class_map)
    rows, columns = np.nonzero((result == (8, 48, 107)).all(axis=-1))
    assert columns.max() - columns.min() < 44  # both full cells lie in column 0
    assert 44 < rows.max() - rows.min() < 88


def test_the_row_of_a_class_without_pixels_is_empty():
    with_it, without = (
        draw_confusion_matrix(np.diag([10, last]), make_class_map(2))
        for last in (10, 0)
    )
    full = (8, 48, 107)
    filled = [(result == full).all(axis=-1).sum() for result in (with_it, without)]
    assert filled[0] == 2 * filled[1]


def test_an_empty_confusion_matrix_is_drawn():
    check_rgb(draw_confusion_matrix(np.zeros((3, 3), "int64"), make_class_map(3)))


def test_counts_beyond_int32_are_drawn():
    matrix = np.array([[3 * 2**40, 2**40], [0, 1]])
    small = np.array([[3, 1], [0, 1]])
    np.testing.assert_array_equal(
        draw_confusion_matrix(matrix, make_class_map(2)),
        draw_confusion_matrix(small, make_class_map(2)),
    )
