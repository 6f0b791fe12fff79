"""What the files of a data set hold: read once, in parallel, before any decision."""

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_fcn.config import MAX_IMAGE_PIXELS
from keras_fcn.datasets.folder.labels.decoder import is_grey, pack
from keras_fcn.datasets.folder.labels.files import StoredLabels, read_labels
from keras_fcn.datasets.folder.labels.labelme import draw_labelme
from keras_fcn.datasets.folder.layouts.coco import draw_coco
from keras_fcn.datasets.folder.samples import Sample
from keras_fcn.datasets.folder.scan_processes import examine_in_processes
from keras_fcn.images.reading import (
    read_image_and_orientation,
    read_size_and_orientation,
)
from keras_fcn.typing import Size

Progress = Callable[[int, int], None]

# Above this many bytes of image files only their headers are read at the start of a
# training: decoding them takes minutes, and each is decoded in the first epoch anyway.
FULL_READ_BYTES = 2**28
_MOST_COLORS = 1024  # that are kept of a file: smoothed ones have tens of thousands
MANY_SAMPLES = 10_000  # from here on several processes read
_CHUNK = 64  # samples that a thread takes at a time


class LabelFacts(NamedTuple):
    """What a label map stores.

    Attributes:
        kind: "values" (grey), "palette" or "colors".
        keys: int32, the different values, or packed colours.
        counts: int64, pixels of each.
        palette: packed colours of the keys of a palette file; None of others.
        num_distinct: how many different ones there are; `keys` has the most frequent.
        inner: those that cover some area; others lie on edges alone, as those do that
            resizing or JPEG adds.
        is_lossy: whether the file is a JPEG.
    """

    kind: str
    keys: np.ndarray
    counts: np.ndarray
    palette: np.ndarray | None
    num_distinct: int
    inner: np.ndarray
    is_lossy: bool


class SampleFacts(NamedTuple):
    """What an image and its label hold.

    Attributes:
        size: height and width of the image, upright; None where it can't be read.
        orientation: EXIF orientation, 1 to 8.
        label_size: height and width of the label map.
        label: what it stores.
        errors: what can't be read, `(kind, message)`.
        color_sum: float64 `(3,)`, sum of RGB over the pixels; None where the image was
            not decoded.
        digest: of the decoded pixels, or of the file where it was not decoded.
    """

    size: Size | None
    orientation: int
    label_size: Size | None
    label: LabelFacts | None
    errors: tuple[tuple[str, str], ...]
    color_sum: np.ndarray | None
    digest: bytes | None


def scan(
    samples: Sequence[Sample],
    values: dict[str, int],
    is_full: bool | None = None,
    progress: Progress | None = None,
    max_pixels: int = MAX_IMAGE_PIXELS,
) -> list[SampleFacts]:
    """Read images and labels.

    Args:
        samples: which.
        values: what is drawn for the labels of labelme files.
        is_full: decode the images; False reads their headers alone, None decides by
            the size of their files.
        progress: called with the number that are done and that of all.
        max_pixels: pixels that an image or a label map may have.

    Returns:
        The facts of each sample, in order.
    """
    if is_full is None:
        is_full = _num_bytes(samples) <= FULL_READ_BYTES
    is_large = len(samples) >= MANY_SAMPLES
    parts = (examine_in_processes if is_large else _examine_in_threads)(
        samples, values, is_full, max_pixels
    )
    facts: list[SampleFacts] = []
    for part in parts:
        facts += part
        if progress is not None:
            progress(len(facts), len(samples))
    return facts


def _examine_in_threads(samples, values, is_full, max_pixels):
    cache: dict = {}  # equal sizes are kept once

    def examine_chunk(start):
        part = samples[start : start + _CHUNK]
        return [examine(sample, values, is_full, cache, max_pixels) for sample in part]

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        yield from pool.map(examine_chunk, range(0, len(samples), _CHUNK))


def _num_bytes(samples):
    """Bytes of the image files; counting ends where there are too many."""
    total = 0
    for sample in samples:
        try:
            total += os.stat(sample.image).st_size
        except OSError:
            continue  # the scan says so
        if total > FULL_READ_BYTES:
            break
    return total


def examine(
    sample: Sample,
    values: dict[str, int],
    is_full: bool,
    cache: dict[Size, Size],
    max_pixels: int = MAX_IMAGE_PIXELS,
) -> SampleFacts:
    """Return the facts of a sample; what can't be read is among them.

    Args:
        sample, values, is_full, max_pixels: as for `scan`.
        cache: sizes that have been met, so that equal ones are kept once.
    """
    errors, size, orientation, color_sum, digest = [], None, 1, None, None
    try:
        if is_full:
            image, orientation = read_image_and_orientation(
                Path(sample.image), max_pixels
            )
            size = image.shape[:2]
            color_sum = image.reshape(-1, 3).sum(axis=0, dtype="float64")
            digest = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
        else:
            size, orientation = read_size_and_orientation(
                Path(sample.image), max_pixels
            )
        size = cache.setdefault(size, size)
    except (ValueError, OSError) as error:
        errors.append(("unreadable", str(error)))
    label_size = label = None
    try:
        stored = read_stored(sample, values, max_pixels)
        label_size = stored.values.shape[:2]
        label_size = cache.setdefault(label_size, label_size)
        label = _label_facts(stored)
    except OSError as error:
        errors.append(("unreadable", str(error)))
    except ValueError as error:
        if str(sample.label) in str(error):  # as in those of images
            errors.append(("unreadable", str(error)))
        else:
            errors.append(("values", f"{sample.label} {error}"))
    return SampleFacts(
        size, orientation, label_size, label, tuple(errors), color_sum, digest
    )


def read_stored(
    sample: Sample, values: dict[str, int], max_pixels: int = MAX_IMAGE_PIXELS
) -> StoredLabels:
    """Read or draw the labels of a sample.

    Args:
        sample: which.
        values: what is drawn for the labels of labelme files.
        max_pixels: pixels that they may have.

    Raises:
        ValueError: if they can't be read, or hold what is no id.
    """
    if not isinstance(sample.label, str):
        return StoredLabels(draw_coco(sample.label, max_pixels))
    if sample.label.lower().endswith(".json"):
        return StoredLabels(draw_labelme(Path(sample.label), values, max_pixels))
    return read_labels(Path(sample.label), max_pixels)


def _label_facts(stored):
    values, palette = stored.values, stored.palette
    kind = "palette" if palette is not None else "values"
    if values.ndim == 3:
        if is_grey(values):
            values = values[..., 0]
        else:
            kind, values = "colors", pack(values)
    keys, counts = _unique(values)
    inner = _inner(values)
    num_distinct = len(keys)
    if num_distinct > _MOST_COLORS:
        kept = np.sort(np.argsort(-counts)[:_MOST_COLORS])
        keys, counts = keys[kept], counts[kept]
    colors = None if palette is None else pack(palette[keys])
    return LabelFacts(kind, keys, counts, colors, num_distinct, inner, stored.is_lossy)


def _unique(values):
    """Different values, int32, and their pixels."""
    if values.dtype == np.uint8:
        counts = np.bincount(values.ravel(), minlength=256)
        keys = np.flatnonzero(counts)
        return keys.astype("int32"), counts[keys]
    keys, counts = np.unique(values, return_counts=True)
    return keys.astype("int32"), counts


def _inner(values):
    """Different values of the pixels that are like those above and to the left."""
    inside = values[1:, 1:]
    is_inner = (inside == values[:-1, 1:]) & (inside == values[1:, :-1])
    return _unique(inside[is_inner])[0]


class ProgressLine:
    """Tells how far a scan is, when it takes more than a few seconds.

    Args:
        show: called with a line, at most every `seconds`.
        seconds: between two lines.
    """

    def __init__(self, show: Callable[[str], None], seconds: float = 5.0):
        self._show = show
        self._seconds = seconds
        self._started = self._shown = time.monotonic()

    def __call__(self, count: int, total: int) -> None:
        """Tell that `count` of `total` samples have been read."""
        now = time.monotonic()
        if now - self._shown < self._seconds or count == total:
            return
        self._shown = now
        left = (now - self._started) / count * (total - count)
        self._show(f"read {count} of {total} images and labels, {left:.0f} s left")
