import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from keras_fcn.storage.atomic import (
    atomic_file,
    atomic_folder,
    move_into_place,
    read_json,
    remove_abandoned,
    remove_parts,
    write_json,
)
from tests.support.commands import call
from tests.support.data import PROJECT


def test_file_takes_its_name_when_the_block_succeeds(tmp_path):
    path = tmp_path / "metrics.json"
    with atomic_file(path) as part:
        part.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_old_file_is_replaced(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text("old")
    with atomic_file(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failing_block_leaves_the_old_file_and_no_part(tmp_path, error):
    path = tmp_path / "metrics.json"
    path.write_text("old")
    with pytest.raises(error), atomic_file(path) as part:
        part.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_failing_block_leaves_no_file_where_there_was_none(tmp_path):
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "x.png") as part:
        part.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_block_may_fail_before_it_writes(tmp_path):
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "x.png"):
        raise RuntimeError


def test_block_that_writes_nothing_is_an_error(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), atomic_file(path):
        pass
    assert path.read_text() == "old"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_partial_file_is_kept_on_request(tmp_path, error):
    path = tmp_path / "results.csv"
    path.write_text("old")
    with pytest.raises(error), atomic_file(path, keep_partial=True) as part:
        part.write_text("half")
        raise error
    assert path.read_text() == "half"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_before_the_first_write_is_raised_and_the_old_file_stays(tmp_path):
    path = tmp_path / "results.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(path, keep_partial=True):
        raise RuntimeError
    assert path.read_text() == "old"


def test_a_partial_file_is_not_kept_when_the_disk_is_full(tmp_path):
    path = tmp_path / "results.csv"
    with pytest.raises(OSError), atomic_file(path, keep_partial=True) as part:
        part.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["best.keras", "a.weights.h5", "sample 1.png", "x"])
def test_a_part_has_the_final_name_in_a_work_folder(tmp_path, name):
    path = tmp_path / name
    with atomic_file(path) as part:
        part.write_text("")
        assert part.name == path.name
        assert part.parent.parent == path.parent


def test_json_is_read_back(tmp_path):
    path = tmp_path / "a.json"
    value = {"name": "Gehölz", "sizes": [1, 2.5, None, True]}
    write_json(path, value)
    assert json.loads(path.read_text()) == value
    assert path.read_text().endswith("}\n")


@pytest.mark.parametrize("value", [{"mean_iou": float("nan")}, {"path": object()}])
def test_values_without_a_json_equivalent_leave_the_old_file(tmp_path, value):
    path = tmp_path / "a.json"
    write_json(path, [1])
    with pytest.raises((ValueError, TypeError)):
        write_json(path, value)
    assert json.loads(path.read_text()) == [1]
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_filled_in_a_work_folder_and_moved(tmp_path):
    parent = tmp_path / "runs" / "new"
    with atomic_folder(parent) as part:
        assert part.is_dir() and part.parent.parent == parent
        (part / "sub").mkdir()
        (part / "sub" / "file").write_text("content")
        part.rename(parent / "run")
    assert list(parent.iterdir()) == [parent / "run"]
    assert (parent / "run" / "sub" / "file").read_text() == "content"


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
def test_a_folder_that_was_not_moved_is_removed(tmp_path, error):
    (tmp_path / "other").mkdir()
    try:
        with atomic_folder(tmp_path) as part:
            (part / "file").write_text("half")
            if error is not None:
                raise error
    except (RuntimeError, KeyboardInterrupt) as caught:
        assert type(caught) is error
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_two_folders_can_be_filled_at_the_same_time(tmp_path):
    with atomic_folder(tmp_path) as one, atomic_folder(tmp_path) as two:
        assert one != two
        one.rename(tmp_path / "one")
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_json_is_read_from_regular_files_only(tmp_path, time_limit):
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(ValueError, match="a.json must be a regular file"):
        read_json(tmp_path / "a.json")


WRITE_AND_WAIT = (
    "import sys; from pathlib import Path\n"
    "from keras_fcn.storage.atomic import atomic_file\n"
    "with atomic_file(Path(sys.argv[1])) as part:\n"
    "    part.write_text('half')\n"
    "    print('writing', flush=True)\n"
    "    sys.stdin.read()\n"
)


CODE_THAT_WRITES = (
    "import sys; from pathlib import Path\n"
    "from keras_fcn.storage.atomic import write_json\n"
    "write_json(Path(sys.argv[1]), 1)"
)


@pytest.fixture
def writer(tmp_path):
    """Another process that is writing `samples/1.png`."""
    (tmp_path / "samples").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", WRITE_AND_WAIT, tmp_path / "samples/1.png"],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "writing\n"
        yield process
        process.kill()


def test_only_parts_of_killed_processes_are_removed(writer, tmp_path):
    for name in ("best.keras", "a.part-b"):
        (tmp_path / name).write_text("")
    (tmp_path / ".part-empty").mkdir()  # killed before there was a lock
    kept = {"samples", "best.keras", "a.part-b"}
    remove_parts(tmp_path)
    (part,) = (tmp_path / "samples").iterdir()  # the process lives
    assert (part / "1.png").read_text() == "half"
    assert {path.name for path in tmp_path.iterdir()} == kept
    writer.kill()
    writer.wait()
    remove_parts(tmp_path)
    assert {path.name for path in tmp_path.rglob("*")} == kept


def test_the_first_write_of_a_process_removes_leftovers_of_killed_ones(
    writer, tmp_path
):
    write_json(tmp_path / "samples/a.json", 1)
    assert len(list((tmp_path / "samples").glob(".part-*"))) == 1  # it lives
    writer.kill()
    writer.wait()
    call("-c", CODE_THAT_WRITES, tmp_path / "samples/b.json")
    assert {p.name for p in (tmp_path / "samples").iterdir()} == {"a.json", "b.json"}


def test_links_and_folders_without_a_lock_are_kept(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").write_text("mine")
    (tmp_path / ".part-link").symlink_to(tmp_path / "other")
    (tmp_path / ".part-mine").mkdir()
    (tmp_path / ".part-mine/file").write_text("mine")
    remove_abandoned(tmp_path)
    assert (tmp_path / "other/file").exists() and (
        tmp_path / ".part-mine/file"
    ).exists()


def test_a_work_folder_removed_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    """Another process cleans up after the folder is made and before it is locked."""
    mkdir, swept = Path.mkdir, []

    def sweep_once(path, *arguments, **named):
        mkdir(path, *arguments, **named)
        if not swept:
            swept.append(path)
            remove_abandoned(tmp_path)

    monkeypatch.setattr(Path, "mkdir", sweep_once)
    with atomic_file(tmp_path / "a.json") as part:
        part.write_text("whole")
    assert not swept[0].exists() and (tmp_path / "a.json").read_text() == "whole"


def test_work_folders_have_random_names_and_private_permissions(tmp_path):
    """Names can't be predicted, and other users can't enter the folder."""
    names = set()
    for _ in range(2):
        with atomic_file(tmp_path / "a.json") as part:
            part.write_text("x")
            names.add(part.parent.name)
            assert part.parent.stat().st_mode & 0o777 == 0o700
    assert len(names) == 2


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_permissions_follow_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_json(tmp_path / "a.json", 1)
        with atomic_folder(tmp_path) as part:
            part.rename(tmp_path / "folder")
    finally:
        os.umask(before)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o666 & ~umask
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o777 & ~umask


def test_durable_files_are_flushed_before_and_after_the_renaming(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(file):
        events.append(os.path.basename(os.readlink(f"/proc/self/fd/{file}")))
        fsync(file)

    def note_replace(source, target):
        events.append("renamed")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    write_json(tmp_path / "a.json", 1, is_durable=True)
    assert events == ["a.json", "renamed", tmp_path.name]
    events.clear()
    with atomic_folder(tmp_path) as part:
        (part / "variables").mkdir()
        (part / "variables/data").write_text("x")
        move_into_place(part, tmp_path / "1")
    assert events == ["part", "data", "variables", "renamed", tmp_path.name]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_reported_with_the_final_path(tmp_path, number):
    path = tmp_path / "a.json"
    expected = f"[Errno {number}] {os.strerror(number)}: '{path}'"
    with pytest.raises(OSError) as caught, atomic_file(path):
        raise OSError(number, "what the system says of a write")
    assert str(caught.value) == expected
    with pytest.raises(OSError, match="No such file.*a/b.json'$"):
        write_json(tmp_path / "a/b.json", 1)


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="source.png"):
        with atomic_file(tmp_path / "a.png"):
            (tmp_path / "source.png").read_bytes()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 200_000 + b"]" * 200_000,
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b"1" * 10_000,
    ],
)
def test_invalid_json_is_refused_by_name(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{path} is not JSON: ") as caught:
        read_json(path)
    assert len(str(caught.value)) < 400
