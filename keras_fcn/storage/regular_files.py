"""A check before untrusted paths are opened."""

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
