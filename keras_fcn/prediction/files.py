"""Label maps and overlays of the user's own images."""

import glob
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_fcn.classes import ClassMap
from keras_fcn.errors import summarize
from keras_fcn.images import (
    IMAGE_SUFFIXES,
    UnreadableImage,
    read_image,
    write_label_map,
    write_png,
)
from keras_fcn.prediction.segmenter import Segmenter
from keras_fcn.visualize import overlay_with_legend

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """An image to predict and where its two pictures go."""

    image_path: Path
    labels_path: Path
    overlay_path: Path


def find_jobs(inputs: Sequence[str], output_dir: Path) -> list[Job]:
    """Turn files, folders and globs into the images that they mean.

    A folder is searched with its subfolders, and its tree kept below `output_dir`.

    Args:
        inputs: paths or globs.
        output_dir: where `STEM_labels.png` and `STEM_overlay.png` go.

    Raises:
        FileNotFoundError: if a path does not exist or means no image.
        NotADirectoryError: if `output_dir` is a file.
        ValueError: if two images would be written to one file, or an output would
            replace an input.
    """
    if output_dir.exists() and not output_dir.is_dir():
        raise NotADirectoryError(
            f"`output_dir` must be a folder. Received: {output_dir}, a file"
        )
    found: dict[Path, Path] = {}
    for text in inputs:
        for path, subfolder in _expand(text, output_dir):
            found.setdefault(path, subfolder)
    jobs = []
    for path, subfolder in found.items():
        stem = output_dir / subfolder / path.stem
        jobs.append(
            Job(
                path,
                stem.with_name(f"{path.stem}_labels.png"),
                stem.with_name(f"{path.stem}_overlay.png"),
            )
        )
    _check_outputs(jobs)
    return jobs


def predict_images(
    segmenter: Segmenter, jobs: Sequence[Job]
) -> Iterator[tuple[Job, str | None]]:
    """Predict images one after the other and write their pictures.

    The label map is a palette PNG of the image's size whose values are class ids; the
    overlay is the image under the classes' colours, with a legend.

    Args:
        segmenter: the network.
        jobs: what to predict.

    Yields:
        The job, and the classes found with their share of the pixels as a line; None
        for an image that could not be read, which is logged and left out.
    """
    for job in jobs:
        try:
            image = read_image(job.image_path)
        except UnreadableImage as error:
            logger.error("skipped: %s", " ".join(str(error).split()))
            yield job, None
            continue
        yield job, write_pictures(job, image, segmenter(image), segmenter.class_map)


def write_pictures(
    job: Job, image: np.ndarray, label_map: np.ndarray, class_map: ClassMap
) -> str:
    """Write the label map and the overlay of an image.

    Args:
        job: where to; the folder is made when missing.
        image: uint8 RGB `(height, width, 3)`.
        label_map: uint8 `(height, width)`, ids in `[0, num_classes)`.
        class_map: the classes.

    Returns:
        The line of `describe_classes`.
    """
    job.labels_path.parent.mkdir(parents=True, exist_ok=True)
    write_label_map(job.labels_path, label_map, class_map)
    write_png(job.overlay_path, overlay_with_legend(image, label_map, class_map))
    return describe_classes(label_map, class_map)


def describe_classes(label_map: np.ndarray, class_map: ClassMap) -> str:
    """Name the classes of a label map with their share of the pixels, largest first.

    Args:
        label_map: integer `(height, width)`, ids in `[0, num_classes)`; not void.
        class_map: the names.

    Returns:
        One line, as in `road 61.5%, sky 38.5%`; classes without a pixel are left out.
    """
    counts = np.bincount(label_map.ravel(), minlength=class_map.num_classes)
    by_size = [int(index) for index in np.argsort(-counts, kind="stable")]
    return ", ".join(
        f"{class_map.names[index]} {counts[index] / label_map.size:.1%}"
        for index in by_size
        if counts[index]
    )


def _expand(text, output_dir):
    """Images that one argument means, each with its folder below the output."""
    path = Path(text)
    if path.is_dir():
        images = [
            image
            for image in sorted(path.rglob("*"))
            if image.suffix.lower() in IMAGE_SUFFIXES
            and image.is_file()
            and not _is_output(image, path, output_dir)
        ]
        if not images:
            raise FileNotFoundError(f"There are no images in the folder {path}")
        return [(image, image.parent.relative_to(path)) for image in images]
    if path.is_file():
        return [(path, Path())]
    matches = sorted(glob.glob(text, recursive=True)) if glob.has_magic(text) else []
    if not matches:
        raise FileNotFoundError(f"There is no image, folder or match of {text}")
    return [pair for match in matches for pair in _expand(match, output_dir)]


def _is_output(image, searched, output_dir):
    """Whether a file of a searched folder was written by an earlier prediction."""
    output = output_dir.resolve()
    if searched.resolve() in output.parents:
        return output in image.resolve().parents
    return output == searched.resolve() and image.stem.endswith(("_labels", "_overlay"))


def _check_outputs(jobs):
    writers: dict[Path, Path] = {}
    for job in jobs:
        for output in (job.labels_path, job.overlay_path):
            other = writers.setdefault(output, job.image_path)
            if other != job.image_path:
                raise ValueError(
                    f"{other} and {job.image_path} would both be written to {output}: "
                    "predict them into different folders, by `output_dir`"
                )
    inputs = {job.image_path.resolve() for job in jobs}
    replaced = [str(path) for path in writers if path.resolve() in inputs]
    if replaced:
        raise ValueError(
            f"The prediction would replace the input {summarize(replaced)}: choose "
            "another `output_dir`"
        )
