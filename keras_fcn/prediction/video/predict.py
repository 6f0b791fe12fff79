"""Prediction of videos: each frame is labeled and written to new videos and files.

Threads decode and encode while the network computes.
"""

import logging
import time
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from keras_fcn.classes import ClassMap
from keras_fcn.drawing.overlays import legend_scale, overlay, overlay_legend
from keras_fcn.images.prefetch import ordered_map, prefetch, threads
from keras_fcn.prediction.batch import predict_tasks
from keras_fcn.prediction.confidence import encode_confidence
from keras_fcn.prediction.jobs import CONFIDENCE, LABELS, OVERLAY, Job
from keras_fcn.prediction.outputs import Outputs, write_file
from keras_fcn.prediction.results import ImageTask, Result, count_ids
from keras_fcn.prediction.segmenter import Segmenter
from keras_fcn.prediction.video.reader import UnreadableVideo, VideoReader
from keras_fcn.prediction.video.writer import AudioCopy, LabelVideoWriter, VideoWriter
from keras_fcn.storage.atomic import atomic_file
from keras_fcn.typing import Size

logger = logging.getLogger(__name__)

_AHEAD = 4  # frames that are decoded before, or wait to be written, at most
_PIXELS_AHEAD = 50_000_000  # in these frames, at most; a frame of any size may wait


def predict_video(
    segmenter: Segmenter, video: VideoReader, job: Job, outputs: Outputs
) -> Generator[Result, None, None]:
    """Label the frames of a video and write an overlay and label maps.

    The overlay is `STEM_overlay.mp4`, with the audio of the video. However the
    iteration ends, the file is completed: after an interruption it can be played. Label
    maps are `STEM_labels/NUMBER.png`, or `STEM_labels.mkv`, a video whose gray values
    are the ids.

    Args:
        segmenter: the network.
        video: the open video.
        job: defines the paths of the outputs.
        outputs: what is written.

    Yields:
        The result of each frame, in order; for a damaged video, one more at the end
        with its problem.

    Raises:
        OSError: if the disk is full or cannot be written to.
    """
    ahead = max(1, min(_AHEAD, _PIXELS_AHEAD // video.num_pixels))
    with _VideoOutputs(video, job, outputs, segmenter.class_map) as written:
        with threads(1) as reading, threads(1) as writing:
            frames = (
                _FrameTask(job, frame.index, frame.image, time=frame.time)
                for frame in prefetch(reading, video.frames(), ahead)
            )
            predicted = predict_tasks(segmenter, frames, 1, outputs.confidence)
            for result in ordered_map(writing, written.write, predicted, ahead):
                if result.problem:
                    logger.error("skipped: %s", result.problem)
                yield result
    if video.damage:
        logger.error("%s; what could be read is written", video.damage)
        yield Result(job.path, problem=video.damage)


def is_predicted(video: VideoReader, job: Job, outputs: Outputs) -> bool:
    """Return whether the output video exists in full length.

    Args:
        video: the video to predict.
        job: defines the paths of the outputs.
        outputs: what would be written. Label maps in single files are not checked.
    """
    if outputs.overlay != "none":
        path = job.output(OVERLAY, ".mp4")
    else:
        path = job.output(LABELS, ".mkv")
    if not path.exists() or video.num_frames is None:
        return False
    try:
        with VideoReader(path) as existing:
            seconds = existing.duration or 0.0
    except UnreadableVideo:
        return False
    period = video.clip.every / float(video.rate)
    # Rates are averages, and some formats omit the duration of the last frame.
    return seconds >= 0.98 * video.num_frames * period - 2 * period


@dataclass
class _FrameTask(ImageTask):
    time: Fraction = Fraction(0)  # seconds since the video's first frame


class _VideoOutputs(ExitStack):
    """The files that are written for one video; they are opened by its first frame.

    Also after an interruption, they are completed and renamed at the end of the block.
    """

    def __init__(
        self, video: VideoReader, job: Job, outputs: Outputs, class_map: ClassMap
    ):
        super().__init__()
        self._video, self._job, self._outputs = video, job, outputs
        self._class_map = class_map
        self._size: Size | None = None
        self._overlay: VideoWriter | None = None
        self._labels: LabelVideoWriter | None = None

    def write(self, task: _FrameTask) -> Result:
        """Write the outputs of a frame."""
        begun, job, frame = time.perf_counter(), task.job, task.frame
        image, label_map = task.image, task.label_map
        if image is None or label_map is None:
            return Result(job.path, frame, problem=task.problem)
        size: Size = label_map.shape
        if self._size is None:
            self._open(size, task.time)
        if size != self._size:
            problem = f"{job.path}, frame {frame} has another size than the first"
            return Result(job.path, frame, problem=problem)
        if self._overlay:
            style = self._outputs.style
            drawn = overlay(
                image, label_map, self._class_map, style.opacity, style.contours
            )
            self._overlay.write(np.concatenate([drawn, self._legend]), task.time)
        if self._labels:
            self._labels.write(label_map, task.time)
        else:
            content = self._outputs.encode_labels(label_map, self._class_map)
            write_file(job.labels_path(frame), content)
        if task.confidence is not None:
            path = job.output(CONFIDENCE, ".png", frame)
            write_file(path, encode_confidence(task.confidence))
        seconds = task.seconds + time.perf_counter() - begun
        return Result(job.path, frame, size, seconds, count_ids(label_map))

    def _open(self, size: Size, time: Fraction) -> None:
        """Open the files, for frames of a size from a time on."""
        self._size, self._legend = size, self._draw_legend(size)
        self._job.stem.parent.mkdir(parents=True, exist_ok=True)
        video, rate = self._video, self._video.rate / self._video.clip.every
        if self._outputs.overlay != "none":
            audio = None
            if video.path is not None:
                end = video.clip.end
                audio = AudioCopy(
                    video.path,
                    video.origin + time,
                    None if end is None else float(video.origin) + end,
                )
            self._overlay = VideoWriter(
                self._enter(OVERLAY, ".mp4"),
                rate,
                (size[0] + len(self._legend), size[1]),
                video.pixel_aspect,
                audio,
            )
            self.callback(self._overlay.close)
        if self._outputs.video_labels == "video":
            self._labels = LabelVideoWriter(self._enter(LABELS, ".mkv"), rate, size)
            self.callback(self._labels.close)

    def _enter(self, end: str, suffix: str) -> Path:
        path = self._job.output(end, suffix)
        return self.enter_context(atomic_file(path, keep_partial=True))

    def _draw_legend(self, size: Size) -> np.ndarray:
        """Names of all classes, for all frames; `(0, width, 3)` without a legend."""
        style, class_map = self._outputs.style, self._class_map
        if not style.legend:
            return np.empty((0, size[1], 3), dtype="uint8")
        ids = range(class_map.num_classes)
        return overlay_legend(class_map, ids, size[1], legend_scale(size))
