"""Image files from strangers: opened by content, checked before they are decoded."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from keras_fcn.errors import one_line
from keras_fcn.images.headers import FORMATS, open_header
from keras_fcn.images.truncation import describes_all_pixels, is_truncated
from keras_fcn.storage.regular_files import check_is_regular

_BYTES_PER_PIXEL = 14  # as measured: Pillow's own 4, a copy, and RGB twice


class UnreadableImage(ValueError):
    """A file that can't be decoded as an image; the message is one line."""


@contextmanager
def opened(path: Path, max_pixels: int) -> Iterator[Image.Image]:
    """Open an image of a known format; only its header is read.

    Whatever the block raises counts as a fault of the file: Pillow's decoders raise
    errors of many kinds.

    Args:
        path: a regular file; its content tells the format, not its name.
        max_pixels: pixels that it may have.

    Yields:
        The image; `decode` decodes it.

    Raises:
        UnreadableImage: if it is no image of `FORMATS`, is damaged or too large, or is
            no regular file.
        FileNotFoundError: if there is no such file.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}")
    try:
        check_is_regular(path)
        # By a file object: Pillow garbles turned grey TIFFs that it opens by name.
        with path.open("rb") as file, open_header(file) as image:
            check_pixels(path, image.size, max_pixels)
            yield image
    except UnreadableImage:
        raise
    except UnidentifiedImageError as error:
        raise UnreadableImage(f"{path} is {_kind(path)}") from error
    except Exception as error:
        raise UnreadableImage(f"{path} can't be decoded ({one_line(error)})") from error


def check_pixels(name: object, size: tuple[int, int], max_pixels: int) -> None:
    """Refuse an image that would need too much memory.

    Args:
        name: which image, for the message.
        size: its width and height, in Pillow's order.
        max_pixels: pixels that an image may have.

    Raises:
        UnreadableImage: if it has more; tells what reading it would take.
    """
    width, height = size
    if width * height > max_pixels:
        # Sizes in JSON can be beyond all floats.
        memory = min(width * height, sys.maxsize) * _BYTES_PER_PIXEL / 2**30
        raise UnreadableImage(
            f"{name} must have at most {max_pixels} pixels, `max_pixels`. Received: "
            f"{width}x{height}, which takes about {memory:.1f} GiB to read"
        )


def decode(image: Image.Image, path: Path) -> None:
    """Decode an image, and refuse one that is cut off.

    Args:
        image: what `opened` gave, or a later frame of it.
        path: its file.

    Raises:
        UnreadableImage: if there are fewer data than pixels.
        Exception: of any kind, if the data are damaged.
    """
    is_whole = describes_all_pixels(image)
    image.load()
    if image.tell() == 0:  # the first frame
        with path.open("rb") as file:
            is_whole = is_whole and not is_truncated(image, file)
    if not is_whole:
        raise UnreadableImage(
            f"{path} is cut off: it has data for a part of its "
            f"{image.width}x{image.height} pixels alone"
        )


def _kind(path):
    """What a file is that Pillow does not know."""
    if path.stat().st_size == 0:
        return "an empty file"
    return f"not an image of a kind that is read ({', '.join(FORMATS)})"
