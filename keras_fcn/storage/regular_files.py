"""Files that have an end: what is no regular file is not opened."""

from pathlib import Path


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
