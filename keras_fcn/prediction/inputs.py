"""Image and video files from paths, folders, globs and lists."""

import glob
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from keras_fcn.errors import summarize
from keras_fcn.images.opening import is_image
from keras_fcn.images.reading import IMAGE_SUFFIXES
from keras_fcn.storage.regular_files import walk

logger = logging.getLogger(__name__)

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts",
    ".m2ts", ".wmv", ".asf", ".flv", ".3gp", ".ogv", ".mxf", ".vob", ".y4m",
)  # fmt: skip
_SUFFIXES = frozenset((*IMAGE_SUFFIXES, *VIDEO_SUFFIXES))
# Ends of the names of outputs.
_OUTPUTS = ("_labels", "_overlay", "_confidence", "_masks", "_probabilities")

Found = tuple[Path, Path]


def find_files(inputs: Sequence[str], output_dir: Path) -> Iterator[Found]:
    """Expand files, folders and globs.

    Args:
        inputs: paths or globs. In a folder and its subfolders, also those that are
            links, images and videos are found by their suffix, and images also by their
            content; hidden files and outputs of earlier predictions are left out.
        output_dir: folder of the outputs.

    Yields:
        A file, and the folder of its outputs relative to `output_dir`.

    Raises:
        FileNotFoundError: if a path does not exist, or a folder has no image or video.
        PermissionError: if a folder cannot be read.
    """
    for text in inputs:
        path = Path(text)
        if path.is_dir():
            yield from _search(path, output_dir)
        elif path.exists():  # also a file whose name contains brackets
            yield path, Path()
        else:
            is_glob = glob.has_magic(text)
            matches = sorted(glob.glob(text, recursive=True)) if is_glob else []
            if not matches:
                raise FileNotFoundError(f"There is no image, folder or match of {text}")
            yield from find_files(matches, output_dir)


def expand_list(lines: Sequence[str], output_dir: Path) -> Iterator[Found]:
    """Expand the paths of a list.

    Args:
        lines: paths of files or folders; missing files are found when they are read.
        output_dir: folder of the outputs.

    Yields:
        A file, and the folder of its outputs relative to `output_dir`: its folder
        relative to the one that all the paths have in common.
    """
    # Without `..`, which would lead out of `output_dir`.
    whole = [os.path.abspath(line) for line in lines]
    common = os.path.commonpath({os.path.dirname(path) for path in whole})
    for line, path in zip(lines, whole, strict=True):
        # Unlike Path.is_dir, False also for a name that is too long.
        if os.path.isdir(line):
            base = Path(os.path.relpath(path, common))
            for file, subfolder in _search(Path(line), output_dir):
                yield file, base / subfolder
        else:
            yield Path(line), Path(os.path.relpath(os.path.dirname(path), common))


def _search(folder: Path, output_dir: Path) -> list[Found]:
    """Images and videos of a folder and its subfolders, sorted by name."""

    def refuse(error: OSError):
        raise PermissionError(
            f"The folder {error.filename} can't be read ({error.strerror}): make it "
            "readable, or give its readable neighbors as inputs"
        ) from error

    files: list[Path] = []
    others: list[Path] = []
    for parent, folders, names in walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = [Path(parent, name) for name in names if not name.startswith(".")]
        for path in paths:
            if _is_output(path, folder, output_dir):
                continue
            # Others may be dangling links, FIFOs or devices.
            is_input = os.path.isfile(path) and (
                path.suffix.lower() in _SUFFIXES or is_image(path)
            )
            (files if is_input else others).append(path)
    if others:
        logger.warning(
            "%d files in %s are neither images nor videos and are left out: %s",
            *(len(others), folder, summarize(sorted(path.name for path in others))),
        )
    if not files:
        raise FileNotFoundError(f"There are no images or videos in the folder {folder}")
    return [(path, path.parent.relative_to(folder)) for path in sorted(files)]


def _is_output(path: Path, searched: Path, output_dir: Path) -> bool:
    """Whether a file of a searched folder was written by an earlier prediction."""
    output, folder = output_dir.resolve(), searched.resolve()
    if output not in (folder, *folder.parents):
        return path.parent.resolve().is_relative_to(output)
    if output != folder:
        return False
    parts = path.relative_to(searched).with_suffix("").parts
    return any(part.endswith(_OUTPUTS) for part in parts)
