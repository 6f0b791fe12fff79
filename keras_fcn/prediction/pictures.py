"""A picture on its way: read, predicted, drawn and written."""

import errno
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keras_fcn.classes import ClassMap
from keras_fcn.config import MAX_IMAGE_PIXELS
from keras_fcn.drawing.overlays import OverlayStyle, overlay_with_legend
from keras_fcn.errors import one_line
from keras_fcn.images.encoding import (
    encode_jpeg,
    encode_label_map,
    encode_photograph,
    encode_png,
    write_content,
)
from keras_fcn.images.frames import read_frames
from keras_fcn.images.reading import UnreadableImage
from keras_fcn.prediction.confidence import confidence_picture
from keras_fcn.prediction.jobs import CONFIDENCE, OVERLAY, Job
from keras_fcn.prediction.results import Result, count_ids

logger = logging.getLogger(__name__)

_ENCODERS = {"png": (".png", encode_photograph), "jpeg": (".jpg", encode_jpeg)}
# No image can be written any more: these end a batch.
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES)


@dataclass(frozen=True)
class Outputs:
    """What is written of each image beside its label map.

    Attributes:
        overlay: "png", "jpeg" or "none"; that of a film is a film.
        style: how the overlay looks.
        video_labels: label maps of a film as "png", a file for each frame, or "film".
        skip_existing: leave out images whose outputs are all there.
        confidence: write how sure each pixel is, too.
    """

    overlay: str = "png"
    style: OverlayStyle = OverlayStyle()
    video_labels: str = "png"
    skip_existing: bool = False
    confidence: bool = False

    def overlay_path(self, job: Job, frame: int | None = None) -> Path | None:
        """Return where the overlay goes; None without one.

        Args:
            job: the file.
            frame: as for `Job.output`.
        """
        if self.overlay == "none":
            return None
        return job.output(OVERLAY, _ENCODERS[self.overlay][0], frame)

    def confidence_path(self, job: Job, frame: int | None = None) -> Path | None:
        """Return where the picture of the confidence goes; None without one.

        Args:
            job: the file.
            frame: as for `Job.output`.
        """
        return job.output(CONFIDENCE, ".png", frame) if self.confidence else None

    def are_there(self, job: Job, frame: int | None = None) -> bool:
        """Return whether an image is to be left out because its outputs are there.

        Args:
            job: the file.
            frame: as for `Job.output`.
        """
        paths = (
            job.labels_path(frame),
            self.overlay_path(job, frame),
            self.confidence_path(job, frame),
        )
        return self.skip_existing and all(path.exists() for path in paths if path)


@dataclass
class Picture:
    """An image on its way. Each stage fills in what it gives.

    Attributes:
        job: the file that it is from.
        frame: its number in a file that has several; None in others.
        image: uint8 RGB `(height, width, 3)`; None once it is of no more use.
        label_map: uint8 `(height, width)`.
        confidence: float32 `(height, width)` in [0, 1], where it is asked for.
        problem: why it is left out, on one line.
        seconds: what the stages took.
    """

    job: Job
    frame: int | None = None
    image: np.ndarray | None = None
    label_map: np.ndarray | None = None
    confidence: np.ndarray | None = None
    problem: str = ""
    seconds: float = 0.0
    started: float = field(default_factory=time.perf_counter, repr=False)

    @property
    def is_to_predict(self) -> bool:
        """Whether there is an image, and nothing has gone wrong."""
        return self.image is not None and not self.problem

    def fail(self, what: str, error: Exception) -> None:
        """Leave the image out.

        Args:
            what: what was not possible, as in "read".
            error: why.
        """
        name = str(self.job.path)
        if self.frame is not None:
            name += f", frame {self.frame}"
        self.problem = describe_failure(name, what, error)
        self.image = self.label_map = self.confidence = None
        logger.debug("%s", self.problem, exc_info=error)


def describe_failure(name: str, what: str, error: Exception) -> str:
    """Say on one line why an image is left out.

    Args:
        name: the image's.
        what: what was not possible, as in "read".
        error: why.
    """
    if isinstance(error, UnreadableImage | FileNotFoundError):
        return one_line(error)
    kind = type(error).__name__
    if kind in ("MemoryError", "ResourceExhaustedError"):  # Python's, TensorFlow's
        return f"{name} can't be {what}: out of memory"
    return f"{name} can't be {what} ({kind}: {one_line(error)})"


def read_pictures(
    job: Job, outputs: Outputs, max_pixels: int = MAX_IMAGE_PIXELS
) -> Iterator[Picture]:
    """Read the images of a file.

    Args:
        job: the file.
        outputs: says which images are left out because they are done.
        max_pixels: pixels that an image may have.

    Yields:
        A picture for each image, without `image` where it is left out. The last one has
        a problem where the file, or the rest of it, can't be read.
    """
    picture = Picture(job)
    if outputs.are_there(job):
        yield picture
        return
    try:
        for frame, image in read_frames(job.path, max_pixels):
            picture.frame = frame
            if not (frame is not None and outputs.are_there(job, frame)):
                picture.image = image
            picture.seconds = time.perf_counter() - picture.started
            yield picture
            picture = Picture(job)
    except Exception as error:  # any decoder's, and memory
        picture.fail("read", error)
        yield picture


def write_picture(picture: Picture, class_map: ClassMap, outputs: Outputs) -> Result:
    """Write the label map and the overlay of a picture.

    Args:
        picture: with label map; one that is left out is passed on.
        class_map: the classes.
        outputs: what is written.

    Returns:
        What came of the image.

    Raises:
        OSError: if the disk takes no more files.
    """
    begun = time.perf_counter()
    job, frame, counts, size = picture.job, picture.frame, None, None
    confidence = None
    if picture.label_map is not None:
        try:
            _write(picture, class_map, outputs)
            counts, size = count_ids(picture.label_map), picture.label_map.shape
            if picture.confidence is not None:
                confidence = float(picture.confidence.mean())
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
                raise
            picture.fail("written", error)
    seconds = picture.seconds + time.perf_counter() - begun
    return Result(job.path, frame, size, seconds, counts, picture.problem, confidence)


def _write(picture, class_map, outputs):
    job, frame = picture.job, picture.frame
    labels_path = job.labels_path(frame)
    labels_path.parent.mkdir(parents=True, exist_ok=True)
    if overlay_path := outputs.overlay_path(job, frame):
        overlay_path.parent.mkdir(parents=True, exist_ok=True)
        drawn = overlay_with_legend(
            picture.image, picture.label_map, class_map, outputs.style
        )
        encode = _ENCODERS[outputs.overlay][1]
        write_content(overlay_path, encode(drawn))
    if confidence_path := outputs.confidence_path(job, frame):
        confidence_path.parent.mkdir(parents=True, exist_ok=True)
        write_content(
            confidence_path, encode_png(confidence_picture(picture.confidence))
        )
    # Last: who sees a label map finds the overlay too.
    write_content(labels_path, encode_label_map(picture.label_map, class_map))
