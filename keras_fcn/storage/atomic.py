"""Files and folders that appear complete or not at all.

They are written in a work folder, `.part-...`, next to their final place, and then
renamed. A lock in the work folder is released when its process exits, so that the
leftovers of a killed process can be distinguished from the files of a running one, and
removed.
"""

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from keras_fcn.storage.locks import Locked, is_abandoned, take
from keras_fcn.storage.regular_files import check_is_regular

_PART = ".part-"  # prefix of work folders
TEMPORARY = "keras-fcn-"  # prefix of work folders in the system's temporary folder
_LOCK = "lock"


@contextmanager
def atomic_file(
    path: Path, is_durable: bool = False, keep_partial: bool = False
) -> Iterator[Path]:
    """Yield a path to write to, which is renamed to `path` when the block succeeds.

    If the block fails, what it wrote is removed and an existing file at `path` stays.
    The yielded path has the same name in another folder. The first call for a folder
    removes the leftovers of killed processes from it.

    Args:
        path: the file to make or to replace; its folder exists.
        is_durable: flush the file to the disk before it is renamed, for files that must
            survive a power failure.
        keep_partial: rename the file after an error too, unless it is an error of the
            operating system; for videos and tables, which are useful up to where they
            were interrupted.

    Raises:
        OSError: if it can't be written; names `path`.
    """
    _remove_abandoned_once(path.parent)
    with _naming(path), work_folder(path.parent) as folder:
        part = folder / path.name
        try:
            yield part
        except OSError:
            raise  # usually the disk's: what was written is damaged
        except BaseException:
            if keep_partial and part.exists():
                os.replace(part, path)
            raise
        if is_durable:
            move_into_place(part, path)
        else:
            os.replace(part, path)


@contextmanager
def atomic_folder(parent: Path) -> Iterator[Path]:
    """Yield a new folder to fill, which the block itself moves to its final place.

    The folder is removed at the end of the block unless it was moved. The leftovers of
    killed processes are removed from `parent`.

    Args:
        parent: the folder in which it will be placed; made if it is missing.

    Raises:
        OSError: if it can't be written; names `parent`.
    """
    parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(parent)
    with _naming(parent), work_folder(parent) as folder:
        part = folder / "part"
        part.mkdir()
        yield part


def move_into_place(part: Path, path: Path) -> None:
    """Flush a file or folder to the disk, rename it, and flush the renaming.

    Args:
        part: what was written.
        path: its final place on the same disk; an existing file is replaced.

    Raises:
        OSError: if it fails, for example because `path` is a folder that is not empty.
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
    """Yield a new folder for this process alone, which is removed after the block.

    Args:
        parent: the folder in which it is made; must exist.
        prefix: start of its name; the rest is random.
    """
    folder, lock = _make_locked(parent, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def remove_abandoned(parent: Path, prefix: str = _PART) -> None:
    """Remove the work folders of processes that have ended.

    Args:
        parent: searched without its subfolders.
        prefix: start of their names.
    """
    for folder in parent.glob(f"{prefix}*"):
        if not folder.is_dir() or folder.is_symlink():
            continue
        if is_abandoned(folder / _LOCK):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            # Killed before the lock was made. A folder with content stays.
            with suppress(OSError):
                folder.rmdir()


_remove_abandoned_once = cache(remove_abandoned)


def remove_parts(folder: Path) -> None:
    """Remove the work folders of processes that have ended, in all subfolders.

    Args:
        folder: searched with its subfolders.
    """
    for parent in {part.parent for part in folder.rglob(f"{_PART}*")}:
        remove_abandoned(parent)


def write_json(path: Path, value: object, is_durable: bool = False) -> None:
    """Write a value as indented JSON.

    Args:
        path: the file; replaced atomically.
        value: dict, list, string, number, boolean or None, nested or not.
        is_durable: as for `atomic_file`.

    Raises:
        ValueError: if a number is NaN or infinite.
        TypeError: if a value has no equivalent in JSON.
        OSError: if the file can't be written; names it.
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
        ValueError: if it is no regular file, not JSON, or nested too deeply; names it.
    """
    check_is_regular(path)

    def refuse_constant(name):  # Python's parser takes NaN and Infinity
        raise ValueError(f"{name} is not a number in JSON")

    try:
        return json.loads(path.read_bytes().decode(), parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:  # also bytes that are not UTF-8
        raise ValueError(f"{path} is not JSON: {error}") from error


@contextmanager
def _naming(path):
    """Put `path` into an OSError in place of a name within a work folder."""
    try:
        yield
    except OSError as error:
        is_of_another = error.filename is not None and _PART not in str(error.filename)
        if error.errno is None or is_of_another:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def _make_locked(parent, prefix):
    """Return a new folder, and the open file of the lock in it."""
    while True:
        folder = parent / f"{prefix}{secrets.token_hex(8)}"
        folder.mkdir(mode=0o700)
        try:
            return folder, take(folder / _LOCK)
        except (FileNotFoundError, Locked):
            continue  # another process removed it as abandoned before it was locked
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def _sync(path):
    """Flush a file, or the names in a folder, to the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
