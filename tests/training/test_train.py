"""Training runs: their files, resuming, and errors."""

import gc
import json
import logging
import os
import re
import resource
import shutil
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf
from safetensors import safe_open
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import keras_fcn.training.loop as training_loop
import keras_fcn.training.train as training
from keras_fcn.commands import train as command
from keras_fcn.config import TrainingConfig
from keras_fcn.errors import TrainingStopped
from keras_fcn.models.weights import variables_by_name
from keras_fcn.runs.checkpoints import Checkpoint
from keras_fcn.runs.folder import RunFolder
from keras_fcn.storage.atomic import write_json
from keras_fcn.training.build import make_initialized_trainer
from keras_fcn.training.callbacks import CheckpointWriter
from keras_fcn.training.data import training_crop
from keras_fcn.training.loop import TrainingLoop
from keras_fcn.training.resolve import follow_start
from keras_fcn.training.train import is_finished, resume, train
from keras_fcn.training.trainer import Trainer
from tests.support.commands import (
    call,
    calls_in_a_new_process,
    refusal,
    training_arguments,
)
from tests.support.data import split_of, tiny_config, write_folder
from tests.support.narrow import narrow_vgg16
from tests.support.runs import change_config

SCORES = {
    "scores/pixel_accuracy",
    "scores/mean_accuracy",
    "scores/mean_iou",
    "scores/frequency_weighted_iou",
}
SAMPLE = {"sample-1/image", "sample-1/truth", "sample-1/prediction"}
IOU = {"iou/class_0", "iou/class_1", "iou/class_2"}
SPEED = {"schedule/learning_rate", "speed/images_per_second", "speed/data_wait"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("data") / "mine")


class CheckpointLogger(logging.Handler):
    """Records each logged epoch and the epoch of the checkpoint at that time."""

    def __init__(self, path):
        super().__init__()
        self.path, self.epochs = path, []

    def emit(self, record):
        if found := re.match(r"epoch (\d+)/4  loss", record.getMessage()):
            logged = int(found[1])
            self.epochs.append((logged, RunFolder(self.path).read_checkpoint().epoch))


@pytest.fixture(scope="module")
def run_and_epochs(folder, tmp_path_factory):
    """A finished run of 4 epochs, and its checkpoint when each epoch was logged."""
    path = tmp_path_factory.mktemp("runs") / "run"
    handler, progress = CheckpointLogger(path), logging.getLogger("keras_fcn")
    level = progress.level
    progress.addHandler(handler)
    progress.setLevel(logging.INFO)
    try:
        with narrow_vgg16():
            return train(tiny_config(folder, epochs=4), path), handler.epochs
    finally:
        progress.removeHandler(handler)
        progress.setLevel(level)


@pytest.fixture(scope="module")
def run(run_and_epochs):
    return run_and_epochs[0]


def test_an_epoch_is_logged_after_its_checkpoint_is_written(run_and_epochs):
    assert run_and_epochs[1] == [(1, 1), (2, 2), (3, 3), (4, 4)]


def points_of(run, split):
    """Steps and values of every curve."""
    events = EventAccumulator(str(run.tensorboard / split)).Reload()
    curves = {}
    for tag in events.Tags()["tensors"]:
        if tag in {"confusion_matrix", "configuration"} | SAMPLE:
            continue
        curves[tag] = [
            (
                event.step,
                float(np.frombuffer(event.tensor_proto.tensor_content, "<f4")[0]),
            )
            if event.tensor_proto.tensor_content
            else (event.step, sum(event.tensor_proto.float_val))  # 0 is left out
            for event in events.Tensors(tag)
        ]
    return curves, set(events.Tags()["tensors"])


def test_a_run_contains_the_documented_files(run):
    names = {path.name for path in run.path.iterdir()}
    assert names == {
        "config.json",
        "classes.json",
        "best.keras",
        "checkpoint.json",
        "checkpoint-before.json",
        "checkpoint-0003.safetensors",
        "checkpoint-0004.safetensors",
        "history.csv",
        "metrics.json",
        "calibration.json",
        "tensorboard",
        "samples",
    }
    assert len(list(run.samples.glob("epoch-????.png"))) == 4


def test_tensorboard_has_exactly_the_documented_tags(run):
    _, train_tags = points_of(run, "train")
    assert train_tags == SCORES | SPEED | IOU | {"configuration", "loss/train"}
    _, validation_tags = points_of(run, "validation")
    figures = {"confusion_matrix", "loss/validation"} | SAMPLE
    assert validation_tags == SCORES | IOU | figures


def test_every_curve_has_one_point_per_epoch(run):
    for split in ("train", "validation"):
        curves, _ = points_of(run, split)
        for tag, points in curves.items():
            assert [step for step, _ in points] == [1, 2, 3, 4], tag


def test_the_best_network_is_the_one_of_the_best_epoch(run):
    history = run.read_checkpoint().history
    best = max(history, key=lambda row: row["val_mean_iou"])
    metrics = json.loads((run.path / "metrics.json").read_text())
    assert metrics["epoch"] == best["epoch"]
    assert metrics["mean_iou"] == pytest.approx(best["val_mean_iou"], abs=1e-5)
    assert metrics["split"] == "val"


def test_the_configuration_is_written_with_versions(run):
    written = json.loads((run.path / "config.json").read_text())
    assert written["config"]["seed"] == 0
    assert written["versions"]["keras"] == keras.version()
    assert run.read_config().crop == (32, 32)


class Killed(Exception):
    """Simulates a killed process."""


def assert_same_training(one, other):
    """Compare state, history, scores and best network of two runs bit for bit."""
    measured = ("images_per_second", "data_wait")  # not reproducible
    histories = [
        [
            {name: value for name, value in row.items() if name not in measured}
            for row in run.read_checkpoint().history
        ]
        for run in (one, other)
    ]
    assert histories[0] == histories[1]
    files = [run.path / run.read_checkpoint().state for run in (one, other)]
    # One array of each at a time: the states have hundreds of megabytes.
    with safe_open(files[0], "np") as expected, safe_open(files[1], "np") as found:
        assert set(expected.keys()) == set(found.keys())
        for name in expected.keys():
            np.testing.assert_array_equal(
                found.get_tensor(name), expected.get_tensor(name), err_msg=name
            )
    assert one.read_metrics() == other.read_metrics()
    networks = [variables_by_name(run.load_model()) for run in (one, other)]
    for name, variable in networks[0].items():
        np.testing.assert_array_equal(networks[1][name], variable, err_msg=name)


def start(config, path):
    """Start a training that is stopped before its first step."""

    def stop(*_):
        raise Killed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(TrainingLoop, "_run_epoch", stop)
        train(config, path)


@pytest.fixture(scope="module")
def stopped_once(folder, tmp_path_factory):
    """A run of 4 epochs that was stopped in epoch 3."""
    path = tmp_path_factory.mktemp("runs") / "stopped"
    run_epoch = TrainingLoop._run_epoch

    def stop_in_epoch_3(loop, epoch):
        if epoch == 3:
            raise Killed
        run_epoch(loop, epoch)

    with narrow_vgg16(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingLoop, "_run_epoch", stop_in_epoch_3)
        with pytest.raises(Killed):
            train(tiny_config(folder, epochs=4), path)
    return RunFolder.open(path)


@pytest.fixture
def stopped_run(stopped_once, tmp_path):
    """A copy of `stopped_once` that a test may resume."""
    return RunFolder(shutil.copytree(stopped_once.path, tmp_path / "stopped"))


def test_resuming_from_a_damaged_state_uses_the_previous_checkpoint(
    run, stopped_run, caplog, monkeypatch
):
    run_epoch, epochs = TrainingLoop._run_epoch, []

    def record_epochs(loop, epoch):
        checkpoint, metrics = stopped_run.read_checkpoint(), stopped_run.read_metrics()
        epochs.append((checkpoint.epoch, metrics["epoch"]))
        run_epoch(loop, epoch)

    monkeypatch.setattr(TrainingLoop, "_run_epoch", record_epochs)
    state = stopped_run.path / stopped_run.read_checkpoint().state
    state.write_bytes(state.read_bytes()[:-1000])
    resume(stopped_run.path)
    assert epochs[0] == (1, 1)
    (line,) = [
        line
        for line in caplog.messages
        if "resuming from the previous checkpoint" in line
    ]
    assert str(state) in line and "\n" not in line
    assert_same_training(run, stopped_run)
    curves, tags = points_of(stopped_run, "train")
    assert [step for step, _ in curves["loss/train"]] == [1, 2, 3, 4]
    assert "configuration" in tags


def remove_history_and_best(run):
    best = run.read_checkpoint().best_epoch
    run.best_model.rename(run.path / f"best-{best:04}.keras")
    (run.path / "history.csv").unlink()


@pytest.mark.parametrize(
    "remove", [remove_history_and_best, lambda run: run.calibration_file.unlink()]
)
def test_resuming_after_the_last_epoch_writes_the_missing_files(run, tmp_path, remove):
    killed = RunFolder(shutil.copytree(run.path, tmp_path / "killed"))
    part = killed.path / ".part-0123456789abcdef"
    part.mkdir()
    assert is_finished(killed)
    remove(killed)
    assert not is_finished(killed)
    resume(killed.path)
    assert is_finished(killed) and not part.exists()
    assert_same_training(run, killed)
    for name in ("history.csv", "calibration.json"):
        assert (killed.path / name).read_text() == (run.path / name).read_text()
    with pytest.raises(ValueError, match="has finished its 4 epochs"):
        resume(killed.path)


def test_a_run_without_its_checkpoint_is_refused_and_not_modified(stopped_run):
    stopped_run.checkpoints.last_file.unlink()
    before = {path: path.stat().st_mtime_ns for path in stopped_run.path.rglob("*.*")}
    with pytest.raises(ValueError, match="checkpoint.json is missing"):
        resume(stopped_run.path)
    assert before == {
        path: path.stat().st_mtime_ns for path in stopped_run.path.rglob("*.*")
    }


def test_resuming_a_run_that_is_being_trained_is_refused(stopped_run):
    with stopped_run.locked():
        with pytest.raises(
            ValueError, match=r"is being trained by process \d+ on \S+:"
        ):
            resume(stopped_run.path)
    assert not (stopped_run.path / "training.lock").exists()


@pytest.mark.parametrize("step", [1, 2], ids=["between steps", "before validation"])
def test_resuming_within_an_epoch_is_bit_exact(
    run, folder, tmp_path, monkeypatch, step
):
    """SIGTERM is sent in epoch 2, after `step` of its two steps."""
    vote = TrainingLoop._vote

    def send_sigterm(loop, speed):
        if loop.history and speed.num_steps == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return vote(loop, speed)

    path = tmp_path / "stopped"
    with monkeypatch.context() as patch:
        patch.setattr(TrainingLoop, "_vote", send_sigterm)
        with pytest.raises(TrainingStopped, match=f"after step {step} of epoch 2"):
            train(tiny_config(folder, epochs=4), path)
    checkpoint = RunFolder(path).read_checkpoint()
    assert (checkpoint.epoch, checkpoint.step) == (1, step)
    stopped = resume(path, checkpoint_every=1)
    assert_same_training(run, stopped)


@pytest.fixture(scope="module")
def mixed_options(tmp_path_factory):
    """Options that mix in a folder with images of another size."""
    folder = write_folder(
        tmp_path_factory.mktemp("data") / "second", {"train": 7, "val": 1}, (40, 50)
    )
    return {"mix": f"{folder}:5", "batch_size": 3, "epochs": 2}


@pytest.fixture(scope="module")
def mixed_run(folder, mixed_options, tmp_path_factory):
    """A finished run with a second data set, its log and the inputs of its steps."""
    step_inputs, lines = [], []
    path = tmp_path_factory.mktemp("runs") / "mixed"
    call, handler = Trainer.call, logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    progress = logging.getLogger("keras_fcn")
    level = progress.level

    def spy(trainer, inputs, training=False):
        step_inputs.append((training, inputs["image"].shape))
        return call(trainer, inputs, training)

    progress.addHandler(handler)
    progress.setLevel(logging.INFO)
    try:
        with narrow_vgg16(), pytest.MonkeyPatch.context() as patch:
            patch.setattr(Trainer, "call", spy)
            return train(tiny_config(folder, **mixed_options), path), lines, step_inputs
    finally:
        progress.removeHandler(handler)
        progress.setLevel(level)


def test_a_step_has_as_many_images_of_the_second_data_set(mixed_run, mixed_options):
    run, lines, step_inputs = mixed_run
    sizes = {is_training: shape[0] for is_training, shape in step_inputs}
    assert sizes == {True: 6, False: 3}
    start = f"mix {mixed_options['mix']}: 5 images, of which each step takes as many as"
    assert any(line.startswith(start) for line in lines)
    assert run.read_config().mix == mixed_options["mix"]
    # Validation uses the first data set only: 2 images of 48x64 with 1 void row.
    pixels = np.sum(run.read_metrics()["confusion_matrix"])
    assert pixels == 2 * 47 * 64


def test_class_weights_are_those_of_the_first_data_set(
    mixed_run, folder, tmp_path, caplog
):
    alone = tiny_config(folder, epochs=1, batch_size=3)
    with caplog.at_level(logging.INFO, "keras_fcn"):
        start(alone, tmp_path / "run")
    (weights,) = [m for m in caplog.messages if m.startswith("Class weights")]
    assert weights in mixed_run[1]


@pytest.mark.parametrize("step", [1, 2], ids=["between steps", "before validation"])
def test_resuming_with_a_second_data_set_is_bit_exact(
    mixed_run, mixed_options, folder, tmp_path, monkeypatch, step
):
    vote = TrainingLoop._vote

    def send_sigterm(loop, speed):
        if loop.history and speed.num_steps == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return vote(loop, speed)

    path = tmp_path / "stopped"
    with monkeypatch.context() as patch:
        patch.setattr(TrainingLoop, "_vote", send_sigterm)
        with pytest.raises(TrainingStopped, match=f"after step {step} of epoch 2"):
            train(tiny_config(folder, **mixed_options), path)
    assert_same_training(mixed_run[0], resume(path))


def test_points_of_an_unfinished_epoch_are_not_duplicated(
    folder, tmp_path, monkeypatch
):
    path = tmp_path / "killed"

    def fail(*args):
        raise Killed

    # as if killed after the curves were written and before the checkpoint was
    with monkeypatch.context() as patch:
        patch.setattr(CheckpointWriter, "on_epoch_end", fail)
        with pytest.raises(Killed):
            train(tiny_config(folder, epochs=1), path)
    part = path / ".part-0123456789abcdef"
    part.mkdir()
    (part / "lock").write_text("")  # of a process that has ended
    (part / "best.keras").write_bytes(b"half")
    run = resume(path)
    curves, _ = points_of(run, "validation")
    assert [step for step, _ in curves["loss/validation"]] == [1]
    assert not list(path.glob(".part-*"))


KILLED_IN_EPOCH_2 = """
import os, signal, sys
from keras_fcn.commands.train import main
from keras_fcn.training.loop import TrainingLoop
vote = TrainingLoop._vote

def vote_or_kill(loop, speed):
    if loop.history:
        os.kill(os.getpid(), signal.SIGKILL)
    return vote(loop, speed)

TrainingLoop._vote = vote_or_kill
main(sys.argv[1:])
"""


@pytest.mark.slow(seconds=200)
def test_resuming_after_sigkill_is_bit_exact(folder, tmp_path):
    """Uses VGG16, whose sums over many filters depend on the order of additions."""
    path = tmp_path / "killed"
    options = {"epochs": 2, "batch-size": 2}
    arguments = [*training_arguments(folder, path, **options), "--keep-checkpoints"]
    process = call("-c", KILLED_IN_EPOCH_2, *arguments, check=False)
    assert process.returncode == -signal.SIGKILL
    killed = RunFolder.open(path)
    assert killed.read_checkpoint().epoch == 1
    straight = training_arguments(folder, tmp_path / "straight", **options)
    with calls_in_a_new_process() as run:
        assert run("train", "--resume", path)[0] == 0
        assert run("train", *straight, "--keep-checkpoints")[0] == 0
    curves, _ = points_of(killed, "validation")
    assert [step for step, _ in curves["loss/validation"]] == [1, 2]
    assert_same_training(RunFolder.open(tmp_path / "straight"), killed)


@pytest.fixture(scope="module")
def repeated(folder, tmp_path_factory):
    """Trainings of two epochs: two with the same seed, one with another.

    Returns their losses, and the seeds of each epoch: those of the random numbers in
    the network, then that of the order of the images.
    """
    seeds = []
    set_seeds, make_batches = Trainer.set_seeds, training_loop.training_batches

    def spy_on_seeds(trainer, random, **options):
        set_seeds(trainer, random, **options)
        states = [v for v in trainer.variables if v.name == "seed_generator_state"]
        seeds.append([int(np.asarray(state)[0]) for state in states])

    def spy_on_order(*args, order_seed, **kwargs):
        seeds[-1].append(order_seed)
        return make_batches(*args, order_seed=order_seed, **kwargs)

    with pytest.MonkeyPatch.context() as patch, narrow_vgg16():
        patch.setattr(Trainer, "set_seeds", spy_on_seeds)
        patch.setattr(training_loop, "training_batches", spy_on_order)
        runs = [
            train(
                tiny_config(folder, epochs=2, seed=seed),
                tmp_path_factory.mktemp("repeated") / "run",
            )
            for seed in (0, 0, 1)
        ]
    histories = [run.read_checkpoint().history for run in runs]
    return [[row["loss"] for row in history] for history in histories], seeds


def test_epochs_differ_in_their_order_and_random_numbers(repeated):
    first, second, *again = repeated[1][:4]
    assert again == [first, second]
    for one, *others in zip(first, second, *repeated[1][4:], strict=True):
        assert one not in others


def test_training_and_validation_steps_are_compiled_once(tmp_path, monkeypatch):
    folder = write_folder(tmp_path / "mine", {"train": 5, "val": 3})
    traced, call = [], Trainer.call

    def spy(trainer, inputs, training=False):
        traced.append((training, inputs["image"].shape[0]))
        return call(trainer, inputs, training)

    monkeypatch.setattr(Trainer, "call", spy)
    # Without padding, the last batch would have one image.
    train(tiny_config(folder, epochs=2), tmp_path / "run")
    assert traced == [(True, 2), (False, 2)]


def test_trainings_with_the_same_seed_have_equal_losses(repeated):
    once, again, other = repeated[0]
    assert again == pytest.approx(once, rel=1e-4)
    assert other != pytest.approx(once, rel=1e-4)


def test_a_finished_run_is_not_resumed(run):
    with pytest.raises(ValueError, match="has finished its 4 epochs"):
        resume(run.path)


def test_resuming_a_finished_run_removes_what_a_killed_process_left(run, tmp_path):
    path = shutil.copytree(run.path, tmp_path / "killed")
    (path / "best-0001.keras").write_bytes(b"of the previous checkpoint")
    for is_kept in (True, False):
        change_config(RunFolder(path), keep_checkpoints=is_kept)
        with pytest.raises(ValueError, match="has finished its 4 epochs"):
            resume(path)
        assert RunFolder(path).checkpoints.has_states() == is_kept
    assert not [*path.glob("best-*"), *path.glob("checkpoint-*")]


def test_a_run_ended_by_its_patience_is_not_resumed(run, tmp_path):
    path = shutil.copytree(run.path, tmp_path / "old")
    change_config(RunFolder(path), epochs=5, patience=3)
    checkpoint = json.loads((path / "checkpoint.json").read_text())
    checkpoint["history"][0]["val_mean_iou"] = 0.999
    (path / "checkpoint.json").write_text(json.dumps(checkpoint))
    with pytest.raises(ValueError, match="has ended: 3 epochs without a better"):
        resume(path)


def test_a_finished_training_keeps_no_variables_in_memory(
    folder, tmp_path, monkeypatch
):
    handles = []

    def recorded(*arguments):
        trainer = make_initialized_trainer(*arguments)
        for owner in (trainer, trainer.optimizer):
            handles.extend(variable.value.handle for variable in owner.variables)
        return trainer

    monkeypatch.setattr(training, "make_initialized_trainer", recorded)
    train(tiny_config(folder, epochs=1), tmp_path / "run")
    gc.collect()
    shapes = [tuple(tf.raw_ops.VariableShape(input=handle)) for handle in handles]
    assert len(shapes) > 50 and set(shapes) == {()}


def test_patience_ends_a_training(folder, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(
        Checkpoint,
        "is_last",
        lambda self, num_epochs, patience: patience == 7 and len(self.history) == 2,
    )
    with caplog.at_level(logging.INFO, "keras_fcn"):
        run = train(tiny_config(folder, epochs=4, patience=7), tmp_path / "run")
    assert run.read_checkpoint().epoch == 2
    assert "No better validation mean IoU for 7 epochs" in caplog.text


def test_resuming_a_folder_that_is_not_a_run_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not a run"):
        resume(tmp_path)


def test_an_existing_run_is_not_overwritten(run, folder):
    with pytest.raises(FileExistsError, match="`resume`"):
        train(tiny_config(folder), run.path)


def test_no_run_folder_remains_if_the_data_are_missing(folder, tmp_path):
    config = tiny_config(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_no_run_folder_remains_if_the_weights_are_missing(folder, tmp_path):
    config = tiny_config(folder, weights=str(tmp_path / "no.h5"))
    with pytest.raises(FileNotFoundError, match="There is no weights file"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_finer_network_is_initialized_from_a_coarser_run(
    run, folder, tmp_path, caplog
):
    start = {"weights": "imagenet", "init_from": str(run.path)}
    config = tiny_config(folder, variant="16s", **start, epochs=1)
    with caplog.at_level(logging.INFO, "keras_fcn"):
        assert train(config, tmp_path / "finer").best_model.exists()
    assert "re-initialized: norm_pool4, upscore2, score_pool4, upscore16" in caplog.text


def test_logit_layers_are_reinitialized_if_the_classes_differ(run, tmp_path, caplog):
    other = write_folder(tmp_path / "other")
    (other / "class_dict.csv").write_text("name,r,g,b\nx,1,2,3\ny,2,3,4\nz,4,5,6\n")
    config = tiny_config(other, init_from=str(run.path), epochs=1)
    with caplog.at_level(logging.INFO, "keras_fcn"):
        train(config, tmp_path / "run")
    assert "which has other classes; re-initialized: score_fr, upscore32" in caplog.text


@pytest.fixture(scope="module")
def fine_run(folder, tmp_path_factory):
    """A finished run of one epoch with another architecture."""
    config = tiny_config(
        folder, variant="8s", skip_scales="paper", head_filters=8, epochs=1
    )
    with narrow_vgg16():
        return train(config, tmp_path_factory.mktemp("runs") / "fine")


def test_unset_architecture_options_are_those_of_the_initial_run(
    fine_run, folder, tmp_path
):
    wanted = TrainingConfig(init_from=str(fine_run.path))
    followed = follow_start(wanted, {"epochs"})
    assert (followed.variant, followed.head) == ("8s", "compact")
    assert (followed.skip_scales, followed.head_filters) == ("paper", 8)
    assert follow_start(wanted, {"variant"}).variant == "32s"
    paper = TrainingConfig(variant="32s")
    assert follow_start(paper, {"variant"}) == paper
    config = tiny_config(
        folder, variant="16s", head_filters=8, init_from=str(fine_run.path)
    )
    with pytest.raises(
        ValueError, match="has `skip_scales` paper.*Received: skip_scales=batch-norm"
    ):
        train(config, tmp_path / "run")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head": "vgg", "head_filters": 256}, "`head_filters` must be 4096 with"),
        ({"init_from": "run", "head_filters": 64}, "has `head_filters` 512"),
        ({"freeze_blocks": 1}, "`freeze_blocks` keeps trained weights"),
    ],
)
def test_incompatible_options_are_refused_before_data_are_read(
    run, tmp_path, changes, message
):
    if "init_from" in changes:
        changes = {**changes, "init_from": str(run.path)}
    with pytest.raises(ValueError, match=message):
        train(tiny_config(tmp_path / "no data", **changes), tmp_path / "run")


def test_a_loss_that_is_not_finite_is_an_error_and_in_epoch_1_leaves_no_run(
    folder, tmp_path
):
    config = tiny_config(
        folder, learning_rate=1e30, optimizer="sgd", weight_decay=0.0, epochs=9
    )
    with pytest.raises(
        FloatingPointError, match=r"step \d+ .* with a learning rate of"
    ):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("crop", [None, (32, 32), (64, 64)])
def test_crops_up_to_the_padded_image_are_accepted(crop):
    split = split_of([(48, 64), (40, 50)])
    assert training_crop(crop, split) == (crop or (48, 64))


def test_a_crop_larger_than_the_padded_image_is_refused():
    with pytest.raises(ValueError, match="at most 64x64.*Received: 65x64"):
        training_crop((65, 64), split_of([(48, 64)]))


def test_the_default_crop_is_at_most_320():
    assert training_crop(None, split_of([(360, 480)])) == (320, 320)


def test_training_on_images_of_different_sizes(tmp_path):
    from PIL import Image

    folder = write_folder(tmp_path / "mixed", {"train": 3, "val": 1})
    for split, color in (("train", "red"), ("val", "blue")):
        Image.new("RGB", (80, 20), color).save(folder / f"images/{split}/wide.png")
        Image.new("L", (80, 20), 1).save(folder / f"labels/{split}/wide.png")
    run = train(tiny_config(folder, epochs=1), tmp_path / "run")
    pixels = np.sum(
        json.loads((run.path / "metrics.json").read_text())["confusion_matrix"]
    )
    assert pixels == 47 * 64 + 20 * 80  # the first row of each image of blocks is void


def test_class_weights_are_logged_by_class_name(folder, tmp_path, caplog):
    config = tiny_config(folder, epochs=1, class_weights="median-frequency")
    with caplog.at_level(logging.INFO, "keras_fcn"):
        start(config, tmp_path / "run")
    assert "Class weights: class_0 " in caplog.text


@pytest.mark.parametrize("file", ["best.keras", "state"])
def test_a_full_disk_keeps_the_previous_checkpoint(folder, tmp_path, capsys, file):
    """No file may be as large as the best network, or as the state that follows it."""
    path = tmp_path / "run"
    run = train(tiny_config(folder, epochs=1), path)
    before = (path / "checkpoint.json").read_text()
    change_config(run, epochs=2)
    # a low score, so that the next epoch is better and writes best.keras
    better = json.loads(before)
    better["history"][0]["val_mean_iou"] = 0.0
    (path / "checkpoint.json").write_text(json.dumps(better))
    size = run.best_model.stat().st_size
    state = path / run.read_checkpoint().state
    assert state.stat().st_size > 1.2 * size
    maximum = 0.9 * size if file == "best.keras" else 1.1 * size
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(maximum), limit[1]))
    try:
        line = refusal(command, capsys, "--resume", path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert "File too large" in line
    assert json.loads((path / "checkpoint.json").read_text())["epoch"] == 1
    assert not list(path.glob(".part-*"))
    run.load_model()
    assert resume(path).read_checkpoint().epoch == 2


def test_data_dir_replaces_a_moved_data_folder_when_resuming(run, folder, tmp_path):
    path = shutil.copytree(run.path, tmp_path / "run")
    change_config(RunFolder(path), data_dir=str(tmp_path / "before"), epochs=5)
    assert resume(path, str(folder)).read_checkpoint().epoch == 5


def test_a_state_of_another_network_is_refused(run, fine_run, tmp_path):
    other = RunFolder(shutil.copytree(fine_run.path, tmp_path / "other"))
    change_config(other, epochs=2)
    state = other.path / other.read_checkpoint().state
    state.write_bytes((run.path / run.read_checkpoint().state).read_bytes())
    with pytest.raises(ValueError, match="does not fit this network"):
        resume(other.path)
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(ValueError, match="missing or damaged"):
        resume(other.path)


def test_another_head_than_the_runs_is_refused_before_data_are_read(run, tmp_path):
    config = tiny_config(tmp_path / "no data", head="vgg", init_from=str(run.path))
    with pytest.raises(ValueError, match="has `head` compact"):
        train(config, tmp_path / "run")


def test_a_batch_of_mostly_fillers_is_refused(folder, tmp_path):
    needed = "`batch_size` must be at most 64 for 4 training images. Received: .*=65"
    with pytest.raises(ValueError, match=needed):
        train(tiny_config(folder, batch_size=65), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("predicted", "mean_iou", "is_reported"),
    [
        ([[6, 0, 0], [2, 0, 0], [0, 0, 0]], 0.375, True),  # all as class 0
        ([[6, 0, 0], [1, 1, 0], [0, 0, 0]], 0.679, False),
    ],
)
def test_a_training_that_learned_nothing_is_reported(
    run, tmp_path, caplog, predicted, mean_iou, is_reported
):
    copy = RunFolder(shutil.copytree(run.path, tmp_path / "run"))
    scores = {"confusion_matrix": predicted, "mean_iou": mean_iou}
    write_json(copy.metrics_file, copy.read_metrics() | scores)
    copy.calibration_file.unlink()  # as after a kill at the end: the end is repeated
    resume(copy.path)
    message = "better than predicting one class for all pixels, whose mean IoU on val "
    assert (message + "is 37.5 %" in caplog.text) == is_reported


def swap_splits(folder):
    for kind in ("images", "labels"):
        (folder / kind / "train").rename(folder / kind / "other")
        (folder / kind / "val").rename(folder / kind / "train")
        (folder / kind / "other").rename(folder / kind / "val")


def remove_image(folder):
    for kind in ("images", "labels"):
        (folder / kind / "train/train_0.png").unlink()


def change_label_map(folder):
    shutil.copy(folder / "labels/val/val_0.png", folder / "labels/val/val_1.png")


def remove_validation(folder):
    for kind in ("images", "labels"):
        shutil.rmtree(folder / kind / "val")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (swap_splits, "train has 2 images instead of 4; val has 4 images instead of 2"),
        (remove_image, "train has 3 images instead of 4"),
        (change_label_map, "val has other label maps"),
        (remove_validation, "train has .*; val has "),
    ],
)
def test_a_training_is_not_resumed_on_changed_data(
    folder, stopped_run, tmp_path, change, message
):
    data = shutil.copytree(folder, tmp_path / "data")
    change(data)
    config, files = (
        stopped_run.config_file.read_bytes(),
        sorted(stopped_run.path.iterdir()),
    )
    with pytest.raises(ValueError, match=f"{message}.*`accept_changed_data`"):
        resume(stopped_run.path, str(data))
    assert stopped_run.config_file.read_bytes() == config
    assert sorted(stopped_run.path.iterdir()) == files


def test_changed_data_are_accepted_and_recorded(folder, stopped_run, tmp_path, caplog):
    data = shutil.copytree(folder, tmp_path / "data")
    remove_image(data)
    resume(stopped_run.path, str(data), accept_changed_data=True)
    change = {"after_epoch": 2, "changes": "train has 3 images instead of 4"}
    description = stopped_run.read_description()
    assert description["data_changes"] == [change]
    assert description["data"]["train"]["number of images"] == 3
    assert "The data have changed after epoch 2: train has 3" in caplog.text
