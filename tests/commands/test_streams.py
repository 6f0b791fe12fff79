"""Standard streams that are closed, full, or not UTF-8."""

import os
import subprocess
import sys

import pytest

from tests.support.data import PROJECT
from tests.support.folders import write_pairs

# `inspect` does not import TensorFlow.
KERAS_FCN = (sys.executable, "-m", "keras_fcn")


def run(*arguments, redirection="", **environment):
    """Run a command in a shell; return its completed process."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *map(str, arguments)],
        cwd=PROJECT,
        env=os.environ | environment,
        capture_output=True,
        encoding="latin-1",
    )


@pytest.fixture
def command(tmp_path):
    """`inspect` on a folder with a name that is not ASCII, and its report."""
    folder = tmp_path / "Straße-Ω"
    write_pairs(folder / "train/images", folder / "train/masks", "abcd", (0, 1, 2))
    write_pairs(folder / "val/images", folder / "val/masks", "ef", (0, 1, 2))
    report = tmp_path / "report.json"
    flags = ("--data-dir", folder, "--samples", tmp_path / "page.png", "--json", report)
    return (*KERAS_FCN, "inspect", *flags), report


@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_command_works_with_closed_streams(command, closed):
    arguments, report = command
    assert run(*arguments, redirection=closed).returncode == 0
    assert report.is_file()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_characters_that_the_output_lacks_are_escaped(command, encoding):
    arguments, report = command
    process = run(*arguments, PYTHONIOENCODING=encoding)
    assert process.returncode == 0 and report.is_file()
    name = {"ascii": r"Stra\xdfe-\u03a9", "latin-1": r"Straße-\u03a9"}[encoding]
    assert name in process.stdout
    assert "This folder can be trained on." in process.stdout


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize(
    "arguments", [("--help",), ("--version",), ("train", "--help")]
)
def test_a_full_output_is_one_line(arguments):
    process = run(*KERAS_FCN, *arguments, redirection=">/dev/full")
    assert process.returncode == 2
    (line,) = process.stderr.splitlines()
    assert "error: standard output can't be written (No space left on device)" in line


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_an_error_that_can_not_be_written_has_its_status(tmp_path):
    process = run(*KERAS_FCN, "inspect", tmp_path / "no", redirection="2>/dev/full")
    assert (process.returncode, process.stdout) == (2, "")


def test_an_output_whose_reader_has_ended_has_status_1():
    reader, writer = os.pipe()
    os.close(reader)
    command = (*KERAS_FCN, "--help")
    process = subprocess.run(
        command, cwd=PROJECT, stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    assert (process.returncode, process.stderr) == (1, b"")
