import io

import cv2
import numpy as np
import pytest
from PIL import Image

from keras_fcn.classes import ClassMap
from keras_fcn.images.encoding import (
    encode_jpeg,
    encode_photograph,
    encode_png,
    write_label_map,
    write_png,
)
from keras_fcn.images.reading import read_image, read_stored_values

CLASS_MAP = ClassMap(
    ("road", "sky", "tree"),
    ((255, 0, 0), (0, 255, 0), (0, 0, 255)),
    void_id=255,
    void_color=(9, 9, 9),
)


@pytest.mark.parametrize(
    ("encode", "shape"),
    [
        (encode_png, (1, 1_000_001)),
        (encode_png, (1, 1_000_001, 3)),
        (encode_photograph, (1, 1_000_001, 3)),
    ],
)
def test_an_image_too_wide_for_opencv_is_encoded_as_png(encode, shape, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    expected = np.zeros(shape, "uint8")
    expected[0, -1] = 7
    with Image.open(io.BytesIO(encode(expected))) as image:
        np.testing.assert_array_equal(np.asarray(image), expected)


def test_an_image_too_wide_for_jpeg_is_refused():
    with pytest.raises(ValueError, match="at most 65500 .* Received: 65501x1"):
        encode_jpeg(np.zeros((1, 65_501, 3), "uint8"))


def test_label_map_png_contains_ids_and_class_colors(tmp_path):
    path = tmp_path / "label.png"
    label_map = np.array([[0, 1, 2], [255, 2, 1]])
    write_label_map(path, label_map, CLASS_MAP)
    with Image.open(path) as image:
        assert image.mode == "P"
        assert image.format == "PNG"
        np.testing.assert_array_equal(np.asarray(image), label_map)
        palette = np.array(image.getpalette("RGB")).reshape(-1, 3)
    np.testing.assert_array_equal(palette[:3], CLASS_MAP.colors)
    np.testing.assert_array_equal(palette[255], CLASS_MAP.void_color)
    np.testing.assert_array_equal(read_stored_values(path), label_map)
    np.testing.assert_array_equal(read_image(path), CLASS_MAP.palette()[label_map])


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
def test_label_maps_of_any_integer_dtype_are_written(tmp_path, dtype):
    label_map = np.arange(256, dtype=dtype).reshape(16, 16)
    write_label_map(tmp_path / "label.png", label_map, CLASS_MAP)
    stored = read_stored_values(tmp_path / "label.png")
    assert stored.dtype == np.uint8
    np.testing.assert_array_equal(stored, label_map)


def test_label_map_png_decodes_to_ids_with_opencv(tmp_path):
    label_map = np.array([[0, 1], [2, 2]])
    write_label_map(tmp_path / "label.png", label_map, CLASS_MAP)
    decoded = cv2.imread(str(tmp_path / "label.png"))  # BGR of the palette
    np.testing.assert_array_equal(decoded[..., ::-1], CLASS_MAP.palette()[label_map])


def test_a_written_png_is_read_back_and_no_temporary_file_remains(tmp_path):
    path = tmp_path / "image.png"
    rgb = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype="uint8")
    write_png(path, rgb)
    np.testing.assert_array_equal(read_image(path), rgb)
    assert list(tmp_path.iterdir()) == [path]
