"""Image and label-map files: every kind that users have in, palette PNGs out."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from keras_fcn.classes import ClassMap
from keras_fcn.config import MAX_IMAGE_PIXELS
from keras_fcn.images.encoding import encode_label_map, encode_png
from keras_fcn.images.opening import (
    UnreadableImage,
    decode,
    opened,
)
from keras_fcn.storage.atomic import atomic_file

__all__ = [
    "IMAGE_SUFFIXES",
    "UnreadableImage",
    "read_image",
    "read_image_and_orientation",
    "read_label_image",
    "read_size",
    "read_size_and_orientation",
    "read_stored_values",
    "to_rgb",
    "turn_upright",
    "write_content",
    "write_label_map",
    "write_png",
]

IMAGE_SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".gif",
)  # fmt: skip


def read_image(path: Path, max_pixels: int = MAX_IMAGE_PIXELS) -> np.ndarray:
    """Read an image as uint8 RGB `(height, width, 3)`.

    Grey, palette, RGBA (the alpha channel is dropped), CMYK and 16-bit files (the
    upper eight bits are kept) become RGB; an EXIF orientation is applied.

    Args:
        path: a file of one of `FORMATS`, whatever its name is.
        max_pixels: pixels that it may have.

    Raises:
        UnreadableImage: if the file is empty, cut off, too large or no image.
        FileNotFoundError: if there is no such file.
    """
    return read_image_and_orientation(path, max_pixels)[0]


def read_image_and_orientation(
    path: Path, max_pixels: int = MAX_IMAGE_PIXELS
) -> tuple[np.ndarray, int]:
    """Read an image as `read_image` does, and how it was turned for that.

    Args:
        path: as for `read_image`.
        max_pixels: as for `read_image`.

    Returns:
        The image, and its EXIF orientation, 1 to 8; 1 where it was not turned.

    Raises:
        UnreadableImage, FileNotFoundError: as `read_image`.
    """
    with opened(path, max_pixels) as image:
        decode(image, Path(path))
        return to_rgb(image, str(path))


def to_rgb(
    image: Image.Image, name: str = "The Pillow image"
) -> tuple[np.ndarray, int]:
    """Turn a Pillow image into RGB as `read_image` does, and say how it was turned.

    Args:
        image: of any mode but "F".
        name: what an error calls it.

    Returns:
        uint8 `(height, width, 3)`, and the EXIF orientation, 1 to 8.

    Raises:
        UnreadableImage: if its values are floats: Pillow would make 0 of all below 1.
    """
    if image.mode == "F":
        raise UnreadableImage(
            f"{name} has floats, which may mean anything: needed whole numbers from 0 "
            "to 255"
        )
    orientation = _orientation(image)
    image = _upright(image, orientation)
    if image.mode.startswith("I"):  # 16-bit grey; Pillow's own conversion clips
        grey = (np.asarray(image).astype("uint32") >> 8).clip(0, 255).astype("uint8")
        image = Image.fromarray(grey)
    if image.mode != "RGB":  # converting would copy it
        image = image.convert("RGB")
    return np.asarray(image), orientation


def turn_upright(label_map: np.ndarray, orientation: int) -> np.ndarray:
    """Turn a label map of the pixels as stored the way `read_image` turns the image.

    Args:
        label_map: uint8 `(height, width)`.
        orientation: what `read_image_and_orientation` gave.

    Returns:
        uint8, `(width, height)` for an orientation from 5 on.
    """
    stored = Image.fromarray(label_map)
    stored.getexif()[_ORIENTATION] = orientation
    return np.asarray(_upright(stored, orientation))


def read_stored_values(path: Path, max_pixels: int = MAX_IMAGE_PIXELS) -> np.ndarray:
    """Read what a label file stores, without any conversion of values.

    Args:
        path: as for `read_image`.
        max_pixels: as for `read_image`.

    Returns:
        Palette indices or grey values, integer `(height, width)`, or uint8 RGB
        `(height, width, 3)` for a colour file.

    Raises:
        UnreadableImage, FileNotFoundError: as `read_image`.
    """
    with opened(path, max_pixels) as image:
        decode(image, Path(path))
        return _stored_values(image)


def read_size(path: Path, max_pixels: int = MAX_IMAGE_PIXELS) -> tuple[int, int]:
    """Return height and width of an image file as `read_image` gives it.

    Args:
        path: the file; it is decoded only where Pillow needs that for its EXIF.
        max_pixels: as for `read_image`.

    Raises:
        UnreadableImage, FileNotFoundError: as `read_image`.
    """
    return read_size_and_orientation(path, max_pixels)[0]


def read_size_and_orientation(
    path: Path, max_pixels: int = MAX_IMAGE_PIXELS
) -> tuple[tuple[int, int], int]:
    """Return what `read_size` does, and the EXIF orientation, 1 to 8.

    Args:
        path: as for `read_size`.
        max_pixels: as for `read_image`.

    Raises:
        UnreadableImage, FileNotFoundError: as `read_image`.
    """
    with opened(path, max_pixels) as image:
        width, height = image.size
        orientation = _orientation(image)
        # Pillow gives the turned size of a TIFF, the stored one of all others.
        is_on_its_side = image.format != "TIFF" and orientation >= 5
    return ((width, height) if is_on_its_side else (height, width)), orientation


def read_label_image(path: Path, max_pixels: int = MAX_IMAGE_PIXELS) -> Image.Image:
    """Return a label file as Pillow decodes it, with its mode, palette and format.

    Args:
        path: as for `read_image`.
        max_pixels: as for `read_image`.

    Raises:
        UnreadableImage, FileNotFoundError: as `read_image`.
    """
    with opened(path, max_pixels) as image:
        decode(image, Path(path))
        return image


def write_png(path: Path, image: np.ndarray) -> None:
    """Write uint8 RGB `(height, width, 3)`, beside and renamed.

    Args:
        path: where to; ends in `.png`.
        image: the picture.
    """
    write_content(path, encode_png(image))


def write_label_map(path: Path, label_map: np.ndarray, class_map: ClassMap) -> None:
    """Write a palette PNG whose pixel values are the class ids, beside and renamed.

    Args:
        path: where to; ends in `.png`.
        label_map: integer `(height, width)`, ids up to 255.
        class_map: the colours of the palette.
    """
    write_content(path, encode_label_map(label_map, class_map))


def write_content(path: Path, content: bytes) -> None:
    """Write a file, beside and renamed.

    Args:
        path: where to; its folder is there.
        content: all of it.
    """
    with atomic_file(path) as part:
        part.write_bytes(content)


_ORIENTATION = 0x0112  # tag of EXIF


def _upright(image, orientation):
    """The image turned as its EXIF orientation says; as it is where that is damaged."""
    return ImageOps.exif_transpose(image) if orientation > 1 else image


def _orientation(image):
    """EXIF orientation, 1 to 8; 1 where there is none or it is damaged."""
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # of any kind: EXIF is parsed by nothing but Pillow's own code
        return 1
    return orientation if orientation in range(1, 9) else 1


def _stored_values(image):
    """Palette indices, grey values or RGB of a decoded image."""
    if image.mode == "LA":
        image = image.getchannel("L")
    elif image.mode == "1":
        image = image.convert("L").point(lambda value: value // 255)
    elif image.mode != "P" and image.mode != "L" and not image.mode.startswith("I"):
        image = image.convert("RGB")
    return np.asarray(image)
