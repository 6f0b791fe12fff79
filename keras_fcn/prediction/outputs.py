"""The files that are written for each image: label map, overlay and confidence."""

import errno
import time
from dataclasses import replace
from pathlib import Path

from keras_fcn.classes import ClassMap
from keras_fcn.drawing.overlays import OverlayStyle, overlay_with_legend
from keras_fcn.images.encoding import (
    encode_jpeg,
    encode_label_map,
    encode_photograph,
    write_content,
)
from keras_fcn.options import validated
from keras_fcn.prediction.confidence import encode_confidence
from keras_fcn.prediction.jobs import CONFIDENCE, LABELS, OVERLAY, Job
from keras_fcn.prediction.options import OverlayFormat, VideoLabels
from keras_fcn.prediction.results import ImageTask, Result, count_ids

_ENCODERS = {"png": (".png", encode_photograph), "jpeg": (".jpg", encode_jpeg)}
# After one of these no further image could be written: they end a batch.
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES)


@validated
class Outputs:
    """What is written for each image in addition to its label map.

    Attributes:
        overlay: "png", "jpeg" or "none"; the overlay of a video is a video.
        style: appearance of the overlay.
        video_labels: "png" for a label map of each frame of a video, or "video" for one
            lossless video of all of them.
        skip_existing: skip images whose outputs all exist.
        confidence: also write the confidence.
    """

    overlay: OverlayFormat = "png"
    style: OverlayStyle = OverlayStyle()
    video_labels: VideoLabels = "png"
    skip_existing: bool = False
    confidence: bool = False

    def paths(self, job: Job, frame: int | None = None) -> dict[str, Path]:
        """Return the files of an image by their kind, in the order of writing.

        Args:
            job: the file.
            frame: number of the image in a file of several, from 0.

        Returns:
            Path by `OVERLAY` and `CONFIDENCE`, if they are written, and `LABELS`.
        """
        paths = {}
        if self.overlay != "none":
            suffix = _ENCODERS[self.overlay][0]
            paths[OVERLAY] = job.output(OVERLAY, suffix, frame)
        if self.confidence:
            paths[CONFIDENCE] = job.output(CONFIDENCE, ".png", frame)
        paths[LABELS] = job.output(LABELS, ".png", frame)
        return paths

    def are_complete(self, job: Job, frame: int | None = None) -> bool:
        """Return whether an image is skipped because all of its outputs exist.

        Args:
            job: the file.
            frame: number of the image in a file of several, from 0.
        """
        paths = self.paths(job, frame).values()
        return self.skip_existing and all(path.exists() for path in paths)


def write_outputs(task: ImageTask, class_map: ClassMap, outputs: Outputs) -> Result:
    """Write the files of an image.

    Args:
        task: the image with its label map; without one, nothing is written.
        class_map: names and colors of the classes.
        outputs: what is written.

    Returns:
        The image's result.

    Raises:
        OSError: if the disk is full or cannot be written to.
    """
    begun = time.perf_counter()
    image, label_map, confidence = task.image, task.label_map, task.confidence
    paths = outputs.paths(task.job, task.frame)
    result = Result(task.job.path, task.frame)
    if image is not None and label_map is not None:
        try:
            if OVERLAY in paths:
                drawn = overlay_with_legend(image, label_map, class_map, outputs.style)
                write_file(paths[OVERLAY], _ENCODERS[outputs.overlay][1](drawn))
            if CONFIDENCE in paths and confidence is not None:
                write_file(paths[CONFIDENCE], encode_confidence(confidence))
            # Last: where there is a label map, the other files are complete.
            write_file(paths[LABELS], encode_label_map(label_map, class_map))
            result = replace(
                result,
                size=label_map.shape,
                counts=count_ids(label_map),
                confidence=None if confidence is None else float(confidence.mean()),
            )
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
                raise
            task.fail("written", error)
    seconds = task.seconds + time.perf_counter() - begun
    return replace(result, seconds=seconds, problem=task.problem)


def write_file(path: Path, content: bytes) -> None:
    """Write a file whole, and create its folder.

    Args:
        path: the file.
        content: its bytes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_content(path, content)
