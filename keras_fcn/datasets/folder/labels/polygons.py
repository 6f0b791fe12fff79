"""Shapes of annotation files, checked before they are drawn.

What draws them is written in C: a point far away takes any time, or ends the process.
"""

import math
from collections.abc import Sequence

from keras_fcn.typing import Size

_BEYOND = 10  # times the larger side that a point may be away from the image
_LONGEST = 2**22  # pixels around a shape; pycocotools takes 40 bytes of memory for each


def check_points(points: Sequence[tuple[float, float]], size: Size) -> None:
    """Refuse points that are nowhere near the image.

    Args:
        points: x and y in pixels, in the order in which they are connected.
        size: height and width of the image.

    Raises:
        ValueError: if one is, or the line through them is longer than any outline.
    """
    farthest = _BEYOND * max(size)
    for x, y in points:
        if not (abs(x) <= farthest and abs(y) <= farthest):  # also of NaN
            raise ValueError(
                f"its points must be at most {farthest} pixels away. Received: {x:g}, "
                f"{y:g}"
            )
    neighbours = zip(points, [*points[1:], *points[:1]], strict=True)
    length = sum(math.dist(one, other) for one, other in neighbours)
    if length > _LONGEST:
        raise ValueError(
            f"its outline must be at most {_LONGEST} pixels long. "
            f"Received: {length:.0f}"
        )


def decode_run_lengths(text: str | bytes) -> list[int]:
    """Read COCO's run lengths as numbers.

    pycocotools does not look whether they fit into the image before it writes them.

    Args:
        text: six bits in each character from "0" on: five of a number, low ones first,
            and whether more follow; from the third number on, the difference to the
            last but one.

    Raises:
        ValueError: if there is another character, or a run of less than no pixel.
    """
    counts, value, shift = [], 0, 0
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
