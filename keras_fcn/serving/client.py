"""Prediction of image files by TensorFlow Serving."""

import logging
import random
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass

from keras_fcn.classes import ClassMap
from keras_fcn.config import MAX_IMAGE_PIXELS
from keras_fcn.images.reading import apply_orientation, read_image_and_orientation
from keras_fcn.options import ValueRange
from keras_fcn.prediction.confidence import mark_unknown
from keras_fcn.prediction.jobs import Job
from keras_fcn.prediction.outputs import Outputs, write_outputs
from keras_fcn.prediction.results import ImageTask, Result
from keras_fcn.serving.errors import RefusedRequest, ServerError, ServerUnavailable
from keras_fcn.serving.responses import LABELS, LABELS_AND_CONFIDENCE, read_label_map
from keras_fcn.serving.rest_client import RestClient

logger = logging.getLogger(__name__)

Send = Callable[[Sequence[bytes]], list[tuple[bytes, ...]]]

MAX_REQUEST_BYTES = 16 * 2**20  # of the files; base64 adds a third
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0  # seconds between two tries
_LONGEST_REQUESTED_WAIT = 300.0  # seconds, however long a server asks for
_MAGIC_NUMBERS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")  # of PNG and JPEG


def connect(
    url: str, timeout: float, num_retries: int, with_confidence: bool = False
) -> Send:
    """Return a function that sends images to a server; nothing is sent yet.

    Args:
        url: `http://HOST:8501/v1/models/NAME` or `grpc://HOST:8500/NAME`.
        timeout: seconds from a request to the end of its response.
        num_retries: how often a request is sent again when the server is not available.
        with_confidence: request the confidence of the label maps, too.

    Returns:
        Function from PNG and JPEG files, at least one, to a tuple for each: its label
        map and, where requested, its confidence, as PNG files. It raises `ServerError`.

    Raises:
        ValueError: if `url` has another form.
    """
    outputs = LABELS_AND_CONFIDENCE if with_confidence else LABELS
    if url.startswith("grpc://"):
        from keras_fcn.serving.grpc_client import GrpcClient  # imports TensorFlow

        return with_retries(GrpcClient(url, timeout, outputs), num_retries)
    return with_retries(RestClient(url, timeout, outputs), num_retries)


def with_retries(
    send: Send,
    num_retries: int,
    sleep: Callable[[float], None] = time.sleep,
    random_number: Callable[[], float] = random.random,
) -> Send:
    """Return a function that sends again while the server is not available.

    The waits double from 0.5 to at most 8 seconds. Each is reduced at random by up to a
    half, so that clients which failed together do not return together. A server may
    request longer waits (Retry-After), up to 5 minutes.

    Args:
        send: sends once.
        num_retries: number of tries after the first one, 0 or more.
        sleep: waits for a number of seconds.
        random_number: returns a number in [0, 1).

    Returns:
        Function with the arguments of `send`; after the last try it raises what `send`
        raised.
    """

    def send_again(images):
        for retry in range(num_retries):
            try:
                return send(images)
            except ServerUnavailable as error:
                longest = min(_FIRST_WAIT * 2 ** min(retry, 10), _LONGEST_WAIT)
                wait = longest * (1 - random_number() / 2)
                wait = max(wait, min(error.retry_after, _LONGEST_REQUESTED_WAIT))
                left = num_retries - retry
                logger.info("%s; again in %.1f s (%d left)", error, wait, left)
                sleep(wait)
        return send(images)

    return send_again


def predict_images_by_server(
    send: Send,
    class_map: ClassMap,
    jobs: Iterable[Job],
    images_per_request: int,
    outputs: Outputs | None = None,
    unknown_below: float = 0.0,
    request_bytes: int = MAX_REQUEST_BYTES,
    max_pixels: int = MAX_IMAGE_PIXELS,
    value_range: ValueRange = "auto",
) -> Generator[Result, None, None]:
    """Predict images by a server and write the outputs.

    The files are sent unchanged. The images of a request that is refused are sent again
    one by one, so that a bad image affects no other.

    Args:
        send: returned by `connect`.
        class_map: classes of the served model.
        jobs: the image files.
        images_per_request: maximum number of images in a request.
        outputs: which files are written; by default those of `Outputs()`.
        unknown_below: pixels with a lower confidence become void; `send` must request
            the confidence.
        request_bytes: maximum size of the files in a request; a larger file is sent in
            a request of its own.
        max_pixels: larger images are skipped.
        value_range: of the overlays, as for `read_image`; the model has its own.

    Yields:
        The result of each image. An image that cannot be read, is neither PNG nor JPEG,
        or is refused by the server is logged and skipped.

    Raises:
        ServerError: if the server cannot predict any image.
    """
    outputs = outputs or Outputs()
    loaded = (_load(job, outputs, max_pixels, value_range) for job in jobs)
    for batch in _batches(loaded, images_per_request, request_bytes):
        contents = [item.content for item in batch if item.content]
        responses = iter(_send(send, contents))
        for item in batch:
            if item.content:
                _store(next(responses), item, class_map, unknown_below)
            result = write_outputs(item.task, class_map, outputs)
            if result.problem:
                logger.error("skipped: %s", result.problem)
            yield result


@dataclass
class _Item:
    """An image of a request; without content if it is not sent."""

    task: ImageTask
    content: bytes = b""
    orientation: int = 1


def _load(job, outputs, max_pixels, value_range):
    task = ImageTask(job)
    if outputs.are_complete(job):
        return _Item(task)
    try:
        task.image, orientation = read_image_and_orientation(
            job.path, max_pixels, value_range
        )
        content = job.path.read_bytes()
    except Exception as error:  # of any decoder, and MemoryError
        task.fail("read", error)
        return _Item(task)
    if not content.startswith(_MAGIC_NUMBERS):
        task.problem = (
            f"{job.path} is neither PNG nor JPEG, the formats that a server takes"
        )
        return _Item(task)
    return _Item(task, content, orientation)


def _batches(items, max_images, max_bytes):
    """Lists of `_Item`; one that is not sent counts as an image of no bytes."""
    batch: list[_Item] = []
    num_bytes = 0
    for item in items:
        num_bytes += len(item.content)
        if batch and (len(batch) == max_images or num_bytes > max_bytes):
            yield batch
            batch, num_bytes = [], len(item.content)
        batch.append(item)
    if batch:
        yield batch


def _send(send, contents):
    """The outputs of each image, or its `RefusedRequest`."""
    if not contents:
        return []
    try:
        responses = send(contents)
    except RefusedRequest as error:
        if len(contents) == 1:
            return [error]
        return [response for content in contents for response in _send(send, [content])]
    if len(responses) != len(contents):
        raise ServerError(
            f"The response must have a label map for each of {len(contents)} images. "
            f"Received: {len(responses)}"
        )
    return responses


def _store(response, item, class_map, unknown_below):
    """Put the outputs of an image, or its problem, into its `ImageTask`."""
    task = item.task
    task.seconds = time.perf_counter() - task.started
    if isinstance(response, RefusedRequest):
        task.problem = f"{task.job.path}: {response}"
        return
    size = task.image.shape[:2]
    if item.orientation >= 5:  # the server labels the pixels as stored
        size = size[::-1]
    label_map, *confidences = (
        read_label_map(png, size, task.job.path) for png in response
    )
    if label_map.max() >= class_map.num_classes:
        raise ServerError(
            f"The server's model has more than {class_map.num_classes} classes (one "
            f"is {label_map.max()}): name the exported run by `model`"
        )
    task.label_map = apply_orientation(label_map, item.orientation)
    for confidence in confidences:
        upright = apply_orientation(confidence, item.orientation)
        task.confidence = upright.astype("float32") / 255  # in [0, 1]
        if unknown_below > 0:
            task.label_map = mark_unknown(
                task.label_map, task.confidence, unknown_below, class_map
            )
