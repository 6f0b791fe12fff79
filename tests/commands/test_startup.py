"""Lines of TensorFlow are dropped, all others are kept."""

import subprocess
import sys

import pytest

from keras_fcn.commands.startup import without_startup_lines
from tests.support.data import PROJECT


def test_tensorflows_lines_are_dropped_and_others_kept(capfd):
    import os

    with without_startup_lines():
        os.write(2, b"WARNING: All log messages before absl::InitializeLog() is\n")
        os.write(2, b"I0000 00:00:1795339103.467961    2600 port.cc:153] oneDNN\n")
        os.write(2, b"2026-11-22 09:00:00.1: I tensorflow/core/util/port.cc] x\n")
        os.write(2, b"something else\n")
    assert capfd.readouterr().err == "something else\n"


def test_lines_before_an_error_are_kept(capfd):
    import os

    with pytest.raises(ImportError), without_startup_lines():
        os.write(2, b"libcuda.so is broken\n")
        raise ImportError
    assert capfd.readouterr().err == "libcuda.so is broken\n"


@pytest.mark.slow
def test_importing_the_package_prints_nothing():
    result = subprocess.run(
        [sys.executable, "-c", "import keras_fcn"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "" and result.stderr == ""
