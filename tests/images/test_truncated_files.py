"""Files that end properly but lack the data of some of their pixels."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from keras_fcn.images.reading import UnreadableImage, read_image, read_stored_values
from tests.support.image_files import encode, make_png, random_array
from tests.support.tiff_files import make_tiff

ROW = b"\0" + b"\x50" * 300  # filter type 0, 100 RGB pixels


def write(tmp_path, content, name="a.png"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


def check_refused(path):
    for read in (read_image, read_stored_values):
        with pytest.raises(UnreadableImage, match="is truncated") as caught:
            read(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("num_rows", [1, 50, 99])
def test_a_png_that_lacks_rows_is_refused(tmp_path, num_rows):
    check_refused(write(tmp_path, make_png(100, 100, ROW * num_rows)))


def test_a_png_whose_chunk_exceeds_the_file_is_not_given_to_opencv(
    tmp_path, monkeypatch
):
    """OpenCV reserves memory for the length of a chunk, up to 2 GiB."""
    monkeypatch.setattr("keras_fcn.images.opening.cv2.imdecode", None)
    content = make_png(100, 100, bytes(301) * 100)
    length = content.index(b"IDAT") - 4
    content = content[:length] + b"\x7f" + content[length + 1 :]
    check_refused(write(tmp_path, content))


def test_a_complete_png_is_read_whether_its_last_row_is_black_or_not(tmp_path):
    for last in (ROW, bytes(301)):
        image = read_image(write(tmp_path, make_png(100, 100, ROW * 99 + last)))
        assert image[98].min() == 0x50 and image[99].max() == last[1]


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (64, 33)])
def test_black_pngs_of_every_mode_are_read(tmp_path, mode, size):
    path = tmp_path / "black.png"
    Image.new(mode, size).save(path)
    assert read_image(path).shape == (size[1], size[0], 3)


def interlaced_png(width, height, rows_missing=0, value=0):
    """A gray PNG of seven passes (Adam7), which Pillow reads but cannot write."""
    rows = []
    for column, row, column_step, row_step in (
        *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
        *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
    ):
        num_columns = len(range(column, width, column_step))
        if num_columns:
            pixels = bytes([value]) * (3 * num_columns)
            rows += [b"\0" + pixels for _ in range(row, height, row_step)]
    png = bytearray(make_png(width, height, b"".join(rows[: len(rows) - rows_missing])))
    png[28] = 1
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    return bytes(png)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (8, 8), (13, 21)])
def test_an_interlaced_png_is_read_if_all_seven_passes_are_complete(tmp_path, size):
    image = read_image(write(tmp_path, interlaced_png(*size)))
    assert image.shape == (size[1], size[0], 3)
    if size != (1, 1):
        check_refused(write(tmp_path, interlaced_png(*size, rows_missing=1)))


def test_an_interlaced_png_that_lacks_rows_but_has_its_last_pixel_is_refused(tmp_path):
    # The last pixel of 9 x 9 pixels is in the first pass.
    check_refused(write(tmp_path, interlaced_png(9, 9, rows_missing=1, value=80)))
    image = read_image(write(tmp_path, interlaced_png(9, 9, value=80)))
    assert (image == 80).all()


def test_a_black_png_longer_than_opencv_reads_is_read(tmp_path):
    content = make_png(1, 1_000_001, bytes(4 * 1_000_001))
    assert read_image(write(tmp_path, content)).shape == (1_000_001, 1, 3)


def truncated_jpeg(image, share, **options):
    content = encode(image, "JPEG", **options)
    return content[: int(len(content) * share)] + b"\xff\xd9"


@pytest.mark.parametrize("image", [random_array(90, 100, 3), random_array(90, 100)])
@pytest.mark.parametrize("share", [0.7, 0.9])
def test_a_jpeg_that_lacks_rows_is_refused(tmp_path, image, share):
    check_refused(write(tmp_path, truncated_jpeg(image, share), "a.jpg"))


def test_an_end_marker_in_the_exif_data_does_not_hide_missing_rows(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "contains \xff\xd9"
    content = truncated_jpeg(random_array(90, 100, 3), 0.7, exif=exif)
    check_refused(write(tmp_path, content + b"trailer", "a.jpg"))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("trailer", [b"", b"\0" * 50])
def test_a_complete_jpeg_with_a_gray_corner_is_read(tmp_path, mode, options, trailer):
    noise = Image.fromarray(random_array(64, 80, 3)).convert(mode)
    noise.paste(Image.new(mode, (40, 40), (128,) * len(noise.getbands())), (40, 24))
    content = encode(noise, "JPEG", quality=95, **options) + trailer
    assert read_image(write(tmp_path, content, "a.jpg")).shape == (64, 80, 3)


def test_a_tiff_that_lacks_strips_is_refused(tmp_path):
    check_refused(
        write(tmp_path, make_tiff(100, 100, b"\x50" * 100, num_strips=1), "a.tif")
    )
    complete = make_tiff(100, 3, b"\x50" * 100, num_strips=3)
    assert (read_image(write(tmp_path, complete, "a.tif")) == 0x50).all()


@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_complete_tiffs_are_read(tmp_path, planar, compression):
    image = random_array(70, 50, 3)
    file = io.BytesIO()
    Image.fromarray(image).save(
        file, "TIFF", compression=compression, tiffinfo={284: planar}
    )
    path = write(tmp_path, file.getvalue(), "a.tif")
    if planar == 1:
        np.testing.assert_array_equal(read_image(path), image)


def test_a_gif_whose_first_frame_is_smaller_than_its_canvas_is_read(tmp_path):
    content = bytearray(encode(random_array(10, 12), "GIF"))
    content[6:10] = struct.pack("<HH", 20, 20)
    assert read_image(write(tmp_path, bytes(content), "a.gif")).shape == (20, 20, 3)
