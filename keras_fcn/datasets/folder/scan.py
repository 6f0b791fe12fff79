"""Read all images and labels of a data set once, in parallel, before any decision."""

import hashlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_fcn.config import MAX_IMAGE_PIXELS
from keras_fcn.datasets.folder.labels.contents import FileContents, file_contents
from keras_fcn.datasets.folder.labels.files import read_stored
from keras_fcn.datasets.folder.labels.image_shapes import is_shapes_file
from keras_fcn.datasets.folder.samples import Sample
from keras_fcn.images.frames import check_pages
from keras_fcn.images.reading import (
    has_bytes,
    read_image_values,
    read_size_and_orientation,
)
from keras_fcn.images.value_range import Extent
from keras_fcn.progress import Progress
from keras_fcn.typing import Size

# Above this many bytes of image files only their headers are read at the start of a
# training: decoding them takes minutes, and each is decoded in the first epoch anyway.
FULL_READ_BYTES = 2**28
# Starting processes takes seconds, which only many samples make up for.
MANY_SAMPLES = 10_000
_CHUNK = 64  # samples that a process is sent at a time, to save messages


class SampleFacts(NamedTuple):
    """What an image and its label contain.

    Attributes:
        size: height and width of the image, upright; None if it can't be read.
        orientation: EXIF orientation, 1 to 8.
        label_size: height and width of the label map.
        label: values or colors of the label map.
        errors: what can't be read, `(kind, message)`.
        color_sum: float64 `(3,)`, sum of RGB over the pixels, before they are mapped to
            0 to 255; None if the image was not decoded.
        digest: hash of the decoded pixels; None if the image was not decoded.
        extent: type and range of the stored values; None if the image was not decoded.
    """

    size: Size | None
    orientation: int
    label_size: Size | None
    label: FileContents | None
    errors: tuple[tuple[str, str], ...]
    color_sum: np.ndarray | None
    digest: bytes | None
    extent: Extent | None = None


def scan(
    samples: Sequence[Sample],
    labelme_values: dict[str, int],
    is_full: bool | None = None,
    max_pixels: int = MAX_IMAGE_PIXELS,
) -> list[SampleFacts]:
    """Read images and labels, and show the progress.

    Args:
        samples: the images with their labels.
        labelme_values: value of each label of labelme files.
        is_full: decode all images; False decodes those of more than 8 bits, for their
            value range, and reads the headers of others; None decides by the size of
            the files.
        max_pixels: largest number of pixels that an image or label map may have.

    Returns:
        The facts of each sample, in order; errors are among them.

    Raises:
        OSError: if a process ends early.
    """
    if is_full is None:
        paths = (Path(sample.image) for sample in samples)
        num_bytes = sum(path.stat().st_size for path in paths if path.is_file())
        is_full = num_bytes <= FULL_READ_BYTES
    read = partial(
        read_facts,
        labelme_values=labelme_values,
        is_full=is_full,
        max_pixels=max_pixels,
    )
    num_workers = min(8, os.cpu_count() or 1)
    pool: Executor = ThreadPoolExecutor(num_workers)
    if len(samples) >= MANY_SAMPLES:
        # Python's threads share one core; a fork of a process with TensorFlow may hang.
        spawn = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(num_workers, spawn, _start_worker)
    facts: list[SampleFacts] = []
    with Progress(
        description="Reading images and labels", total=len(samples)
    ) as progress:
        try:
            for fact in pool.map(read, samples, chunksize=_CHUNK):
                facts.append(fact)
                progress.update()
        except BrokenProcessPool as error:
            raise OSError(
                "A process that reads images ended early: out of memory, or a script "
                'that does not start its work in `if __name__ == "__main__":`'
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)
    return facts


def _start_worker():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process handles Ctrl-C

    def exit_with_parent():
        # Workers of the pool would wait forever for a main process that was killed.
        if parent := multiprocessing.parent_process():
            parent.join()
            os._exit(1)

    threading.Thread(target=exit_with_parent, daemon=True).start()


def read_facts(
    sample: Sample, labelme_values: dict[str, int], is_full: bool, max_pixels: int
) -> SampleFacts:
    """Read an image and its label; errors are among the facts.

    Args:
        sample: an image with its label.
        labelme_values: value of each label of labelme files.
        is_full: decode the image; False does so if it has more than 8 bits.
        max_pixels: largest number of pixels that the image or label map may have.
    """
    errors = []
    size = color_sum = digest = label_size = label = extent = None
    orientation = 1
    path = Path(sample.image)
    try:
        check_pages(path, max_pixels)
        if is_full or not has_bytes(path, max_pixels):
            image, orientation = read_image_values(path, max_pixels)
            size = image.shape[:2]
            extent = Extent.of(image, str(path))
            num_channels = image.shape[2] if image.ndim == 3 else 1
            sums = image.reshape(-1, num_channels).sum(axis=0, dtype="float64")
            color_sum = np.broadcast_to(sums, 3)
            # Of the pixels: the same image may be in files of two formats.
            digest = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
        else:
            size, orientation = read_size_and_orientation(path, max_pixels)
    except (ValueError, OSError) as error:
        errors.append(("unreadable", str(error)))
    try:
        stored = read_stored(sample.label, labelme_values, max_pixels)
        label_size = stored.values.shape[:2]
        label = file_contents(stored)
    except (ValueError, OSError) as error:
        name = str(sample.label)
        is_shapes = isinstance(sample.label, str) and is_shapes_file(sample.label)
        if isinstance(error, OSError) or name in str(error):
            errors.append(("unreadable", str(error)))
        else:  # about the values of a label map, or what a file of shapes contains
            kind = "unreadable" if is_shapes else "values"
            errors.append((kind, f"{name} {error}"))
    return SampleFacts(
        size, orientation, label_size, label, tuple(errors), color_sum, digest, extent
    )
