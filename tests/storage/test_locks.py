"""Locks between processes."""

import json
import os
import signal
import socket
import subprocess
import sys
from threading import Timer

import pytest

from keras_fcn.storage import locks
from keras_fcn.storage.locks import Locked, is_abandoned, lock, take
from tests.support.data import PROJECT

HOLD = (
    "import sys; from pathlib import Path; from keras_fcn.storage.locks import lock\n"
    "with lock(Path(sys.argv[1])):\n"
    "    print('held', flush=True)\n"
    "    sys.stdin.read()\n"
)


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock `tmp_path / "lock"` until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "lock"],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_error_of_a_second_process_names_the_holder(holder, tmp_path):
    whose = f"process {holder.pid} on {socket.gethostname()}"
    assert not is_abandoned(tmp_path / "lock")
    with pytest.raises(Locked, match=f"^{whose}$"), lock(tmp_path / "lock"):
        pass


def test_a_lock_of_a_killed_process_can_be_taken(holder, tmp_path):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert is_abandoned(tmp_path / "lock")
    with lock(tmp_path / "lock"):
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
        assert not is_abandoned(tmp_path / "lock")
    assert not (tmp_path / "lock").exists()


def test_a_waiting_process_gets_the_lock_when_it_is_released(
    holder, tmp_path, caplog, monkeypatch
):
    caplog.set_level("INFO", "keras_fcn")

    def end_holder(record):
        Timer(0.2, holder.kill).start()  # when this process waits
        return True

    monkeypatch.setattr(locks.logger, "filters", [end_holder])
    with lock(tmp_path / "lock", waits="prepares the data"):
        assert holder.wait() != 0
    (line,) = caplog.messages
    assert line.startswith(f"Waiting for process {holder.pid} on ")
    assert line.endswith(", which prepares the data")


def test_a_lock_file_with_invalid_content_can_be_locked(tmp_path):
    for text in ("", "[]", '{"pid": "x"}', '{"pid": null, "host": 3}', "\xff" * 9999):
        (tmp_path / "lock").write_text(text)
        held = take(tmp_path / "lock")
        (tmp_path / "lock").write_text(text)
        with pytest.raises(Locked, match="^another process$|^process"):
            take(tmp_path / "lock")
        os.close(held)


def test_a_symbolic_link_is_not_followed(tmp_path, time_limit):
    (tmp_path / "thesis.txt").write_text("mine")
    (tmp_path / "lock").symlink_to(tmp_path / "thesis.txt")
    with pytest.raises(OSError), lock(tmp_path / "lock"):
        pass
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_file_system_without_locks_is_logged(tmp_path, caplog, monkeypatch):
    def refuse(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("keras_fcn.storage.locks.fcntl.flock", refuse)
    with lock(tmp_path / "lock"):
        pass
    assert caplog.messages == [
        f"{tmp_path / 'lock'}: its file system has no locks; none is taken"
    ]
