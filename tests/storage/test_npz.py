"""Archives that take more memory than they have bytes, or hold more than arrays."""

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from keras_fcn.storage.atomic import read_arrays


def array_file(array):
    file = io.BytesIO()
    np.lib.format.write_array(file, array)
    return file.getvalue()


def write_zip(path, files, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return path


def refused(path, reason):
    tracemalloc.start()
    with pytest.raises(ValueError, match="can't be loaded") as caught:
        read_arrays(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    message = str(caught.value)
    assert str(path) in message and reason in message and "\n" not in message
    assert peak < 30 * 2**20


def test_a_packed_bomb_is_refused_without_being_unpacked(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, a=np.zeros(10**7))
    assert path.stat().st_size < 2**20
    refused(path, "a.npy is packed: it must be stored as it is")


@pytest.mark.parametrize("shape", [(10**15,), (2**62, 2**62), (3, 10**9), (5,), (3,)])
def test_a_shape_of_more_or_less_than_there_is_is_refused(tmp_path, shape):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": shape}
    )
    content = header.getvalue() + bytes(32)
    path = write_zip(tmp_path / "a.npz", [("a.npy", content)])
    refused(path, "a.npy has 32 bytes. Needed for float64")


def test_objects_are_refused_by_their_header(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, a=np.ones(3), b=np.array([{}], dtype=object))
    refused(path, "b.npy holds objects: they are never read")
    fields = np.zeros(2, [("a", "f4"), ("b", object)])
    np.savez(path, c=fields)
    refused(path, "c.npy holds objects")


def test_too_many_arrays_are_refused(tmp_path):
    content = array_file(np.zeros(1, "uint8"))
    files = [(f"{index}.npy", content) for index in range(10_001)]
    path = write_zip(tmp_path / "a.npz", files)
    refused(path, "it holds 10001 files: 10000 at most")


def test_a_directory_of_more_bytes_than_arrays_need_is_not_read(tmp_path):
    files = [(f"{index}{'x' * 60_000}.npy", b"") for index in range(80)]
    path = write_zip(tmp_path / "a.npz", files)
    refused(path, "its directory has 48")


def test_a_directory_that_only_the_end_for_large_files_tells_is_not_read(tmp_path):
    files = [(f"{index}{'x' * 60_000}.npy", b"") for index in range(80)]
    content = write_zip(tmp_path / "a.npz", files).read_bytes()
    end = struct.unpack("<4s4H2IH", content[-22:])
    rest = (45, 45, 0, 0, 80, 80, *end[5:7])
    large = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, *rest)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, len(content) - 22, 1)
    small = struct.pack("<4s4H2IH", *end[:5], 9, *end[6:])
    path = tmp_path / "b.npz"
    path.write_bytes(content[:-22] + large + locator + small)
    refused(path, "its directory has 48")


def test_names_of_the_same_bytes_are_refused(tmp_path):
    content = array_file(np.zeros(100_000))
    path = write_zip(tmp_path / "a.npz", [("a.npy", content), ("b.npy", b"")])
    stored = bytearray(path.read_bytes())
    second = stored.rfind(b"PK\1\2")  # its entry names what the first one names
    first = stored.find(b"PK\1\2")
    stored[second + 16 : second + 28] = stored[first + 16 : first + 28]
    stored[second + 42 : second + 46] = stored[first + 42 : first + 46]
    path.write_bytes(stored)
    refused(path, "its files overlap")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_arrays_of_one_name_are_refused(tmp_path):
    content = array_file(np.zeros(3))
    path = write_zip(tmp_path / "a.npz", [("a.npy", content)] * 2)
    refused(path, "two files of one name")


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    for content in (b"", b"PK", b"PK\5\6", array_file(np.zeros(3)), bytes(100)):
        path.write_bytes(content)
        refused(path, "")
    refused(write_zip(path, [("a.npy", b"words")]), "")
    refused(write_zip(path, [("a.txt", array_file(np.zeros(3))[:-1])]), "has 23 bytes")


def test_what_savez_writes_is_read(tmp_path):
    arrays = {
        "scalar": np.float32(3),
        "empty": np.zeros((0, 4)),
        "half": np.ones((2, 3), "float16"),
        "columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "a/b": np.arange(5, dtype=">i4"),
        "text": np.array("words"),
    }
    np.savez(tmp_path / "a.npz", **arrays)
    read = read_arrays(tmp_path / "a.npz")
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)
