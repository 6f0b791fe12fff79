"""Rendering in several processes: equal scenes and terminated processes."""

import os
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from street_rendering import parallel, render_street
from tests.support.data import PROJECT

NUMBERS = range(5, 5 + parallel.FEWEST)


def decoded(png):
    return cv2.imdecode(np.frombuffer(png, "uint8"), cv2.IMREAD_UNCHANGED)


def test_scenes_do_not_depend_on_the_number_of_processes(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    scenes = parallel.render_pngs(3, NUMBERS, 20, 30)
    found = [next(scenes)]
    assert os.environ["OMP_NUM_THREADS"] == "1"  # of the subprocesses
    found += scenes
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ
    assert len(found) == len(NUMBERS)
    for number, (image, label_map) in zip(NUMBERS, found, strict=True):
        expected = render_street(3, number, 20, 30)
        np.testing.assert_array_equal(decoded(image)[..., ::-1], expected[0])
        np.testing.assert_array_equal(decoded(label_map), expected[1])


def test_a_few_scenes_are_rendered_in_this_process(monkeypatch):
    monkeypatch.setattr(parallel, "ProcessPoolExecutor", None)
    assert len(list(parallel.render_pngs(0, range(3), 8, 8))) == 3
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert len(list(parallel.render_pngs(0, range(70), 8, 8))) == 70


UNGUARDED = """
from street_rendering.parallel import render_pngs
print(len(list(render_pngs(0, range(64), 8, 8))))
"""


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")
def test_a_script_without_a_main_guard_gets_an_error_that_names_it(tmp_path):
    (tmp_path / "script.py").write_text(UNGUARDED)
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py"],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert 'does the script lack `if __name__ == "__main__":`' in done.stderr


def test_processes_end_if_their_parent_is_killed(tmp_path):
    (tmp_path / "script.py").write_text(
        "import os, sys\n"
        "from multiprocessing import active_children\n"
        "from street_rendering import parallel\n"
        'if __name__ == "__main__":\n'
        "    os.cpu_count = lambda: 2\n"
        "    for _ in parallel.render_pngs(0, range(10**5), 48, 64):\n"
        "        print(*[one.pid for one in active_children()], flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, tmp_path / "script.py"],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        children = process.stdout.readline().split()
        process.kill()
    assert len(children) >= 1
    deadline = time.monotonic() + 60
    while any(is_running(child) for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
