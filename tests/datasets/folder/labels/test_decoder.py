"""From the values or colors of a label file to class ids."""

import numpy as np
import pytest

from keras_fcn.datasets.folder.labels.decoder import LabelDecoder, pack
from keras_fcn.datasets.folder.labels.files import StoredLabels

ROAD, SKY, VOID = (128, 64, 32), (1, 2, 250), (0, 0, 7)
IDS = {ROAD: 0, VOID: 255, SKY: 1, (9, 9, 9): 2}
COLORS = LabelDecoder({int(pack(rgb)): n for rgb, n in IDS.items()}, uses_colors=True)
VALUES = LabelDecoder({0: 0, 7: 1, 300: 2, 255: 255}, uses_colors=False)


def decode(decoder, values, dtype="uint8", palette=None):
    return decoder.decode(StoredLabels(np.array(values, dtype), palette))


def test_colors_become_ids_and_the_color_of_void_255():
    ids = decode(COLORS, [[ROAD, SKY, VOID]])
    assert ids.dtype == np.uint8
    np.testing.assert_array_equal(ids, [[0, 1, 255]])


@pytest.mark.parametrize("dtype", ["uint16", "int32"])
def test_values_become_ids(dtype):
    ids = decode(VALUES, [[0, 7, 300, 255]], dtype)
    assert ids.dtype == np.uint8
    np.testing.assert_array_equal(ids, [[0, 1, 2, 255]])


def test_gray_rgb_is_read_as_values_or_as_colors():
    np.testing.assert_array_equal(decode(VALUES, [[[7, 7, 7], [0, 0, 0]]]), [[1, 0]])
    np.testing.assert_array_equal(decode(COLORS, [[9, 9]]), [[2, 2]])


def test_palette_indices_are_values_or_are_replaced_by_their_colors():
    palette = np.zeros((256, 3), "uint8")
    palette[[0, 7]] = SKY, ROAD
    np.testing.assert_array_equal(decode(VALUES, [[0, 7]], palette=palette), [[0, 1]])
    np.testing.assert_array_equal(decode(COLORS, [[0, 7]], palette=palette), [[1, 0]])


@pytest.mark.parametrize("pixel", [(4, 4, 5), (4, 5, 4), (5, 4, 4)])
def test_one_pixel_of_color_is_no_id(pixel):
    with pytest.raises(ValueError, match="has colors, but the labels are read as ids"):
        decode(LabelDecoder({4: 0}, uses_colors=False), [[[4, 4, 4], pixel]])


def test_values_of_no_class_are_listed_by_their_number_of_pixels():
    rare, often = (1, 2, 3), (250, 16, 9)
    with pytest.raises(ValueError) as caught:
        decode(COLORS, [[rare, often, ROAD, often]])
    assert str(caught.value) == (
        "has colors of no class: 250,16,9 (2 pixels); 1,2,3 (1 pixels)"
    )
    with pytest.raises(ValueError, match=r"ids of no class: 9 \(2 pixels\); 3 \(1 pi"):
        decode(VALUES, [[9, 3, 9, 0]])


def test_values_above_255_are_no_gray_color():
    with pytest.raises(ValueError, match="the value 256, which is no gray color"):
        decode(COLORS, [[256]], "int32")
