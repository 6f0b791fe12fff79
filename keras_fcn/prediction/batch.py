"""Label maps and overlays of the user's own images.

Reading, the network and writing overlap: threads read the next images and write the
last ones while the network is at work.
"""

import logging
import time
from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np

from keras_fcn.config import MAX_IMAGE_PIXELS
from keras_fcn.models.devices import has_accelerator
from keras_fcn.prediction.jobs import Job
from keras_fcn.prediction.pictures import (
    Outputs,
    Picture,
    read_pictures,
    write_picture,
)
from keras_fcn.prediction.prefetch import overlapped, threads
from keras_fcn.prediction.results import Result
from keras_fcn.prediction.segmenter import Segmenter

logger = logging.getLogger(__name__)

_NUM_THREADS = 3
_AHEAD = 3  # images that are read before they are predicted, or wait to be written
_BATCH_SIZE = 8  # on a GPU; a CPU is not faster with several at a time


def predict_images(
    segmenter: Segmenter,
    jobs: Iterable[Job],
    outputs: Outputs = Outputs(),  # noqa: B008 (frozen)
    batch_size: int | None = None,
    max_pixels: int = MAX_IMAGE_PIXELS,
) -> Iterator[Result]:
    """Predict images and write their pictures.

    The label map is a palette PNG of the image's size whose values are class ids; the
    overlay is the image under the classes' colours, with a legend. What can't be read,
    predicted or written is logged and left out.

    Args:
        segmenter: the network.
        jobs: what to predict; at most a few are in memory at a time.
        outputs: what is written.
        batch_size: images of one size that are predicted together when they follow each
            other; chosen by the hardware when None.
        max_pixels: pixels that an image may have; a larger one is left out.

    Yields:
        What came of each image, in order. A file with several gives several.

    Raises:
        OSError: if the disk takes no more files.
    """
    batch_size = batch_size or (_BATCH_SIZE if has_accelerator() else 1)
    with threads(_NUM_THREADS) as executor:
        opened = overlapped(
            executor,
            lambda job: _open(job, outputs, max_pixels),
            jobs,
            _AHEAD + batch_size,
        )
        pictures = chain.from_iterable(opened)
        predicted = predict_pictures(
            segmenter, pictures, batch_size, outputs.confidence
        )
        results = overlapped(
            executor,
            lambda picture: write_picture(picture, segmenter.class_map, outputs),
            predicted,
            _AHEAD,
        )
        for result in results:
            if result.problem:
                logger.error("skipped: %s", result.problem)
            yield result


def predict_pictures(
    segmenter: Segmenter,
    pictures: Iterable[Picture],
    batch_size: int,
    with_confidence: bool = False,
) -> Iterator[Picture]:
    """Give pictures their label maps.

    Args:
        segmenter: the network.
        pictures: those without an image are passed on.
        batch_size: how many of one size that follow each other are predicted together.
        with_confidence: give them their confidence, too.

    Yields:
        The same pictures in order, with label map or with a problem.
    """
    for group in _groups(pictures, batch_size):
        begun = time.perf_counter()
        _predict_group(segmenter, group, with_confidence)
        for picture in group:
            picture.seconds += (time.perf_counter() - begun) / len(group)
            yield picture


def _open(job, outputs, max_pixels):
    """The pictures of a file, the first of which is read at once."""
    pictures = read_pictures(job, outputs, max_pixels)
    return chain([next(pictures)], pictures)


def _groups(pictures, batch_size):
    """Lists of pictures of one size that follow each other; others stand alone."""
    group, size = [], None
    for picture in pictures:
        its_size = picture.image.shape if picture.is_to_predict else None
        if group and (its_size != size or size is None or len(group) == batch_size):
            yield group
            group = []
        group.append(picture)
        size = its_size
        if size is None or len(group) == batch_size:  # nothing to wait for
            yield group
            group = []
    if group:
        yield group


def _predict_group(segmenter, group, with_confidence):
    """Predict pictures of one size; one by one where that fails together."""
    if not group[0].is_to_predict:
        return
    try:
        images = np.stack([picture.image for picture in group])  # (N, H, W, 3)
        if with_confidence:
            label_maps, confidence = segmenter.label_and_confidence(images)
        else:
            label_maps, confidence = segmenter(images), [None] * len(group)
        for picture, *answer in zip(group, label_maps, confidence, strict=True):
            picture.label_map, picture.confidence = answer
    except Exception as error:  # memory first of all
        if len(group) == 1:
            group[0].fail("predicted", error)
        else:
            for picture in group:
                _predict_group(segmenter, [picture], with_confidence)
