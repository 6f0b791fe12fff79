"""Network, upsampling, augmentation, loss and complete trainings on JAX."""

import itertools
import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from keras_fcn.commands import keras_settings
from keras_fcn.commands import train as commands_train
from keras_fcn.runs.folder import RunFolder
from keras_fcn.training.train import train
from tests.support.backend_results import all_results
from tests.support.commands import refusal
from tests.support.data import PROJECT, tiny_config, write_folder
from tests.support.jax_training import SAME, SIZE
from tests.support.narrow import narrow_vgg16

needs_jax = pytest.mark.skipif(find_spec("jax") is None, reason="needs JAX")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What `all_results` returns on TensorFlow and on JAX, and the folder of its runs.

    One process computes all results on JAX, while this one computes those on
    TensorFlow.
    """
    data = tmp_path_factory.mktemp("data")
    folder = write_folder(data / "first", {"train": 5, "val": 3}, SIZE)
    second = write_folder(data / "second", {"train": 4, "val": 1}, (40, 30))
    runs = tmp_path_factory.mktemp("runs")
    config = tiny_config(folder, **SAME, epochs=1)
    with narrow_vgg16():
        start = train(config, runs / "start").path
    fit_folder = write_folder(data / "fit")
    arguments = [str(path) for path in (fit_folder, folder, second, start)]
    command = [sys.executable, "-m", "tests.support.backend_results", *arguments]
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        # Compiling takes longer than all steps: quickly, and each step once.
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
        "JAX_COMPILATION_CACHE_DIR": str(runs / "cache"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    with subprocess.Popen(
        [*command, runs / "jax"],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        tensorflow = all_results(*arguments, runs / "tensorflow")
        out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    jax = json.loads(out.splitlines()[-1])
    assert (tensorflow["backend"], jax["backend"]) == ("tensorflow", "jax")
    return tensorflow, jax, runs


@needs_jax
@pytest.mark.parametrize("training", ["plain", "augmented"])
@pytest.mark.slow(seconds=50)
def test_a_training_has_the_same_losses_on_jax(results, training):
    """Batches are equal: two data sets of two sizes, with padding and void images."""
    tensorflow, jax = (result["trainings"][training] for result in results[:2])
    assert len(tensorflow) == len(jax) == (2 if training == "plain" else 1)
    for one, other in zip(tensorflow, jax, strict=True):
        # Three steps per epoch; float32 sums differ in their order.
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-4)
        assert other["val_loss"] == pytest.approx(one["val_loss"], rel=1e-3)
        assert other["mean_iou"] == pytest.approx(one["mean_iou"], abs=0.01)
        assert other["val_mean_iou"] == pytest.approx(one["val_mean_iou"], abs=0.01)


@needs_jax
@pytest.mark.slow
def test_the_compared_losses_differ_between_epochs_and_trainings(results):
    plain, augmented = (
        results[1]["trainings"][name] for name in ("plain", "augmented")
    )
    losses = [plain[0]["loss"], plain[1]["loss"], augmented[0]["loss"]]
    for one, other in itertools.combinations(losses, 2):
        assert one != pytest.approx(other, rel=1e-3)


@needs_jax
@pytest.mark.slow
def test_a_resumed_training_on_jax_has_the_history_of_an_uninterrupted_one(results):
    trainings = results[1]["trainings"]
    assert trainings["resumed"] == trainings["plain"]


@needs_jax
@pytest.mark.slow
def test_a_run_on_jax_has_the_files_of_a_run_on_tensorflow(results):
    *_, folder = results
    names = [
        {
            re.sub(r"tfevents\..*", "tfevents", str(path.relative_to(runs / "plain")))
            for path in (runs / "plain").rglob("*")
            if not path.name.startswith("best")
        }
        for runs in (folder / "tensorflow", folder / "jax")
    ]
    assert names[0] == names[1]
    assert {"calibration.json", "history.csv", "samples/epoch-0002.png"} <= names[1]
    assert "tensorboard/validation/events.out.tfevents" in names[1]
    run = RunFolder.open(folder / "jax" / "plain")
    assert run.read_metrics()["epoch"] in (1, 2)
    logits = run.load_model().predict_on_batch(np.zeros((1, 32, 32, 3), "uint8"))
    assert np.isfinite(logits).all()


@pytest.mark.parametrize(
    ("backend", "has_packages", "message"),
    [
        (
            "jx",
            True,
            "KERAS_BACKEND must be tensorflow or jax, got jx (did you mean jax",
        ),
        ("torch", True, "KERAS_BACKEND must be tensorflow or jax, got torch"),
        ("jax", False, "requires JAX, which is not installed"),
    ],
)
def test_an_unusable_backend_is_a_one_line_error(
    tmp_path, monkeypatch, capsys, backend, has_packages, message
):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    if not has_packages:
        monkeypatch.setattr(keras_settings, "find_spec", lambda name: None)
    folder = write_folder(tmp_path / "mine")
    line = refusal(commands_train, capsys, "--dataset", "folder", "--data-dir", folder)
    assert message in line


def test_jax_that_can_not_be_imported_is_a_one_line_error(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr(keras_settings, "find_spec", lambda name: True)
    monkeypatch.setitem(sys.modules, "jax", None)  # importing it raises ImportError
    folder = write_folder(tmp_path / "mine")
    line = refusal(commands_train, capsys, "--dataset", "folder", "--data-dir", folder)
    assert "KERAS_BACKEND=jax requires a package that can't be imported: " in line
    assert "import of jax" in line


@pytest.mark.slow
@needs_jax
def test_values_and_gradients_on_jax_equal_those_on_tensorflow(results):
    tensorflow, jax = (result["values"] for result in results[:2])
    np.testing.assert_allclose(
        jax["logits"], tensorflow["logits"], rtol=1e-3, atol=1e-3
    )
    for method, values in tensorflow["upsampled"].items():
        assert len(values) == 6 * 8 * 2
        np.testing.assert_allclose(jax["upsampled"][method], values, atol=1e-5)
        slopes = tensorflow["gradients"][method]
        assert np.abs(slopes).max() > 0
        np.testing.assert_allclose(jax["gradients"][method], slopes, atol=1e-5)
    assert jax["scores"] == pytest.approx(tensorflow["scores"], rel=1e-3)
    assert 0 < jax["pixels"] <= 3 * 2 * 32 * 32
    # The step is compiled once, and the variables hold the state after the steps.
    assert (jax["traced"], jax["steps"]) == (tensorflow["traced"], 3) == (1, 3)
    assert np.isfinite(jax["loss"])


@needs_jax
def test_fit_and_the_losses_on_jax_equal_those_on_tensorflow(results):
    one, other = (result["fit"] for result in results[:2])
    assert one["refused"] and other["refused"]
    for name, (value, gradient) in one["losses"].items():
        assert other["losses"][name][0] == pytest.approx(value, rel=1e-5)
        np.testing.assert_allclose(other["losses"][name][1], gradient, atol=1e-6)
    for history in (one["history"], other["history"]):
        assert history["val_loss"][-1] < history["val_loss"][0]
    # Each backend has its own random numbers.
    assert other["history"]["val_loss"][-1] == pytest.approx(
        one["history"]["val_loss"][-1], rel=0.3
    )
    # The metrics in the logs have more digits than float32.
    for scores in (one["scores"], other["scores"]):
        assert abs(scores["metric"] - scores["evaluation"]) < 1e-9
