"""Files to predict and the paths of their outputs."""

import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from keras_fcn.prediction.inputs import VIDEO_SUFFIXES, expand_list, find_files
from keras_fcn.prediction.urls import (
    download_image,
    is_stream,
    is_url,
    shown_url,
    stem_of_url,
)
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
        url: URL of the file or stream, without its query; "" for others.
        is_live: whether it is a stream or a camera, which have no file.
    """

    path: Path
    stem: Path
    url: str = ""
    is_live: bool = False

    @property
    def name(self) -> str:
        """The URL, or the path, for messages and tables."""
        return self.url or str(self.path)

    @property
    def is_video(self) -> bool:
        """Whether it is live, or a file with the suffix of a video."""
        return self.is_live or self.path.suffix.lower() in VIDEO_SUFFIXES

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
        FileNotFoundError: if one of `inputs` does not exist, or a folder has no image
            or video.
        ValueError: if the list is not one of paths.
        NotADirectoryError: if `output_dir` is a file.
        PermissionError: if a folder cannot be read, or `output_dir` not written to.
    """
    check_output_dir(output_dir)
    files = find_files(inputs, output_dir)
    if list_file is not None:
        lines = read_lines(list_file)
        if (url := next(filter(is_url, lines), None)) is not None:
            raise ValueError(
                f"The list {list_file} must have paths only: give URLs as arguments. "
                f"Received: {shown_url(url)}"
            )
        try:
            files = chain(files, [*expand_list(lines, output_dir)])
        except OSError as error:
            raise type(error)(f"{list_file}: {error}") from error
    found: dict[str, Job] = {}
    for path, subfolder in files:
        job = Job(path, output_dir / subfolder / path.stem)
        found.setdefault(os.path.abspath(path), job)
    return [*found.values()]


def job_of_url(url: str, output_dir: Path) -> Job:
    """Return the job of an image that is not downloaded yet, or of a stream.

    Args:
        url: its URL.
        output_dir: folder of the outputs.

    Raises:
        ValueError: if its scheme is not supported.
    """
    name = shown_url(url)
    return Job(Path(name), output_dir / stem_of_url(url), name, is_stream(url))


def job_of_camera(camera: str, output_dir: Path) -> Job:
    """Return the job of a camera.

    Args:
        camera: its number or device.
        output_dir: folder of the outputs.
    """
    stem = f"camera-{camera.replace('/', '-').strip('-')}"
    return Job(Path(f"camera {camera}"), output_dir / stem, is_live=True)


def download_jobs(urls: Iterable[str], output_dir: Path, folder: Path) -> list[Job]:
    """Download images.

    Args:
        urls: their URLs, http or https.
        output_dir: folder of the outputs.
        folder: an existing folder for the downloaded files.

    Raises:
        OSError: if one can't be downloaded.
        ValueError: if one is no image.
    """
    return [
        replace(job_of_url(url, output_dir), path=download_image(url, folder))
        for url in urls
    ]


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
        # A file is created: os.access can be wrong, as for root and on network file
        # systems.
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise PermissionError(
            f"`output_dir` must be a folder that can be written to. "
            f"Received: {output_dir} ({os.strerror(error.errno or 0)}: {existing})"
        ) from error


def check_stems(jobs: Iterable[Job]) -> None:
    """Check that no two jobs have the same outputs.

    Args:
        jobs: the files to predict.

    Raises:
        ValueError: if two have.
    """
    names: dict[Path, str] = {}
    for job in jobs:
        if job.stem in names:
            raise ValueError(
                f"{names[job.stem]} and {job.name} would both be written to "
                f"{job.labels_path()}: predict them into different folders, by "
                "`output_dir`"
            )
        names[job.stem] = job.name
