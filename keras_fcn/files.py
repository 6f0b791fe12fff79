"""Files appear whole or not at all: written beside their place, then renamed."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Give a path to write to; it takes the name `path` when the block succeeds.

    Where the block fails, what it wrote is removed and a file that was at `path`
    stays. The path given has the same suffix.

    Args:
        path: the file to make or to replace; its folder is there.
    """
    part = path.with_name(f".part-{path.name}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


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
