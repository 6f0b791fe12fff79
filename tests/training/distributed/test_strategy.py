"""Several devices and workers: their batches, errors and lost workers."""

import csv
import json
import signal
import socket
from types import SimpleNamespace

import keras
import pytest
import tensorflow as tf
from PIL import Image

from benchmarks.local_workers import free_addresses, start_workers
from keras_fcn.commands import train as command
from keras_fcn.errors import LOST_STATUS, PeerLost
from keras_fcn.training.distributed import rendezvous
from keras_fcn.training.distributed.cluster import Cluster
from keras_fcn.training.distributed.strategy import (
    Distribution,
    detect_lost_peers,
    join,
)
from keras_fcn.training.train import train
from tests.support.commands import call, outcome, training_arguments
from tests.support.data import tiny_config, write_folder

SAME = ("loss", "mean_iou", "val_loss", "val_mean_iou", "val_pixel_accuracy")


class Strategy:
    """A stand-in for a tf.distribute strategy with eight devices."""

    num_replicas_in_sync = 8


@pytest.fixture
def second_of_four():
    addresses = tuple(f"host{index}:1" for index in range(4))
    return Distribution(Strategy(), Cluster(addresses, 1))


def test_one_device_has_the_whole_batch_and_no_communication():
    alone = Distribution()
    assert alone.is_first and alone.local_positions(5) == [range(5)]
    alone.check_batch_size(5)
    assert alone.all_gather({"a": 1}) == [{"a": 1}]
    assert alone.any_worker(True, False) == [True, False]
    assert alone.seconds_of_all_reduce(2**40) == 0
    assert alone.describe() == ""
    with pytest.raises(OSError, match="^its own$"), alone.fail_together():
        raise OSError("its own")
    done = []
    assert alone.first_then_others(lambda: done.append(1) or 7) == 7 and done == [1]


def test_positions_of_the_batch_are_in_the_order_of_the_workers(second_of_four):
    assert not second_of_four.is_first and second_of_four.num_local == 2
    assert second_of_four.local_positions(16) == [range(4, 6), range(6, 8)]
    assert second_of_four.describe() == "8 devices on 4 workers"


@pytest.mark.parametrize(
    ("batch_size", "nearest"), [(3, "8 is"), (9, "8 or 16 is"), (23, "16 or 24 is")]
)
def test_a_batch_size_that_is_no_multiple_of_the_devices_is_refused(
    second_of_four, batch_size, nearest
):
    second_of_four.check_batch_size(24)
    with pytest.raises(ValueError, match=f"{nearest} nearest.*batch_size={batch_size}"):
        second_of_four.check_batch_size(batch_size)


def test_workers_with_different_values_are_named(second_of_four, monkeypatch):
    gathered = [{"`seed`": 1, "x": 2}, {"`seed`": 1, "x": 2}, {"`seed`": 3, "x": 2}]
    monkeypatch.setattr(second_of_four, "all_gather", lambda value: gathered)
    with pytest.raises(ValueError, match="same way.* worker 2: `seed` 3 instead of 1"):
        second_of_four.check_same({}, "way")
    gathered.pop()
    second_of_four.check_same({}, "way")


def test_an_error_on_one_worker_is_raised_on_all(second_of_four, monkeypatch):
    given = []

    def all_gather(value):
        given.append(value)
        return ["no such folder", value]

    monkeypatch.setattr(second_of_four, "all_gather", all_gather)
    with pytest.raises(ValueError, match="because of worker 0: no such folder"):
        with second_of_four.fail_together():
            pass
    with pytest.raises(OSError, match="^mine$"), second_of_four.fail_together():
        raise OSError("mine")
    assert given == [None, "mine"]


@pytest.mark.parametrize(
    ("message", "who"),
    [
        (
            "device_/job:worker/replica:0/task:1/device:CPU:0}} Collective ops is "
            "aborted by: Socket closed\nfrom /job:worker/replica:0/task:0",
            "Worker 0 has ended",
        ),
        (
            "Collective ops is aborted by: Error reported from /job:worker/task:12: "
            "unhealthy: /job:worker/replica:0/task:12",
            "Worker 12 has ended",
        ),
        ("Barrier failed: heartbeat timeout", "Another worker has ended"),
    ],
)
def test_a_lost_worker_is_named(message, who):
    with (
        pytest.raises(PeerLost, match=f"^{who}: .*`auto_resume`$"),
        detect_lost_peers(),
    ):
        raise tf.errors.UnavailableError(None, None, message)


def test_other_errors_of_tensorflow_are_raised_unchanged():
    with (
        pytest.raises(tf.errors.InternalError, match="^no memory$"),
        detect_lost_peers(),
    ):
        raise tf.errors.InternalError(None, None, "no memory")


def test_unreachable_workers_are_named(monkeypatch, caplog):
    monkeypatch.setattr(rendezvous, "START_TIMEOUT", 0.6)
    own, there, away = free_addresses(3)
    port = int(there.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)), caplog.at_level("INFO"):
        with pytest.raises(PeerLost, match=f"from worker 2 at {away}: are all workers"):
            rendezvous.wait_for_peers(Cluster((own, there, away), 0))
        assert caplog.messages == [f"Waiting for worker 2 at {away}"]
        rendezvous.wait_for_peers(Cluster((own, there), 0))


def test_a_second_process_of_one_worker_is_refused():
    own, other = free_addresses(2)
    port = int(own.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        with pytest.raises(ValueError, match=f"Port {port} of worker 0 must be free"):
            rendezvous.wait_for_peers(Cluster((own, other), 0))


def test_a_call_that_blocks_in_c_is_killed_after_the_timeout():
    code = (
        "import ctypes, keras_fcn.training.distributed.rendezvous as rendezvous\n"
        "with rendezvous.killed_after(60): print('in time', flush=True)\n"
        "with rendezvous.killed_after(0.5):\n"
        "    ctypes.PyDLL(None).sleep(60)"  # without releasing the GIL
    )
    process = call("-c", code, check=False)
    assert process.returncode == -signal.SIGKILL
    assert process.stdout == "in time\n"
    assert process.stderr.endswith("did not connect within 0 s\n")


def test_jax_trains_on_one_device(monkeypatch, second_of_four):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert join(None).num_replicas == join(None, 1).num_replicas == 1
    with pytest.raises(ValueError, match="JAX backend.*devices=2"):
        join(None, 2)
    with pytest.raises(ValueError, match="JAX backend.*several workers"):
        join(Cluster(("a:1", "b:1"), 0))


def test_more_devices_than_available_are_refused():
    with pytest.raises(ValueError, match="at most 1, .* Received: devices=9"):
        join(None, 9)


def history_of(run):
    with (run / "history.csv").open() as file:
        return [{k: float(row[k]) for k in SAME} for row in csv.DictReader(file)]


NARROW_TRAINING = """
import sys
from keras_fcn.commands.train import main
from tests.support.narrow import narrow_vgg16
with narrow_vgg16():
    sys.exit(main(sys.argv[1:]))
"""
# The second worker ends in its second step: the first one has written a checkpoint.
KILLED_IN_STEP_2 = f"""
import os, signal
from keras_fcn.training.loop import TrainingLoop
vote = TrainingLoop._vote

def vote_or_kill(loop, speed):
    if speed.num_steps == 2 and not loop.distribution.is_first:
        os.kill(os.getpid(), signal.SIGKILL)
    return vote(loop, speed)

TrainingLoop._vote = vote_or_kill
{NARROW_TRAINING}
"""


@pytest.mark.slow(seconds=60)
def test_a_training_resumed_after_a_killed_worker_has_the_same_scores(tmp_path):
    folder = write_folder(tmp_path / "mine", {"train": 11, "val": 3})
    options = {"optimizer": "sgd", "dropout": 0, "head-filters": 8, "epochs": 2}
    run = tmp_path / "run"
    arguments = [
        *training_arguments(folder, run, **options),
        "--auto-resume", "--checkpoint-every", 1,
    ]  # fmt: skip
    workers = start_workers(arguments, 2, tmp_path / "killed", ("-c", KILLED_IN_STEP_2))
    try:
        assert workers[1].wait(300) == -signal.SIGKILL
        assert workers[0].wait(300) == LOST_STATUS
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    *_, last = (tmp_path / "killed" / "worker-0.log").read_text().splitlines()
    assert "has ended" in last and "--auto-resume" in last
    checkpoint = json.loads((run / "checkpoint.json").read_text())
    assert (checkpoint["epoch"], checkpoint["step"]) == (0, 1)

    again = start_workers(arguments, 2, tmp_path / "again", ("-c", NARROW_TRAINING))
    assert [worker.wait(600) for worker in again] == [0, 0]
    assert "Resuming" in (tmp_path / "again" / "worker-0.log").read_text()
    config = tiny_config(
        folder, optimizer="sgd", dropout=0.0, head_filters=8, epochs=2, batch_size=4
    )
    alone = train(config, tmp_path / "alone")
    for row, other in zip(history_of(run), history_of(alone.path), strict=True):
        assert row == pytest.approx(other, abs=1e-4)


ON_TWO_DEVICES = f"""
import tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
parts = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, parts)
{NARROW_TRAINING}
"""


@pytest.mark.slow(seconds=50)
def test_two_devices_have_the_scores_of_one_device(tmp_path, capsys):
    """Images of different sizes, an incomplete last batch, no dropout."""
    folder = write_folder(tmp_path / "mine", {"train": 6, "val": 3})
    for kind, mode in (("images", "RGB"), ("labels", "L")):
        for split, number in (("train", 9), ("val", 9)):
            color = (9, 90, len(split)) if mode == "RGB" else 1
            image = Image.new(mode, (80, 40), color)
            image.save(folder / kind / split / f"{split}_{number}.png")
    options = {"optimizer": "sgd", "dropout": 0, "head-filters": 8, "variant": "8s"}
    second = write_folder(tmp_path / "second", {"train": 3, "val": 1}, (30, 40))
    options["mix"] = second
    one, two = (
        training_arguments(folder, tmp_path / f"on-{n}", **options, devices=n)
        for n in (1, 2)
    )
    assert outcome(command, capsys, *one)[0] == 0
    process = call("-c", ON_TWO_DEVICES, *two, check=False)
    assert process.returncode == 0, process.stderr
    assert "Training on 2 devices" in process.stderr
    one, two = (history_of(tmp_path / f"on-{devices}") for devices in (1, 2))
    assert two[0] == pytest.approx(one[0], abs=1e-4)


def test_seeds_of_dropout_differ_between_replicas():
    parts = [tf.Variable([7, 3], dtype="int64") for _ in range(2)]
    strategy = SimpleNamespace(
        num_replicas_in_sync=4, experimental_local_results=lambda _: parts
    )
    second = Distribution(strategy, Cluster(("a:1", "b:1"), 1))
    second.offset_seed(SimpleNamespace(value=None))
    assert [part.numpy().tolist() for part in parts] == [[9, 3], [10, 3]]
