"""Resizing of images to the inference size, and of logits to the image's size.

A network is most accurate on objects of the size that they have in its training
images, so images are resized before inference. The logits are upsampled in strips of
rows: memory does not grow with the number of classes times the pixels of the image.
"""

from collections.abc import Iterator

import cv2
import numpy as np
from PIL import Image

from keras_fcn.typing import Size

_VALUES_PER_STRIP = 2**22  # logits, 16 MiB


def resize_images(images: np.ndarray, size: Size) -> np.ndarray:
    """Resize images bilinearly, antialiased where they become smaller.

    Args:
        images: `(batch, height, width, channels)`.
        size: new height and width, pixels.

    Returns:
        float32 `(batch, *size, channels)`.
    """
    resized = np.empty((len(images), *size, images.shape[-1]), "float32")
    for image, output in zip(images, resized, strict=True):
        # Pillow antialiases as `keras.ops.image.resize` does; OpenCV does not. It has
        # float pixels for images of one channel only.
        for channel in range(image.shape[-1]):
            plane = Image.fromarray(image[..., channel].astype("float32"))
            output[..., channel] = plane.resize(size[::-1], Image.Resampling.BILINEAR)
    return resized


def resize_logits(logits: np.ndarray, size: Size) -> Iterator[np.ndarray]:
    """Resize logits bilinearly, strip by strip.

    Pixel centers are aligned as in `resize_images`, and the outermost values are
    repeated beyond the outermost centers.

    Args:
        logits: float32 `(height, width, num_classes)`.
        size: the image's height and width, pixels.

    Yields:
        float32 `(num_classes, rows, image width)`, from top to bottom.
    """
    planes = np.ascontiguousarray(np.moveaxis(logits, -1, 0))  # (C, h, w)
    (height, width), count = size, planes.shape[1]
    # The two rows of logits around each row of pixels, and the share of the second.
    position = ((np.arange(height) + 0.5) * count / height - 0.5).clip(0, count - 1)
    low = position.astype("int64")
    high = np.minimum(low + 1, count - 1)
    share = (position - low).astype("float32")[:, None]
    rows = max(1, _VALUES_PER_STRIP // (len(planes) * width))
    for first in range(0, height, rows):
        strip = slice(first, min(first + rows, height))
        # The rows here, the columns by OpenCV, which would align the centers of a
        # strip as if it were the whole image.
        narrow = planes[:, low[strip]] * (1 - share[strip])
        narrow = narrow + planes[:, high[strip]] * share[strip]  # (C, rows, w)
        wide = (width, strip.stop - first)  # OpenCV's order
        yield np.stack(  # (C, rows, W)
            [
                cv2.resize(plane, wide, interpolation=cv2.INTER_LINEAR)
                for plane in narrow
            ]
        )


def split_logits(logits: np.ndarray) -> Iterator[np.ndarray]:
    """Cut logits that have the image's size into strips.

    Args:
        logits: float32 `(height, width, num_classes)`.

    Yields:
        float32 `(num_classes, rows, width)`, from top to bottom; copies.
    """
    height, width, num_classes = logits.shape
    rows = max(1, _VALUES_PER_STRIP // (num_classes * width))
    for first in range(0, height, rows):
        yield np.moveaxis(logits[first : first + rows], -1, 0).copy()
