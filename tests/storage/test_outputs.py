"""Outputs that would replace inputs are found before any work begins."""

import os
from pathlib import Path

import pytest

from keras_fcn.storage.outputs import check_replaces_no_input, check_replaces_own


@pytest.fixture
def a(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.png").write_text("a")
    return tmp_path / "data/a.png"


def refuse(outputs, inputs):
    with pytest.raises(ValueError, match="would replace the input .*a.png"):
        check_replaces_no_input(outputs, inputs)


def test_an_input_is_not_an_output(a, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refuse([a], [a])
    refuse([a.relative_to(tmp_path)], [a])
    refuse([a.parent / "../data/a.png"], [a])


def test_names_of_one_file_are_found(a, tmp_path):
    os.link(a, tmp_path / "hard-a.png")
    (tmp_path / "soft-a.png").symlink_to(a)
    (tmp_path / "folder").symlink_to(a.parent)
    refuse([tmp_path / "hard-a.png"], [a])
    refuse([a], [tmp_path / "soft-a.png"])
    refuse([tmp_path / "folder/a.png"], [a])


def test_existing_file_of_an_input_folder_is_not_an_output(a, tmp_path):
    refuse([a], [tmp_path])
    check_replaces_no_input([a.parent / "new.png"], [tmp_path])


def test_input_in_an_output_folder_is_found(a, tmp_path):
    refuse([a.parent], [a])
    refuse([tmp_path], [a])


def test_other_existing_outputs_are_accepted(a, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a.png").write_text("old")
    check_replaces_no_input([tmp_path / "out/a.png", tmp_path / "out"], [a, a.parent])
    check_replaces_no_input([tmp_path / "no/b.png"], [tmp_path / "missing.png"])


def test_only_outputs_of_the_command_are_replaced(a, tmp_path):
    path = tmp_path / "report.json"
    check_replaces_own(path, b"mine", [tmp_path])
    path.write_bytes(b"x" * 100_000 + b"\nof the user\n")
    with pytest.raises(ValueError, match="report.json was not written by this command"):
        check_replaces_own(path, b"mine")
    with pytest.raises(ValueError, match="would replace the input .*report.json"):
        check_replaces_own(path, b"mine", [tmp_path])
    path.write_bytes(b"x" * 100_000 + b"\nmine\n")
    check_replaces_own(path, b"mine", [tmp_path])
    path.write_bytes(b"x" * 2**24 + b"mine")  # any file, such as an image of a disk
    with pytest.raises(ValueError, match="report.json was not written by this command"):
        check_replaces_own(path, b"mine")
    path.write_bytes(b"")  # of `touch` or `mktemp`
    check_replaces_own(path, b"mine")


def test_links_and_devices_are_not_replaced(tmp_path):
    (tmp_path / "own").write_bytes(b"mine")
    (tmp_path / "soft").symlink_to(tmp_path / "own")
    (tmp_path / "dangling").symlink_to(tmp_path / "missing")
    os.mkfifo(tmp_path / "fifo")
    for name in ("soft", "dangling", "fifo", "."):
        with pytest.raises(ValueError, match="was not written by this command"):
            check_replaces_own(tmp_path / name, b"mine")
    with pytest.raises(ValueError, match="/dev/null was not written by"):
        check_replaces_own(Path(os.devnull), b"mine")
