"""Files from the network, kept in Keras's cache (`~/.keras`)."""

import contextlib
import sys
from pathlib import Path

import keras


def fetch(
    url: str,
    file_name: str,
    *,
    cache_subdir: str,
    otherwise: str,
    md5: str | None = None,
    extract: bool = False,
) -> Path:
    """Return a file of the cache, downloaded when it is missing.

    A bar on standard error shows the progress.

    Args:
        url: where it is.
        file_name: its name in the cache.
        cache_subdir: folder of the cache.
        otherwise: what a user can do without network; ends the error message.
        md5: checksum in hexadecimal, where one is known.
        extract: unpack the archive and return the folder.

    Raises:
        OSError: if it can't be fetched.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):
            path = keras.utils.get_file(
                file_name,
                url,
                cache_subdir=cache_subdir,
                file_hash=md5,
                extract=extract,
            )
    except Exception as error:  # get_file raises a bare Exception for the network
        reason = str(error).rpartition(" -- ")[2] or repr(error)
        raise OSError(f"{url} can't be downloaded ({reason}): {otherwise}") from error
    return Path(path)
