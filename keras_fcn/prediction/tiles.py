"""Logits of large images, computed tile by tile and blended.

Tiles lie on the network's own grid of 32 pixels, and outside of the image they are
filled with the mean color, with which the network pads images. A pixel that is further
than `_REACH` from the edge of its tile has the logits that it has in the whole image.
The network runs on windows: tiles with `_CONTEXT` pixels around them, which are cut off
afterwards. Where tiles overlap, their logits are blended with weights that sum to 1.
The weights fall towards a tile's edge, and are 0 near it if the overlap is wide enough.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from keras_fcn.images.scale import MEAN_RGB
from keras_fcn.prediction.options import GRID, RECEPTIVE_FIELD
from keras_fcn.progress import Progress
from keras_fcn.typing import Size

_CONTEXT = 64  # pixels on each side, on the grid
# A pixel's logits are interpolated from cells at most 46 pixels away (FCN-4s;
# FCN-32s, 16s and 8s have a shorter reach), each with half a receptive field around it.
_REACH = RECEPTIVE_FIELD // 2 + 46 - _CONTEXT  # pixels from a tile's edge


def tiled_logits(
    compute_logits: Callable[[np.ndarray], np.ndarray],
    image: np.ndarray,
    tile: Size,
    overlap: int,
) -> Iterator[np.ndarray]:
    """Compute the logits of an image tile by tile, from top to bottom.

    Memory holds one row of tiles.

    Args:
        compute_logits: `InferenceMode.logits` of a network.
        image: RGB, `(height, width, 3)`.
        tile: height and width of a tile, pixels, at least 32; rounded down to a
            multiple of 32.
        overlap: pixels that two tiles share; rounded up to a multiple of 32 if the
            tile is large enough.

    Yields:
        float32 `(rows, width, num_classes)`.
    """
    down = _Axis.split(image.shape[0], tile[0], overlap)
    across = _Axis.split(image.shape[1], tile[1], overlap)
    # Rows of the last row of tiles that the next one overlaps: (shared, W, C).
    pending = np.empty((0, 1, 1), "float32")
    num_tiles = len(down.starts) * len(across.starts)
    with Progress(description="Tiles", total=num_tiles, unit="tiles") as progress:
        for index, first in enumerate(down.starts):
            top = down.window_start(first)
            for start, weights in zip(across.starts, across.weights, strict=True):
                left = across.window_start(start)
                window = _cut_window(image, down, top, across, left)
                logits = compute_logits(window[None])[0]
                logits = logits[first - top :][: down.tile]
                logits = logits[:, start - left :][:, : across.tile]  # (tile, tile, C)
                if start == 0:
                    shape = (down.tile, across.padded, logits.shape[-1])
                    band = np.zeros(shape, "float32")
                band[:, start : start + across.tile] += logits * weights[:, None]
                progress.update()
            band = band[:, across.before :][:, : across.length]  # (tile, W, C)
            band *= down.weights[index][:, None, None]
            band[: len(pending)] += pending
            # Rows that the next row of tiles does not reach are complete.
            ends = [*down.starts[1:], first + down.tile]
            num_complete = ends[index] - first
            pending = band[num_complete:].copy()
            # Rows of the padding are left out.
            begin, end = down.before - first, down.before + down.length - first
            yield band[max(begin, 0) : min(num_complete, end)]


def _cut_window(image, down, top, across, left):
    """Return the input of a tile, float32; outside of the image it is padding."""
    window = np.empty((down.window, across.window, 3), dtype="float32")
    window[:] = MEAN_RGB
    rows, inner_rows = down.intersection(top)
    columns, inner_columns = across.intersection(left)
    window[inner_rows, inner_columns] = image[rows, columns]
    return window


@dataclass(frozen=True)
class _Axis:
    """The tiles along one axis of an image that is padded to a multiple of 32.

    Attributes:
        length: pixels of the image.
        padded: pixels of the padded image.
        before: pixels of padding before the image.
        tile: pixels of a tile.
        window: pixels of a tile and its context, the input of the network.
        starts: first pixel of each tile in the padded image.
        weights: of each tile, float32 `(tile,)`; over all tiles they sum to 1 at each
            pixel.
    """

    length: int
    padded: int
    before: int
    tile: int
    window: int
    starts: list[int]
    weights: list[np.ndarray]

    @classmethod
    def split(cls, length: int, tile: int, overlap: int) -> "_Axis":
        padded = -(-length // GRID) * GRID
        tile = min(tile // GRID * GRID, padded)
        step = max(GRID, (tile - overlap) // GRID * GRID)
        starts = [*range(0, padded - tile, step), padded - tile]
        shared = tile - step
        # In a wide overlap, weights are 0 where a tile's context does not suffice.
        margin = min(max(shared - _REACH, 0), _REACH)
        ramp = max(1, shared - 2 * margin)
        distance = np.arange(tile) + 0.5  # of pixel centers from the tile's first edge
        total = np.zeros(padded, dtype="float32")
        weights = []
        for start in starts:
            weight = np.ones(tile, dtype="float32")
            if start > 0:  # no other tile holds the pixels at the image's edge
                weight *= ((distance - margin) / ramp).clip(0, 1)
            if start + tile < padded:
                weight *= ((tile - distance - margin) / ramp).clip(0, 1)
            total[start : start + tile] += weight
            weights.append(weight)
        # The last tile may overlap its neighbor by more than the others: ramps alone
        # would not sum to 1.
        weights = [
            weight / total[start : start + tile]
            for start, weight in zip(starts, weights, strict=True)
        ]
        before, window = (padded - length) // 2, min(tile + 2 * _CONTEXT, padded)
        return cls(length, padded, before, tile, window, starts, weights)

    def window_start(self, start: int) -> int:
        """First pixel of a tile's window; at the edges it is moved, not made smaller.

        All windows have one size, so that the network is compiled once.
        """
        return min(max(start - _CONTEXT, 0), self.padded - self.window)

    def intersection(self, start: int) -> tuple[slice, slice]:
        """Part of a window that the image fills: in the image, and in the window."""
        first = max(start - self.before, 0)
        last = min(start + self.window - self.before, self.length)
        inner = slice(first + self.before - start, last + self.before - start)
        return slice(first, last), inner
