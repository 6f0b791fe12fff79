"""Open untrusted image files: format and size are checked before pixels are decoded."""

import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image, ImageChops, ImageFile, UnidentifiedImageError
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from keras_fcn.errors import one_line
from keras_fcn.storage.regular_files import check_is_regular

# An allow-list: Pillow runs Ghostscript for EPS, for example.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM", "GIF")
_BYTES_PER_PIXEL = 14  # measured peak: Pillow's 4, one copy of them, and RGB twice
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BITS, _NUM_BANDS, _TYPE = 258, 277, 339  # TIFF tags
_JPEG_END = b"\xff\xd9"
_pillow_limit_lock = threading.Lock()


class UnreadableImage(ValueError):
    """A file that cannot be decoded as an image; the message is one line."""


def open_header(
    file: BinaryIO, formats: tuple[str, ...] = FORMATS
) -> ImageFile.ImageFile:
    """Open an image of any size without decoding its pixels.

    Args:
        file: the image file; its first bytes determine the format.
        formats: the accepted formats, of `FORMATS`.

    Raises:
        PIL.UnidentifiedImageError: if the file has none of these formats.
        Exception: of any type, if the header is damaged.
    """
    # Pillow's limit on pixels is one variable for the whole process. It is lifted here
    # only, because callers check the size against their own limit.
    with _pillow_limit_lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file, formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def is_image(path: Path) -> bool:
    """Return whether a file has one of `FORMATS`, by its first bytes.

    Args:
        path: a file of any kind.
    """
    try:
        check_is_regular(path)
        with path.open("rb") as file, open_header(file):
            return True
    except Exception:  # Pillow's parsers raise exceptions of many types
        return False


@contextmanager
def open_image(path: Path, max_pixels: int) -> Iterator[ImageFile.ImageFile]:
    """Open an image file; only the header is read.

    Every exception in the `with` block becomes `UnreadableImage`, because Pillow's
    decoders raise exceptions of many types for damaged files.

    Args:
        path: a regular file; its content determines the format, not its name.
        max_pixels: the largest accepted number of pixels.

    Yields:
        The image, for `decode`.

    Raises:
        UnreadableImage: if the file has none of `FORMATS`, is damaged, too large or not
            a regular file.
        FileNotFoundError: if there is no such file.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no file '{path}'")
    try:
        check_is_regular(path)
        # A file object, not the path: Pillow memory-maps files that it opens by name,
        # and garbles rotated gray TIFFs then.
        with path.open("rb") as file, open_header(file) as image:
            check_pixels(path, image.size, max_pixels)
            yield image
    except UnreadableImage:
        raise
    except UnidentifiedImageError as error:
        found = "not an image in a supported format (" + ", ".join(FORMATS) + ")"
        if path.stat().st_size == 0:
            found = "an empty file"
        elif bands := _describe_tiff(path):
            found = bands
        raise UnreadableImage(f"{path} is {found}") from error
    except Exception as error:
        raise UnreadableImage(f"{path} can't be decoded ({one_line(error)})") from error


def _describe_tiff(path):
    """Bands and type of a TIFF that Pillow does not read; "" for other files."""
    try:
        with path.open("rb") as file:
            header = file.read(16)
            if header[:4] not in _TIFF_STARTS:
                return ""
            is_big = header[2:4] in (b"+\0", b"\0+")
            tags = ImageFileDirectory_v2(header if is_big else header[:8])
            file.seek(tags.next)
            tags.load(file)
        num_bands, bits = int(tags.get(_NUM_BANDS, 1)), int(tags.get(_BITS, (1,))[0])
        kind = {1: "uint", 2: "int", 3: "float"}.get(tags.get(_TYPE, (1,))[0], "type ")
    except Exception:  # Pillow's parser raises exceptions of many types
        return ""
    bands = "1 band" if num_bands == 1 else f"{num_bands} bands"
    options, advice = "-b 1 -b 2 -b 3 -co PHOTOMETRIC=RGB", "Choose three bands"
    if num_bands < 3:
        options, advice = "-b 1", "Convert one band"
    if kind != "uint" or bits > 16:
        options += " -scale LOW HIGH 0 65535"  # LOW and HIGH are equal for all files
        advice += " and give their range, equal for all files"
    return (
        f"a TIFF with {bands} of {kind}{bits}: expected gray, RGB or RGBA of 8 or 16 "
        f"bits, or gray of 32 bits. {advice}, for example by `gdal_translate {options} "
        "-ot UInt16 IN.tif OUT.tif`"
    )


def check_pixels(name: object, size: tuple[int, int], max_pixels: int) -> None:
    """Refuse an image that would need too much memory.

    Args:
        name: the image's name in the error message.
        size: width and height, in Pillow's order.
        max_pixels: the largest accepted number of pixels.

    Raises:
        UnreadableImage: if it has more; the message gives the memory it would need.
    """
    width, height = size
    if width * height > max_pixels:
        # JSON files can give sizes that do not fit into a float.
        memory = min(width * height, sys.maxsize) * _BYTES_PER_PIXEL / 2**30
        raise UnreadableImage(
            f"{name} must have at most {max_pixels} pixels, `max_pixels`. Received: "
            f"{width}x{height}, which takes about {memory:.1f} GiB to read"
        )


def decode(image: ImageFile.ImageFile, path: Path) -> None:
    """Decode an image's pixels.

    Args:
        image: from `open_image`, at any frame.
        path: its file.

    Raises:
        UnreadableImage: if the file ends properly but lacks data for some pixels.
        Exception: of any type, if the data are damaged or end too early.
    """
    boxes = [tile.extents or (0, 0, *image.size) for tile in image.tile]
    num_described = sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in boxes)
    # GIFs may have frames smaller than the image. `load` empties `image.tile`.
    is_complete = image.format != "TIFF" or num_described >= image.width * image.height
    image.load()
    if image.tell() == 0:
        with path.open("rb") as file:
            is_complete = is_complete and not is_truncated(image, file)
    if not is_complete:
        raise UnreadableImage(
            f"{path} is truncated: it lacks the data of some of its "
            f"{image.width}x{image.height} pixels"
        )


def is_truncated(image: ImageFile.ImageFile, file: BinaryIO) -> bool:
    """Whether a PNG or JPEG ends properly but lacks data for its last pixels.

    Pillow raises an error where a file ends too early. It accepts a file with an end
    marker, as left by "repair" tools and interrupted writers, and fills the rest.

    Args:
        image: decoded, the first image of its file.
        file: the file.
    """
    last = np.array(image.getpixel((image.width - 1, image.height - 1)))
    # Missing pixels are 0. The last pixel of an interlaced PNG is not decoded last.
    if image.format == "PNG" and (image.info.get("interlace") or not last.any()):
        content = file.read()
        if not _has_whole_chunks(content):  # OpenCV would reserve their memory
            return True
        is_too_long = max(image.size) > 1_000_000  # pixels, the limit of OpenCV
        encoded = np.frombuffer(content, "uint8")
        return not is_too_long and cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED) is None
    # Missing pixels are gray. Additional data change them, and no others.
    if image.format in ("JPEG", "MPO") and np.isin(last, (127, 128)).all():
        content = file.read()
        longer = content[: content.rfind(_JPEG_END)] + b"\x55" * 64 + _JPEG_END
        with open_header(io.BytesIO(longer), ("JPEG",)) as other:
            difference = ImageChops.difference(image, other.convert(image.mode))
        return difference.getbbox(alpha_only=False) is not None
    return False


def _has_whole_chunks(png):
    """Whether all chunks of a PNG end within the file."""
    at, kind = 8, b""
    while at < len(png) and kind != b"IEND":
        kind = png[at + 4 : at + 8]
        at += 12 + int.from_bytes(png[at : at + 4], "big")
    return at <= len(png)
