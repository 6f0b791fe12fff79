"""Untrusted paths, folders and lists are checked before they are used."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path


def check_is_regular(path: Path) -> None:
    """Refuse FIFOs, devices and sockets, from which reading may never return.

    Args:
        path: path to be opened; links are followed.

    Raises:
        ValueError: if it exists and is not a regular file.
    """
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "a FIFO, device or socket"
        raise ValueError(f"{path} must be a regular file. Received: {kind}")


def walk(
    folder: Path, onerror: Callable[[OSError], None] | None = None
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Search a folder as `os.walk` does, and the folders that links lead to.

    Folders are searched in the order of their names. A link to a folder that has been
    searched before is left out: a link to a parent folder would be followed forever.

    Args:
        folder: the folder.
        onerror: called with the error of a folder that cannot be read; None ignores
            such folders.

    Yields:
        The path of a folder, and the names of the folders and of the files in it.
        Folders that are removed from the list are not searched.
    """
    visited = set()
    for root, folders, names in os.walk(folder, onerror=onerror, followlinks=True):
        visited.add(os.path.realpath(root))
        paths = {name: os.path.join(root, name) for name in sorted(folders)}
        folders[:] = [
            name
            for name, path in paths.items()
            if not os.path.islink(path) or os.path.realpath(path) not in visited
        ]
        yield root, folders, names


def read_lines(name: str | Path) -> list[str]:
    """Read a list: a text file with a name or path on each line.

    Args:
        name: UTF-8 file, with or without byte order mark; "-" for standard input.

    Returns:
        The lines that are not blank.

    Raises:
        OSError: if the file is missing, or a folder.
        ValueError: if it is not UTF-8 text, or has NUL characters or only blank lines.
    """
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"The list {name} must be UTF-8 text: {error}") from error
    except FileNotFoundError as error:
        raise FileNotFoundError(f"There is no list {name}") from error
    except IsADirectoryError as error:
        raise IsADirectoryError(
            f"The list {name} must be a text file. Received: a folder"
        ) from error
    if "\0" in text:  # as from `find -print0`
        raise ValueError(f"The list {name} must be separated by line breaks, not NUL")
    # `splitlines` also splits at characters that names may contain, such as U+2028.
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        raise ValueError(f"The list {name} must have a name or path on each line")
    return lines
