"""Prediction of image files: label maps and overlays of the user's own images.

Reading, inference and writing run at the same time: threads read the next images and
write the last ones while the network computes.
"""

import logging
import time
from collections.abc import Generator, Iterable, Iterator
from itertools import chain, groupby, islice
from typing import TypeVar

import numpy as np

from keras_fcn.config import MAX_IMAGE_PIXELS
from keras_fcn.errors import is_out_of_memory
from keras_fcn.images.frames import read_frames
from keras_fcn.images.prefetch import ordered_map, threads
from keras_fcn.options import ValueRange
from keras_fcn.prediction.confidence import mark_unknown
from keras_fcn.prediction.jobs import Job
from keras_fcn.prediction.outputs import Outputs, write_outputs
from keras_fcn.prediction.results import ImageTask, Result
from keras_fcn.prediction.segmenter import Segmenter
from keras_fcn.runs.exported import ExportedModel

logger = logging.getLogger(__name__)

Task = TypeVar("Task", bound=ImageTask)

_NUM_THREADS = 3
_AHEAD = 3  # images that are read before they are predicted, or wait to be written
_BATCH_SIZE = 8  # on a GPU; a CPU is not faster with several at a time


def predict_images(
    segmenter: Segmenter,
    jobs: Iterable[Job],
    outputs: Outputs = Outputs(),
    batch_size: int | None = None,
    max_pixels: int = MAX_IMAGE_PIXELS,
) -> Generator[Result, None, None]:
    """Predict images and write their label maps, overlays and confidence.

    The label map is a palette PNG of the image's size whose values are class ids; the
    overlay is the image blended with the classes' colors, with a legend. Images that
    cannot be read, predicted or written are logged and skipped.

    Args:
        segmenter: the network.
        jobs: the files; only a few images are in memory at a time.
        outputs: what is written.
        batch_size: maximum number of consecutive images of one size that are predicted
            together; None for 8 on a GPU and 1 on a CPU.
        max_pixels: maximum number of pixels of an image; larger ones are skipped.

    Yields:
        The result of each image, in order; several for a file with several images.

    Raises:
        OSError: if the disk is full or cannot be written to.
    """
    batch_size = batch_size or batch_size_of(segmenter)

    def open_file(job: Job) -> Iterable[ImageTask]:
        tasks = read_images(job, outputs, max_pixels, segmenter.value_range)
        return chain([next(tasks)], tasks)  # the first image is read in this thread

    with threads(_NUM_THREADS) as executor:
        opened = ordered_map(executor, open_file, jobs, _AHEAD + batch_size)
        predicted = predict_tasks(
            segmenter,
            chain.from_iterable(opened),
            batch_size,
            outputs.confidence,
            outputs.probabilities,
        )
        results = ordered_map(
            executor,
            lambda task: write_outputs(task, segmenter.class_map, outputs),
            predicted,
            _AHEAD,
        )
        for result in results:
            if result.problem:
                logger.error("skipped: %s", result.problem)
            yield result


def batch_size_of(segmenter: Segmenter) -> int:
    """Return the default number of images of one size that are predicted together.

    Args:
        segmenter: the network.
    """
    if isinstance(segmenter.model, ExportedModel):
        return 1
    from keras_fcn.models.devices import has_accelerator

    return _BATCH_SIZE if has_accelerator() else 1


def read_images(
    job: Job,
    outputs: Outputs,
    max_pixels: int = MAX_IMAGE_PIXELS,
    value_range: ValueRange = "auto",
) -> Iterator[ImageTask]:
    """Read the images of a file.

    Args:
        job: the file.
        outputs: defines which images are skipped because their outputs exist.
        max_pixels: maximum number of pixels of an image.
        value_range: as for `read_image`.

    Yields:
        A task for each image; `image` is None where it is skipped. The last one has a
        problem if the file, or the rest of it, cannot be read.
    """
    task = ImageTask(job)
    if outputs.are_complete(job):
        yield task
        return
    try:
        for frame, image in read_frames(job.path, max_pixels, value_range):
            task.frame = frame
            if frame is None or not outputs.are_complete(job, frame):
                task.image = image
            task.seconds = time.perf_counter() - task.started
            yield task
            task = ImageTask(job)
    except Exception as error:  # of any decoder, and MemoryError
        task.fail("read", error)
        yield task


def predict_tasks(
    segmenter: Segmenter,
    tasks: Iterable[Task],
    batch_size: int,
    with_confidence: bool = False,
    with_probabilities: bool = False,
) -> Iterator[Task]:
    """Set the label maps of tasks.

    Args:
        segmenter: the network.
        tasks: those without an image are passed on.
        batch_size: maximum number of consecutive images of one size that are predicted
            together.
        with_confidence: also set their confidence.
        with_probabilities: also set their probabilities, and their confidence.

    Yields:
        The same tasks in order, with a label map or a problem.
    """
    fitting = batch_size  # images that the memory has room for

    def predict(group: list[Task]) -> list[Task]:
        nonlocal fitting
        begun = time.perf_counter()
        most = _predict_group(segmenter, group, with_confidence, with_probabilities)
        if most < min(len(group), fitting):
            logger.warning(
                "Out of memory for %d images at a time: predicting %d at a time",
                len(group),
                most,
            )
            fitting = most
        for task in group:
            task.seconds += (time.perf_counter() - begun) / len(group)
        return group

    groups = _groups(tasks, lambda: fitting)
    if not isinstance(segmenter.model, ExportedModel):
        yield from chain.from_iterable(map(predict, groups))
        return
    # One image is resized, and its logits, while the runtime computes another one.
    num_parallel = segmenter.model.runtime.num_parallel
    with threads(num_parallel) as executor:
        predicted = ordered_map(executor, predict, groups, num_parallel)
        yield from chain.from_iterable(predicted)


def _groups(tasks, batch_size):
    """Yield consecutive images of one size, at most `batch_size()`, and other tasks."""
    runs = groupby(tasks, lambda task: task.image is not None and task.image.shape)
    for shape, run in runs:
        while group := list(islice(run, batch_size() if shape else 1)):
            yield group


def _predict_group(segmenter, group, with_confidence, with_probabilities):
    """Predict images of one size together; half of them at a time if that fails.

    Returns the number of images that were predicted together.
    """
    if group[0].image is None:
        return len(group)
    try:
        images = np.stack([task.image for task in group])  # (N, H, W, 3)
        probabilities = confidence = [None] * len(group)
        if with_probabilities:  # all from one pass, which may be a random one
            probabilities = segmenter.probabilities(images)  # (N, H, W, C)
            confidence = probabilities.max(axis=-1)
            label_maps = mark_unknown(
                probabilities.argmax(axis=-1).astype("uint8"),
                confidence,
                segmenter.options.unknown_below,
                segmenter.class_map,
            )
        elif with_confidence:
            label_maps, confidence = segmenter.label_and_confidence(images)
        else:
            label_maps = segmenter(images)
        for task, *outputs in zip(
            group, label_maps, confidence, probabilities, strict=True
        ):
            task.label_map, task.confidence, task.probabilities = outputs
    except Exception as error:  # mostly a lack of memory
        if len(group) == 1:
            group[0].fail("predicted", error)
            return 1
        half = -(-len(group) // 2)
        most = [
            _predict_group(segmenter, part, with_confidence, with_probabilities)
            for part in (group[:half], group[half:])
        ]
        return min(most) if is_out_of_memory(error) else len(group)
    return len(group)
