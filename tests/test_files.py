import io
import json

import numpy as np
import pytest

from keras_fcn.files import (
    folder_beside,
    read_arrays,
    remove_parts,
    write_json,
    written_beside,
)


def test_file_takes_its_name_when_the_block_succeeds(tmp_path):
    path = tmp_path / "metrics.json"
    with written_beside(path) as part:
        part.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_old_file_is_replaced(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text("old")
    with written_beside(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failing_block_leaves_the_old_file_and_no_part(tmp_path, error):
    path = tmp_path / "metrics.json"
    path.write_text("old")
    with pytest.raises(error), written_beside(path) as part:
        part.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_failing_block_leaves_no_file_where_there_was_none(tmp_path):
    with pytest.raises(RuntimeError), written_beside(tmp_path / "x.png") as part:
        part.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_block_may_fail_before_it_writes(tmp_path):
    with pytest.raises(RuntimeError), written_beside(tmp_path / "x.png"):
        raise RuntimeError


def test_block_that_writes_nothing_is_an_error(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), written_beside(path):
        pass
    assert path.read_text() == "old"


@pytest.mark.parametrize("name", ["best.keras", "a.weights.h5", "sample 1.png", "x"])
def test_part_keeps_the_suffix_and_the_folder(tmp_path, name):
    path = tmp_path / name
    with written_beside(path) as part:
        part.write_text("")
        assert part.suffixes == path.suffixes
        assert part.parent == path.parent
        assert part != path


def test_json_is_read_back(tmp_path):
    path = tmp_path / "a.json"
    value = {"name": "Gehölz", "sizes": [1, 2.5, None, True]}
    write_json(path, value)
    assert json.loads(path.read_text()) == value
    assert path.read_text().endswith("}\n")


@pytest.mark.parametrize("value", [{"mean_iou": float("nan")}, {"path": object()}])
def test_what_json_has_no_word_for_leaves_the_old_file(tmp_path, value):
    path = tmp_path / "a.json"
    write_json(path, [1])
    with pytest.raises((ValueError, TypeError)):
        write_json(path, value)
    assert json.loads(path.read_text()) == [1]
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_filled_beside_and_takes_its_place(tmp_path):
    parent = tmp_path / "runs" / "new"
    with folder_beside(parent) as part:
        assert part.is_dir() and part.parent == parent
        (part / "sub").mkdir()
        (part / "sub" / "file").write_text("content")
        part.rename(parent / "run")
    assert list(parent.iterdir()) == [parent / "run"]
    assert (parent / "run" / "sub" / "file").read_text() == "content"


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
def test_a_folder_that_was_not_renamed_is_removed(tmp_path, error):
    (tmp_path / "other").mkdir()
    try:
        with folder_beside(tmp_path) as part:
            (part / "file").write_text("half")
            if error is not None:
                raise error
    except (RuntimeError, KeyboardInterrupt) as caught:
        assert type(caught) is error
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_two_folders_may_be_filled_at_a_time(tmp_path):
    with folder_beside(tmp_path) as one, folder_beside(tmp_path) as two:
        assert one != two
        one.rename(tmp_path / "one")
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_parts_of_killed_processes_are_removed_and_nothing_else(tmp_path):
    (tmp_path / "samples").mkdir()
    for name in (".part-best.keras", "samples/.part-1.png", "best.keras", "a.part-b"):
        (tmp_path / name).write_text("")
    remove_parts(tmp_path)
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert files == {"samples", "best.keras", "a.part-b"}


ARRAYS = {
    "fc6/kernel": np.arange(12, dtype="float16").reshape(3, 4),
    "fc6/bias": np.float32([1, 2]),
    "seed": np.array(7),
}


def test_arrays_are_read_by_name(tmp_path):
    np.savez(tmp_path / "a.npz", **ARRAYS)
    arrays = read_arrays(tmp_path / "a.npz")
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is missing or damaged") as caught:
        read_arrays(path)
    message = str(caught.value)
    assert message.startswith(f"{path} can't be loaded") and "\n" not in message
    assert not message.endswith("()")


def stored(save, *arrays, **named):
    file = io.BytesIO()
    save(file, *arrays, **named)
    return file.getvalue()


def test_files_that_hold_no_arrays_are_refused_by_name(tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(ValueError, match="a.npz can't be loaded: it is missing"):
        read_arrays(path)
    whole = stored(np.savez, **ARRAYS)
    for end in (0, 1, 4, 30, len(whole) // 2, len(whole) - 1):
        refused(path, whole[:end])
    refused(path, b"words, and no archive")
    refused(path, stored(np.save, ARRAYS["fc6/bias"]))  # an array, and no archive


def test_no_pickle_is_read(tmp_path):
    refused(tmp_path / "a.npz", stored(np.savez, a=np.array([{}], dtype=object)))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_damaged_archive_is_read_rightly_or_refused(tmp_path, save):
    rng = np.random.default_rng(0)
    path = tmp_path / "a.npz"
    content = np.frombuffer(stored(save, **ARRAYS), "uint8")
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
