"""The shapes in annotation files of COCO, drawn as label maps.

The libraries that draw them are written in C and check nothing: a point far outside
takes minutes, or crashes the process. So points and run lengths are checked first.
"""

import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from pycocotools import mask as coco_masks

from keras_fcn.images.opening import check_pixels
from keras_fcn.typing import Size

_MAX_DISTANCE = 10  # of a point from the image, times the image's longer side
_MAX_LENGTH = 2**22  # of an outline, pixels; pycocotools takes 40 bytes for each


class CocoLabel(NamedTuple):
    """The annotations of one image in a COCO file.

    Attributes:
        path: the JSON file.
        image_id: id of the image in this file.
        size: `(height, width)` that the file gives, pixels.
        annotations: JSON, `[background id, [[category id, segmentation], ...]]`; text
            takes a tenth of the memory of lists.
    """

    path: str
    image_id: int | str
    size: tuple[int, int]
    annotations: bytes

    def __str__(self):
        return f"image {self.image_id} of {self.path}"


def draw_coco(label: CocoLabel, max_pixels: int) -> np.ndarray:
    """Draw the shapes of an image, later ones over earlier ones, as COCO's tools do.

    Args:
        label: the annotations.
        max_pixels: largest number of pixels that the image may have.

    Returns:
        int32 `(height, width)`, ids of the categories and of the background.

    Raises:
        ValueError: if a shape is damaged.
    """
    height, width = label.size
    check_pixels(label, (width, height), max_pixels)
    background, shapes = json.loads(label.annotations)
    label_map = np.full((height, width), background, dtype="int32")
    for category_id, segmentation in shapes:
        if not segmentation:
            continue
        try:
            label_map[polygon_mask(segmentation, height, width)] = category_id
        except Exception as error:  # of any class: pycocotools' C code checks nothing
            raise ValueError(
                f"has a shape of category {category_id} that can't be drawn ({error})"
            ) from error
    return label_map


def polygon_mask(
    segmentation: dict[str, Any] | list[list[float]], height: int, width: int
) -> np.ndarray:
    """Return the boolean mask `(height, width)` of polygons or run lengths.

    Args:
        segmentation: `[[x, y, x, y, ...], ...]` in pixels, or `size` and `counts`.
        height: height of the image, pixels.
        width: width of the image, pixels.

    Raises:
        ValueError: if it is damaged.
    """
    if isinstance(segmentation, dict):
        if list(segmentation["size"]) != [height, width]:
            raise ValueError(f"its run lengths are of size {segmentation['size']}")
        counts = segmentation["counts"]
        if not isinstance(counts, list):
            counts = decode_run_lengths(counts)
        # pycocotools cuts fractions off; the pixels that they lack are undefined.
        if sum(counts) != height * width or any(count % 1 for count in counts):
            raise ValueError("its run lengths do not fill the image")
        runs = {"size": [height, width], "counts": counts}
        return coco_masks.decode(coco_masks.frPyObjects(runs, height, width)) > 0
    polygons = [[float(value) for value in polygon] for polygon in segmentation]
    for polygon in polygons:
        if len(polygon) < 6 or len(polygon) % 2:
            raise ValueError("expected x and y of three points or more in a polygon")
        points = list(zip(polygon[::2], polygon[1::2], strict=True))
        check_points(points, (height, width))
    coded = coco_masks.frPyObjects(polygons, height, width)
    return coco_masks.decode(coco_masks.merge(coded)).astype(bool)


def decode_run_lengths(text: str | bytes) -> list[int]:
    """Convert COCO's packed run lengths into numbers.

    pycocotools does not check whether they fit into the image before it writes them.

    Args:
        text: six bits per character, counted from "0": five bits of a number, low ones
            first, and whether more follow. From the third number, each is the
            difference to the number two before it.

    Raises:
        ValueError: if there is another character, or a negative length.
    """
    counts: list[int] = []
    value = shift = 0
    for char in text.encode() if isinstance(text, str) else text:
        bits = char - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError("its run lengths are damaged")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:  # the sign
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        if counts[-1] < 0:
            raise ValueError("its run lengths are damaged")
        value = shift = 0
    return counts


def check_points(points: Sequence[tuple[float, float]], size: Size) -> None:
    """Refuse points far outside the image.

    Args:
        points: x and y in pixels, in the order in which they are connected.
        size: height and width of the image.

    Raises:
        ValueError: if a point is too far away, or the outline too long.
    """
    farthest = _MAX_DISTANCE * max(size)
    for x, y in points:
        if not (abs(x) <= farthest and abs(y) <= farthest):  # also refuses NaN
            raise ValueError(
                f"its points must be at most {farthest} pixels away. Received: {x:g}, "
                f"{y:g}"
            )
    neighbours = zip(points, [*points[1:], *points[:1]], strict=True)
    length = sum(math.dist(one, other) for one, other in neighbours)
    if length > _MAX_LENGTH:
        raise ValueError(
            f"its outline must be at most {_MAX_LENGTH} pixels long. "
            f"Received: {length:.0f}"
        )
