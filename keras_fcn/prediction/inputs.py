"""The files that paths, folders, globs and lists mean."""

import glob
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from keras_fcn.images.reading import IMAGE_SUFFIXES

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts",
    ".m2ts", ".wmv", ".asf", ".flv", ".3gp", ".ogv", ".mxf", ".vob", ".y4m",
)  # fmt: skip
_TAKEN = frozenset((*IMAGE_SUFFIXES, *VIDEO_SUFFIXES))
_OUTPUTS = ("_labels", "_overlay", "_confidence")  # what an earlier prediction wrote

Found = tuple[Path, Path]


def find_files(inputs: Sequence[str], output_dir: Path) -> Iterator[Found]:
    """Expand files, folders and globs.

    Args:
        inputs: paths or globs. Of a folder and its subfolders the images and films are
            taken by their suffix, without what is hidden and what an earlier prediction
            wrote.
        output_dir: where the outputs will go.

    Yields:
        A file, and its folder below the output.

    Raises:
        FileNotFoundError: if a path does not exist or means no image or film.
        PermissionError: if a folder can't be read.
    """
    for text in inputs:
        yield from _expand(text, output_dir)


def read_list(name: str) -> list[str]:
    """Read paths from a file.

    Args:
        name: text file, UTF-8, with a path on each line; "-" for standard input.

    Raises:
        FileNotFoundError: if the list is not there.
        ValueError: if it is not UTF-8, or has no path.
    """
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"The list {name} must be UTF-8 text: {error}") from error
    except (FileNotFoundError, IsADirectoryError) as error:
        raise FileNotFoundError(f"There is no list {name}") from error
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or "\0" in text:
        raise ValueError(f"The list {name} must have a path on each line")
    return lines


def expand_list(lines: Sequence[str], output_dir: Path) -> Iterator[Found]:
    """Expand the paths of a list.

    Args:
        lines: paths of files or folders, as they would be typed. Files that are missing
            are not looked for here.
        output_dir: where the outputs will go.

    Yields:
        A file, and its folder below the output: its own below the folder that all the
        paths have in common.
    """
    parents = (Path(line).absolute().parent for line in lines)
    common = os.path.commonpath({str(parent) for parent in parents})
    for path in map(Path, lines):
        if _is_folder(path):
            below = path.absolute().relative_to(common)
            for file, subfolder in _search(path, output_dir):
                yield file, below / subfolder
        else:
            yield path, path.absolute().parent.relative_to(common)


def _is_folder(path):
    try:
        return path.is_dir()
    except OSError:  # too long a name: reading it will say so
        return False


def _expand(text, output_dir):
    """The files that one argument means."""
    path = Path(text)
    if path.is_dir():
        yield from _search(path, output_dir)
        return
    if path.exists():
        yield path, Path()
        return
    matches = sorted(glob.glob(text, recursive=True)) if glob.has_magic(text) else []
    if not matches:
        raise FileNotFoundError(f"There is no image, folder or match of {text}")
    for match in matches:
        yield from _expand(match, output_dir)


def _search(folder, output_dir):
    """Images and films of a folder and its subfolders, in the order of their names."""
    files = sorted(
        path
        for path in _walk(folder)
        if path.suffix.lower() in _TAKEN and not _is_output(path, folder, output_dir)
    )
    if not files:
        raise FileNotFoundError(f"There are no images or films in the folder {folder}")
    return [(path, path.parent.relative_to(folder)) for path in files]


def _walk(folder):
    """Regular files below a folder; hidden ones and hidden folders are left out."""

    def refuse(error):
        raise PermissionError(
            f"The folder {error.filename} can't be read ({error.strerror}): make it "
            "readable, or name what is to be predicted beside it"
        ) from error

    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(parent, name)
            if not name.startswith(".") and os.path.isfile(path):
                yield path


def _is_output(path, searched, output_dir):
    """Whether a file of a searched folder was written by an earlier prediction."""
    output = output_dir.resolve()
    if searched.resolve() in output.parents:
        return output in path.resolve().parents
    if output != searched.resolve():
        return False
    inside = path.relative_to(searched).parts
    return path.stem.endswith(_OUTPUTS) or any(
        part.endswith(_OUTPUTS) for part in inside[:-1]
    )
