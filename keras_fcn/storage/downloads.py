"""Downloads, kept in Keras's cache (`~/.keras`), and the deadline of a request."""

import contextlib
import os
import shutil
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from keras_fcn.storage.atomic import atomic_folder

T = TypeVar("T")


def fetch(
    url: str,
    file_name: str,
    *,
    cache_subdir: str,
    otherwise: str,
    md5: str | None = None,
    extract: bool = False,
) -> Path:
    """Return a file of the cache; download it if it is missing.

    A bar on standard error shows the progress.

    Args:
        url: address of the file.
        file_name: its name in the cache.
        cache_subdir: folder of the cache.
        otherwise: what a user can do without network; ends the error message.
        md5: checksum in hexadecimal, if it is known.
        extract: unpack the archive and return its folder. A truncated archive is
            removed, so that the next call downloads it again.

    Raises:
        OSError: if it can't be downloaded.
    """
    import keras

    try:
        with contextlib.redirect_stdout(sys.stderr):
            path = keras.utils.get_file(
                file_name, url, cache_subdir=cache_subdir, file_hash=md5
            )
        return _unpack(Path(path)) if extract else Path(path)
    except Exception as error:  # get_file raises a bare Exception for the network
        reason = " ".join(str(error).rpartition(" -- ")[2].split()) or repr(error)
        raise OSError(f"{url} can't be downloaded ({reason}): {otherwise}") from error


def is_downloaded(file_name: str, *, cache_subdir: str) -> bool:
    """Return whether a file is in the cache.

    Args:
        file_name: its name in the cache.
        cache_subdir: folder of the cache.
    """
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"  # as Keras does
    return Path(home, cache_subdir, file_name).is_file()


def within(seconds: float, call: Callable[[], T]) -> T:
    """Call a function in a thread, and return its result.

    A socket's timeout applies to each read: a server that sends its headers byte by
    byte never exceeds it.

    Args:
        seconds: maximum duration of the call.
        call: the function; the exceptions that it raises are raised here.

    Raises:
        TimeoutError: if it takes longer. It is not stopped; its thread does not prevent
            the process from ending.
    """
    results: list[T] = []
    errors: list[Exception] = []

    def work():
        try:
            results.append(call())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError
    return results[0]


def _unpack(archive):
    """Unpack an archive next to itself; remove it if it is damaged."""
    folder = archive.with_suffix("")
    if folder.is_dir():
        return folder
    try:
        with atomic_folder(folder.parent) as part:
            shutil.unpack_archive(archive, part)
            os.replace(part, folder)
    except (shutil.ReadError, zipfile.BadZipFile, EOFError):
        archive.unlink()
        raise
    return folder
