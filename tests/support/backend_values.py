"""Values of the network and its parts on the backend of this process."""

from unittest import mock

import keras
import numpy as np

from keras_fcn import FCN
from keras_fcn.config import UPSAMPLING, TrainingConfig
from keras_fcn.losses import CrossEntropy
from keras_fcn.models.upsampling import upsample
from keras_fcn.training.augment import Augment
from keras_fcn.training.optimizer import make_optimizer
from keras_fcn.training.trainer import Trainer, fetch
from tests.support.narrow import narrow_vgg16


def backend_values():
    """Logits, upsampled maps with gradients, and scores and loss of a trainer."""
    with narrow_vgg16():
        network = FCN("8s", 3, "compact", None, head_filters=8)
    rng = np.random.default_rng(0)
    for weight in network.trainable_weights:
        scale = (2 / max(1, np.prod(weight.shape[:-1]))) ** 0.5
        weight.assign(scale * rng.normal(size=weight.shape))
    image = rng.integers(0, 256, (2, 33, 47, 3)).astype("uint8")
    logits = keras.ops.convert_to_numpy(network(image))
    upsampled, gradients = _upsampled_and_gradients(rng)
    batch = {
        "image": image,
        "label_map": rng.integers(0, 3, (2, 33, 47)).astype("uint8"),
        "size": np.full((2, 2), (33, 47), "int32"),
    }
    return {
        "logits": logits[0, ::8, ::8].ravel().tolist(),
        "upsampled": upsampled,
        "gradients": gradients,
        **_training_values(network, batch),
    }


def _upsampled_and_gradients(rng):
    upsampled, gradients = {}, {}
    weights = rng.normal(size=(1, 6, 8, 2)).astype("float32")
    coarse = rng.normal(size=(1, 3, 4, 2)).astype("float32")
    pooled = np.round(rng.normal(size=(1, 6, 8, 5)), 1).astype("float32")
    features = keras.ops.convert_to_tensor(pooled)
    for method in UPSAMPLING:
        inputs = [keras.Input((None, None, channels)) for channels in (2, 5)]
        outputs = upsample(inputs[0], 2, method, "upscore", inputs[1:])
        model = keras.Model(inputs, outputs)
        values = model.predict_on_batch([coarse, pooled])
        upsampled[method] = np.asarray(values).ravel().tolist()
        slope = _gradient(model, features, weights, coarse)
        gradients[method] = np.asarray(slope).ravel().tolist()
    return upsampled, gradients


def _gradient(model, features, weights, coarse):
    def weighted_sum(x):
        return keras.ops.sum(model([x, features]) * weights)

    if keras.backend.backend() == "jax":
        import jax

        return jax.grad(weighted_sum)(coarse)
    import tensorflow as tf

    coarse = tf.constant(coarse)
    with tf.GradientTape() as tape:
        tape.watch(coarse)
        value = weighted_sum(coarse)
    return tape.gradient(value, coarse)


def _training_values(network, batch):
    augment = Augment((32, 32), 255, seed=1)
    trainer = Trainer(network, augment, 3, 255, CrossEntropy(255, [1.0, 2.0, 0.5]))
    config = TrainingConfig(learning_rate=1e-6, encoder_rate=0.5)
    trainer.compile(optimizer=make_optimizer(config, 10))
    trainer.build()
    scores = trainer.test_on_batch(batch, return_dict=True)
    with mock.patch.object(Trainer, "call", autospec=True, side_effect=Trainer.call):
        with trainer.epoch() as train_on:
            for _ in range(3):
                trained = train_on(batch)
        num_traced = Trainer.call.call_count
    return {
        "scores": {name: float(value) for name, value in scores.items()},
        "traced": num_traced,
        "steps": int(trainer.optimizer.iterations),
        "pixels": int(trainer.confusion.matrix().sum()),
        "loss": fetch(trained)["loss"],
    }
