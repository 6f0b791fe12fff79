"""Files to predict and the paths of their outputs."""

import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from keras_fcn.prediction.inputs import (
    VIDEO_SUFFIXES,
    expand_list,
    find_files,
)
from keras_fcn.prediction.urls import download_image, shown_url, stem_of_url
from keras_fcn.storage.regular_files import read_lines

# Ends of the outputs' names.
LABELS, OVERLAY, CONFIDENCE = "_labels", "_overlay", "_confidence"
MASKS, PROBABILITIES = "_masks", "_probabilities"


@dataclass(frozen=True)
class Job:
    """A file to predict.

    Attributes:
        path: an image, a file with several images, or a video.
        stem: path of the outputs without the ends of their names: `DIR/STEM`.
        url: URL from which the file was downloaded, without its query; "" for others.
    """

    path: Path
    stem: Path
    url: str = ""

    @property
    def name(self) -> str:
        """The URL, or the path, for messages and tables."""
        return self.url or str(self.path)

    @property
    def is_video(self) -> bool:
        """Whether the file is a video, by its suffix."""
        return self.path.suffix.lower() in VIDEO_SUFFIXES

    def output(self, end: str, suffix: str, frame: int | None = None) -> Path:
        """Return the path of an output.

        Args:
            end: kind of output, such as `_labels`.
            suffix: such as `.png`.
            frame: number of the image in a file of several, from 0.

        Returns:
            `DIR/STEM_labels.png`, or `DIR/STEM_labels/000007.png` of a frame.
        """
        base = self.stem.with_name(self.stem.name + end)
        if frame is None:
            return base.with_name(base.name + suffix)
        return base / f"{frame:06}{suffix}"

    def labels_path(self, frame: int | None = None) -> Path:
        """Return the path of the label map.

        Args:
            frame: number of the image in a file of several, from 0.
        """
        return self.output(LABELS, ".png", frame)


def find_jobs(
    inputs: Sequence[str], output_dir: Path, list_file: str | None = None
) -> list[Job]:
    """Find the files to predict.

    A folder is searched with its subfolders; below `output_dir` the outputs have the
    same subfolders. The same applies to the common folder of the files in a list.

    Args:
        inputs: paths or globs.
        output_dir: folder of the outputs; it may not exist yet.
        list_file: text file with a path on each line; "-" for standard input.

    Raises:
        FileNotFoundError: if a path does not exist, or a folder has no image or video.
        NotADirectoryError: if `output_dir` is a file.
        PermissionError: if a folder cannot be read, or `output_dir` not written to.
        ValueError: if two files would have the same output.
    """
    check_output_dir(output_dir)
    files = find_files(inputs, output_dir)
    if list_file is not None:
        files = chain(files, expand_list(read_lines(list_file), output_dir))
    found: dict[Path, Path] = {}
    for path, subfolder in files:
        found.setdefault(path, subfolder)
    jobs = [
        Job(path, output_dir / subfolder / path.stem)
        for path, subfolder in found.items()
    ]
    _check_outputs(jobs)
    return jobs


def download_jobs(
    urls: Sequence[str], output_dir: Path, folder: Path, jobs: Sequence[Job] = ()
) -> list[Job]:
    """Download images.

    Args:
        urls: their URLs, http or https.
        output_dir: folder of the outputs.
        folder: an existing folder for the downloaded files.
        jobs: other files whose outputs are written.

    Raises:
        OSError: if one can't be downloaded.
        ValueError: if one is no image, or two would have the same output.
    """
    names = {job.stem: str(job.path) for job in jobs}
    found = []
    for url in dict.fromkeys(urls):
        name, stem = shown_url(url), output_dir / stem_of_url(url)
        if stem in names:
            raise ValueError(
                f"{names[stem]} and {name} would both be written to "
                f"{stem}{LABELS}.png: predict them into different folders, by "
                "`output_dir`"
            )
        names[stem] = name
        found.append(Job(download_image(url, folder), stem, name))
    return found


def check_output_dir(output_dir: Path) -> None:
    """Check that a folder can be written to.

    Args:
        output_dir: it may not exist yet.

    Raises:
        NotADirectoryError: if it is a file.
        PermissionError: if it cannot be written to.
    """
    if output_dir.exists() and not output_dir.is_dir():
        raise NotADirectoryError(
            f"`output_dir` must be a folder. Received: {output_dir}, a file"
        )
    existing = next(path for path in (output_dir, *output_dir.parents) if path.exists())
    try:
        # A file is created: os.access knows no read-only file systems, and root has
        # every permission.
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise PermissionError(
            f"`output_dir` must be a folder that can be written to. "
            f"Received: {output_dir} ({os.strerror(error.errno or 0)}: {existing})"
        ) from error


def _check_outputs(jobs: Iterable[Job]) -> None:
    writers: dict[Path, Path] = {}
    for job in jobs:
        other = writers.setdefault(job.stem, job.path)
        if other != job.path:
            raise ValueError(
                f"{other} and {job.path} would both be written to {job.labels_path()}: "
                "predict them into different folders, by `output_dir`"
            )
