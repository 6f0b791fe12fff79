"""Read image and label-map files of every supported format and pixel type."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from keras_fcn.config import MAX_IMAGE_PIXELS
from keras_fcn.images.opening import UnreadableImage, decode, open_image

__all__ = [
    "IMAGE_SUFFIXES",
    "UnreadableImage",
    "apply_orientation",
    "read_image",
    "read_image_and_orientation",
    "read_label_image",
    "read_size",
    "read_size_and_orientation",
    "read_stored_values",
    "to_rgb",
]

IMAGE_SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".gif",
)  # fmt: skip
_ORIENTATION = 0x0112  # EXIF tag


def read_image(path: Path, max_pixels: int = MAX_IMAGE_PIXELS) -> np.ndarray:
    """Read an image as uint8 RGB `(height, width, 3)`.

    Gray, palette, RGBA (the alpha channel is dropped), CMYK and 16-bit files (the
    upper eight bits are kept) become RGB; an EXIF orientation is applied.

    Args:
        path: a file in one of `FORMATS`; its name does not matter.
        max_pixels: the largest accepted number of pixels.

    Raises:
        UnreadableImage: if the file is empty, truncated, too large or not an image.
        FileNotFoundError: if there is no such file.
    """
    return read_image_and_orientation(path, max_pixels)[0]


def read_image_and_orientation(
    path: Path, max_pixels: int = MAX_IMAGE_PIXELS
) -> tuple[np.ndarray, int]:
    """Read an image as `read_image` does, and its EXIF orientation.

    Args:
        path: as for `read_image`.
        max_pixels: as for `read_image`.

    Returns:
        uint8 RGB `(height, width, 3)`, upright, and the EXIF orientation that was
        applied, 1 to 8; 1 if there was none.

    Raises:
        UnreadableImage, FileNotFoundError: as `read_image`.
    """
    with open_image(path, max_pixels) as image:
        decode(image, Path(path))
        return to_rgb(image, str(path))


def to_rgb(
    image: Image.Image, name: str = "The Pillow image"
) -> tuple[np.ndarray, int]:
    """Convert a Pillow image to RGB as `read_image` does.

    Args:
        image: of any mode except "F".
        name: the image's name in the error message.

    Returns:
        uint8 `(height, width, 3)`, upright, and the EXIF orientation that was applied,
        1 to 8.

    Raises:
        UnreadableImage: if its pixels are floats. Their range is unknown, and Pillow
            would truncate values in [0, 1] to 0.
    """
    if image.mode == "F":
        raise UnreadableImage(
            f"{name} has floats as pixel values: expected integers from 0 to 255"
        )
    orientation = _orientation(image)
    image = _upright(image, orientation)
    if image.mode.startswith("I"):  # 16-bit gray; Pillow would clip it at 255
        grey = (np.asarray(image).astype("uint32") >> 8).clip(0, 255).astype("uint8")
        image = Image.fromarray(grey)
    if image.mode != "RGB":  # `convert` would copy an RGB image
        image = image.convert("RGB")
    return np.asarray(image), orientation


def apply_orientation(label_map: np.ndarray, orientation: int) -> np.ndarray:
    """Apply an image's EXIF orientation to a label map of the pixels as stored.

    Args:
        label_map: uint8 `(height, width)`.
        orientation: from `read_image_and_orientation`.

    Returns:
        uint8 `(height, width)`; `(width, height)` if `orientation` is 5 to 8.
    """
    stored = Image.fromarray(label_map)
    stored.getexif()[_ORIENTATION] = orientation
    return np.asarray(_upright(stored, orientation))


def read_stored_values(path: Path, max_pixels: int = MAX_IMAGE_PIXELS) -> np.ndarray:
    """Read the pixel values of a label file without conversion.

    Args:
        path: as for `read_image`.
        max_pixels: as for `read_image`.

    Returns:
        Palette indices or gray values, integer `(height, width)`; 0 and 1 for a bilevel
        file; uint8 RGB `(height, width, 3)` for a color file.

    Raises:
        UnreadableImage, FileNotFoundError: as `read_image`.
    """
    with open_image(path, max_pixels) as image:
        decode(image, Path(path))
        if image.mode == "1":
            return np.asarray(image).astype("uint8")
        if image.mode == "LA":
            return np.asarray(image.getchannel("L"))
        if image.mode in ("P", "L") or image.mode.startswith("I"):
            return np.asarray(image)
        return np.asarray(image.convert("RGB"))


def read_size(path: Path, max_pixels: int = MAX_IMAGE_PIXELS) -> tuple[int, int]:
    """Return height and width of the array that `read_image` returns for a file.

    Args:
        path: the file; it is decoded only if Pillow needs that for the EXIF data.
        max_pixels: as for `read_image`.

    Raises:
        UnreadableImage, FileNotFoundError: as `read_image`.
    """
    return read_size_and_orientation(path, max_pixels)[0]


def read_size_and_orientation(
    path: Path, max_pixels: int = MAX_IMAGE_PIXELS
) -> tuple[tuple[int, int], int]:
    """Return the size that `read_size` returns, and the EXIF orientation, 1 to 8.

    Args:
        path: as for `read_size`.
        max_pixels: as for `read_image`.

    Raises:
        UnreadableImage, FileNotFoundError: as `read_image`.
    """
    with open_image(path, max_pixels) as image:
        width, height = image.size
        orientation = _orientation(image)
        # Pillow applies the orientation to the size of a TIFF, and of no other format.
        is_transposed = image.format != "TIFF" and orientation >= 5
    return ((width, height) if is_transposed else (height, width)), orientation


def read_label_image(path: Path, max_pixels: int = MAX_IMAGE_PIXELS) -> Image.Image:
    """Read a label file as a Pillow image, with its mode, palette and format.

    Args:
        path: as for `read_image`.
        max_pixels: as for `read_image`.

    Raises:
        UnreadableImage, FileNotFoundError: as `read_image`.
    """
    with open_image(path, max_pixels) as image:
        decode(image, Path(path))
        return image


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return ImageOps.exif_transpose(image) if orientation > 1 else image


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; 1 if there is none or it is damaged."""
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # Pillow's EXIF parser raises exceptions of many types
        return 1
    return orientation if orientation in range(1, 9) else 1
