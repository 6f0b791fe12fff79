"""What label files store, read without any change: values, colours, palettes."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_fcn.config import MAX_IMAGE_PIXELS
from keras_fcn.images.opening import check_pixels
from keras_fcn.images.reading import UnreadableImage, read_label_image
from keras_fcn.storage.regular_files import check_is_regular

WIDE_VOID = 65535  # the largest value: what 16-bit files have for 255
_SAMPLE_FORMAT = 339  # tag of TIFF: 2 is signed, 3 floating point


@dataclass(frozen=True)
class StoredLabels:
    """The content of a label file.

    Attributes:
        values: integer `(height, width)`, grey values, ids or palette indices, or
            uint8 RGB `(height, width, 3)`.
        palette: uint8 RGB `(256, 3)` of a palette file; None of others.
        is_lossy: whether the file's compression changes values, as JPEG's does.
    """

    values: np.ndarray
    palette: np.ndarray | None = None
    is_lossy: bool = False


def read_labels(path: Path, max_pixels: int = MAX_IMAGE_PIXELS) -> StoredLabels:
    """Read a label map of any of the forms that are taken.

    Args:
        path: an image file, or `.npy`.
        max_pixels: pixels that it may have.

    Raises:
        UnreadableImage: if the file can't be read.
        ValueError: if it holds values that are no ids: negative, fractional, above
            65535; says which.
    """
    path = Path(path)
    if path.suffix.lower() == ".npy":
        return StoredLabels(_checked(_read_array(path, max_pixels)))
    image = read_label_image(path, max_pixels)
    is_lossy = image.format == "JPEG"
    if image.mode == "1":
        return StoredLabels(np.asarray(image).astype("uint8"))
    if image.mode in ("P", "PA"):
        palette = np.zeros((256, 3), dtype="uint8")
        colors = np.asarray(image.getpalette("RGB"), dtype="uint8").reshape(-1, 3)
        palette[: len(colors)] = colors
        indices = image.getchannel(0) if image.mode == "PA" else image
        return StoredLabels(np.asarray(indices), palette)
    if image.mode in ("L", "LA", "La"):
        values = np.asarray(image.getchannel(0))
        return StoredLabels(_signed(image, values), is_lossy=is_lossy)
    if image.mode == "F" or image.mode.startswith("I"):
        return StoredLabels(_checked(np.asarray(image)))
    return StoredLabels(np.asarray(image.convert("RGB")), is_lossy=is_lossy)


def _read_array(path, max_pixels):
    try:
        check_is_regular(path)
        # Mapped, so that an array is no larger in memory than its bytes in the file.
        array = np.lib.format.open_memmap(path, mode="r")
        # The two largest axes are height and width; the third is of colours.
        check_pixels(path, (1, math.prod(sorted(array.shape)[-2:])), max_pixels)
        array = np.array(array)
    except UnreadableImage:
        raise
    except Exception as error:  # NumPy parses the header as Python, with many errors
        raise UnreadableImage(f"{path} can't be read as an array ({error})") from error
    if array.ndim == 3 and 1 in (array.shape[0], array.shape[-1]):
        array = array.squeeze(-1 if array.shape[-1] == 1 else 0)
    is_color = array.ndim == 3 and array.shape[-1] == 3 and array.dtype == np.uint8
    if not (array.ndim == 2 or is_color) or array.dtype.kind not in "biuf":
        raise ValueError(
            "must be an array (height, width) of whole numbers. Received: "
            f"{array.dtype} {array.shape}"
        )
    return array.astype("uint8") if array.dtype == bool else array


def _signed(image, values):
    """8-bit values as they were meant: Pillow takes signed ones for unsigned."""
    tags = getattr(image, "tag_v2", {})
    if 2 in tuple(np.atleast_1d(tags.get(_SAMPLE_FORMAT, 1))):
        return _checked(values.view("int8"))
    return values


def _checked(values):
    """Values as integers; refuses what is no id, with its values."""
    if values.ndim == 3 or values.dtype in (np.uint8, np.uint16):
        return values
    if values.dtype.kind == "f":
        wrong = values[~np.isfinite(values) | (values != np.floor(values))]
        _refuse(wrong, "values that are no whole numbers")
    _refuse(values[values < 0], "negative values")
    _refuse(values[values > WIDE_VOID], f"values above {WIDE_VOID}")
    return values.astype("int32")


def _refuse(values, what):
    if values.size:
        shown = ", ".join(f"{value:g}" for value in np.unique(values)[:3])
        raise ValueError(f"has {what}: {shown} ({values.size} pixels)")
