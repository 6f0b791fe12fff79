"""All values and colours of a data set's label maps together."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from keras_fcn.datasets.folder.labels.decoder import VOID_ID, grey
from keras_fcn.datasets.folder.labels.files import WIDE_VOID
from keras_fcn.datasets.folder.scan import LabelFacts

_MOST_THIN_SHARE = 0.25  # of the pixels, that smoothing changes


@dataclass
class StoredValues:
    """What is stored where, over the whole data set.

    Attributes:
        values: pixels of each grey value and palette index.
        colors: pixels of each packed colour: of RGB files, of grey values, and of
            palette entries.
        inner: values and colours that cover some area, by `values` or `colors`.
        has_rgb: whether a file has colours that are not grey.
        palette: packed colour of each palette index; None where files differ in it or
            no file has a palette.
        together: sets of values that files have, a few of them.
    """

    values: dict[int, int] = field(default_factory=dict)
    colors: dict[int, int] = field(default_factory=dict)
    inner: set[int] = field(default_factory=set)
    has_rgb: bool = False
    palette: dict[int, int] | None = None
    together: set[frozenset[int]] = field(default_factory=set)

    def thin(self) -> set[int]:
        """Return values (or colours of RGB files) on edges alone, if smoothing did it.

        Resizing with smoothing, and JPEG, put values between those of the classes:
        there are many of them, each on few pixels, and none covers an area.
        """
        pixels = self.colors if self.has_rgb else self.values
        used = pixels.keys() - {VOID_ID, WIDE_VOID}
        thin = used - self.inner
        share = sum(pixels[key] for key in thin) / max(1, sum(pixels.values()))
        is_smoothed = (
            len(thin) >= 3
            and 3 * len(thin) >= len(used)
            and len(used) > len(thin)
            and share <= _MOST_THIN_SHARE
        )
        return thin if is_smoothed else set()


def stored_values(facts: Iterable[LabelFacts]) -> StoredValues:
    """Add up what label maps store.

    Args:
        facts: of each label map.
    """
    union = StoredValues()
    is_one_palette = True
    for one in facts:
        pairs = list(zip(one.keys.tolist(), one.counts.tolist(), strict=True))
        if one.kind == "colors":
            union.has_rgb = True
            _add(union.colors, pairs)
            union.inner.update(one.inner.tolist())
            continue
        _add(union.values, pairs)
        union.inner.update(one.inner.tolist())
        if len(pairs) < 4 and len(union.together) < 64:
            union.together.add(frozenset(key for key, _ in pairs))
        if one.palette is not None:
            colors = one.palette
            known = union.palette or {}
            own = dict(zip(one.keys.tolist(), colors.tolist(), strict=True))
            is_one_palette &= all(known.get(k, c) == c for k, c in own.items())
            union.palette = known | own
        else:
            colors = grey(np.minimum(one.keys, 256))
        shown = zip(colors.tolist(), one.counts.tolist(), strict=True)
        _add(union.colors, list(shown))
    if not is_one_palette:
        union.palette = None
    return union


def _add(pixels, pairs):
    for key, count in pairs:
        pixels[key] = pixels.get(key, 0) + count
