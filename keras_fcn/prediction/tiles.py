"""Large images tile by tile, with what surrounds each tile, and blended scores.

Tiles lie on the network's own grid of 32 pixels, and what they hold of the outside of
an image is what the network itself pads it with. So a pixel that is further from the
edges of what is seen than the network looks has the score that it has in the whole
image. Each tile is seen with `_CONTEXT` pixels around it that are cut off. Where tiles
overlap, pixels near a tile's edge count less, and in an overlap that is wide enough the
nearest not at all.
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from keras_fcn.models.layers import MEAN_RGB
from keras_fcn.prediction.options import GRID, RECEPTIVE_FIELD, resolve_overlap
from keras_fcn.typing import Size

_CONTEXT = 64  # pixels on each side, on the grid
# A pixel takes scores from cells that are at most 46 pixels away (FCN-4s enlarges by 2,
# 2, 2 and 4, the others less), and those come from half a receptive field around.
_REACH = RECEPTIVE_FIELD // 2 + 46 - _CONTEXT  # pixels from a tile's edge


def tiled_scores(
    look: Callable[[np.ndarray], np.ndarray],
    image: np.ndarray,
    tile: Size,
    overlap: int | None = None,
) -> Iterator[np.ndarray]:
    """Return the scores of an image from looks at its tiles, from top to bottom.

    Memory holds one row of tiles. On a terminal, a line tells how far it is.

    Args:
        look: `InferenceMode.scores` of a network.
        image: RGB, `(height, width, 3)`.
        tile: height and width of a tile, pixels; taken down to multiples of 32.
        overlap: as for `resolve_overlap`; taken up to a multiple of 32 where the tile
            has room for it.

    Yields:
        float32 `(rows, width, num_classes)`.

    Raises:
        ValueError: as `resolve_overlap`.
    """
    overlap = resolve_overlap(tile, overlap)
    down = _Axis.cut(image.shape[0], tile[0], overlap)
    across = _Axis.cut(image.shape[1], tile[1], overlap)
    progress = _Progress(len(down.starts) * len(across.starts))
    pending = None  # scores of the rows from `first` on, as far as they are known
    for index, first in enumerate(down.starts):
        band = _band(look, image, down, across, index, progress)
        band *= down.weights[index][:, None, None]
        if pending is not None:
            band[: len(pending)] += pending
        is_last = index + 1 == len(down.starts)
        final = down.tile if is_last else down.starts[index + 1] - first
        pending = band[final:].copy()
        # Rows of the padding are left out.
        begin, end = (edge - first for edge in (down.before, down.before + down.length))
        yield band[max(begin, 0) : min(final, end)]


def _band(look, image, down, across, index, progress):
    """Scores of a row of tiles, blended from left to right, without the padding."""
    band = None
    for start, weights in zip(across.starts, across.weights, strict=True):
        top, left = down.seen_start(down.starts[index]), across.seen_start(start)
        seen = _cut_out(image, down, top, across, left)
        scores = look(seen[None])[0]
        rows, columns = down.starts[index] - top, start - left
        scores = scores[rows : rows + down.tile, columns : columns + across.tile]
        if band is None:
            band = np.zeros((down.tile, across.padded, scores.shape[-1]), "float32")
        band[:, start : start + across.tile] += scores * weights[:, None]
        progress.advance()
    return band[:, across.before : across.before + across.length]


def _cut_out(image, down, top, across, left):
    """What is seen of a tile, float32; outside of the image the padding's colour."""
    seen = np.empty((down.seen, across.seen, 3), dtype="float32")
    seen[:] = MEAN_RGB
    rows, inner_rows = down.overlay(top)
    columns, inner_columns = across.overlay(left)
    seen[inner_rows, inner_columns] = image[rows, columns]
    return seen


@dataclass(frozen=True)
class _Axis:
    """The tiles along one axis of an image that is padded to a multiple of 32.

    `before` of the padding stand before the image. Of each tile `tile` pixels from its
    start on are answered, and `seen` are seen. `weights` has what each of its pixels
    counts; those of all tiles add up to 1 at each pixel.
    """

    length: int
    padded: int
    before: int
    tile: int
    seen: int
    starts: list[int]
    weights: list[np.ndarray]

    @classmethod
    def cut(cls, length, tile, overlap):
        padded = -(-length // GRID) * GRID
        tile = min(tile // GRID * GRID, padded)
        step = max(GRID, (tile - overlap) // GRID * GRID)
        starts = list(range(0, padded - tile, step)) + [padded - tile]
        total = np.zeros(padded, dtype="float32")
        weights = []
        for start in starts:
            weights.append(
                _weights(tile, tile - step, start > 0, start + tile < padded)
            )
            total[start : start + tile] += weights[-1]
        weights = [
            weight / total[start : start + tile]
            for start, weight in zip(starts, weights, strict=True)
        ]
        before, seen = (padded - length) // 2, min(tile + 2 * _CONTEXT, padded)
        return cls(length, padded, before, tile, seen, starts, weights)

    def seen_start(self, start):
        """Where what is seen of a tile begins: all tiles see as much."""
        return min(max(start - _CONTEXT, 0), self.padded - self.seen)

    def overlay(self, start):
        """Where what is seen lies in the image, and where that is in what is seen."""
        first = max(start - self.before, 0)
        last = min(start + self.seen - self.before, self.length)
        inner = slice(first + self.before - start, last + self.before - start)
        return slice(first, last), inner


def _weights(tile, overlap, has_before, has_after):
    """What the pixels of a tile count by their distance to its inner edges."""
    margin = min(max(overlap - _REACH, 0), _REACH)  # _REACH where there is room
    ramp = max(1, overlap - 2 * margin)
    distance = np.arange(tile) + 0.5
    weights = np.ones(tile, dtype="float32")
    for has_edge, from_edge in ((has_before, distance), (has_after, tile - distance)):
        if has_edge:
            weights *= ((from_edge - margin) / ramp).clip(0, 1)
    return weights


class _Progress:
    """A line on a terminal that tells how many tiles are done."""

    def __init__(self, total):
        self.total, self.count, self.started = total, 0, time.monotonic()

    def advance(self):
        self.count += 1
        if not sys.stderr.isatty() or self.total == 1:
            return
        left = (
            (time.monotonic() - self.started) / self.count * (self.total - self.count)
        )
        line = f"tile {self.count}/{self.total}  {left:.0f} s left"
        sys.stderr.write(f"\r\x1b[K{line if self.count < self.total else ''}")
        sys.stderr.flush()
