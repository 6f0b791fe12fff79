"""Placement of variables and computations on a GPU."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_fcn.models.fcn import FCN
from keras_fcn.models.inference import prediction_model
from keras_fcn.training.augment import Augment
from keras_fcn.training.trainer import Trainer

pytestmark = pytest.mark.skipif(
    not tf.config.list_physical_devices("GPU"), reason="there is no GPU"
)


@pytest.fixture(scope="module")
def network():
    return FCN("8s", 3, "compact", None, head_filters=8)


def test_variables_and_predictions_are_on_the_gpu(network):
    assert {variable.value.device[-5:] for variable in network.weights} == {"GPU:0"}
    images = np.zeros((1, 32, 32, 3), "uint8")
    label_map = prediction_model(network)(images)
    assert label_map.device.endswith("GPU:0")


@pytest.mark.parametrize("jit_compile", [True, False])
def test_a_training_step_returns_its_scores_on_the_gpu(network, jit_compile):
    trainer = Trainer(network, Augment((32, 32), 255), 3, 255)
    trainer.compile(optimizer=keras.optimizers.AdamW(1e-4), jit_compile=jit_compile)
    trainer.build()
    batch = {
        "image": tf.zeros((2, 48, 64, 3), tf.uint8),
        "label_map": tf.zeros((2, 48, 64), tf.uint8),
        "size": tf.constant([[48, 64]] * 2),
    }
    with trainer.epoch() as train_on:
        scores = train_on(batch)
    assert {value.device[-5:] for value in scores.values()} == {"GPU:0"}
