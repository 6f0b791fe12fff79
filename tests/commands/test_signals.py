"""SIGTERM and SIGHUP end a command like Ctrl-C."""

import os
import signal
import subprocess
import sys
import time

import pytest

from keras_fcn.commands.signals import Stopped, stop_line, stopped_by_signals
from tests.support.data import PROJECT

WORK = """
import signal, sys, tempfile, time
from pathlib import Path
from keras_fcn.commands import command_line
signal.signal(signal.SIGHUP, getattr(signal, sys.argv[1]))  # pytest's may be nohup's
command_line._start_backend = lambda: None

def work(arguments, given):
    (Path(tempfile.gettempdir()) / "cache").write_text("gigabytes")
    print("working", flush=True)
    time.sleep(60)

sys.exit(command_line.Command("Work.", lambda parser: None, work).main([], "work"))
"""


def start(tmp_path, on_sighup="SIG_DFL"):
    process = subprocess.Popen(
        [sys.executable, "-c", WORK, on_sighup],
        cwd=PROJECT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "working\n"
    return process


@pytest.mark.parametrize(
    ("number", "status", "line"),
    [
        (signal.SIGINT, 130, "work: interrupted"),
        (signal.SIGTERM, 143, "work: stopped by SIGTERM"),
        (signal.SIGHUP, 129, "work: stopped by SIGHUP"),
    ],
)
def test_a_signal_is_one_line_a_status_and_no_temporary_files(
    tmp_path, number, status, line
):
    with start(tmp_path) as process:
        assert len(list(tmp_path.glob("keras-fcn-*/cache"))) == 1
        process.send_signal(number)
        assert process.wait() == status
        assert process.stderr.read() == f"\n{line}\n"
    assert list(tmp_path.iterdir()) == []


def test_sighup_is_ignored_under_nohup(tmp_path):
    with start(tmp_path, "SIG_IGN") as process:
        process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        assert process.poll() is None
        process.terminate()
        assert process.wait() == 143


def test_files_of_a_killed_process_are_removed_by_the_next(tmp_path):
    with start(tmp_path) as killed:
        killed.kill()
    assert len(list(tmp_path.glob("keras-fcn-*/cache"))) == 1
    with start(tmp_path) as living, start(tmp_path) as other:
        assert len(list(tmp_path.glob("keras-fcn-*/cache"))) == 2  # of the living
        living.terminate()
        other.terminate()
    assert list(tmp_path.iterdir()) == []


def test_existing_signal_handlers_are_kept():
    came = []
    before = signal.signal(signal.SIGTERM, lambda *_: came.append("mine"))
    try:
        with stopped_by_signals():
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert came == ["mine"]
    with pytest.raises(Stopped), stopped_by_signals():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert stop_line(KeyboardInterrupt()) == ("interrupted", 130)


class Freed:
    def __init__(self, number):
        self.number = number

    def __del__(self):
        signal.raise_signal(self.number)


discards = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"  # Python reports what it discards
)


@discards
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_whose_exception_is_lost_is_repeated(number):
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt) as caught, stopped_by_signals():
        Freed(number)
        time.sleep(10)
        pytest.fail("the signal is lost")
    assert time.monotonic() - start < 5  # it ends the sleep
    assert stop_line(caught.value)[1] == 128 + number


@discards
def test_a_lost_signal_at_the_end_of_the_block_has_no_effect_after_it():
    with stopped_by_signals():
        Freed(signal.SIGTERM)
        Freed(signal.SIGTERM)
    time.sleep(1.3)  # SIGTERM would end this process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_not_repeated_while_a_command_cleans_up(number):
    cleaned_up = []

    def clean_up():
        try:
            raise ValueError
        except ValueError:  # while it handles the interruption
            time.sleep(1.3)
        cleaned_up.append(number)

    with pytest.raises(KeyboardInterrupt), stopped_by_signals():
        try:
            signal.raise_signal(number)
        finally:
            clean_up()
    assert cleaned_up == [number]


def test_an_interruption_that_tensorflow_clears_is_repeated():
    import tensorflow as tf

    class Shape(tf.TensorShape):
        def __len__(self):  # TensorFlow's C++ calls it
            signal.raise_signal(signal.SIGINT)
            return super().__len__()

    numbers = tf.data.Dataset.range(3)._variant_tensor
    with pytest.raises(KeyboardInterrupt), stopped_by_signals():
        tf.raw_ops.RepeatDataset(
            input_dataset=numbers,
            count=tf.constant(1, tf.int64),
            output_types=[tf.int64],
            output_shapes=[Shape([])],
        )
        time.sleep(10)
        pytest.fail("the signal is lost")
