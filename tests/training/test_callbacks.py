"""Training callbacks: samples, curves, checkpoints and progress."""

import io
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from keras_fcn.classes import ClassMap
from keras_fcn.drawing.panels import colorize
from keras_fcn.metrics.confusion_matrix import SCORES, ConfusionMatrix
from keras_fcn.runs.checkpoints import Checkpoint
from keras_fcn.runs.folder import RunFolder
from keras_fcn.training.callbacks import (
    CheckpointWriter,
    ProgressReporter,
    SampleWriter,
    TensorBoardLogger,
)
from tests.support.data import draw_blocks

SCALARS = ("loss", *SCORES)
CLASS_MAP = ClassMap(("a", "b", "c"), ((0, 0, 0), (200, 0, 0), (0, 200, 0)), 255)


def test_samples_and_their_predictions_are_written_after_each_epoch(model, tmp_path):
    samples = [draw_blocks(32, 48, 3, seed=seed) for seed in range(2)]
    writer = SampleWriter(tmp_path, samples, CLASS_MAP)
    writer.set_model(SimpleNamespace(network=model))
    writer.on_train_begin()
    for epoch in (1, 2, 12):
        writer.on_epoch_end(epoch)
    found = sorted(path.name for path in tmp_path.glob("epoch-????.png"))
    assert found == ["epoch-0001.png", "epoch-0002.png", "epoch-0012.png"]
    for number, (image, _) in enumerate(samples, start=1):
        path = tmp_path / f"epoch-0001-sample-{number}.png"
        with Image.open(path) as file:
            prediction = np.asarray(file)
        expected = np.argmax(model(image[None]), axis=-1)[0]
        np.testing.assert_array_equal(prediction, expected)


def test_training_and_validation_have_separate_curves(tmp_path):
    matrices = iter(
        [
            np.diag([4, 4, 0]),  # of training: class c does not occur
            np.array([[3, 1, 0], [0, 0, 2], [0, 0, 4]]),
        ]
    )
    image, label_map = np.zeros((4, 6, 3), "uint8"), np.zeros((4, 6), "uint8")
    samples = SimpleNamespace(samples=[(image, label_map)], predictions=[label_map + 1])
    logger = TensorBoardLogger(tmp_path, CLASS_MAP, samples, {})
    confusion = ConfusionMatrix(3, 255)
    confusion.matrix = lambda: next(matrices)
    logger.set_model(SimpleNamespace(metrics=[confusion]))
    logger.on_train_begin()
    logger.on_test_begin()
    logs = dict.fromkeys(SCALARS, 0.25) | {f"val_{name}": 0.75 for name in SCALARS}
    speed = {"learning_rate": 1.0, "images_per_second": 2.0, "data_wait": 0.5}
    logger.on_epoch_end(3, logs | speed)
    assert points(tmp_path / "train") == {
        **{f"scores/{name}": (3, 0.25) for name in SCORES},
        "loss/train": (3, 0.25),
        "schedule/learning_rate": (3, 1.0),
        "speed/images_per_second": (3, 2.0),
        "speed/data_wait": (3, 0.5),
        **{"iou/a": (3, 1.0), "iou/b": (3, 1.0)},
    }
    assert points(tmp_path / "validation") == {
        **{f"scores/{name}": (3, 0.75) for name in SCORES},
        "loss/validation": (3, 0.75),
        "iou/a": (3, 0.75),
        "iou/b": (3, 0.0),
        "iou/c": (3, pytest.approx(4 / 6)),
    }
    events = EventAccumulator(str(tmp_path / "validation")).Reload()
    for name, shown in (
        ("image", image),
        ("truth", colorize(label_map, CLASS_MAP)),
        ("prediction", colorize(label_map + 1, CLASS_MAP)),
    ):
        (event,) = events.Tensors(f"sample-1/{name}")
        width, height, content = event.tensor_proto.string_val
        assert (width, height) == (b"6", b"4")
        with Image.open(io.BytesIO(content)) as file:
            np.testing.assert_array_equal(file, shown)


def points(folder):
    """Step and value of each curve, without images."""
    events = EventAccumulator(str(folder)).Reload()
    found = {}
    for tag in events.Tags()["tensors"]:
        if tag.startswith(("confusion_matrix", "sample-", "configuration")):
            continue
        (event,) = events.Tensors(tag)
        content = event.tensor_proto.tensor_content
        value = np.frombuffer(content, "<f4")[0] if content else 0.0
        if not content and event.tensor_proto.float_val:
            value = event.tensor_proto.float_val[0]
        found[tag] = (event.step, float(value))
    return found


def test_the_best_network_and_the_last_two_states_are_kept(scored_run, tmp_path):
    run = RunFolder(shutil.copytree(scored_run.path, tmp_path / "run"))
    writer = CheckpointWriter(run, Checkpoint(), lambda epoch, _: {"epoch": epoch})
    writer.set_model(
        SimpleNamespace(
            network=run.load_model(),
            confusion=SimpleNamespace(matrix=lambda: None),
            save_state=lambda path: path.write_bytes(b""),
        )
    )
    kept = []
    for epoch, mean_iou in ((1, 0.3), (2, 0.5), (3, 0.5), (4, 0.4)):
        writer.on_epoch_end(epoch, {"val_mean_iou": mean_iou})
        kept.append(json.loads(run.metrics_file.read_text())["epoch"])
        assert {path.name for path in run.path.glob("*.safetensors")} == {
            f"checkpoint-{number:04}.safetensors"
            for number in (epoch - 1, epoch)
            if number
        }
    assert kept == [1, 2, 2, 2]
    assert [row["epoch"] for row in run.read_checkpoint().history] == [1, 2, 3, 4]


@pytest.fixture
def logs():
    return {"loss": 0.5, "mean_iou": 0.25, "images_per_second": 2.0, "data_wait": 0.1}


@pytest.fixture
def clock(monkeypatch):
    """The simulated time of tqdm, as a list of one number."""
    now = [100.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    return now


def test_progress_contains_steps_speed_and_remaining_time(logs, clock, caplog):
    caplog.set_level("INFO", "keras_fcn")
    progress = ProgressReporter(num_epochs=4, steps_per_epoch=10)
    progress.on_epoch_begin(3)  # a resumed training
    clock[0] += 1000  # the first step, which is compiled, is excluded from the speed
    progress.on_train_batch_end(0, {})
    for step in range(1, 5):
        clock[0] += 10
        progress.on_train_batch_end(step, logs if step == 4 else {})
    # 10 seconds per step; 15 of the 20 steps are left.
    assert caplog.messages == [
        "epoch 3/4: 25/40 steps,  0.10 steps/s, 02:30 left, loss 0.500, mean IoU "
        "25.0%, 2.0 images/s, data wait 10%"
    ]
    progress.on_train_batch_end(9, logs)
    assert len(caplog.messages) == 1  # the line of the epoch follows


def test_progress_names_the_devices_and_the_share_of_the_all_reduce(
    logs, clock, caplog
):
    caplog.set_level("INFO", "keras_fcn")
    progress = ProgressReporter(2, 10, devices="8 devices")
    progress.on_epoch_begin(1)
    progress.on_train_batch_end(0, {})
    progress.on_train_batch_end(1, logs | {"all_reduce": 0.25})
    assert caplog.messages[0].endswith("data wait 10%, 8 devices, all-reduce 25%")


def test_progress_is_one_line_on_a_terminal(logs, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    progress = ProgressReporter(num_epochs=2, steps_per_epoch=10)
    progress.on_epoch_begin(1)
    for step, report in enumerate(({}, logs, {})):
        progress.on_train_batch_end(step, report)
    written = capsys.readouterr().err
    assert written.startswith("\repoch 1/2: 2/20 steps |") and "\n" not in written
    validated = {"val_loss": 0.75, "val_mean_iou": 0.5, "val_pixel_accuracy": 0.625}
    progress.on_epoch_end(1, logs | validated)
    assert capsys.readouterr().err.strip() == ""  # the bar is removed
    progress.on_train_end()


def test_the_scores_of_an_epoch_are_logged(logs, caplog):
    caplog.set_level("INFO", "keras_fcn")
    validated = {"val_loss": 0.75, "val_mean_iou": 0.5, "val_pixel_accuracy": 0.625}
    ProgressReporter(num_epochs=4, steps_per_epoch=10).on_epoch_end(3, logs | validated)
    assert caplog.messages == [
        "epoch 3/4  loss 0.500  validation loss 0.750  mean IoU 50.0 %  pixel "
        "accuracy 62.5 %  2.0 images/s  data wait 10 %"
    ]
