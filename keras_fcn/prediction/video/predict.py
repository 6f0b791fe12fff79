"""Films in, films out: each frame labelled, reading and writing beside the network."""

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from keras_fcn.classes import ClassMap
from keras_fcn.drawing.overlays import legend, legend_scale, overlay, overlay_palette
from keras_fcn.images.encoding import encode_label_map, encode_png, write_content
from keras_fcn.prediction.batch import predict_pictures
from keras_fcn.prediction.confidence import confidence_picture
from keras_fcn.prediction.jobs import LABELS, OVERLAY, Job
from keras_fcn.prediction.pictures import Outputs, Picture
from keras_fcn.prediction.prefetch import overlapped, read_ahead, threads
from keras_fcn.prediction.results import Result, count_ids
from keras_fcn.prediction.segmenter import Segmenter
from keras_fcn.prediction.video.reader import UnreadableVideo, VideoReader
from keras_fcn.prediction.video.writer import LabelVideoWriter, Sound, VideoWriter
from keras_fcn.storage.atomic import atomic_file

logger = logging.getLogger(__name__)

_AHEAD = 4  # frames that are decoded before, or wait to be written


def predict_video(
    segmenter: Segmenter, film: VideoReader, job: Job, outputs: Outputs
) -> Iterator[Result]:
    """Label the frames of a film, and write a film and label maps of them.

    The overlay is `STEM_overlay.mp4`, with the film's sound; it is finished in whatever
    way the iteration ends, so that an interruption leaves a film that can be played.
    Label maps are `STEM_labels/NUMBER.png` or, as a film whose grey values are the ids,
    `STEM_labels.mkv`.

    Args:
        segmenter: the network.
        film: what to predict; it is open.
        job: says where the outputs go.
        outputs: what is written.

    Yields:
        What came of each frame, in order; of a film that is damaged, one more at the
        end, with its problem.

    Raises:
        OSError: if the disk takes no more files.
    """
    with _FilmOutputs(film, job, outputs, segmenter.class_map) as written:
        with threads(1) as reading, threads(1) as writing:
            frames = (
                _Timed(job, frame.index, frame.image, time=frame.time)
                for frame in read_ahead(reading, film.frames(), _AHEAD)
            )
            predicted = predict_pictures(segmenter, frames, 1, outputs.confidence)
            for result in overlapped(writing, written.write, predicted, _AHEAD):
                if result.problem:
                    logger.error("skipped: %s", result.problem)
                yield result
    if film.damage:
        logger.error("%s; what could be read is written", film.damage)
        yield Result(job.path, problem=film.damage)


def is_predicted(film: VideoReader, job: Job, outputs: Outputs) -> bool:
    """Return whether the film that would be written is there, from beginning to end.

    Args:
        film: what would be predicted.
        job: says where the outputs go.
        outputs: what would be written. Label maps in single files don't count.
    """
    if outputs.overlay != "none":
        path = job.output(OVERLAY, ".mp4")
    else:
        path = job.output(LABELS, ".mkv")
    if not path.exists() or film.num_frames is None:
        return False
    try:
        with VideoReader(path) as there:
            seconds = there.duration or 0.0
    except UnreadableVideo:
        return False
    wanted = film.num_frames * film.clip.every / float(film.rate)
    return seconds >= 0.98 * wanted - 2 * film.clip.every / float(film.rate)


@dataclass
class _Timed(Picture):
    time: object = 0  # Fraction, seconds since the film's first frame


class _FilmOutputs:
    """The files that are made of one film; begun by its first frame."""

    def __init__(self, film, job, outputs, class_map: ClassMap):
        self._film, self._job, self._outputs = film, job, outputs
        self._class_map = class_map
        self._files = ExitStack()
        self._overlay = self._labels = self._legend = None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        # After an interruption the files are ended, and take their names.
        self._files.__exit__(kind, error, traceback)

    def write(self, picture: _Timed) -> Result:
        """Write what is made of a frame."""
        begun, job, frame = time.perf_counter(), picture.job, picture.frame
        if picture.label_map is None:
            return Result(job.path, frame, problem=picture.problem)
        if self._legend is None:
            self._begin(picture.label_map.shape, picture.time)
        if picture.label_map.shape != self._size:
            problem = f"{job.path}, frame {frame} has another size than the first"
            return Result(job.path, frame, problem=problem)
        if self._overlay:
            self._overlay.write(self._draw(picture), picture.time)
        if self._labels:
            self._labels.write(picture.label_map, picture.time)
        else:
            path = job.labels_path(frame)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_content(path, encode_label_map(picture.label_map, self._class_map))
        if path := self._outputs.confidence_path(job, frame):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_content(path, encode_png(confidence_picture(picture.confidence)))
        counts, size = count_ids(picture.label_map), picture.label_map.shape
        seconds = picture.seconds + time.perf_counter() - begun
        return Result(job.path, frame, size, seconds, counts)

    def _begin(self, size, time):
        self._size, self._legend = size, self._draw_legend(size)
        self._job.stem.parent.mkdir(parents=True, exist_ok=True)
        film, rate = self._film, self._film.rate / self._film.clip.every
        if self._outputs.overlay != "none":
            part = self._enter(OVERLAY, ".mp4")
            drawn = (size[0] + self._legend.shape[0], size[1])
            sound = self._find_sound(time)
            self._overlay = VideoWriter(part, rate, drawn, film.pixel_shape, sound)
            self._files.callback(self._overlay.close)
        if self._outputs.video_labels == "film":
            self._labels = LabelVideoWriter(self._enter(LABELS, ".mkv"), rate, size)
            self._files.callback(self._labels.close)

    def _enter(self, end, suffix):
        path = self._job.output(end, suffix)
        return self._files.enter_context(atomic_file(path, keep_partial=True))

    def _find_sound(self, time):
        film = self._film
        if film.path is None:
            return None
        end = None if film.clip.end is None else float(film.origin) + film.clip.end
        sound = Sound(film.path, film.origin + time, end)
        return sound if sound.is_there else None

    def _draw(self, picture):
        style = self._outputs.style
        drawn = overlay(
            picture.image,
            picture.label_map,
            self._class_map,
            style.opacity,
            style.contours,
        )
        return np.concatenate([drawn, self._legend]) if len(self._legend) else drawn

    def _draw_legend(self, size):
        """Names of all classes, for all frames; no rows where none is wanted."""
        style, class_map = self._outputs.style, self._class_map
        if not style.legend:
            return np.empty((0, size[1], 3), dtype="uint8")
        colors = overlay_palette(class_map).astype("float32")
        # As on a picture of middle grey: the legend is the same for all pictures.
        blended = (style.opacity * colors + (1 - style.opacity) * 128).round()
        ids = range(class_map.num_classes)
        return legend(class_map, ids, size[1], blended, legend_scale(size))
