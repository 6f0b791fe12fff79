"""Checks of the shapes in annotation files, before they are drawn.

The libraries that draw them are written in C and check nothing: a point far outside
takes minutes, or crashes the process.
"""

import math
from collections.abc import Sequence

from keras_fcn.typing import Size

_MAX_DISTANCE = 10  # of a point from the image, times the image's longer side
_MAX_LENGTH = 2**22  # of an outline, pixels; pycocotools takes 40 bytes for each


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
