"""Network, upsampling, augmentation, loss and trainer on Keras's JAX backend."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import keras
import numpy as np
import pytest

from tests.support.data import PROJECT

SCRIPT = """
import json, sys
import keras, numpy as np
from keras_fcn import FCN
from keras_fcn.config import UPSAMPLING, TrainingConfig
from keras_fcn.models.upsampling import upsample
from keras_fcn.training.augment import Augment
from keras_fcn.training.optimizer import make_optimizer
from keras_fcn.training.trainer import Trainer, fetch

assert keras.backend.backend() == sys.argv[1]
network = FCN("8s", 3, "compact", None, head_filters=8)
rng = np.random.default_rng(0)
for weight in network.trainable_weights:
    scale = (2 / max(1, np.prod(weight.shape[:-1]))) ** 0.5
    weight.assign(scale * rng.normal(size=weight.shape))
image = rng.integers(0, 256, (2, 33, 47, 3)).astype("uint8")
logits = keras.ops.convert_to_numpy(network(image))


def gradient(function, scores):
    if keras.backend.backend() == "jax":
        import jax
        return jax.grad(function)(scores)
    import tensorflow as tf
    scores = tf.constant(scores)
    with tf.GradientTape() as tape:
        tape.watch(scores)
        value = function(scores)
    return tape.gradient(value, scores)

enlarged, gradients = {}, {}
weights = rng.normal(size=(1, 6, 8, 2)).astype("float32")
coarse = rng.normal(size=(1, 3, 4, 2)).astype("float32")
pooled = np.round(rng.normal(size=(1, 6, 8, 5)), 1).astype("float32")
for method in UPSAMPLING:
    inputs = [keras.Input((None, None, channels)) for channels in (2, 5)]
    outputs = upsample(inputs[0], 2, method, "upscore", inputs[1:])
    enlarge = keras.Model(inputs, outputs)
    values = enlarge.predict_on_batch([coarse, pooled])
    enlarged[method] = np.asarray(values).ravel().tolist()
    features = keras.ops.convert_to_tensor(pooled)
    slope = gradient(lambda x: keras.ops.sum(enlarge([x, features]) * weights), coarse)
    gradients[method] = np.asarray(slope).ravel().tolist()

augment = Augment((32, 32), 255, seed=1)
trainer = Trainer(network, augment, 3, 255, class_weights=np.array([1.0, 2.0, 0.5]))
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
    "enlarged": enlarged,
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


@pytest.mark.slow
@pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")
def test_tensorflow_and_jax_agree():
    assert keras.backend.backend() == "tensorflow"
    tensorflow, jax = run_on("tensorflow"), run_on("jax")
    np.testing.assert_allclose(
        jax["logits"], tensorflow["logits"], rtol=1e-3, atol=1e-3
    )
    for method, values in tensorflow["enlarged"].items():
        assert len(values) == 6 * 8 * 2
        np.testing.assert_allclose(jax["enlarged"][method], values, atol=1e-5)
        slopes = tensorflow["gradients"][method]
        assert np.abs(slopes).max() > 0
        np.testing.assert_allclose(jax["gradients"][method], slopes, atol=1e-5)
    assert jax["scores"] == pytest.approx(tensorflow["scores"], rel=1e-3)
    assert 0 < jax["pixels"] <= 3 * 2 * 32 * 32
    # Compiled once; and what steps hand on is in the variables after them.
    assert (jax["traced"], jax["steps"]) == (tensorflow["traced"], 3) == (1, 3)
    assert np.isfinite(jax["loss"])
