"""The size at which a network looks at an image, and the way there and back.

A network knows things at the scale at which it was trained to see them. An image is
brought to the scale of the training images before the network looks, and the scores
are enlarged to the image's own size afterwards, in strips, so that memory does not
grow with the number of classes times that of the image's pixels.
"""

import logging
from collections.abc import Iterator

import cv2
import numpy as np
from keras import ops

from keras_fcn.typing import Size

logger = logging.getLogger(__name__)

_VALUES_A_STRIP = 2**22  # scores, 16 MiB


def resolve_size(
    size: int | str, training_size: int | None, tile: Size | None = None
) -> int | None:
    """Return the shorter side that images are brought to.

    Args:
        size: pixels; "auto" for that of the training images, or for the images' own
            with `tile`; or "native" for the images' own.
        training_size: what the network was trained at, pixels; None where it is not
            known: "auto" is then "native", and a line is logged.
        tile: as for `Predictor`.

    Returns:
        Pixels; None for the images' own size.

    Raises:
        ValueError: if `size` is none of these.
    """
    if isinstance(size, int | np.integer) and not isinstance(size, bool) and size >= 1:
        return int(size)
    if size not in ("auto", "native"):
        raise ValueError(
            "`size` must be auto, native or a whole number of pixels from 1 on. "
            f"Received: size={size}"
        )
    if size == "native" or tile is not None:
        return None
    if training_size is None:
        logger.warning(
            "The network does not say at which size it was trained: images are looked "
            "at in their own size"
        )
    return training_size


def resize_images(images: np.ndarray, size: Size) -> np.ndarray:
    """Resize images, bilinearly, antialiased where they get smaller.

    Args:
        images: `(batch, height, width, channels)`.
        size: new height and width, pixels.

    Returns:
        float32 of the new size.
    """
    resized = ops.image.resize(
        ops.cast(images, "float32"), size, interpolation="bilinear", antialias=True
    )
    return ops.convert_to_numpy(resized)


def resized_strips(scores: np.ndarray, size: Size) -> Iterator[np.ndarray]:
    """Bring scores to an image's size, bilinearly, some rows at a time.

    Scores lie half a pixel into their cells, as in `resize_images`, and keep their
    value beyond the centres of the outermost ones.

    Args:
        scores: float32 `(height, width, num_classes)`.
        size: the image's height and width, pixels.

    Yields:
        float32 `(num_classes, rows, image width)`, from top to bottom.
    """
    planes = np.ascontiguousarray(np.moveaxis(scores, -1, 0))  # (C, h, w)
    height, width = size
    rows = max(1, _VALUES_A_STRIP // (len(planes) * width))
    low, high, down = _neighbours(planes.shape[1], height)
    for first in range(0, height, rows):
        strip = slice(first, min(first + rows, height))
        share = down[strip, None]
        narrow = planes[:, low[strip]] * (1 - share) + planes[:, high[strip]] * share
        wide = (width, strip.stop - first)  # OpenCV's order
        yield np.stack(
            [
                cv2.resize(plane, wide, interpolation=cv2.INTER_LINEAR)
                for plane in narrow
            ]
        )


def strips_of(scores: np.ndarray) -> Iterator[np.ndarray]:
    """Cut scores that have the image's size into strips.

    Args:
        scores: float32 `(height, width, num_classes)`.

    Yields:
        float32 `(num_classes, rows, width)`, from top to bottom; copies.
    """
    height, width, num_classes = scores.shape
    rows = max(1, _VALUES_A_STRIP // (num_classes * width))
    for first in range(0, height, rows):
        yield np.moveaxis(scores[first : first + rows], -1, 0).copy()


def _neighbours(count, length):
    """The two of `count` scores around each of `length` pixels; the second's share."""
    position = ((np.arange(length) + 0.5) * count / length - 0.5).clip(0, count - 1)
    low = position.astype("int64")
    return low, np.minimum(low + 1, count - 1), (position - low).astype("float32")
