import json

import pytest

from keras_fcn.files import write_json, written_beside


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
