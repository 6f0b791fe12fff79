"""What is to be predicted, and where its pictures go."""

import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from keras_fcn.errors import summarize
from keras_fcn.prediction.inputs import (
    VIDEO_SUFFIXES,
    expand_list,
    find_files,
    read_list,
)

# Ends of the outputs' names.
LABELS, OVERLAY, CONFIDENCE = "_labels", "_overlay", "_confidence"


@dataclass(frozen=True)
class Job:
    """A file to predict.

    Attributes:
        path: an image, a file with several of them, or a film.
        stem: what the names of its outputs begin with, the output folder among it.
    """

    path: Path
    stem: Path

    @property
    def is_film(self) -> bool:
        """Whether the file is a film, by its name."""
        return self.path.suffix.lower() in VIDEO_SUFFIXES

    def output(self, end: str, suffix: str, frame: int | None = None) -> Path:
        """Return the path of an output.

        Args:
            end: what it is, as in `_labels`.
            suffix: as in `.png`.
            frame: of a file with several images, the number of one of them, from 0 on.

        Returns:
            As in `DIR/STEM_labels.png`; `DIR/STEM_labels/000007.png` of a frame.
        """
        base = self.stem.with_name(self.stem.name + end)
        if frame is None:
            return base.with_name(base.name + suffix)
        return base / f"{frame:06}{suffix}"

    def labels_path(self, frame: int | None = None) -> Path:
        """Return the path of the label map.

        Args:
            frame: as for `output`.
        """
        return self.output(LABELS, ".png", frame)


def find_jobs(
    inputs: Sequence[str], output_dir: Path, list_file: str | None = None
) -> list[Job]:
    """Turn files, folders, globs and a list into what is to be predicted.

    A folder is searched with its subfolders, and its tree kept below `output_dir`; so
    is the tree of the files in a list.

    Args:
        inputs: paths or globs.
        output_dir: where the outputs go; it may be missing.
        list_file: text file with a path on each line; "-" for standard input.

    Raises:
        FileNotFoundError: if a path does not exist or means no image or film.
        NotADirectoryError: if `output_dir` is a file.
        PermissionError: if a folder can't be read, or `output_dir` not be written.
        ValueError: if two files would be written to one output, or an output would
            replace an input.
    """
    check_output_dir(output_dir)
    found: dict[Path, Path] = {}
    for path, subfolder in find_files(inputs, output_dir):
        found.setdefault(path, subfolder)
    if list_file is not None:
        for path, subfolder in expand_list(read_list(list_file), output_dir):
            found.setdefault(path, subfolder)
    jobs = [
        Job(path, output_dir / subfolder / path.stem)
        for path, subfolder in found.items()
    ]
    _check_outputs(jobs)
    return jobs


def check_output_dir(output_dir: Path) -> None:
    """Refuse a folder that can't be written to, before there is anything to write.

    Args:
        output_dir: it may be missing.

    Raises:
        NotADirectoryError: if it is a file.
        PermissionError: if it can't be written to.
    """
    if output_dir.exists() and not output_dir.is_dir():
        raise NotADirectoryError(
            f"`output_dir` must be a folder. Received: {output_dir}, a file"
        )
    there = next(path for path in (output_dir, *output_dir.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there):  # root has all permissions that fail
            pass
    except OSError as error:
        raise PermissionError(
            f"`output_dir` must be a folder that can be written to. "
            f"Received: {output_dir} ({os.strerror(error.errno)}: {there})"
        ) from error


def _check_outputs(jobs: Iterable[Job]):
    writers: dict[Path, Path] = {}
    for job in jobs:
        other = writers.setdefault(job.stem, job.path)
        if other != job.path:
            raise ValueError(
                f"{other} and {job.path} would both be written to {job.labels_path()}: "
                "predict them into different folders, by `output_dir`"
            )
    inputs = {job.path.resolve() for job in jobs}
    replaced = [
        str(output)
        for job in jobs
        for output in (
            job.labels_path(),
            job.output(CONFIDENCE, ".png"),
            *(job.output(OVERLAY, suffix) for suffix in (".png", ".jpg", ".mp4")),
        )
        if output.resolve() in inputs
    ]
    if replaced:
        raise ValueError(
            f"The prediction would replace the input {summarize(replaced)}: choose "
            "another `output_dir`"
        )
