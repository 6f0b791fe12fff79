"""Training, evaluation and export as functions, and the object of a run."""

import inspect
import json
import logging
from dataclasses import fields

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.config import TrainingConfig
from tests.support.data import write_folder
from tests.support.narrow import narrow_vgg16

OPTIONS = {
    "dataset": "folder",
    "variant": "32s",
    "head": "compact",
    "head_filters": 8,
    "weights": "none",
    "batch_size": 2,
    "crop": (32, 32),
    "precision": "float32",
    "num_samples": 1,
    "class_weights": [1, 2.5, 1],
    "loss": "ce+dice",
}


class Recorder(keras.callbacks.Callback):
    """Records the calls that it gets, and stops or fails on demand."""

    def __init__(self, stop_after=None, fail_after=None):
        super().__init__()
        self.calls, self.logs = [], []
        self.stop_after, self.fail_after = stop_after, fail_after

    def on_train_begin(self, logs=None):
        self.calls.append(f"train, {self.params['epochs']} epochs of {self.model.name}")

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(f"epoch {epoch}")

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append(f"batch {batch}")

    def on_epoch_end(self, epoch, logs=None):
        self.logs.append(logs)
        if epoch == self.fail_after:
            raise ConnectionError("the tracking server does not answer")
        self.model.stop_training = epoch == self.stop_after

    def on_train_end(self, logs=None):
        self.calls.append("end")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("data") / "mine")


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    """A run of two epochs, and the callback that was passed."""
    recorder = Recorder()
    path = tmp_path_factory.mktemp("runs") / "run"
    with narrow_vgg16():
        run = keras_fcn.train(
            path, data_dir=folder, epochs=2, callbacks=[recorder], **OPTIONS
        )
    return run, recorder


def test_callbacks_are_called_as_by_fit(trained):
    run, recorder = trained
    epoch = ["batch 0", "batch 1"]
    assert recorder.calls == [
        "train, 2 epochs of fcn32s", "epoch 0", *epoch, "epoch 1", *epoch, "end"
    ]  # fmt: skip
    for logs, loss in zip(recorder.logs, run.history["val_loss"], strict=True):
        assert logs["val_loss"] == loss
        assert all(type(value) is float for value in logs.values())


def test_a_run_has_history_best_scores_and_a_segmenter(trained, tmp_path):
    run, _ = trained
    assert run.history["epoch"] == [1, 2]
    best = max(run.history["val_mean_iou"])
    assert run.best["mean_iou"] == pytest.approx(best)
    assert run.config.loss == "ce+dice"
    assert run.config.class_weights == (1.0, 2.5, 1.0)
    report = run.scores("val", output_dir=tmp_path / "evaluation")
    # Each image at its own size, as in the validation of a training.
    assert report["mean_iou"] == pytest.approx(run.best["mean_iou"], abs=1e-6)
    assert (tmp_path / "evaluation/scores.json").is_file()
    label_map = run.segmenter()(np.zeros((48, 64, 3), "uint8"))
    assert label_map.shape == (48, 64)
    assert keras_fcn.Run(str(run.path)).class_map == run.class_map


def test_a_run_describes_itself(trained):
    run, _ = trained
    best = run.best
    assert repr(run) == (
        f"<run {run.path}: FCN-32s, compact head, folder, 3 classes; 2 of 2 epochs, "
        f"best {best['epoch']} with a validation mean IoU of {best['mean_iou']:.1%}>"
    )
    html = run._repr_html_()
    assert "<td>class_0</td>" in html and "FCN-32s" in html


def test_evaluate_writes_into_the_run_and_has_the_scores_of_the_command(trained):
    run, _ = trained
    report = keras_fcn.evaluate(run, split="test")
    stored = json.loads((run.path / "evaluation-test/scores.json").read_text())
    assert stored == report
    assert report["num_images"] == 2


@pytest.mark.slow
def test_a_run_is_exported(trained, tmp_path):
    run, _ = trained
    path = keras_fcn.export(run, tmp_path / "export")
    assert path == tmp_path / "export/1"
    assert (path / "saved_model.pb").is_file()


def test_a_second_training_into_a_run_is_refused(trained, folder):
    run, _ = trained
    before = sorted(path.name for path in run.path.iterdir())
    with pytest.raises(FileExistsError, match="exists already"):
        keras_fcn.train(run.path, data_dir=folder, epochs=1, **OPTIONS)
    assert sorted(path.name for path in run.path.iterdir()) == before
    with pytest.raises(ValueError, match="has finished its 2 epochs"):
        keras_fcn.train(resume=run)
    again = keras_fcn.train(run.path, auto_resume=True, data_dir=folder, **OPTIONS)
    assert again.history == run.history


LOSSES = ("epoch", "loss", "val_loss", "val_mean_iou")


def test_a_run_whose_callback_fails_can_be_resumed(trained, folder, tmp_path):
    recorder, path = Recorder(fail_after=0), tmp_path / "run"
    options = {**OPTIONS, "data_dir": folder, "epochs": 2, "callbacks": [recorder]}
    with pytest.raises(ConnectionError, match="does not answer"):
        keras_fcn.train(path, **options)
    assert keras_fcn.Run(path).history["epoch"] == [1]
    resumed = keras_fcn.train(resume=path)
    for name in LOSSES:
        assert resumed.history[name] == trained[0].history[name]


def test_a_callback_stops_a_training_that_can_be_resumed(
    trained, folder, tmp_path, caplog
):
    recorder, path = Recorder(stop_after=0), tmp_path / "run"
    options = {**OPTIONS, "data_dir": folder, "epochs": 2, "callbacks": [recorder]}
    with caplog.at_level(logging.INFO, logger="keras_fcn"):
        run = keras_fcn.train(path, **options)
        assert "A callback has stopped the training" in caplog.messages
        assert run.history["epoch"] == [1]
        assert "1 of 2 epochs" in repr(run)
        resumed = keras_fcn.train(resume=run)
    for name in LOSSES:
        assert resumed.history[name] == trained[0].history[name]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epoch": 3}, r"there is no option epoch \(did you mean epochs\?\)"),
        ({"epochs": 0}, "`epochs` must be a positive integer. Received: epochs=0"),
        ({"loss": "dise"}, "`loss` must be ce, focal, .* Received: loss='dise'"),
        ({"loss": "dice", "class_weights": (1, 2)}, "are used by the losses ce, focal"),
        (
            {"class_weights": (1, 2)},
            "one number for each of the 3 classes. Rec.* 2 num",
        ),
        ({"class_weights": np.ones(5)}, "one number for each of the 3 classes"),
        ({"crop": 320}, r"`crop` must be \(height, width\) in pixels"),
        ({"checkpoint_every": "2"}, "checkpoint_every='2'"),
        ({"callbacks": [Recorder]}, "`callbacks` must be objects of `keras.callbacks"),
        ({"devices": 0}, "`devices` must be .* Received: devices=0"),
        ({"auto_resume": True}, "`auto_resume` requires `run_dir`"),
        ({"resume": "runs/x", "epochs": 2}, "own options: leave out `epochs`"),
        ({"resume": "runs/x", "run_dir": "y"}, "leave out `run_dir`"),
        ({"resume": "runs/x", "config": "camvid"}, "leave out `config`"),
        ({"momentum": 0.5}, "`momentum` has no effect with `optimizer` adamw"),
    ],
)
def test_bad_options_are_refused(folder, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    given = {"dataset": "folder", "data_dir": folder, "weights": "none", **options}
    if "resume" in options:
        given = options
    with pytest.raises(ValueError, match=message):
        keras_fcn.train(**given)
    assert not (tmp_path / "runs").exists()


def test_options_of_a_recipe_are_overridden(folder, tmp_path):
    recipe = tmp_path / "mine.toml"
    recipe.write_text("epochs = 3\nrotation = 5.0\nnum_samples = 2\n")
    run = keras_fcn.train(
        tmp_path / "run",
        config=recipe,
        data_dir=folder,
        epochs=1,
        callbacks=[Recorder()],
        **OPTIONS,
    )
    config = run.config
    assert (config.epochs, config.rotation, config.num_samples) == (1, 5.0, 1)
    with pytest.raises(FileNotFoundError, match="did you mean own-classes"):
        keras_fcn.train(config="own-clases", data_dir=folder)


def test_a_run_is_the_start_of_another(trained, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = keras_fcn.train(
        data_dir=folder, init_from=trained[0], epochs=1, batch_size=2, crop=(32, 32)
    )
    assert run.config.init_from == str(trained[0].path)
    assert run.config.head_filters == 8


def test_auto_resume_refuses_other_options(trained, folder):
    run, _ = trained
    with pytest.raises(ValueError, match="Received: epochs=3"):
        keras_fcn.train(
            run.path, auto_resume=True, data_dir=folder, **{**OPTIONS, "epochs": 3}
        )


def test_a_run_is_evaluated_by_another_runtime(trained, folder, tmp_path, monkeypatch):
    pytest.importorskip("openvino")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    run, _ = trained
    report = keras_fcn.evaluate(run, "val", runtime="openvino", data_dir=folder)
    assert report["output_dir"] == str(run.path / "evaluation-val-openvino")
    assert report["mean_iou"] == pytest.approx(run.best["mean_iou"], abs=0.01)
    with pytest.raises(ValueError, match="leave out `tta`"):
        keras_fcn.evaluate(run, "val", runtime="openvino", tta=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": 5}, "`name` must be a name or a path. Received: name=5"),
        ({"split": "tset"}, r"`split` must be .*split=tset \(did you mean test\?\)"),
        ({"batch_size": 0}, "`batch_size` must be .* Received: batch_size=0"),
        ({"splitt": "test"}, "there is no option splitt"),
    ],
)
def test_bad_arguments_of_evaluate_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        keras_fcn.evaluate(**arguments)


def test_the_signature_of_train_has_all_options_with_plain_types():
    parameters = inspect.signature(keras_fcn.train).parameters
    for field in fields(TrainingConfig):
        assert parameters[field.name].default == field.default
    text = str(inspect.signature(keras_fcn.train))
    assert "Annotated" not in text and "pydantic" not in text
    assert "epochs: int = 30" in text
    assert "class_weights: Union[Literal[" in text or "class_weights: Literal[" in text
