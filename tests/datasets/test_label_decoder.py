"""From the values or colours of a label file to class ids."""

import numpy as np
import pytest

from keras_fcn.datasets.label_decoder import LabelDecoder

ROAD, SKY, VOID = (128, 64, 32), (1, 2, 250), (0, 0, 7)
COLORS = LabelDecoder([("road", ROAD), ("Void", VOID), ("sky", SKY)])
GREYS = LabelDecoder([("none", (0, 0, 0)), ("ignore", (7, 7, 7)), ("all", (255,) * 3)])


def test_colours_become_ids_and_the_colour_of_void_255():
    ids = COLORS.decode(np.uint8([[ROAD, SKY, VOID]]))
    assert ids.dtype == np.uint8
    np.testing.assert_array_equal(ids, [[0, 1, 255]])


@pytest.mark.parametrize("name", ["void", "VOID", "Unlabelled", "unlabeled", "Ignore"])
def test_void_goes_by_several_names(name):
    decoder = LabelDecoder([("road", ROAD), (name, VOID)])
    np.testing.assert_array_equal(decoder.decode(np.uint8([[ROAD, VOID]])), [[0, 255]])


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_values_are_lines_of_the_class_dict_and_255_is_void(dtype):
    ids = COLORS.decode(np.array([[0, 1, 2, 255]], dtype))
    assert ids.dtype == np.uint8
    np.testing.assert_array_equal(ids, [[0, 255, 1, 255]])


def test_without_a_class_dict_values_are_ids():
    every_id = np.arange(256, dtype="int32").reshape(16, 16)
    ids = LabelDecoder().decode(every_id)
    assert ids.dtype == np.uint8
    np.testing.assert_array_equal(ids, every_id)


def test_without_a_class_dict_grey_colours_are_ids():
    grey = np.uint8([[[4, 4, 4], [0, 0, 0], [255, 255, 255]]])
    np.testing.assert_array_equal(LabelDecoder().decode(grey), [[4, 0, 255]])


@pytest.mark.parametrize("pixel", [(4, 4, 5), (4, 5, 4), (5, 4, 4)])
def test_one_pixel_of_colour_needs_a_class_dict(pixel):
    with pytest.raises(ValueError, match="has colours, but there is no class_dict.csv"):
        LabelDecoder().decode(np.uint8([[[4, 4, 4], pixel]]))


def test_grey_values_are_colours_where_all_of_them_are_in_the_class_dict():
    np.testing.assert_array_equal(GREYS.decode(np.uint8([[0, 7, 255]])), [[0, 255, 1]])
    # 1 is no colour, and so all are lines: 2 is white's.
    np.testing.assert_array_equal(GREYS.decode(np.uint8([[0, 1, 2]])), [[0, 255, 1]])


def test_grey_values_beside_other_colours_are_lines_of_the_class_dict():
    decoder = LabelDecoder([("road", ROAD), ("black", (0, 0, 0))])
    np.testing.assert_array_equal(decoder.decode(np.uint8([[0, 1]])), [[0, 1]])


def test_colours_of_no_class_are_told_by_how_many_pixels_have_them():
    rare, often = (1, 2, 3), (250, 16, 9)
    with pytest.raises(ValueError) as caught:
        COLORS.decode(np.uint8([[rare, often, ROAD, often]]))
    assert str(caught.value) == (
        "has colours not in class_dict.csv: 250,16,9 (2 pixels); 1,2,3 (1 pixels)"
    )


def test_ids_of_no_class_are_told_by_how_many_pixels_have_them():
    with pytest.raises(ValueError, match=r"no class: 9 \(2 pixels\); 3 \(1 pixels\)$"):
        COLORS.decode(np.uint8([[9, 3, 9, 0]]))


@pytest.mark.parametrize("decoder", [LabelDecoder(), COLORS], ids=["ids", "class_dict"])
def test_ids_above_255_are_refused(decoder):
    with pytest.raises(ValueError, match=r"has ids above 255: 256 \(1 pixels\)$"):
        decoder.decode(np.int32([[0, 255, 256]]))
