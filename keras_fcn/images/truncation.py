"""Whether an image file holds the data of all its pixels.

Pillow raises where a file ends too early. Where it ends as it should with too few data
in it (a download that a tool has "repaired", a writer that was killed and tidied up),
Pillow leaves the rest black or grey and says nothing.
"""

import io
import re
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from PIL import Image, ImageChops

from keras_fcn.images.headers import open_header

_PIECE = 2**16  # bytes that are read or inflated at a time
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
# Adam7: first column and row of each pass, and the steps to the next.
_PNG_PASSES = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # but stuffing and restarts
_JPEG_END = b"\xff\xd9"
_JPEG_GREY = (127, 128)  # what libjpeg makes of missing data; 127 where it is inverted


def describes_all_pixels(image: Image.Image) -> bool:
    """Whether a TIFF names data for every pixel; True for other formats.

    Args:
        image: opened, and not decoded yet.
    """
    if image.format != "TIFF":
        return True
    areas = [
        (right - left) * (lower - upper)
        for _, (left, upper, right, lower), *_ in image.tile
    ]
    return sum(areas) >= image.width * image.height


def is_truncated(image: Image.Image, file: BinaryIO) -> bool:
    """Whether a PNG or JPEG has fewer data than pixels; False for other formats.

    Args:
        image: decoded, the first of its file.
        file: its file, open.
    """
    if image.format == "PNG":
        return _is_png_cut_off(image, file)
    if image.format in ("JPEG", "MPO"):  # MPO: a JPEG with others behind it
        return _is_jpeg_cut_off(image, file)
    return False


def _is_png_cut_off(image, file):
    """Missing pixels are 0: where the last one is not, the data have come so far."""
    file.seek(16)
    header = struct.unpack(">IIBBBBB", file.read(13))
    is_interlaced = header[-1] != 0
    if not is_interlaced and any(_last_pixel(image)):
        return False
    try:
        return not _inflates_to(file, _num_png_bytes(*header))
    except zlib.error:  # a wrong checksum at the end, which Pillow lets pass
        return False


def _num_png_bytes(width, height, depth, color_type, _, __, is_interlaced):
    """Bytes of all rows, each behind the byte of its filter."""
    bits = depth * _PNG_CHANNELS[color_type]
    passes = _PNG_PASSES if is_interlaced else ((0, 0, 1, 1),)
    total = 0
    for column, row, column_step, row_step in passes:
        num_columns = -((column - width) // column_step)
        num_rows = -((row - height) // row_step)
        if num_columns > 0 and num_rows > 0:
            total += num_rows * (1 + (num_columns * bits + 7) // 8)
    return total


def _inflates_to(file: BinaryIO, needed: int) -> bool:
    """Whether the data of a PNG inflate to so many bytes; they are not kept."""
    inflate, total = zlib.decompressobj(), 0
    for piece in _png_data(file):
        while piece and total < needed:
            total += len(inflate.decompress(piece, _PIECE))
            piece = inflate.unconsumed_tail
    return total >= needed


def _png_data(file: BinaryIO) -> Iterator[bytes]:
    """The content of a PNG's IDAT chunks, in pieces."""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        end = file.tell() + length
        while kind == b"IDAT" and (left := end - file.tell()) > 0:
            piece = file.read(min(left, _PIECE))
            if not piece:
                return
            yield piece
        file.seek(end + 4)  # behind the checksum


def _last_pixel(image):
    """Values of the pixel that is decoded last."""
    values = image.getpixel((image.width - 1, image.height - 1))
    return values if isinstance(values, tuple) else (values,)


def _is_jpeg_cut_off(image, file):
    """Missing pixels are grey. More data change them, and nothing where none miss."""
    if any(value not in _JPEG_GREY for value in _last_pixel(image)):
        return False
    file.seek(0)
    content = file.read()
    end = _end_of_jpeg(content)
    longer = content[:end] + b"\x55" * 64 + _JPEG_END
    with open_header(io.BytesIO(longer), ["JPEG"]) as other:
        difference = ImageChops.difference(image, other.convert(image.mode))
        return difference.getbbox(alpha_only=False) is not None


def _end_of_jpeg(content):
    """Position of the marker that ends the first image of a JPEG file."""
    place = 2
    while found := _JPEG_MARKER.search(content, place):
        place, marker = found.start(), found[0]
        if marker == _JPEG_END:
            return place
        # Segments, thumbnails among them, are left out by their length.
        place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    return len(content)
