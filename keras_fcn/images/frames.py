"""Files with several images: animations, and TIFFs with pages."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL.TiffImagePlugin import TiffImageFile

from keras_fcn.config import MAX_IMAGE_PIXELS
from keras_fcn.images.opening import UnreadableImage, check_pixels, open_image
from keras_fcn.images.reading import as_image, decode_values
from keras_fcn.images.value_range import scaled
from keras_fcn.options import ValueRange

PAGE_SUFFIXES = (".tif", ".tiff", ".gif", ".webp")
# Of other formats only the first image is read: in MPO, which phones name .jpg, the
# others are previews and depth.
_WITH_FRAMES = ("GIF", "TIFF", "WEBP", "PNG")
_MAX_FRAMES = 10_000  # of a file; videos have more, and are read by FFmpeg
_MAX_WHOLE = 10  # pixels of all images of a file, as a multiple of those of one
_SUBFILE_TYPE = 254  # TIFF tag; bit 0 marks a smaller copy of another page


def check_pages(path: Path, max_pixels: int = MAX_IMAGE_PIXELS) -> None:
    """Refuse a TIFF or an animation with several images, of which any could be meant.

    Args:
        path: an image file; only those with a suffix of `PAGE_SUFFIXES` are read. Pages
            of a TIFF that are smaller copies or transparency masks of the first one are
            allowed.
        max_pixels: the largest accepted number of pixels.

    Raises:
        UnreadableImage, FileNotFoundError: as `read_image`.
    """
    if path.suffix.lower() not in PAGE_SUFFIXES:
        return
    with open_image(path, max_pixels) as image:
        count = getattr(image, "n_frames", 1) if image.format in _WITH_FRAMES else 1
        if count == 1:
            return
        size, word = image.size, "frames"
        if isinstance(image, TiffImageFile):
            image.seek(1)
            if image.size != size or image.tag_v2.get(_SUBFILE_TYPE, 0) & 0b101:
                return
            word = "pages"
        raise UnreadableImage(
            f"{path} has {count} {word} of {size[0]}x{size[1]}: expected a file for "
            "each"
        )


def read_frames(
    path: Path, max_pixels: int = MAX_IMAGE_PIXELS, value_range: ValueRange = "auto"
) -> Iterator[tuple[int | None, np.ndarray]]:
    """Read the images of a file one by one.

    Args:
        path: as for `read_image`. Pages of a TIFF that are smaller copies of other
            pages (pyramids) are skipped.
        max_pixels: the largest accepted number of pixels of each image; all images of
            a file may have ten times as many.
        value_range: as for `read_image`.

    Yields:
        The index of the image in the file, or None if the file has a single image; and
        the image, uint8 RGB `(height, width, 3)`.

    Raises:
        UnreadableImage, FileNotFoundError: as `read_image`; if a later image is
            damaged, after the images before it were yielded.
    """
    with open_image(path, max_pixels) as image:
        count = getattr(image, "n_frames", 1) if image.format in _WITH_FRAMES else 1
        pixels = image.width * image.height
        most = _MAX_WHOLE * max_pixels
        if count > _MAX_FRAMES or count * pixels > most:
            raise UnreadableImage(
                f"{path} must have at most {_MAX_FRAMES} images and {most} pixels in "
                f"all of them, {_MAX_WHOLE} times `max_pixels`. Received: {count} "
                f"images of {image.width}x{image.height}"
            )
        for index in range(count):
            image.seek(index)
            if index and isinstance(image, TiffImageFile):
                if image.tag_v2.get(_SUBFILE_TYPE, 0) & 1:
                    continue
            check_pixels(path, image.size, max_pixels)
            values, _ = decode_values(image, Path(path))
            frame = as_image(scaled(values, value_range, str(path)))
            yield (index if count > 1 else None), frame
