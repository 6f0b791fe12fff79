"""Untrusted paths and lists are checked before they are used."""

import sys
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


def read_lines(name: str | Path) -> list[str]:
    """Read a list: a text file with a name or path on each line.

    Args:
        name: UTF-8 file, with or without byte order mark; "-" for standard input.

    Returns:
        The lines that are not blank.

    Raises:
        FileNotFoundError: if the file is missing.
        ValueError: if it is not UTF-8 text, or has only blank lines.
    """
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"The list {name} must be UTF-8 text: {error}") from error
    except (FileNotFoundError, IsADirectoryError) as error:
        raise FileNotFoundError(f"There is no list {name}") from error
    # `splitlines` also splits at characters that names may contain, such as U+2028.
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines or "\0" in text:
        raise ValueError(f"The list {name} must have a name or path on each line")
    return lines
