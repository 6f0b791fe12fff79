import io

import cv2
import numpy as np
import pytest
from PIL import Image

from keras_fcn.classes import ClassMap
from keras_fcn.images.encoding import (
    encode_grey,
    encode_jpeg,
    encode_photograph,
    encode_png,
)
from keras_fcn.images.reading import (
    UnreadableImage,
    read_image,
    read_size,
    read_stored_values,
    write_label_map,
    write_png,
)

CLASS_MAP = ClassMap(
    ("road", "sky", "tree"),
    ((255, 0, 0), (0, 255, 0), (0, 0, 255)),
    void_id=255,
    void_color=(9, 9, 9),
)
ORIENTATION = 0x0112
ALL_SUFFIXES = ("png", "jpg", "webp", "bmp", "tif", "ppm")


@pytest.fixture
def rgb():
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype="uint8")


@pytest.fixture
def grey():
    return np.random.default_rng(1).integers(0, 256, (5, 7), dtype="uint8")


def as_rgb(grey):
    return np.repeat(grey[..., None], 3, axis=-1)


def save(tmp_path, image, name="image.png", **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


def check_image(path, expected):
    image = read_image(path)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, expected)
    assert read_size(path) == expected.shape[:2]


@pytest.mark.parametrize("encode", [encode_png, encode_photograph, encode_grey])
def test_a_picture_of_more_columns_than_opencv_writes_is_a_png(encode, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    picture = np.zeros((1, 1_000_001) + (3,) * (encode is not encode_grey), "uint8")
    picture[0, -1] = 7
    with Image.open(io.BytesIO(encode(picture))) as image:
        np.testing.assert_array_equal(np.asarray(image), picture)


def test_a_picture_too_long_for_a_jpeg_is_named():
    with pytest.raises(ValueError, match="at most 65500 .* Received: 65501x1"):
        encode_jpeg(np.zeros((1, 65_501, 3), "uint8"))


def test_label_map_png_holds_ids_and_the_classes_colours(tmp_path):
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
def test_label_maps_of_every_integer_dtype_are_written(tmp_path, dtype):
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


def test_png_gives_the_image_back_and_no_part_stays(tmp_path, rgb):
    path = tmp_path / "image.png"
    write_png(path, rgb)
    check_image(path, rgb)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "ppm", "webp"])
def test_lossless_formats_are_read_exactly(tmp_path, rgb, suffix):
    options = {"lossless": True} if suffix == "webp" else {}
    path = save(tmp_path, Image.fromarray(rgb), f"image.{suffix}", **options)
    check_image(path, rgb)


def test_grey_image_becomes_rgb(tmp_path, grey):
    path = save(tmp_path, Image.fromarray(grey))
    check_image(path, as_rgb(grey))
    np.testing.assert_array_equal(read_stored_values(path), grey)


def test_alpha_channel_of_a_colour_image_is_dropped(tmp_path, rgb, grey):
    path = save(tmp_path, Image.fromarray(np.dstack([rgb, grey])))
    check_image(path, rgb)
    np.testing.assert_array_equal(read_stored_values(path), rgb)


def test_alpha_channel_of_a_grey_image_is_dropped(tmp_path, grey):
    image = Image.fromarray(np.dstack([grey, grey[::-1]]))
    assert image.mode == "LA"
    path = save(tmp_path, image)
    check_image(path, as_rgb(grey))
    np.testing.assert_array_equal(read_stored_values(path), grey)


def test_palette_image_gives_its_colours_and_stores_its_indices(tmp_path):
    indices = np.array([[0, 1, 2]], "uint8")
    image = Image.fromarray(indices)
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    path = save(tmp_path, image)
    check_image(path, np.array([[[10, 20, 30], [40, 50, 60], [70, 80, 90]]]))
    np.testing.assert_array_equal(read_stored_values(path), indices)


def test_transparent_palette_image_gives_its_colours(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], "uint8"))
    image.putpalette([10, 20, 30, 40, 50, 60])
    path = save(tmp_path, image, transparency=0)
    check_image(path, np.array([[[10, 20, 30], [40, 50, 60]]]))
    np.testing.assert_array_equal(read_stored_values(path), [[0, 1]])


def test_bilevel_image_is_black_and_white_and_stores_0_and_1(tmp_path):
    bits = np.array([[0, 1, 1], [1, 0, 1]], "uint8")
    path = save(tmp_path, Image.fromarray(255 * bits).convert("1"))
    check_image(path, as_rgb(255 * bits))
    np.testing.assert_array_equal(read_stored_values(path), bits)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_grey_keeps_its_upper_eight_bits(tmp_path, suffix):
    values = np.array([[0, 255, 256, 256 * 77, 256 * 77 + 255, 65535]], "uint16")
    path = save(tmp_path, Image.fromarray(values), f"image.{suffix}")
    check_image(path, as_rgb(np.array([[0, 0, 1, 77, 77, 255]], "uint8")))
    stored = read_stored_values(path)
    assert stored.dtype.kind in "iu"
    np.testing.assert_array_equal(stored, values)


def test_16_bit_colour_keeps_its_upper_eight_bits(tmp_path, rgb):
    path = tmp_path / "image.png"
    cv2.imwrite(str(path), rgb[..., ::-1].astype("uint16") * 256 + 200)
    check_image(path, rgb)


def test_cmyk_jpeg_becomes_rgb(tmp_path):
    path = save(tmp_path, Image.new("CMYK", (16, 8), (0, 255, 255, 0)), "red.jpg")
    with Image.open(path) as image:
        assert image.mode == "CMYK"
    red = np.broadcast_to([255, 0, 0], (8, 16, 3))
    np.testing.assert_allclose(read_image(path).astype(int), red, atol=3)
    assert read_size(path) == (8, 16)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_turns_the_image_and_its_size(tmp_path, suffix, orientation):
    stored = np.zeros((16, 32, 3), "uint8")
    stored[:8, :16] = 250  # upper left quarter
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = save(tmp_path, Image.fromarray(stored), f"image.{suffix}", exif=exif)
    shown = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.transpose(1, 0, 2),
        6: np.rot90(stored, -1),
        7: np.rot90(stored, 2).transpose(1, 0, 2),
        8: np.rot90(stored),
    }[orientation]
    image = read_image(path)
    np.testing.assert_allclose(image.astype(int), shown, atol=20)
    assert read_size(path) == image.shape[:2]


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / "none.png"
    for read in (read_image, read_stored_values):
        with pytest.raises(FileNotFoundError, match="none.png"):
            read(path)


def unreadable(path, content, read=read_image):
    path.write_bytes(content)
    with pytest.raises(UnreadableImage) as caught:
        read(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("read", [read_image, read_stored_values, read_size])
def test_an_empty_file_is_said_to_be_empty(tmp_path, read):
    assert "is an empty file" in unreadable(tmp_path / "a.png", b"", read)


@pytest.mark.parametrize("read", [read_image, read_stored_values, read_size])
def test_a_text_named_png_is_said_to_be_no_image(tmp_path, read):
    message = unreadable(tmp_path / "a.png", b"<!DOCTYPE html>\n<html>", read)
    assert "is not an image" in message


def encoded(suffix):
    noise = np.random.default_rng(2).integers(0, 256, (24, 32, 3), dtype="uint8")
    file = io.BytesIO()
    Image.fromarray(noise).save(
        file, {"jpg": "jpeg", "tif": "tiff"}.get(suffix, suffix)
    )
    return file.getvalue()


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of a TIFF's broken tags
@pytest.mark.parametrize("suffix", ALL_SUFFIXES)
def test_a_truncated_file_is_unreadable_wherever_it_ends(tmp_path, suffix):
    content = encoded(suffix)
    ends = {*range(1, min(200, len(content) - 200), 3), len(content) // 2}
    for end in sorted(ends):
        unreadable(tmp_path / f"a.{suffix}", content[:end])


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_half_written_file_says_so(tmp_path, suffix):
    content = encoded(suffix)
    message = unreadable(tmp_path / f"a.{suffix}", content[: len(content) // 2])
    assert "can't be decoded" in message


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of a TIFF's broken tags
@pytest.mark.parametrize("suffix", ALL_SUFFIXES)
def test_damaged_bytes_raise_nothing_else(tmp_path, suffix):
    rng = np.random.default_rng(3)
    content = np.frombuffer(encoded(suffix), "uint8")
    path = tmp_path / f"a.{suffix}"
    for _ in range(60):
        damaged = content.copy()
        damaged[rng.integers(0, 100, 4)] = rng.integers(0, 256, 4)
        path.write_bytes(damaged.tobytes())
        for read in (read_image, read_stored_values, read_size):
            try:
                read(path)
            except UnreadableImage as error:
                assert "\n" not in str(error)


def test_a_folder_is_unreadable(tmp_path):
    with pytest.raises(UnreadableImage, match="can't be decoded"):
        read_image(tmp_path)
