"""The different values and colors in label files: of one file, and of all together."""

from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

import numpy as np

from keras_fcn.datasets.folder.labels.class_table import WIDE_VOID
from keras_fcn.datasets.folder.labels.decoder import VOID_ID, grey, is_grey, pack, rgb
from keras_fcn.datasets.folder.labels.files import StoredLabels

NO_COLOR = 256 * 0x010101  # above all packed colors, and no RGB color
_MAX_KEYS = 1024  # kept of a file; smoothed color files have tens of thousands
_MAX_THIN_SHARE = 0.25  # of the pixels, that smoothing changes


class FileContents(NamedTuple):
    """The different values or colors of a label file.

    Attributes:
        is_rgb: whether it has colors that are not gray, without a palette.
        keys: int32, the values or packed colors.
        counts: int64, number of pixels of each.
        palette: int32, packed color of each key of a palette file; None for others.
        num_distinct: number of different ones; `keys` has the most frequent.
        areas: int32, those that cover an area; others are at edges only, as are those
            that resizing or JPEG adds.
        is_lossy: whether the file is a JPEG.
    """

    is_rgb: bool
    keys: np.ndarray
    counts: np.ndarray
    palette: np.ndarray | None
    num_distinct: int
    areas: np.ndarray
    is_lossy: bool

    @property
    def colors(self) -> np.ndarray:
        """Packed color of each key, int32; a value above 255 has none: `NO_COLOR`."""
        if self.palette is not None:
            return self.palette
        if self.is_rgb:
            return self.keys
        return np.where(self.keys > 255, NO_COLOR, grey(np.minimum(self.keys, 255)))


def file_contents(stored: StoredLabels) -> FileContents:
    """Find the different values or colors of a label file.

    Args:
        stored: what `read_labels` returned.
    """
    values = stored.values
    is_rgb = values.ndim == 3 and not is_grey(values)
    if values.ndim == 3:
        values = pack(values) if is_rgb else values[..., 0]
    keys, counts = _unique(values)
    # A pixel that equals its upper and its left neighbor is part of an area.
    inside = values[1:, 1:]
    is_area = (inside == values[:-1, 1:]) & (inside == values[1:, :-1])
    areas = _unique(inside[is_area])[0]
    num_distinct = len(keys)
    if num_distinct > _MAX_KEYS:
        kept = np.sort(np.argsort(-counts)[:_MAX_KEYS])
        keys, counts = keys[kept], counts[kept]
    palette = None if stored.palette is None else pack(stored.palette[keys])
    return FileContents(
        is_rgb, keys, counts, palette, num_distinct, areas, stored.is_lossy
    )


def _unique(values):
    """Different values, int32, and their numbers of pixels."""
    if values.dtype == np.uint8:  # several times as fast as np.unique
        counts = np.bincount(values.ravel(), minlength=256)
        keys = np.flatnonzero(counts)
        return keys.astype("int32"), counts[keys]
    keys, counts = np.unique(values, return_counts=True)
    return keys.astype("int32"), counts


class Contents:
    """The values and colors of several label files together.

    Args:
        files: the contents of each file.

    Attributes:
        values: pixels of each gray value and palette index.
        colors: pixels of each packed color: of RGB files, gray values and palettes.
        areas: values and colors that cover an area in a file.
        has_rgb: whether a file has colors that are not gray.
        is_lossy: whether a file is a JPEG.
        palette: packed color of each palette index; None if files differ in it or no
            file has a palette.
        has_palettes: whether files differ in the color of an index that they use.
        small_sets: the sets of at most three values that files have, some of them.
        num_distinct: largest number of different values or colors of a file.
    """

    def __init__(self, files: Iterable[FileContents]):
        self.values: Counter[int] = Counter()
        self.colors: Counter[int] = Counter()
        self.areas: set[int] = set()
        self.has_rgb = self.is_lossy = False
        self.small_sets: set[frozenset[int]] = set()
        self.num_distinct = 0
        index_colors: set[tuple[int, int]] = set()
        for file in files:
            keys, counts = file.keys.tolist(), file.counts.tolist()
            colors = file.colors.tolist()
            for color, count in zip(colors, counts, strict=True):
                self.colors[color] += count  # palettes may have a color twice
            self.areas.update(file.areas.tolist())
            self.is_lossy |= file.is_lossy
            self.num_distinct = max(self.num_distinct, file.num_distinct)
            if file.is_rgb:
                self.has_rgb = True
                continue
            self.values.update(dict(zip(keys, counts, strict=True)))
            # Enough for the rule about files of 0 and 1 and files of 0 and 255.
            if len(keys) < 4 and len(self.small_sets) < 64:
                self.small_sets.add(frozenset(keys))
            if file.palette is not None:
                index_colors.update(zip(keys, colors, strict=True))
        palette = dict(index_colors)
        is_one = 0 < len(palette) == len(index_colors)
        self.palette = palette if is_one else None
        self.has_palettes = len(palette) < len(index_colors)

    @cached_property
    def smoothed(self) -> set[int]:
        """Values (colors if there are RGB files) that smoothing has added.

        Resizing with smoothing, and JPEG, put values between those of the classes:
        many of them, each on few pixels, and none covers an area.
        """
        pixels = self.colors if self.has_rgb else self.values
        # Void outlines are thin in data sets such as Pascal VOC.
        used = pixels.keys() - {VOID_ID, WIDE_VOID}
        thin = used - self.areas
        share = sum(pixels[key] for key in thin) / max(1, pixels.total())
        is_smoothed = (
            len(thin) >= 3
            and 3 * len(thin) >= len(used)
            and len(used) > len(thin)
            and share <= _MAX_THIN_SHARE
        )
        return thin if is_smoothed else set()

    @property
    def main(self) -> dict[str, int]:
        """Pixels of the values or colors that smoothing has not added."""
        pixels = self.colors if self.has_rgb else self.values
        text = rgb if self.has_rgb else str
        return {text(k): n for k, n in pixels.items() if k not in self.smoothed}
