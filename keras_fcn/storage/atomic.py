"""Files and folders appear whole or not at all: written beside, then renamed.

What is being written lies in a folder of its own, `.part-...`, that nobody else may
enter. A lock in it tells whether its process still lives, so that what a killed one
left can be removed.
"""

import json
import os
import secrets
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from keras_fcn.storage.locks import Locked, is_abandoned, take
from keras_fcn.storage.npz import check_npz
from keras_fcn.storage.regular_files import check_is_regular

_PART = ".part-"  # how the names of what is being written begin
TEMPORARY = "keras-fcn-"  # and of what lies in the system's temporary folder
_LOCK = "lock"
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
def atomic_file(path: Path, is_durable: bool = False) -> Iterator[Path]:
    """Give a path to write to; it takes the name `path` when the block succeeds.

    Where the block fails, what it wrote is removed and a file that was at `path`
    stays. The path given has the same name, in another folder. What killed processes
    left beside is removed by the first file that is written there.

    Args:
        path: the file to make or to replace; its folder is there.
        is_durable: be sure that it is on the disk, as far as the disk is honest, before
            it takes its name: for what others rely on after a loss of power.

    Raises:
        OSError: if it can't be written; names `path`.
    """
    _remove_abandoned_once(path.parent)
    with _named(path), work_folder(path.parent) as folder:
        part = folder / path.name
        yield part
        if is_durable:
            move_into_place(part, path)
        else:
            os.replace(part, path)


@contextmanager
def written_so_far(path: Path) -> Iterator[Path]:
    """Give a path to write to; in whatever way a block ends, it takes the name `path`.

    For files that are of use as far as they go, as a film is when it is interrupted.

    Args:
        path: the file to make or to replace; its folder is there.
    """
    failure = None
    with atomic_file(path) as part:
        try:
            yield part
        except OSError:
            raise  # the disk's, as a rule: what was written is of no use
        except BaseException as error:
            failure = error
    if failure is not None:
        raise failure


@contextmanager
def atomic_folder(parent: Path) -> Iterator[Path]:
    """Give a new folder to fill; the block moves it to its place at its end.

    What has not been moved when the block ends is removed. So is what killed processes
    left in `parent`.

    Args:
        parent: the folder in which it will stand; made when missing.

    Raises:
        OSError: if it can't be written; names `parent`.
    """
    parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(parent)
    with _named(parent), work_folder(parent) as folder:
        part = folder / "part"
        part.mkdir()
        yield part


def move_into_place(part: Path, path: Path) -> None:
    """Rename a file or folder when it is on the disk, and wait until that is too.

    Args:
        part: what was written.
        path: its place, on the same disk; a file there is replaced.

    Raises:
        OSError: if it can't be; a folder that is there and not empty stays.
    """
    if part.is_dir():
        for folder, _, names in os.walk(part):
            for name in names:
                _sync(os.path.join(folder, name))
            _sync(folder)
    else:
        _sync(part)
    os.replace(part, path)
    _sync(path.parent)


@contextmanager
def work_folder(parent: Path, prefix: str = _PART) -> Iterator[Path]:
    """Give a new folder of this process alone; it is removed when the block ends.

    Args:
        parent: where it is made; must be there.
        prefix: how its name begins; the rest is drawn by chance.
    """
    folder, lock = _make_locked(parent, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def remove_abandoned(parent: Path, prefix: str = _PART) -> None:
    """Remove the work folders of processes that have died.

    Args:
        parent: searched without its subfolders.
        prefix: how their names begin.
    """
    for folder in parent.glob(f"{prefix}*"):
        if not folder.is_dir() or folder.is_symlink():
            continue
        if is_abandoned(folder / _LOCK):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            with suppress(OSError):  # killed before there was a lock; not if filled
                folder.rmdir()


@cache
def _remove_abandoned_once(parent):
    remove_abandoned(parent)


def remove_parts(folder: Path) -> None:
    """Remove what killed processes were about to write.

    Args:
        folder: searched with its subfolders.
    """
    for part in sorted(folder.rglob(f"{_PART}*")):
        if part.is_dir() and not part.is_symlink():
            remove_abandoned(part.parent)
        else:
            part.unlink(missing_ok=True)  # version 0.2 wrote them without a folder


def write_json(path: Path, value: object, is_durable: bool = False) -> None:
    """Write a value as indented JSON.

    Args:
        path: the file; it is replaced whole.
        value: dict, list, string, number, boolean or None, nested or not.
        is_durable: as for `atomic_file`.

    Raises:
        ValueError: if a number is NaN or infinite.
        TypeError: if there is something that JSON does not have.
        OSError: if it can't be written; names it.
    """
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    with atomic_file(path, is_durable) as part:
        part.write_text(text)


def read_json(path: Path) -> object:
    """Read a JSON file.

    Args:
        path: the file, UTF-8.

    Raises:
        OSError: if it can't be read.
        ValueError: if it is no JSON, or nested too deep to be read; names it.
    """
    try:
        return json.loads(path.read_bytes().decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # also what is not UTF-8
        raise ValueError(f"{path} is not JSON: {error}") from error


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of an `.npz` file by name, without pickle.

    Args:
        path: the file.

    Raises:
        ValueError: if it is missing or damaged.
    """
    try:
        check_is_regular(path)
        check_npz(path)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except _READING_ERRORS as error:
        reason = str(error) or type(error).__name__
        raise ValueError(
            f"{path} can't be loaded: it is missing or damaged ({reason})"
        ) from error


def _refuse_constant(name):
    raise ValueError(f"{name} is no number of JSON")


@contextmanager
def _named(path):
    """Let an error of the system tell what could not be written."""
    try:
        yield
    except OSError as error:
        is_of_another = error.filename is not None and _PART not in str(error.filename)
        if error.errno is None or is_of_another:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def _make_locked(parent, prefix):
    """A new folder, and the open file of the lock in it."""
    while True:
        folder = parent / f"{prefix}{secrets.token_hex(8)}"
        folder.mkdir(mode=0o700)
        try:
            return folder, take(folder / _LOCK)
        except (FileNotFoundError, Locked):
            continue  # another process took it for abandoned before it was locked
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def _sync(path):
    """Wait until a file, or the names in a folder, are on the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
