import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from keras_fcn.images.frames import read_frames
from keras_fcn.images.reading import (
    UnreadableImage,
    apply_orientation,
    has_bytes,
    read_image,
    read_image_values,
    read_size,
    read_stored_values,
    values_of,
)
from tests.support.tiff_files import make_tiff

ORIENTATION, PHOTOMETRIC = 0x0112, 262  # tags
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


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "ppm", "webp"])
def test_lossless_formats_are_read_exactly(tmp_path, rgb, suffix):
    options = {"lossless": True} if suffix == "webp" else {}
    path = save(tmp_path, Image.fromarray(rgb), f"image.{suffix}", **options)
    check_image(path, rgb)


def test_gray_image_becomes_rgb(tmp_path, grey):
    path = save(tmp_path, Image.fromarray(grey))
    check_image(path, as_rgb(grey))
    np.testing.assert_array_equal(read_stored_values(path), grey)


def test_alpha_channel_of_a_color_image_is_dropped(tmp_path, rgb, grey):
    path = save(tmp_path, Image.fromarray(np.dstack([rgb, grey])))
    check_image(path, rgb)
    np.testing.assert_array_equal(read_stored_values(path), rgb)


def test_alpha_channel_of_a_gray_image_is_dropped(tmp_path, grey):
    image = Image.fromarray(np.dstack([grey, grey[::-1]]))
    assert image.mode == "LA"
    path = save(tmp_path, image)
    check_image(path, as_rgb(grey))
    np.testing.assert_array_equal(read_stored_values(path), grey)


def test_palette_image_is_read_as_colors_and_stores_indices(tmp_path):
    indices = np.array([[0, 1, 2]], "uint8")
    image = Image.fromarray(indices)
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    path = save(tmp_path, image)
    check_image(path, np.array([[[10, 20, 30], [40, 50, 60], [70, 80, 90]]]))
    np.testing.assert_array_equal(read_stored_values(path), indices)


def test_transparency_of_a_palette_image_is_ignored(tmp_path):
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
def test_16_bit_gray_is_reduced_to_its_upper_eight_bits(tmp_path, suffix):
    values = np.array([[0, 255, 256, 256 * 77, 256 * 77 + 255, 65535]], "uint16")
    path = save(tmp_path, Image.fromarray(values), f"image.{suffix}")
    check_image(path, as_rgb(np.array([[0, 0, 1, 77, 77, 255]], "uint8")))
    stored = read_stored_values(path)
    assert stored.dtype.kind in "iu"
    np.testing.assert_array_equal(stored, values)


def test_16_bit_color_is_reduced_to_its_upper_eight_bits(tmp_path, rgb):
    path = tmp_path / "image.png"
    cv2.imwrite(str(path), rgb[..., ::-1].astype("uint16") * 256 + 200)
    check_image(path, rgb)


@pytest.mark.parametrize("name", ["image.png", "image.tif"])
def test_colors_of_12_bits_in_16_equal_those_of_8_bits(tmp_path, rgb, name):
    rgb[0, 0] = 255
    cv2.imwrite(str(tmp_path / name), rgb[..., ::-1].astype("uint16") * 16)
    check_image(tmp_path / name, rgb)
    assert not has_bytes(tmp_path / name)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "int32", "uint32", "float32"])
def test_gray_of_every_type_keeps_its_values_and_type(tmp_path, grey, dtype):
    path = tmp_path / "image.tif"
    cv2.imwrite(str(path), grey.astype(dtype) * 100)
    values, _ = read_image_values(path)
    assert values.dtype == dtype
    np.testing.assert_array_equal(values, grey.astype(dtype) * 100)


def test_signed_bytes_keep_their_values(tmp_path, grey):
    path, values = tmp_path / "image.tif", (grey.astype(int) - 128).astype("int8")
    cv2.imwrite(str(path), values)
    with Image.open(path) as image:
        for read in (read_image_values(path)[0], values_of(image)[0]):
            np.testing.assert_array_equal(read, as_rgb(values))
    assert not has_bytes(path)


def test_16_bits_whose_0_is_white_are_inverted(tmp_path, grey):
    values = grey.astype("uint16") * 257
    path = save(tmp_path, Image.fromarray(values), "a.tif", tiffinfo={PHOTOMETRIC: 0})
    np.testing.assert_array_equal(read_image_values(path)[0], 65535 - values)


def test_bands_of_16_bits_one_after_the_other_are_refused(tmp_path, rgb):
    path = tmp_path / "planar.tif"
    cv2.imwrite(str(path), rgb.astype("uint16"))
    entry = struct.pack("<HHI", 284, 3, 1)  # the tag PlanarConfiguration
    content = path.read_bytes()
    assert entry + b"\1" in content
    path.write_bytes(content.replace(entry + b"\1", entry + b"\2"))
    with pytest.raises(UnreadableImage, match="planar.tif has bands of 16 bits"):
        read_image(path)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_of_16_bits_is_turned_as_one_of_8(tmp_path, grey, suffix, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    wide, narrow = tmp_path / f"wide.{suffix}", tmp_path / f"narrow.{suffix}"
    Image.fromarray(grey.astype("uint16") * 257).save(wide, exif=exif)
    Image.fromarray(grey).save(narrow, exif=exif)
    image = read_image(wide, value_range="dtype")
    np.testing.assert_array_equal(image, read_image(narrow))


def test_pages_of_16_bit_colors_keep_their_own_values(tmp_path, rgb):
    path, wide = tmp_path / "pages.tif", rgb[..., ::-1].astype("uint16") * 257
    cv2.imwritemulti(str(path), [wide, wide[::-1].copy()])
    frames = [image for _, image in read_frames(path, value_range="dtype")]
    np.testing.assert_array_equal(frames, [rgb, rgb[::-1]])


@pytest.mark.parametrize(
    ("shape", "dtype", "words"),
    [
        ((5, 7, 3), "float32", "3 bands of float32: .*-b 3 .*-scale LOW HIGH 0 65535"),
        ((5, 7, 3), "int16", "3 bands of int16: .*-b 1 -b 2 -b 3 .*-scale"),
        ((5, 7, 4), "float32", "4 bands of float32: .*-b 1 -b 2 -b 3 "),
        ((5, 7), "float64", "1 band of float64: .*-b 1 -scale LOW HIGH 0 65535"),
    ],
)
def test_the_refusal_of_a_tiff_names_bands_and_type(tmp_path, shape, dtype, words):
    cv2.imwrite(str(tmp_path / "satellite.tif"), np.zeros(shape, dtype))
    with pytest.raises(UnreadableImage, match=f"satellite.tif is a TIFF with {words}"):
        read_image(tmp_path / "satellite.tif")


@pytest.mark.parametrize("tag", [258, 277])  # bits, number of bands
@pytest.mark.parametrize("kind", [2, 7])  # text, bytes
def test_a_tiff_whose_numbers_are_text_is_refused(tmp_path, tag, kind):
    content, path = make_tiff(2, 2, b"ab", 2), tmp_path / "a.tif"
    whole = struct.pack("<HHI", tag, 3, 1)
    assert content.count(whole) == 1
    path.write_bytes(content.replace(whole, struct.pack("<HHI", tag, kind, 1)))
    with pytest.raises(UnreadableImage, match="a.tif is not an image in a supported"):
        read_image(path)


def test_cmyk_jpeg_becomes_rgb(tmp_path):
    path = save(tmp_path, Image.new("CMYK", (16, 8), (0, 255, 255, 0)), "red.jpg")
    with Image.open(path) as image:
        assert image.mode == "CMYK"
    red = np.broadcast_to([255, 0, 0], (8, 16, 3))
    np.testing.assert_allclose(read_image(path).astype(int), red, atol=3)
    assert read_size(path) == (8, 16)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_to_image_and_size(tmp_path, suffix, orientation):
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


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_label_map_is_turned_as_pillow_turns_its_image(orientation):
    label_map = np.arange(6, dtype="uint8").reshape(2, 3)
    image = Image.fromarray(label_map)
    image.getexif()[ORIENTATION] = orientation
    turned = apply_orientation(label_map, orientation)
    np.testing.assert_array_equal(turned, ImageOps.exif_transpose(image))


def test_the_error_for_a_missing_file_names_it(tmp_path):
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
def test_the_error_for_an_empty_file_says_that_it_is_empty(tmp_path, read):
    assert "is an empty file" in unreadable(tmp_path / "a.png", b"", read)


@pytest.mark.parametrize("read", [read_image, read_stored_values, read_size])
def test_a_text_file_named_png_is_refused_as_not_an_image(tmp_path, read):
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
def test_a_file_truncated_at_any_byte_is_refused(tmp_path, suffix):
    content = encoded(suffix)
    ends = {*range(1, min(200, len(content) - 200), 3), len(content) // 2}
    for end in sorted(ends):
        unreadable(tmp_path / f"a.{suffix}", content[:end])


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_the_error_for_half_a_file_says_that_it_cannot_be_decoded(tmp_path, suffix):
    content = encoded(suffix)
    message = unreadable(tmp_path / f"a.{suffix}", content[: len(content) // 2])
    assert "can't be decoded" in message


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of a TIFF's broken tags
@pytest.mark.parametrize("suffix", ALL_SUFFIXES)
def test_damaged_files_raise_no_other_error_than_unreadable_image(tmp_path, suffix):
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


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(UnreadableImage, match="can't be decoded"):
        read_image(tmp_path)
