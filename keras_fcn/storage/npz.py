"""Arrays (`.npz`, `.npy`) from strangers: looked at before any is read.

What NumPy's `savez` writes is stored as it is, so that no array is larger than its
file. An archive that is packed, names bytes twice or announces more than it holds was
written by something else, and could take any amount of memory.
"""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np

from keras_fcn.errors import one_line
from keras_fcn.storage.regular_files import check_is_regular

_MAX_ARRAYS = 10_000
_MAX_DIRECTORY = 4 * 2**20  # bytes; 400 of each array
_END, _END64 = struct.Struct("<4s4H2IH"), struct.Struct("<4sQ2H2I4Q")
_LOCATOR64 = struct.Struct("<4sIQI")  # of the other end, which stands before it
_LONGEST_COMMENT = 2**16
_VERSIONS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def check_npz(path: Path) -> None:
    """Check that an archive can be read in no more memory than the file has bytes.

    Args:
        path: the file.

    Raises:
        ValueError: if it is another than `savez` writes, holds objects, or more arrays
            than a network can have.
        OSError, BadZipFile, NotImplementedError: if it is damaged.
    """
    with path.open("rb") as file:
        try:
            size = _check_directory(file)
        except struct.error as error:
            raise ValueError("its end is damaged") from error
        with ZipFile(file) as archive:
            entries = archive.infolist()
            _check_entries(entries, size)
            for entry in entries:
                with archive.open(entry) as array:
                    _check_array(array, entry.filename, entry.file_size)


def check_npy(path: Path) -> tuple[int, ...]:
    """Check that the file of an array (`.npy`) holds as much as its header says.

    Args:
        path: the file.

    Returns:
        The shape of the array.

    Raises:
        ValueError: if it holds more or less, or objects, or is none.
        OSError: if it can't be read.
    """
    check_is_regular(path)
    with path.open("rb") as file:
        return _check_array(file, path.name, path.stat().st_size)


def _check_directory(file: BinaryIO) -> int:
    """Refuse too long a list of arrays, before zipfile reads it; the file's size."""
    size = file.seek(0, 2)
    start = max(0, size - _END.size - _LONGEST_COMMENT)
    file.seek(start)
    tail = file.read()
    place = tail.rfind(b"PK\5\6")
    if place < 0:
        raise ValueError("it is no archive")
    num_bytes = _END.unpack_from(tail, place)[5]
    locator = place - _LOCATOR64.size
    if locator >= 0 and tail[locator:].startswith(b"PK\6\7"):  # of 4 GiB and more
        file.seek(start + locator - _END64.size)
        num_bytes = max(num_bytes, _END64.unpack(file.read(_END64.size))[8])
    file.seek(0)
    if num_bytes > _MAX_DIRECTORY:
        raise ValueError(
            f"its directory has {num_bytes} bytes: {_MAX_DIRECTORY} at most"
        )
    return size


def _check_entries(entries: Sequence[ZipInfo], size: int) -> None:
    if len(entries) > _MAX_ARRAYS:
        raise ValueError(f"it holds {len(entries)} files: {_MAX_ARRAYS} at most")
    if len({entry.filename for entry in entries}) < len(entries):
        raise ValueError("it holds two files of one name")
    for entry in entries:
        if entry.compress_type != ZIP_STORED or entry.file_size != entry.compress_size:
            raise ValueError(f"{entry.filename} is packed: it must be stored as it is")
    if sum(entry.file_size for entry in entries) > size:
        raise ValueError("its files overlap")


def _check_array(array: BinaryIO, name: str, size: int) -> tuple[int, ...]:
    """Check that the header of an array names what follows it; its shape."""
    version = np.lib.format.read_magic(array)
    if version not in _VERSIONS:
        raise ValueError(f"{name} is of version {version}")
    try:
        shape, _, dtype = _VERSIONS[version](array)
    except Exception as error:  # NumPy parses it as Python, with all that may raise
        raise ValueError(f"{name} has a damaged header ({one_line(error)})") from error
    if dtype.hasobject:
        raise ValueError(f"{name} holds objects: they are never read")
    num_bytes = dtype.itemsize
    for length in shape:  # of Python, which can't overflow
        num_bytes *= length
    received = size - array.tell()
    if num_bytes != received or min(shape, default=0) < 0:
        raise ValueError(
            f"{name} has {received} bytes. Needed for {dtype} {shape}: {num_bytes}"
        )
    return shape
