"""TensorFlow's import: its start-up lines, and hidden packages."""

import os
import signal
import subprocess
import sys
from types import ModuleType

import pytest

from keras_fcn.conversion import startup
from keras_fcn.conversion.startup import quiet_start
from tests.support.data import PROJECT

STARTUP_LINES = (
    "WARNING: All log messages before absl::InitializeLog() is called are written\n",
    "I0000 00:00:1795339103.467961    2600 port.cc:153] oneDNN custom operations\n",
    "E0000 00:00:1795339103.467961    2600 cuda_dnn.cc:85] Unable to register\n",
    "2026-11-22 09:00:00.1: I tensorflow/core/util/port.cc] x\n",
    "2026-11-22 09:00:00.1: E external/local_xla/xla/stream.cc:5] y\n",
    "To enable the following instructions: AVX512F, in other operations, rebuild\n",
)
# A program that starts as a command does, and writes as TensorFlow's C++ does.
PROGRAM = """
import os, sys
from keras_fcn.conversion.startup import quiet_start
with quiet_start():
    os.write(2, {lines!r}.encode())
    {what}
print("the end", file=sys.stderr)
"""


def start(what, lines=STARTUP_LINES):
    """Status and standard error of a start in a process of its own."""
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(lines="".join(lines), what=what)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    return process.returncode, process.stderr


def test_startup_lines_are_dropped_and_others_kept():
    lines = ("before\n", *STARTUP_LINES, "W0000 of another program\n", "last")
    status, said = start("pass", lines)
    assert status == 0
    assert said == "before\nW0000 of another program\nlastthe end\n"


def test_ctrl_c_at_the_terminal_ends_a_start_without_its_lines():
    what = "os.write(2, b'now\\n'); print('started', flush=True)"
    what += "; import time; time.sleep(60)"
    program = PROGRAM.format(lines="".join(STARTUP_LINES), what=what)
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout.readline() == "started\n"
        os.killpg(process.pid, signal.SIGINT)  # all of the terminal's foreground
        said = process.stderr.read()
    assert process.returncode == -signal.SIGINT
    assert said.startswith("now\nTraceback") and said.count("KeyboardInterrupt") == 1
    assert "I0000" not in said


@pytest.mark.parametrize("what", ["raise ImportError('no libcuda')", "sys.exit('no')"])
def test_all_lines_are_printed_if_the_start_fails(what):
    status, said = start(what)
    assert status == 1
    assert said.startswith("".join(STARTUP_LINES))
    assert "the end" not in said


@pytest.mark.parametrize(
    ("what", "failed", "reason"),
    [
        ("os.abort()", -6, "Aborted"),
        ("import ctypes; ctypes.string_at(0)", -11, "Segmentation fault"),
    ],
)
def test_a_crash_of_the_start_prints_a_traceback(what, failed, reason):
    status, said = start(what)
    assert status == failed
    assert said.startswith(f"Fatal Python error: {reason}")


def test_a_crash_in_a_command_prints_a_traceback(tmp_path):
    (tmp_path / "tensorflow.py").write_text("import os\nos.abort()\n")
    process = subprocess.run(
        [sys.executable, "predict.py", "docs/streets.png"],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == -6
    assert "Fatal Python error: Aborted" in process.stderr
    assert f"{tmp_path}/tensorflow.py" in process.stderr


def test_standard_error_is_restored(capfd):
    before = os.fstat(2)
    with pytest.raises(ImportError), quiet_start():
        assert os.fstat(2).st_ino != before.st_ino
        raise ImportError
    assert os.path.samestat(os.fstat(2), before)
    with quiet_start():
        os.write(2, STARTUP_LINES[0].encode())
    assert os.path.samestat(os.fstat(2), before)
    assert capfd.readouterr().err == ""


def test_a_log_level_set_by_the_user_is_kept(monkeypatch):
    for given, expected in (("0", "0"), (None, "2")):
        monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
        if given is not None:
            monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", given)
        with quiet_start():
            assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == expected


def test_hidden_packages_can_be_imported_after_the_start(monkeypatch):
    monkeypatch.delitem(sys.modules, "tensorflow")
    monkeypatch.setattr(startup.gc, "freeze", lambda: None)
    known = ModuleType("pandas")
    monkeypatch.setitem(sys.modules, "pandas", known)
    monkeypatch.delitem(sys.modules, "matplotlib", raising=False)
    with pytest.raises(ZeroDivisionError), startup.quick_imports():
        assert sys.modules["pandas"] is known
        with pytest.raises(ImportError):
            import matplotlib  # noqa: F401
        assert not startup.gc.isenabled()
        1 / 0  # noqa: B018
    assert startup.gc.isenabled() and "matplotlib" not in sys.modules
    import matplotlib  # noqa: F401, F811


@pytest.mark.parametrize(
    ("backend", "is_hidden"), [("tensorflow", True), ("jax", False)]
)
def test_jax_and_scipy_are_hidden_from_tensorflow_only(monkeypatch, backend, is_hidden):
    monkeypatch.setattr(startup.gc, "freeze", lambda: None)
    for name in ("tensorflow", "jax", "scipy"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with startup.quick_imports(backend):
        assert ("jax" in sys.modules, "scipy" in sys.modules) == (is_hidden, is_hidden)
    assert "jax" not in sys.modules
