"""Files with several images: animations, and TIFFs with pages."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from keras_fcn.config import MAX_IMAGE_PIXELS
from keras_fcn.images.opening import check_pixels, decode, opened
from keras_fcn.images.reading import to_rgb

# Of other formats (MPO, which phones name .jpg) the first image is taken: what follows
# are previews of it, and depth.
_WITH_FRAMES = ("GIF", "TIFF", "WEBP", "PNG")
_SUBFILE_TYPE = 254  # tag of TIFF


def read_frames(
    path: Path, max_pixels: int = MAX_IMAGE_PIXELS
) -> Iterator[tuple[int | None, np.ndarray]]:
    """Read the images of a file one after the other.

    Args:
        path: as for `read_image`. Pages of a TIFF that are smaller copies of others, as
            pyramids have them, are left out.
        max_pixels: pixels that each may have.

    Yields:
        The number of an image, from 0 on, and the image as `read_image` gives it; None
        as the number where there is no other.

    Raises:
        UnreadableImage, FileNotFoundError: as `read_image`; where a later image is
            damaged, after those before it.
    """
    with opened(path, max_pixels) as image:
        count = image.n_frames if image.format in _WITH_FRAMES else 1
        for index in range(count):
            image.seek(index)
            if index and _is_smaller_copy(image):
                continue
            check_pixels(path, image.size, max_pixels)
            decode(image, Path(path))
            yield (index if count > 1 else None), to_rgb(image, str(path))[0]


def _is_smaller_copy(image: Image.Image):
    return image.format == "TIFF" and bool(image.tag_v2.get(_SUBFILE_TYPE, 0) & 1)
