import numpy as np
import pytest

from keras_fcn.classes import ClassMap, distinct_colors
from keras_fcn.datasets.camvid import CLASS_MAP as CAMVID
from keras_fcn.drawing.panels import (
    colorize,
    confusion_matrix_picture,
    error_map,
    sample_panel,
    stack_panels,
)

CLASS_MAP = ClassMap(
    ("road", "sky"), ((200, 0, 0), (0, 100, 0)), void_id=255, void_color=(1, 2, 3)
)
SIZES = [(1, 1), (1, 4), (4, 1), (3, 3), (50, 70)]


def made_of(count):
    names = tuple(f"class {index}" for index in range(count))
    return ClassMap(names, distinct_colors(count), void_id=255)


def random_scene(size, class_map=CLASS_MAP):
    rng = np.random.default_rng(0)
    ids = [*range(class_map.num_classes), class_map.void_id]
    image = rng.integers(0, 256, (*size, 3), dtype="uint8")
    return image, rng.choice(ids, size), rng.integers(0, class_map.num_classes, size)


def has_color(picture, color):
    return (picture == color).all(axis=-1).any()


def check_picture(picture):
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert picture.shape[2] == 3


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
def test_each_pixel_has_the_colour_of_its_class(dtype):
    picture = colorize(np.array([[0, 1, 255]], dtype), CLASS_MAP)
    check_picture(picture)
    np.testing.assert_array_equal(picture, [[(200, 0, 0), (0, 100, 0), (1, 2, 3)]])


def test_errors_are_red_right_is_grey_and_void_black():
    picture = error_map(np.array([[0, 1, 255]]), np.array([[0, 0, 0]]), CLASS_MAP)
    check_picture(picture)
    np.testing.assert_array_equal(picture, [[(225,) * 3, (214, 39, 40), (0, 0, 0)]])


@pytest.mark.parametrize("size", SIZES)
def test_panel_shows_four_views_side_by_side(size):
    image, label_map, prediction = random_scene(size)
    panel = sample_panel(image, label_map, prediction, CLASS_MAP)
    check_picture(panel)
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


def test_panel_has_a_legend_of_all_classes_and_void():
    panel = sample_panel(*random_scene((40, 60), CAMVID), CAMVID)
    below = panel[22 + 40 :]
    assert all(has_color(below, color) for color in CAMVID.palette()[:12])


def test_stacked_panels_are_filled_up_in_white():
    first, second = np.zeros((2, 3, 3), "uint8"), np.full((1, 5, 3), 7, "uint8")
    picture = stack_panels([first, second])
    check_picture(picture)
    np.testing.assert_array_equal(picture[:2, :3], first)
    np.testing.assert_array_equal(picture[:2, 3:], np.full((2, 2, 3), 255))
    np.testing.assert_array_equal(picture[2:], second)


@pytest.mark.parametrize("count", [1, 11, 32])
def test_confusion_matrix_picture_grows_with_the_classes(count):
    class_map = made_of(count)
    picture = confusion_matrix_picture(1000 * np.eye(count, dtype="int64"), class_map)
    check_picture(picture)
    assert picture.shape[1] >= 44 * count
    full, none = (8, 48, 107), (255, 255, 255)
    assert (picture == full).all(axis=-1).sum() > 1000 * count  # the diagonal's cells
    assert has_color(picture, none)


def test_cells_of_the_confusion_matrix_are_shares_of_their_row():
    # Row 1 is all in column 0: a full cell below the diagonal and none above it.
    class_map = made_of(2)
    picture = confusion_matrix_picture(np.array([[5, 0], [900, 0]]), class_map)
    rows, columns = np.nonzero((picture == (8, 48, 107)).all(axis=-1))
    assert columns.max() - columns.min() < 44  # both full cells lie in column 0
    assert 44 < rows.max() - rows.min() < 88


def test_row_of_a_class_without_pixels_is_empty():
    with_it, without = (
        confusion_matrix_picture(np.diag([10, last]), made_of(2)) for last in (10, 0)
    )
    full = (8, 48, 107)
    filled = [(picture == full).all(axis=-1).sum() for picture in (with_it, without)]
    assert filled[0] == 2 * filled[1]


def test_empty_confusion_matrix_is_drawn():
    check_picture(confusion_matrix_picture(np.zeros((3, 3), "int64"), made_of(3)))


def test_counts_beyond_int32_are_drawn():
    matrix = np.array([[3 * 2**40, 2**40], [0, 1]])
    small = np.array([[3, 1], [0, 1]])
    np.testing.assert_array_equal(
        confusion_matrix_picture(matrix, made_of(2)),
        confusion_matrix_picture(small, made_of(2)),
    )
