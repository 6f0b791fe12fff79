"""Files and folders appear whole or not at all: written beside, then renamed."""

import json
import os
import shutil
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

_PART = ".part-"  # how the names of what is being written begin
# What NumPy and zipfile raise for an archive that is damaged, or is none.
_READING_ERRORS = (
    OSError,
    ValueError,
    EOFError,
    BadZipFile,
    KeyError,
    RuntimeError,  # encrypted; and NotImplementedError, another compression
    TypeError,  # a single array, without an archive; on Python 3.10
    AttributeError,  # it is this one
    zlib.error,
)


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Give a path to write to; it takes the name `path` when the block succeeds.

    Where the block fails, what it wrote is removed and a file that was at `path`
    stays. The path given has the same suffix.

    Args:
        path: the file to make or to replace; its folder is there.
    """
    part = path.with_name(f"{_PART}{path.name}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def written_so_far(path: Path) -> Iterator[Path]:
    """Give a path to write to; in whatever way a block ends, it takes the name `path`.

    For files that are of use as far as they go, as a film is when it is interrupted.

    Args:
        path: the file to make or to replace; its folder is there.
    """
    failure = None
    with written_beside(path) as part:
        try:
            yield part
        except OSError:
            raise  # the disk's, as a rule: what was written is of no use
        except BaseException as error:
            failure = error
    if failure is not None:
        raise failure


@contextmanager
def folder_beside(parent: Path) -> Iterator[Path]:
    """Give a new folder to fill; the block renames it to its place at its end.

    What has not been renamed when the block ends is removed.

    Args:
        parent: the folder in which it will stand; made when missing.
    """
    parent.mkdir(parents=True, exist_ok=True)
    part = parent / f"{_PART}{uuid.uuid4().hex}"
    part.mkdir()
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def remove_parts(folder: Path) -> None:
    """Remove the files that a killed process was about to write.

    Args:
        folder: searched with its subfolders.
    """
    for part in folder.rglob(f"{_PART}*"):
        part.unlink()


def write_json(path: Path, value: object) -> None:
    """Write a value as indented JSON.

    Args:
        path: the file; it is replaced whole.
        value: dict, list, string, number, boolean or None, nested or not.

    Raises:
        ValueError: if a number is NaN or infinite.
        TypeError: if there is something that JSON does not have.
    """
    with written_beside(path) as part:
        part.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n")


def check_is_regular(path: Path) -> None:
    """Refuse what reading would wait for without end: a FIFO, a device, a socket.

    Args:
        path: what is about to be opened; links are followed.

    Raises:
        ValueError: if it is there and no regular file.
    """
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "a FIFO, device or socket"
        raise ValueError(f"{path} must be a regular file. Received: {kind}")


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of an `.npz` file by name, without pickle.

    Args:
        path: the file.

    Raises:
        ValueError: if it is missing or damaged.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except _READING_ERRORS as error:
        reason = str(error) or type(error).__name__
        raise ValueError(
            f"{path} can't be loaded: it is missing or damaged ({reason})"
        ) from error
