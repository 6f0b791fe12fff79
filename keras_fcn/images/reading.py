"""Read image and label-map files of every supported format and pixel type."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from keras_fcn.config import MAX_IMAGE_PIXELS
from keras_fcn.images.opening import UnreadableImage, decode, open_image
from keras_fcn.images.value_range import scaled
from keras_fcn.options import ValueRange

IMAGE_SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff",
    ".ppm", ".pgm", ".pbm", ".pnm", ".gif",
)  # fmt: skip
_ORIENTATION = 0x0112  # EXIF tag
_WIDE_GRAY = ("I", "F")  # modes of 16 and 32 bits, which `convert` would clip at 255
# TIFF tags
_BITS_PER_SAMPLE, _PHOTOMETRIC, _PLANAR, _SAMPLE_FORMAT = 258, 262, 284, 339


def read_image(
    path: Path,
    max_pixels: int = MAX_IMAGE_PIXELS,
    value_range: ValueRange = "auto",
) -> np.ndarray:
    """Read an image as uint8 RGB `(height, width, 3)`.

    Gray, palette, RGBA (the alpha channel is dropped), CMYK, 16-bit, 32-bit and float
    files become RGB; an EXIF orientation is applied.

    Args:
        path: a file in one of `FORMATS`; its name does not matter.
        max_pixels: the largest accepted number of pixels.
        value_range: as for `images.value_range.limits_of`.

    Raises:
        UnreadableImage: if the file is empty, truncated, too large or not an image, or
            its value range is not known.
        FileNotFoundError: if there is no such file.
    """
    return read_image_and_orientation(path, max_pixels, value_range)[0]


def read_image_and_orientation(
    path: Path,
    max_pixels: int = MAX_IMAGE_PIXELS,
    value_range: ValueRange = "auto",
) -> tuple[np.ndarray, int]:
    """Read an image as `read_image` does, and its EXIF orientation.

    Args:
        path: as for `read_image`.
        max_pixels: as for `read_image`.
        value_range: as for `read_image`.

    Returns:
        uint8 RGB `(height, width, 3)`, upright, and the EXIF orientation that was
        applied, 1 to 8; 1 if there was none.

    Raises:
        UnreadableImage, FileNotFoundError: as `read_image`.
    """
    values, orientation = read_image_values(path, max_pixels)
    return as_image(scaled(values, value_range, str(path))), orientation


def read_image_values(
    path: Path, max_pixels: int = MAX_IMAGE_PIXELS
) -> tuple[np.ndarray, int]:
    """Read the values of an image before they are mapped to 0 to 255.

    Args:
        path: as for `read_image`.
        max_pixels: as for `read_image`.

    Returns:
        uint8 RGB `(height, width, 3)`; for files of more than 8 bits, uint16, int32 or
        float32, `(height, width)` if they are gray; int8 for files of that type; and
        the EXIF orientation that was applied, 1 to 8.

    Raises:
        UnreadableImage, FileNotFoundError: as `read_image`.
    """
    with open_image(path, max_pixels) as image:
        return decode_values(image, Path(path))


def has_bytes(path: Path, max_pixels: int = MAX_IMAGE_PIXELS) -> bool:
    """Return whether an image has 8 bits per channel, by its header.

    Args:
        path: as for `read_image`.
        max_pixels: as for `read_image`.

    Raises:
        UnreadableImage, FileNotFoundError: as `read_image`.
    """
    with open_image(path, max_pixels) as image:
        is_wide = _is_wide_color(image) or image.mode.startswith(_WIDE_GRAY)
        return not (is_wide or _is_int8(image))


def decode_values(image: ImageFile, path: Path) -> tuple[np.ndarray, int]:
    """Decode an image as `read_image_values` does.

    Args:
        image: from `open_image`, at any frame.
        path: its file.
    """
    is_wide_color = _is_wide_color(image)  # before the decoding, which empties `tile`
    if is_wide_color and isinstance(image, TiffImageFile):
        if image.tag_v2.get(_PLANAR) == 2:
            raise UnreadableImage(
                f"{path} has bands of 16 bits that are stored one after the other. "
                "Store them pixel by pixel: `gdal_translate -co INTERLEAVE=PIXEL "
                "IN.tif OUT.tif`"
            )
    decode(image, path)
    if not is_wide_color:
        return values_of(image)
    orientation = _orientation(image)
    encoded = np.frombuffer(path.read_bytes(), "uint8")
    index = image.tell()
    is_read, pages = cv2.imdecodemulti(
        encoded, cv2.IMREAD_UNCHANGED, range=(index, index + 1)
    )
    if not is_read or pages[0].dtype != np.uint16 or pages[0].ndim != 3:
        raise UnreadableImage(f"{path} can't be decoded: its colors have 16 bits")
    values = pages[0][..., 2::-1]  # from BGR or BGRA
    if image.format != "TIFF":  # OpenCV applies the orientation of a TIFF
        values = apply_orientation(values, orientation)
    return values, orientation


def _is_wide_color(image):
    """Whether a file has colors of 16 bits, of which Pillow keeps the upper eight."""
    has_16_bits = any(";16" in str(tile.args) for tile in image.tile)
    if isinstance(image, TiffImageFile):
        has_16_bits = max(image.tag_v2.get(_BITS_PER_SAMPLE, (1,))) == 16
    return has_16_bits and image.mode in ("RGB", "RGBA", "RGBX", "LA")


def _is_int8(image):
    is_tiff = isinstance(image, TiffImageFile) and image.mode == "L"
    return is_tiff and image.tag_v2.get(_SAMPLE_FORMAT, (1,))[0] == 2


def _as_stored(values, image):
    """Values of a decoded image with their stored type, and with 0 as black."""
    if image.mode == "I" and image.format in ("PNG", "PPM"):
        return values.astype("uint16")
    if not isinstance(image, TiffImageFile):
        return values
    # Pillow decodes gray of 16 and 32 bits to int32, and signed bytes to uint8.
    if _is_int8(image):
        values = values.astype("int8")
    elif image.mode == "I":
        kind = {1: "uint", 2: "int"}[image.tag_v2.get(_SAMPLE_FORMAT, (1,))[0]]
        values = values.astype(f"{kind}{image.tag_v2[_BITS_PER_SAMPLE][0]}")
    # In files whose 0 is white, it inverts values of 8 bits only.
    is_inverted = image.tag_v2.get(_PHOTOMETRIC) == 0 and values.dtype.itemsize == 2
    return np.iinfo(values.dtype).max - values if is_inverted else values


def as_image(values: np.ndarray) -> np.ndarray:
    """Return values from 0 to 255 as uint8 RGB `(height, width, 3)`.

    Args:
        values: `(height, width)` or `(height, width, 3)`, uint8 or floats.
    """
    if values.dtype != np.uint8:
        values = values.round().astype("uint8")
    if values.ndim == 2:
        values = np.repeat(values[..., None], 3, axis=-1)
    return np.ascontiguousarray(values)


def values_of(image: Image.Image) -> tuple[np.ndarray, int]:
    """Return the values of a Pillow image as `read_image_values` does.

    Args:
        image: of any mode.

    Returns:
        The values, upright, and the EXIF orientation that was applied, 1 to 8.
    """
    orientation = _orientation(image)
    upright = ImageOps.exif_transpose(image) if orientation > 1 else image
    if not image.mode.startswith(_WIDE_GRAY) and image.mode != "RGB":
        upright = upright.convert("RGB")  # would copy an RGB image
    return _as_stored(np.asarray(upright), image), orientation


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


def apply_orientation(values: np.ndarray, orientation: int) -> np.ndarray:
    """Apply an EXIF orientation to pixels as stored.

    Args:
        values: `(height, width, ...)`.
        orientation: 1 to 8, as from `read_image_and_orientation`.

    Returns:
        The same dtype, `(height, width, ...)`; `(width, height, ...)` if `orientation`
        is 5 to 8.
    """
    if orientation in (2, 3, 7, 8):
        values = values[:, ::-1]
    if orientation in (3, 4, 6, 7):
        values = values[::-1]
    return values.swapaxes(0, 1) if orientation > 4 else values


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; 1 if there is none or it is damaged."""
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # Pillow's EXIF parser raises exceptions of many types
        return 1
    return orientation if orientation in range(1, 9) else 1
