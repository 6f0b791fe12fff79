"""The header of an image file, by Pillow, of the formats that are read."""

import threading
from collections.abc import Sequence
from typing import BinaryIO

from PIL import Image

# Never all that Pillow knows: for EPS it would start Ghostscript.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM", "GIF")

_pillows_limit = threading.Lock()


def open_header(file: BinaryIO, formats: Sequence[str] = FORMATS) -> Image.Image:
    """Open an image without decoding it, of any number of pixels.

    Pillow has a limit of its own, one for the whole process. It is lifted for this
    moment alone; the caller looks at the size.

    Args:
        file: its start tells the format.
        formats: those that are tried, of `FORMATS`.

    Raises:
        PIL.UnidentifiedImageError: if it is of no such format.
        Exception: of any kind, if it is damaged.
    """
    with _pillows_limit:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file, formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = limit
