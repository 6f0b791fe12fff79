"""Network, upsampling, augmentation, loss and complete trainings on JAX."""

import itertools
import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec

import keras
import numpy as np
import pytest

from keras_fcn.commands import keras_settings
from keras_fcn.commands import train as commands_train
from keras_fcn.runs.folder import RunFolder
from keras_fcn.training.train import train
from tests.support.commands import refusal
from tests.support.data import PROJECT, tiny_config, write_folder
from tests.support.jax_training import SAME, SIZE, train_all
from tests.support.narrow import narrow_vgg16

needs_jax = pytest.mark.skipif(find_spec("jax") is None, reason="needs JAX")

SCRIPT = """
import json, sys
import keras, numpy as np
from keras_fcn import FCN
from keras_fcn.config import UPSAMPLING, TrainingConfig
from keras_fcn.losses import CrossEntropy
from keras_fcn.models.upsampling import upsample
from keras_fcn.training.augment import Augment
from keras_fcn.training.optimizer import make_optimizer
from keras_fcn.training.trainer import Trainer, fetch
from tests.support.narrow import narrow_vgg16

assert keras.backend.backend() == sys.argv[1]
with narrow_vgg16():
    network = FCN("8s", 3, "compact", None, head_filters=8)
rng = np.random.default_rng(0)
for weight in network.trainable_weights:
    scale = (2 / max(1, np.prod(weight.shape[:-1]))) ** 0.5
    weight.assign(scale * rng.normal(size=weight.shape))
image = rng.integers(0, 256, (2, 33, 47, 3)).astype("uint8")
logits = keras.ops.convert_to_numpy(network(image))


def gradient(function, logits):
    if keras.backend.backend() == "jax":
        import jax
        return jax.grad(function)(logits)
    import tensorflow as tf
    logits = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = function(logits)
    return tape.gradient(value, logits)

upsampled, gradients = {}, {}
weights = rng.normal(size=(1, 6, 8, 2)).astype("float32")
coarse = rng.normal(size=(1, 3, 4, 2)).astype("float32")
pooled = np.round(rng.normal(size=(1, 6, 8, 5)), 1).astype("float32")
for method in UPSAMPLING:
    inputs = [keras.Input((None, None, channels)) for channels in (2, 5)]
    outputs = upsample(inputs[0], 2, method, "upscore", inputs[1:])
    upsampling_model = keras.Model(inputs, outputs)
    values = upsampling_model.predict_on_batch([coarse, pooled])
    upsampled[method] = np.asarray(values).ravel().tolist()
    features = keras.ops.convert_to_tensor(pooled)
    slope = gradient(
        lambda x: keras.ops.sum(upsampling_model([x, features]) * weights), coarse
    )
    gradients[method] = np.asarray(slope).ravel().tolist()

augment = Augment((32, 32), 255, seed=1)
loss = CrossEntropy(255, [1.0, 2.0, 0.5])
trainer = Trainer(network, augment, 3, 255, loss)
config = TrainingConfig(learning_rate=1e-6, encoder_rate=0.5)
trainer.compile(optimizer=make_optimizer(config, 10))
trainer.build()
batch = {
    "image": image,
    "label_map": rng.integers(0, 3, (2, 33, 47)).astype("uint8"),
    "size": np.full((2, 2), (33, 47), "int32"),
}
scores = trainer.test_on_batch(batch, return_dict=True)
traced, call = [], Trainer.call

def spy(self, inputs, training=False):
    traced.append(training)
    return call(self, inputs, training)

Trainer.call = spy
with trainer.epoch() as train_on:
    for _ in range(3):
        trained = train_on(batch)
print(json.dumps({
    "logits": logits[0, ::8, ::8].ravel().tolist(),
    "upsampled": upsampled,
    "gradients": gradients,
    "scores": {name: float(value) for name, value in scores.items()},
    "traced": len(traced),
    "steps": int(trainer.optimizer.iterations),
    "pixels": int(trainer.confusion.matrix().sum()),
    "loss": fetch(trained)["loss"],
}))
"""


def run_on(backend):
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, backend],
        cwd=PROJECT,
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def histories(tmp_path_factory):
    """Histories of the trainings of `train_all`, on TensorFlow and on JAX."""
    data = tmp_path_factory.mktemp("data")
    folder = write_folder(data / "first", {"train": 5, "val": 3}, SIZE)
    second = write_folder(data / "second", {"train": 4, "val": 1}, (40, 30))
    runs = tmp_path_factory.mktemp("runs")
    config = tiny_config(folder, **SAME, epochs=1)
    with narrow_vgg16():
        start = train(config, runs / "start").path
    arguments = [str(path) for path in (folder, second, start, runs / "jax")]
    command = [sys.executable, "-m", "tests.support.jax_training", *arguments]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    with subprocess.Popen(
        command,
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        tensorflow = train_all(*arguments[:3], runs / "tensorflow")
        out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return {"tensorflow": tensorflow, **json.loads(out.splitlines()[-1])}, runs


@needs_jax
@pytest.mark.parametrize("training", ["plain", "augmented"])
def test_a_training_has_the_same_losses_on_jax(histories, training):
    """Batches are equal: two data sets of two sizes, with padding and void images."""
    tensorflow, jax = (histories[0][name][training] for name in ("tensorflow", "jax"))
    assert len(tensorflow) == len(jax) == (2 if training == "plain" else 1)
    for one, other in zip(tensorflow, jax, strict=True):
        # Three steps per epoch; float32 sums differ in their order.
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-4)
        assert other["val_loss"] == pytest.approx(one["val_loss"], rel=1e-3)
        assert other["mean_iou"] == pytest.approx(one["mean_iou"], abs=0.01)
        assert other["val_mean_iou"] == pytest.approx(one["val_mean_iou"], abs=0.01)


@needs_jax
def test_the_compared_losses_differ_between_epochs_and_trainings(histories):
    plain, augmented = (histories[0]["jax"][name] for name in ("plain", "augmented"))
    losses = [plain[0]["loss"], plain[1]["loss"], augmented[0]["loss"]]
    for one, other in itertools.combinations(losses, 2):
        assert one != pytest.approx(other, rel=1e-3)


@needs_jax
def test_a_resumed_training_on_jax_has_the_history_of_an_uninterrupted_one(histories):
    assert histories[0]["jax"]["resumed"] == histories[0]["jax"]["plain"]


@needs_jax
def test_a_run_on_jax_has_the_files_of_a_run_on_tensorflow(histories):
    names = [
        {
            re.sub(r"tfevents\..*", "tfevents", str(path.relative_to(runs / "plain")))
            for path in (runs / "plain").rglob("*")
            if not path.name.startswith("best")
        }
        for runs in (histories[1] / "tensorflow", histories[1] / "jax")
    ]
    assert names[0] == names[1]
    assert {"calibration.json", "history.csv", "samples/epoch-0002.png"} <= names[1]
    assert "tensorboard/validation/events.out.tfevents" in names[1]
    run = RunFolder.open(histories[1] / "jax" / "plain")
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
    assert "KERAS_BACKEND=jax requires JAX, which can't be imported: " in line


@pytest.mark.slow
@needs_jax
def test_values_and_gradients_on_jax_equal_those_on_tensorflow():
    assert keras.backend.backend() == "tensorflow"
    tensorflow, jax = run_on("tensorflow"), run_on("jax")
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
