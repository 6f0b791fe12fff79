"""Named arrays in safetensors files."""

import errno
import io
import json
import os
import resource
import signal
import struct

import numpy as np
import pytest

from keras_fcn.storage.arrays import read_arrays, write_arrays
from keras_fcn.storage.atomic import atomic_file

ARRAYS = {
    "fc6/kernel": np.arange(12, dtype="float16").reshape(3, 4),
    "fc6/bias": np.float32([1, 2]),
    "scalar": np.array(7, "float32"),
    "empty": np.zeros((0, 4)),
    "seed": np.array([1, 2**31], "uint32"),
    "flag": np.array([True, False]),
    "columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.safetensors"


def header_and_data(header, data=b""):
    """A file of the format: the header's length, the header and the data."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(shape, start, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def assert_is_refused(path, content=None):
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="is missing or damaged") as caught:
        read_arrays(path)
    message = str(caught.value)
    assert message.startswith(f"{path} can't be loaded") and "\n" not in message
    assert not message.endswith("()") and len(message) < len(str(path)) + 250


def test_arrays_are_read_as_they_were_written(path):
    write_arrays(path, ARRAYS)
    arrays = read_arrays(path)
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype and arrays[name].shape == array.shape
        np.testing.assert_array_equal(arrays[name], array)


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_file_has_the_permissions_of_other_new_files(path, umask):
    before = os.umask(umask)
    try:
        write_arrays(path, ARRAYS)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_full_disk_is_an_error_of_the_operating_system(path):
    write_arrays(path, {"a": np.zeros(3)})
    before = path.read_bytes()
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError) as caught, atomic_file(path) as part:
            write_arrays(part, {"a": np.zeros(10**5)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert caught.value.errno == errno.EFBIG
    assert str(caught.value) == f"[Errno 27] File too large: '{path}'"
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_missing_folder_is_an_error_of_the_operating_system(path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        write_arrays(path.parent / "nothing" / "a.safetensors", ARRAYS)


def test_a_missing_file_is_named(path):
    assert_is_refused(path)


def test_a_truncated_file_is_refused(path):
    write_arrays(path, ARRAYS)
    whole = path.read_bytes()
    for end in (0, 1, 8, 30, len(whole) // 2, len(whole) - 1):
        assert_is_refused(path, whole[:end])
    assert_is_refused(path, whole + b"x")


def test_files_of_other_formats_are_refused(path):
    archive = io.BytesIO()
    np.savez(archive, **ARRAYS)
    for content in (b"words", b"\x89HDF\r\n\x1a\n" + bytes(100), archive.getvalue()):
        assert_is_refused(path, content)


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ({"a": entry([10**15], 0, 4 * 10**15)}, 32),
        ({"a": entry([2**62, 2**62], 0, 32)}, 32),
        ({"a": entry([3], 0, 32)}, 32),
        ({"a": entry([8], 0, 32), "b": entry([8], 0, 32)}, 32),
        ({"a": entry([4], 16, 32)}, 32),
        ({"a": entry([8], 0, 32, "O")}, 32),
        ({"a": entry([-8], 0, 32)}, 32),
        (b"[" * 100_000, 0),
        (b'{"a": ' * 50_000, 0),
        (b"\xff\xfe", 0),
    ],
)
def test_a_header_that_does_not_describe_the_file_is_refused(path, header, size):
    assert_is_refused(path, header_and_data(header, bytes(size)))


@pytest.mark.parametrize("dtype", ["F4", "F6_E2M3", "F8_E4M3"])
def test_dtypes_that_numpy_lacks_are_refused(path, dtype):
    bits = {"F4": 4, "F6_E2M3": 6, "F8_E4M3": 8}[dtype]
    header = {"a": entry([8], 0, bits, dtype)}
    assert_is_refused(path, header_and_data(header, bytes(bits)))


def test_a_header_length_beyond_the_file_allocates_nothing(path):
    assert_is_refused(path, struct.pack("<Q", 2**63) + b"{}")


def test_only_regular_files_are_opened(path, time_limit):
    os.mkfifo(path)
    with pytest.raises(ValueError, match="must be a regular file. Received: a FIFO"):
        read_arrays(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(ValueError, match="must be a regular file. Received: a folder"):
        read_arrays(path)


def test_a_damaged_file_is_read_correctly_or_refused(path):
    rng = np.random.default_rng(0)
    write_arrays(path, ARRAYS)
    content = np.frombuffer(path.read_bytes(), "uint8")
    refusals = 0
    for _ in range(300):
        damaged = content.copy()
        damaged[rng.integers(0, len(content), 3)] = rng.integers(0, 256, 3)
        path.write_bytes(damaged.tobytes())
        try:
            read_arrays(path)
        except ValueError as error:
            assert str(error).startswith(f"{path} can't be loaded")
            refusals += 1
    assert refusals > 100
