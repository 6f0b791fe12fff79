"""Outputs are compared with inputs before any work begins."""

import os
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from keras_fcn.errors import summarize

_Identity = tuple[int, int]  # device and inode: names may differ by links and by case


def check_replaces_no_input(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse to write over files that are read.

    Args:
        outputs: files and folders that will be written.
        inputs: files and folders that will be read.

    Raises:
        ValueError: if an output is an input or an existing file of an input folder, or
            if an input is in an output folder.
    """
    outputs, inputs, identities = list(outputs), list(inputs), _make_identities()
    read = {identity for path in inputs for identity in identities(path)[:1]}
    written = {identity for path in outputs for identity in identities(path)[:1]}
    clashes = [path for path in outputs if not read.isdisjoint(identities(path))]
    clashes += [path for path in inputs if not written.isdisjoint(identities(path))]
    if clashes:
        names = summarize(sorted({str(path) for path in clashes}))
        raise ValueError(
            f"The command would replace the input {names}: choose another output"
        )


def check_replaces_own(path: Path, own: bytes, inputs: Iterable[Path] = ()) -> None:
    """Refuse to replace a file that the command has not written.

    Args:
        path: the file that will be written.
        own: bytes in the first 16 MiB of each output of the command.
        inputs: files and folders that the command reads; its own outputs may be
            replaced in these folders.

    Raises:
        ValueError: if there is another file that is not empty, a link, a FIFO, a
            device or a folder.
    """
    is_regular = path.is_file() and not path.is_symlink()
    if is_regular and is_own_output(path, own):
        return
    check_replaces_no_input([path], inputs)
    if os.path.lexists(path) and not (is_regular and path.stat().st_size == 0):
        raise ValueError(
            f"{path} was not written by this command and would be replaced: move it, "
            "or choose another file"
        )


def is_own_output(path: Path, own: bytes) -> bool:
    """Return whether a file was written by a command.

    Args:
        path: an existing regular file.
        own: bytes in the first 16 MiB of each output of the command.
    """
    with path.open("rb") as file:
        return own in file.read(2**24)


def _make_identities() -> Callable[[Path], list[_Identity]]:
    """Return a function of an existing path to its identity and those of its parents.

    A missing path has none: writing it replaces nothing.
    """

    @cache
    def of_folder(folder: str) -> list[_Identity]:
        real = os.path.realpath(folder)
        status, parent = os.stat(real), os.path.dirname(real)
        rest = of_folder(parent) if parent != real else []
        return [(status.st_dev, status.st_ino), *rest]

    def of_path(path: Path) -> list[_Identity]:
        try:
            status = os.stat(path)
        except (OSError, ValueError):
            return []
        # Of the folder that contains the name: a link itself would be replaced.
        return [(status.st_dev, status.st_ino), *of_folder(os.path.dirname(path))]

    return of_path
