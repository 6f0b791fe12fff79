"""The trainer model, its learning rate and its optimizers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_fcn.config import TrainingConfig
from keras_fcn.models.fcn import FCN
from keras_fcn.training.augment import Augment
from keras_fcn.training.trainer import (
    PolynomialDecayWithWarmup,
    Trainer,
    make_augment,
    make_optimizer,
)
from tests.support.data import tiny_config


@pytest.fixture(scope="module")
def trainer():
    keras.utils.set_random_seed(0)
    network = FCN("32s", 3, "compact", None, head_filters=8)
    trainer = Trainer(network, Augment((32, 32), 255, seed=1), 3, 255)
    trainer.compile(optimizer=keras.optimizers.AdamW(1e-4), jit_compile=False)
    return trainer


def batch_of(seed=0, void=False):
    rng = np.random.default_rng(seed)
    label_map = rng.integers(0, 3, (2, 48, 64)).astype("uint8")
    if void:
        label_map[:] = 255
    return {
        "image": rng.integers(0, 256, (2, 48, 64, 3)).astype("uint8"),
        "label_map": label_map,
        "size": np.full((2, 2), (48, 64), "int32"),
    }


def test_the_first_loss_is_the_logarithm_of_the_number_of_classes(trainer):
    logs = trainer.test_on_batch(batch_of(), return_dict=True)
    assert logs["loss"] == pytest.approx(np.log(3), rel=1e-5)


def test_training_sees_crops_and_validation_whole_images(trainer):
    outputs = trainer(batch_of(), training=True)
    assert outputs["logits"].shape == (2, 32, 32, 3)
    outputs = trainer(batch_of(), training=False)
    assert outputs["logits"].shape == (2, 48, 64, 3)
    np.testing.assert_array_equal(outputs["label_map"], batch_of()["label_map"])


def test_a_batch_of_void_changes_no_gradient_and_no_score(trainer):
    trainer.reset_metrics()
    logs = trainer.test_on_batch(batch_of(void=True), return_dict=True)
    assert logs["loss"] == 0
    assert trainer.confusion.matrix().sum() == 0


def test_metrics_are_of_the_whole_epoch(trainer):
    losses = []
    for seed in range(3):
        trainer.reset_metrics()
        losses.append(trainer.test_on_batch(batch_of(seed), return_dict=True)["loss"])
    with trainer.scores_of_an_epoch():
        for seed in range(3):
            logs = trainer.test_on_batch(batch_of(seed), return_dict=True)
    assert trainer.confusion.matrix().sum() == 3 * 2 * 48 * 64
    assert logs["loss"] == pytest.approx(np.mean(losses), rel=1e-5)


def test_class_weights_act_in_training_alone():
    network = FCN("32s", 3, "compact", None, head_filters=8)
    augment = Augment((32, 32), 255)
    weights = np.array([1, 2, 100], "float32")
    weighted = Trainer(network, augment, 3, 255, weights)
    prediction = {
        "logits": np.random.default_rng(0).normal(size=(1, 4, 4, 3)).astype("float32"),
        "label_map": np.arange(16).reshape(1, 4, 4) % 3,
    }
    plain = Trainer(network, augment, 3, 255)
    unweighted = float(plain.compute_loss(y_pred=prediction))
    in_validation = weighted.compute_loss(y_pred=prediction, training=False)
    assert float(in_validation) == pytest.approx(unweighted)
    in_training = weighted.compute_loss(y_pred=prediction, training=True)
    assert float(in_training) != pytest.approx(unweighted)


def test_augmentation_is_part_of_the_compiled_step(trainer):
    trainer.make_train_function()

    @tf.function
    def step(batch):
        return trainer(batch, training=True)

    graph = step.get_concrete_function(
        {name: tf.constant(value) for name, value in batch_of().items()}
    ).graph
    names = [operation.name for operation in graph.get_operations()]
    assert [name for name in names if "augment" in name and "Gather" in name]


def test_the_learning_rate_rises_then_falls_to_zero():
    schedule = PolynomialDecayWithWarmup(1.0, num_steps=110, warmup_steps=10, power=0.9)
    rates = [float(schedule(step)) for step in (0, 4, 9, 10, 60, 110, 200)]
    assert rates[:4] == pytest.approx([0.1, 0.5, 1.0, 1.0])
    assert rates[4] == pytest.approx(0.5**0.9)
    assert rates[5:] == [0, 0]


def test_without_warmup_the_first_rate_is_the_highest():
    schedule = PolynomialDecayWithWarmup(0.3, num_steps=10)
    assert float(schedule(0)) == pytest.approx(0.3)


def test_biases_do_not_decay(tmp_path):
    for name in ("adamw", "sgd"):
        config = tiny_config(tmp_path, optimizer=name, weight_decay=0.5)
        optimizer = make_optimizer(config, steps_per_epoch=1)
        layer = keras.layers.Dense(1)
        layer.build((None, 1))
        layer.bias.assign([1.0])
        layer.kernel.assign([[1.0]])
        optimizer.build(layer.trainable_variables)
        zeros = [np.zeros((1, 1), "float32"), np.zeros(1, "float32")]
        optimizer.apply_gradients(zip(zeros, layer.trainable_variables, strict=True))
        assert float(layer.bias[0]) == 1
        assert float(layer.kernel[0, 0]) < 1


def test_the_default_rate_belongs_to_the_optimizer(tmp_path):
    rates = {
        name: float(
            make_optimizer(tiny_config(tmp_path, optimizer=name), 1).learning_rate
        )
        for name in ("adamw", "sgd")
    }
    assert rates == pytest.approx({"adamw": 1e-4, "sgd": 1e-3})


def test_augmentation_switched_off_leaves_the_crop(tmp_path):
    layer = make_augment(tiny_config(tmp_path, augment=False), (48, 64), 255)
    batch = batch_of()
    image, label_map = layer(batch["image"], batch["label_map"], batch["size"])
    np.testing.assert_array_equal(image, batch["image"])
    np.testing.assert_array_equal(label_map, batch["label_map"])


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_vgg16s_layers_learn_at_their_own_rate(optimizer):
    encoder = keras.layers.Dense(1, use_bias=False, name="block1_conv1")
    head = keras.layers.Dense(1, use_bias=False, name="fc6")
    image = keras.Input((1,))
    model = keras.Model(image, head(encoder(image)))
    model.set_weights([np.ones((1, 1)), np.ones((1, 1))])
    config = TrainingConfig(
        optimizer=optimizer, learning_rate=0.01, encoder_rate=0.25, weight_decay=0.0
    )
    model.compile(optimizer=make_optimizer(config, 10), loss="mse")
    model.train_on_batch(np.ones((1, 1)), np.zeros((1, 1)))
    steps = [1 - float(value[0, 0]) for value in model.get_weights()]
    assert steps[0] > 0
    assert steps[0] == pytest.approx(0.25 * steps[1], rel=1e-3)
