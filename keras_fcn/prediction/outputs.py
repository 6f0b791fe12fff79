"""The files that are written for each image: label map, overlay, polygons ..."""

import errno
import io
import json
import os
import re
import time
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from keras_fcn.classes import ClassMap
from keras_fcn.drawing.overlays import OverlayStyle, overlay_with_legend
from keras_fcn.errors import summarize
from keras_fcn.images.encoding import (
    encode_jpeg,
    encode_label_map,
    encode_photograph,
    encode_png,
    encode_stored_labels,
    is_marked,
    marked,
    write_content,
)
from keras_fcn.options import validated
from keras_fcn.prediction.annotations import class_masks, to_geojson, to_labelme
from keras_fcn.prediction.confidence import encode_confidence
from keras_fcn.prediction.jobs import (
    CONFIDENCE,
    LABELS,
    MASKS,
    OVERLAY,
    PROBABILITIES,
    Job,
    check_stems,
)
from keras_fcn.prediction.options import Annotations, Ids, OverlayFormat, VideoLabels
from keras_fcn.prediction.results import ImageTask, Result, count_ids
from keras_fcn.storage.outputs import check_replaces_no_input

_SUFFIXES = (".png", ".jpg", ".json", ".geojson", ".npy", ".mp4", ".mkv")
# Suffix of the files of polygons: labelme opens STEM.json with its image.
_POLYGONS = {"labelme": ".json", "geojson": ".geojson"}
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
        annotations: formats in which the regions are also written as polygons: labelme
            and GeoJSON for each image, COCO for all of them. Not for videos.
        class_masks: also write a black and white mask of each class. Not for videos.
        probabilities: also write the probability of each class. Not for videos.
        ids: values of the label maps: "class" for class ids, or "stored" for the values
            in the label files of the training.
    """

    overlay: OverlayFormat = "png"
    style: OverlayStyle = OverlayStyle()
    video_labels: VideoLabels = "png"
    skip_existing: bool = False
    confidence: bool = False
    annotations: Annotations = ()
    class_masks: bool = False
    probabilities: bool = False
    ids: Ids = "class"

    def encode_labels(self, label_map: np.ndarray, class_map: ClassMap) -> bytes:
        """Encode a label map as PNG.

        Args:
            label_map: uint8 `(height, width)`.
            class_map: the classes.

        Raises:
            ValueError: if `ids` is "stored" and the stored ids are not known.
        """
        encode = encode_label_map if self.ids == "class" else encode_stored_labels
        return encode(label_map, class_map)

    def paths(self, job: Job, frame: int | None = None) -> dict[str, Path]:
        """Return the files of an image by their kind, in the order of writing.

        Args:
            job: the file.
            frame: number of the image in a file of several, from 0.

        Returns:
            Path by `OVERLAY`, `CONFIDENCE` and the other kinds that are written, and
            `LABELS`. That of `MASKS` is a folder.
        """
        paths = {}
        if self.overlay != "none":
            suffix = _ENCODERS[self.overlay][0]
            paths[OVERLAY] = job.output(OVERLAY, suffix, frame)
        if self.confidence:
            paths[CONFIDENCE] = job.output(CONFIDENCE, ".png", frame)
        if self.probabilities:
            paths[PROBABILITIES] = job.output(PROBABILITIES, ".npy", frame)
        for kind in _POLYGONS.keys() & self.annotations:
            paths[kind] = job.output("", _POLYGONS[kind], frame)
        if self.class_masks:
            paths[MASKS] = job.output(MASKS, "", frame)
        paths[LABELS] = job.output(LABELS, ".png", frame)
        return paths

    def all_paths(self, job: Job) -> list[Path]:
        """Return the files and folders that are written for a file.

        Args:
            job: the file. Whether an image file has several images is not known before
                it is read: the folders of their outputs are included.
        """
        frames = {path.parent for path in self.paths(job, 0).values()} - {job.stem}
        if not job.is_video:
            return [*self.paths(job).values(), *frames]
        files = [job.output(OVERLAY, ".mp4")] if self.overlay != "none" else []
        if self.video_labels == "video":
            files.append(job.output(LABELS, ".mkv"))
        return [*files, *frames]

    def replaced_files(self, job: Job) -> list[Path]:
        """Return the existing files that the prediction of a file may replace.

        Args:
            job: the file.
        """
        found = []
        for path in self.all_paths(job):
            # os.path: False also for names that are too long, unlike Path's methods.
            for file in path.iterdir() if os.path.isdir(path) else [path]:
                has_number = file != path and file.stem.isdecimal()
                frame = int(file.stem) if has_number else None
                is_kept = not job.is_video and self.are_complete(job, frame)
                if file.suffix in _SUFFIXES and os.path.isfile(file) and not is_kept:
                    found.append(file)
        return found

    def are_complete(self, job: Job, frame: int | None = None) -> bool:
        """Return whether an image is skipped because all of its outputs exist.

        Args:
            job: the file.
            frame: number of the image in a file of several, from 0.
        """
        paths = self.paths(job, frame).values()
        return self.skip_existing and all(map(os.path.exists, paths))


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
            if PROBABILITIES in paths and task.probabilities is not None:
                file = io.BytesIO()
                np.save(file, task.probabilities)
                write_file(paths[PROBABILITIES], file.getvalue())
            _write_regions(label_map, class_map, task.job, paths)
            # Last: where there is a label map, the other files are complete.
            write_file(paths[LABELS], outputs.encode_labels(label_map, class_map))
            result = replace(
                result,
                size=label_map.shape,
                counts=count_ids(label_map),
                confidence=None if confidence is None else float(confidence.mean()),
                label_map=label_map if "coco" in outputs.annotations else None,
            )
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
                raise
            task.fail("written", error)
    seconds = task.seconds + time.perf_counter() - begun
    return replace(result, seconds=seconds, problem=task.problem)


def _write_regions(label_map, class_map, job, paths):
    """Write polygons and masks."""
    if path := paths.get("labelme"):
        # Labelme takes it relative to the file, and opens the image from there.
        image_path = os.path.relpath(job.path, path.parent).replace(os.sep, "/")
        if job.url:
            image_path = job.path.name
        _write_json(path, to_labelme(label_map, class_map, image_path))
    if path := paths.get("geojson"):
        _write_json(path, to_geojson(label_map, class_map))
    if folder := paths.get(MASKS):
        for class_id, (name, mask) in enumerate(class_masks(label_map, class_map)):
            name = re.sub(r'[\x00-\x1f<>:"/\\|?*]', "_", name)
            name = name.encode()[:200].decode(errors="ignore")  # 255 bytes at most
            content = encode_png(mask.astype("uint8") * 255)
            write_file(folder / f"{class_id}_{name}.png", content)


def _write_json(path, content):
    text = json.dumps(content, ensure_ascii=False)
    write_file(path, text.encode("utf-8", "surrogateescape"))


def write_file(path: Path, content: bytes) -> None:
    """Write a file whole, and create its folder.

    Args:
        path: the file.
        content: its bytes, which are marked as an output.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_content(path, marked(content))


def _is_output(path):
    """Whether a file was written by a prediction."""
    if path.suffix not in (".mp4", ".mkv"):
        return is_marked(path)
    from keras_fcn.prediction.video.writer import is_written_video  # imports PyAV

    return is_written_video(path)


def check_outputs(
    jobs: Collection[Job],
    outputs: Outputs,
    inputs: Iterable[Path],
    tables: Iterable[Path] = (),
) -> None:
    """Check that a prediction replaces only files that a prediction has written.

    Args:
        jobs: the files and streams to predict.
        outputs: what is written for them.
        inputs: other files that are read.
        tables: files that are written for all images together.

    Raises:
        ValueError: if two outputs have the same path, or a file of the user would be
            replaced.
    """
    check_stems(jobs)
    replaced = [path for job in jobs for path in outputs.all_paths(job)]
    tables = [*tables]
    written = Counter(map(os.path.abspath, (*replaced, *tables)))
    for table in tables:
        if written[os.path.abspath(table)] > 1:
            raise ValueError(f"{table} would be two outputs: choose another file")
    inputs = [*(job.path for job in jobs if not job.url), *inputs]
    check_replaces_no_input([*replaced, *tables], inputs)
    existing = [
        file
        for job in jobs
        for file in outputs.replaced_files(job)
        if not _is_output(file)
    ]
    existing += [
        path
        for path in tables
        if path.name.endswith(".coco.json") and path.is_file() and not is_marked(path)
    ]
    if existing:
        raise ValueError(
            f"{summarize([*map(str, existing)])} was not written by keras-fcn and "
            "would be replaced: move it, or choose another `output_dir`"
        )
