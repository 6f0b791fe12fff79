"""An image that passes through reading, prediction and writing."""

import logging
import time
from dataclasses import dataclass, field

import numpy as np

from keras_fcn.errors import one_line
from keras_fcn.images.opening import UnreadableImage
from keras_fcn.prediction.jobs import Job

logger = logging.getLogger(__name__)


@dataclass
class ImageTask:
    """An image that passes through reading, prediction and writing.

    Each stage sets the attributes that it computes.

    Attributes:
        job: the file of the image.
        frame: number of the image in a file of several, from 0; None in other files.
        image: uint8 RGB `(height, width, 3)`; None if there is nothing to predict.
        label_map: uint8 `(height, width)`.
        confidence: float32 `(height, width)` in [0, 1], if it was requested.
        problem: why the image is skipped, on one line; "" if it is not.
        seconds: duration of the stages so far.
        started: `time.perf_counter()` at the beginning.
    """

    job: Job
    frame: int | None = None
    image: np.ndarray | None = None
    label_map: np.ndarray | None = None
    confidence: np.ndarray | None = None
    problem: str = ""
    seconds: float = 0.0
    started: float = field(default_factory=time.perf_counter, repr=False)

    def fail(self, action: str, error: Exception) -> None:
        """Skip the image because of an error.

        Args:
            action: what failed, as a participle: "read".
            error: the cause.
        """
        name = str(self.job.path)
        if self.frame is not None:
            name += f", frame {self.frame}"
        self.problem = describe_failure(name, action, error)
        self.image = self.label_map = self.confidence = None
        logger.debug("%s", self.problem, exc_info=error)


def describe_failure(name: str, action: str, error: Exception) -> str:
    """Return on one line why an image is skipped.

    Args:
        name: the image's name.
        action: what failed, as a participle: "read".
        error: the cause.
    """
    if isinstance(error, UnreadableImage | FileNotFoundError):
        return one_line(error)
    kind = type(error).__name__
    if kind in ("MemoryError", "ResourceExhaustedError"):  # Python's, TensorFlow's
        return f"{name} can't be {action}: out of memory"
    return f"{name} can't be {action} ({kind}: {one_line(error)})"
