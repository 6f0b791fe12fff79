"""The user's own images, predicted by TensorFlow Serving."""

import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from keras_fcn.classes import ClassMap
from keras_fcn.config import MAX_IMAGE_PIXELS
from keras_fcn.images.reading import apply_orientation, read_image_and_orientation
from keras_fcn.prediction.confidence import mark_unknown
from keras_fcn.prediction.jobs import Job
from keras_fcn.prediction.pictures import Outputs, Picture, write_picture
from keras_fcn.prediction.results import Result
from keras_fcn.serving.errors import RefusedRequest, ServerError, ServerUnavailable
from keras_fcn.serving.grpc_client import GrpcSender
from keras_fcn.serving.responses import (
    LABELS,
    LABELS_AND_CONFIDENCE,
    read_label_map,
)
from keras_fcn.serving.rest_client import RestSender

logger = logging.getLogger(__name__)

Send = Callable[[Sequence[bytes]], list[tuple[bytes, ...]]]

MAX_REQUEST_BYTES = 16 * 2**20  # of the files; base64 adds a third to them
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0  # seconds between two tries
_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")  # of PNG and JPEG


def connect(
    url: str, timeout: float, num_retries: int, with_confidence: bool = False
) -> Send:
    """Return a function that sends images to a server; nothing is sent yet.

    Args:
        url: `http://HOST:8501/v1/models/NAME` or `grpc://HOST:8500/NAME`.
        timeout: seconds for a request and the whole of its answer.
        num_retries: how often a request is sent again when the server is not there or
            has no room.
        with_confidence: ask for how sure the label maps are, too.

    Returns:
        Function of PNG and JPEG files, at least one, to a tuple for each: its label
        map, and its confidence where it was asked for, as PNG files. It raises
        `ServerError`.

    Raises:
        ValueError: if the address is of another form.
    """
    sender = GrpcSender if url.startswith("grpc://") else RestSender
    outputs = LABELS_AND_CONFIDENCE if with_confidence else LABELS
    return retrying(sender(url, timeout, outputs), num_retries)


def retrying(
    send: Send,
    num_retries: int,
    sleep: Callable[[float], None] = time.sleep,
    draw: Callable[[], float] = random.random,
) -> Send:
    """Send again when the server is not available, later each time.

    The waits double from 0.5 to at most 8 seconds, each cut by up to a half at random,
    so that clients which failed together do not come back together.

    Args:
        send: sends once.
        num_retries: how often it is tried again, 0 or more.
        sleep: waits for as many seconds.
        draw: gives a number from 0 to below 1.

    Returns:
        Function of the same arguments; after the last try it raises what `send` did.
    """

    def send_again(images):
        for retry in range(num_retries):
            try:
                return send(images)
            except ServerUnavailable as error:
                longest = min(_FIRST_WAIT * 2 ** min(retry, 10), _LONGEST_WAIT)
                wait = longest * (1 - draw() / 2)
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
    outputs: Outputs = Outputs(),  # noqa: B008 (frozen)
    unknown_below: float = 0.0,
    request_bytes: int = MAX_REQUEST_BYTES,
    max_pixels: int = MAX_IMAGE_PIXELS,
) -> Iterator[Result]:
    """Have images predicted by a server and write their pictures.

    The files are sent as they are. A request that is refused is sent again image by
    image, so that one bad image costs no other.

    Args:
        send: what `connect` gave.
        class_map: the classes that the served model was trained for.
        jobs: what to predict.
        images_per_request: how many images are sent together at most.
        outputs: what is written.
        unknown_below: label the pixels void whose confidence is below this; the server
            must be asked for it.
        request_bytes: how many bytes of files are sent together at most; a larger file
            goes alone.
        max_pixels: pixels that an image may have; a larger one is left out.

    Yields:
        What came of each image. One that could not be read, is neither PNG nor JPEG, or
        was refused by the server is logged and left out.

    Raises:
        ServerError: if the server can't predict any image.
    """
    loaded = (_load(job, outputs, max_pixels) for job in jobs)
    for batch in _batches(loaded, images_per_request, request_bytes):
        contents = [sent.content for sent in batch if sent.content]
        answers = iter(_ask(send, contents))
        for sent in batch:
            if sent.content:
                _take(next(answers), sent, class_map)
                _mark_unknown(sent.picture, unknown_below, class_map)
            result = write_picture(sent.picture, class_map, outputs)
            if result.problem:
                logger.error("skipped: %s", result.problem)
            yield result


@dataclass
class _Sent:
    """An image that is on its way; without content where it is not sent."""

    picture: Picture
    content: bytes = b""
    orientation: int = 1


def _load(job, outputs, max_pixels):
    picture = Picture(job)
    if outputs.are_there(job):
        return _Sent(picture)
    try:
        picture.image, orientation = read_image_and_orientation(job.path, max_pixels)
        content = job.path.read_bytes()
    except Exception as error:  # any decoder's, and memory
        picture.fail("read", error)
        return _Sent(picture)
    if not content.startswith(_STARTS):
        picture.problem = (
            f"{job.path} is neither PNG nor JPEG: a server takes no others"
        )
        return _Sent(picture)
    return _Sent(picture, content, orientation)


def _batches(images, most_images, most_bytes):
    """Lists of `_Sent`; what is not sent counts as an image of no bytes."""
    batch, num_bytes = [], 0
    for sent in images:
        num_bytes += len(sent.content)
        if batch and (len(batch) == most_images or num_bytes > most_bytes):
            yield batch
            batch, num_bytes = [], len(sent.content)
        batch.append(sent)
    if batch:
        yield batch


def _ask(send, contents):
    """Label map or `RefusedRequest` for each image."""
    if not contents:
        return []
    try:
        answers = send(contents)
    except RefusedRequest as error:
        if len(contents) == 1:
            return [error]
        return [answer for content in contents for answer in _ask(send, [content])]
    if len(answers) != len(contents):
        raise ServerError(
            f"The server must answer with a label map per image: {len(contents)}. "
            f"Received: {len(answers)}"
        )
    return answers


def _take(answer, sent, class_map):
    """Give a picture what the server has answered."""
    picture = sent.picture
    picture.seconds = time.perf_counter() - picture.started
    if isinstance(answer, RefusedRequest):
        picture.problem = f"{picture.job.path}: {answer}"
        return
    size = picture.image.shape[:2]
    if sent.orientation >= 5:  # the server labels the pixels that are stored
        size = size[::-1]
    label_map, *rest = (read_label_map(png, size, picture.job.path) for png in answer)
    if label_map.max() >= class_map.num_classes:
        raise ServerError(
            f"The server's model has more than {class_map.num_classes} classes (one "
            f"is {label_map.max()}): say by `model` which run was exported"
        )
    picture.label_map = apply_orientation(label_map, sent.orientation)
    for confidence in rest:
        upright = apply_orientation(confidence, sent.orientation)
        picture.confidence = upright.astype("float32") / 255


def _mark_unknown(picture, unknown_below, class_map):
    if unknown_below > 0 and picture.confidence is not None:
        picture.label_map = mark_unknown(
            picture.label_map, picture.confidence, unknown_below, class_map
        )
