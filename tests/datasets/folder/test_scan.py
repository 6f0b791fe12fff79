"""All files are read once, by threads or by processes, with the same result."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from keras_fcn.datasets.folder import scan as scan_module
from keras_fcn.datasets.folder.layouts.detect import find_layout
from keras_fcn.datasets.folder.read import read_folder
from keras_fcn.datasets.folder.scan import scan
from keras_fcn.progress import Progress
from tests.support.data import PROJECT
from tests.support.folders import write_pairs


@pytest.fixture
def samples(tmp_path):
    names = [f"{number:02}" for number in range(20)]
    write_pairs(tmp_path / "images", tmp_path / "labels", names)
    (tmp_path / "images/07.png").write_bytes(b"")
    return find_layout(tmp_path).splits["all"]


@pytest.mark.slow
def test_processes_return_what_threads_return(samples, monkeypatch):
    by_threads = scan(samples, {})
    monkeypatch.setattr(scan_module, "MANY_SAMPLES", 2)
    by_processes = scan(samples, {})
    for one, other in zip(by_threads, by_processes, strict=True):
        assert one.size == other.size and one.errors == other.errors
        assert one.digest == other.digest
        np.testing.assert_array_equal(one.label.keys, other.label.keys)
        np.testing.assert_array_equal(one.label.counts, other.label.counts)
    assert [bool(one.errors) for one in by_processes] == [
        index == 7 for index in range(20)
    ]


def test_headers_alone_give_the_sizes(samples):
    whole, headers = scan(samples, {}, True), scan(samples, {}, False)
    assert [one.size for one in whole] == [one.size for one in headers]
    assert all(one.color_sum is None for one in headers)


def test_all_splits_are_read_together_with_one_progress_bar(tmp_path, monkeypatch):
    for split, names in (("train", "abc"), ("val", "de")):
        write_pairs(tmp_path / f"images/{split}", tmp_path / f"labels/{split}", names)
    bars = []

    class Recorded(Progress):
        def __init__(self, **options):
            super().__init__(**options)
            bars.append(self)

    monkeypatch.setattr(scan_module, "Progress", Recorded)
    data = read_folder(tmp_path)
    assert [(bar.n, bar.total) for bar in bars] == [(5, 5)]
    assert {split: len(facts) for split, facts in data.facts.items()} == {
        "train": 3,
        "val": 2,
    }


KILLED = """
import os, signal, sys, time
from pathlib import Path
from keras_fcn.datasets.folder import scan as module
from keras_fcn.datasets.folder.layouts.detect import find_layout

class Slow(str):
    def __reduce__(self):  # unpickling in the worker reports it, and takes long
        return report, (str(self),)

def report(path):
    with open(sys.argv[2], "a") as file:
        file.write(f"{os.getpid()}\\n")
    time.sleep(60)

if __name__ == "__main__":
    module.MANY_SAMPLES = 2
    samples = find_layout(Path(sys.argv[1])).splits["all"]
    module.scan([one._replace(image=Slow(one.image)) for one in samples], {})
"""


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(is_true):
    deadline = time.monotonic() + 60
    while not is_true() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert is_true()


@pytest.fixture
def script(tmp_path, samples):
    path = tmp_path / "script.py"
    path.write_text(KILLED)
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}

    def start(**options):
        arguments = [sys.executable, path, tmp_path, tmp_path / "pids"]
        return subprocess.Popen(arguments, env=environment, **options)

    return start, tmp_path / "pids"


@pytest.mark.slow
def test_workers_end_when_their_process_is_killed(script):
    start, pids = script
    process = start(stderr=subprocess.DEVNULL)
    wait_for(pids.exists)
    process.kill()
    process.wait()
    workers = {int(pid) for pid in pids.read_text().split()}
    wait_for(lambda: not any(map(is_running, workers)))


@pytest.mark.slow
def test_a_killed_worker_is_an_error(script):
    start, pids = script
    process = start(stderr=subprocess.PIPE, text=True)
    wait_for(lambda: pids.exists() and pids.read_text().endswith("\n"))
    os.kill(int(pids.read_text().split()[0]), 9)
    _, errors = process.communicate(timeout=60)
    assert "OSError: A process that reads images ended early" in errors
