"""Learning rate schedule, and optimizers with a lower rate for VGG16's layers."""

import gc
import weakref

import keras
import numpy as np
import pytest

from keras_fcn.config import TrainingConfig
from keras_fcn.training.optimizer import (
    PolynomialDecayWithWarmup,
    SlowEncoderAdamW,
    SlowEncoderSGD,
    make_optimizer,
)
from keras_fcn.training.resolve import resolve_config


def optimizer_of(name, **values):
    values = {"learning_rate": 0.01, "encoder_rate": 1.0, **values}
    return make_optimizer(TrainingConfig(optimizer=name, **values), steps_per_epoch=10)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_weight_decay_applies_to_kernels_only(name):
    image = keras.Input((3,))
    x = keras.layers.Dense(2, bias_initializer="ones", name="dense")(image)
    x = keras.layers.BatchNormalization(beta_initializer="ones", name="norm")(x)
    model = keras.Model(image, x)
    optimizer = optimizer_of(name, weight_decay=0.5)
    before = [np.asarray(variable) for variable in model.trainable_variables]
    optimizer.build(model.trainable_variables)
    zeros = [np.zeros_like(value) for value in before]
    optimizer.apply_gradients(zip(zeros, model.trainable_variables, strict=True))
    after = {variable.path: variable for variable in model.trainable_variables}
    kept = {
        variable.path: np.array_equal(after[variable.path], value)
        for variable, value in zip(model.trainable_variables, before, strict=True)
    }
    assert kept == {
        "dense/kernel": False,
        "dense/bias": True,
        "norm/gamma": True,
        "norm/beta": True,
    }
    smaller = np.abs(after["dense/kernel"]) < np.abs(before[0])
    assert smaller.all()


@pytest.mark.parametrize("name", ["sgd", "adamw"])
@pytest.mark.parametrize("block", [1, 3, 5])
def test_layers_of_all_encoder_blocks_have_the_encoder_rate(name, block):
    encoder = keras.layers.Dense(1, use_bias=False, name=f"block{block}_conv1")
    head = keras.layers.Dense(1, use_bias=False, name="fc6")
    image = keras.Input((1,))
    model = keras.Model(image, head(encoder(image)))
    model.set_weights([np.ones((1, 1)), np.ones((1, 1))])
    optimizer = optimizer_of(name, encoder_rate=0.25, weight_decay=0.0)
    model.compile(optimizer=optimizer, loss="mse")
    model.train_on_batch(np.ones((1, 1)), np.zeros((1, 1)))
    steps = [1 - float(value[0, 0]) for value in model.get_weights()]
    assert steps[0] > 0
    assert steps[0] == pytest.approx(0.25 * steps[1], rel=1e-3)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_in_float16_the_loss_is_scaled_and_overflowing_steps_are_skipped(name):
    encoder = keras.layers.Dense(1, use_bias=False, name="block1_conv1")
    head = keras.layers.Dense(1, use_bias=False, name="fc6")
    image = keras.Input((1,))
    model = keras.Model(image, head(encoder(image)))
    kernels = model.trainable_variables
    optimizer = optimizer_of(
        name, encoder_rate=0.25, weight_decay=0.0, precision="float16"
    )
    optimizer.build(kernels)
    for kernel in kernels:
        kernel.assign([[1.0]])
    scale = float(optimizer.scale_loss(1.0))
    assert scale > 1
    scaled = [np.full((1, 1), 0.5 * scale, "float32")] * 2  # gradients of 0.5, scaled
    optimizer.apply_gradients(zip(scaled, kernels, strict=True))
    steps = [1 - float(np.asarray(kernel)[0, 0]) for kernel in kernels]
    assert steps[0] > 0 and steps[0] == pytest.approx(0.25 * steps[1], rel=1e-3)
    if name == "sgd":
        assert steps[1] == pytest.approx(0.5 * 0.01, rel=1e-3)
    before = [np.asarray(kernel) for kernel in kernels]
    overflow = [scaled[0], np.full((1, 1), np.inf, "float32")]
    optimizer.apply_gradients(zip(overflow, kernels, strict=True))
    np.testing.assert_array_equal(before, [np.asarray(kernel) for kernel in kernels])
    assert float(optimizer.scale_loss(1.0)) == scale / 2
    # The scale is a variable, so that it is saved for resuming.
    assert scale / 2 in [float(np.max(v)) for v in map(np.asarray, optimizer.variables)]


@pytest.mark.parametrize("optimizer", [SlowEncoderSGD, SlowEncoderAdamW])
def test_the_default_encoder_rate_is_1(optimizer):
    image = keras.Input((1,))
    encoder, head = (keras.layers.Dense(1, name=name) for name in ("block1", "fc6"))
    kernels = keras.Model(image, head(encoder(image))).trainable_variables[::2]
    for kernel in kernels:
        kernel.assign([[1.0]])
    gradients = [np.ones((1, 1), "float32")] * 2
    rate = optimizer(0.1, weight_decay=0.0)
    rate.apply_gradients(zip(gradients, kernels, strict=True))
    values = [float(kernel[0, 0]) for kernel in kernels]
    assert values == pytest.approx([0.9, 0.9], rel=1e-5)


def test_sgd_has_the_momentum_of_the_configuration():
    assert optimizer_of("sgd", momentum=0.7).momentum == 0.7


def test_default_rates_depend_on_head_weights_and_optimizer():
    def rates(**values):
        config = resolve_config(TrainingConfig(precision="float32", **values))
        return config.learning_rate, config.encoder_rate, config.freeze_blocks

    assert rates(head="compact") == (5e-4, 0.2, 2)
    assert rates(head="vgg") == (1e-4, 1.0, 2)
    assert rates(head="compact", weights="none") == (1e-4, 1.0, 0)
    assert rates(head="compact", optimizer="sgd") == (1e-3, 1.0, 2)
    assert rates(head="compact", weights="none", init_from="pretrained")[2] == 2
    given = {"learning_rate": 0.3, "encoder_rate": 0.5, "freeze_blocks": 0}
    assert rates(head="compact", **given) == (0.3, 0.5, 0)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_serialization_keeps_encoder_rate_and_weight_decay_exclusions(name):
    values = {"encoder_rate": 0.25, "weight_decay": 0.5, "momentum": 0.7}
    optimizer = optimizer_of(name, **values)
    assert optimizer.get_config()["encoder_rate"] == 0.25
    serialized = keras.optimizers.serialize(optimizer)
    assert serialized["registered_name"] == f"keras_fcn>{type(optimizer).__name__}"
    schedule = serialized["config"]["learning_rate"]["registered_name"]
    assert schedule == "keras_fcn>PolynomialDecayWithWarmup"
    loaded = keras.optimizers.deserialize(serialized)
    assert type(loaded) is {"sgd": SlowEncoderSGD, "adamw": SlowEncoderAdamW}[name]
    assert loaded.get_config() == optimizer.get_config()
    layer = keras.layers.Dense(1, name="block1_conv1", bias_initializer="ones")
    layer.build((None, 1))
    loaded.build(layer.trainable_variables)
    zeros = [np.zeros((1, 1), "float32"), np.zeros(1, "float32")]
    loaded.apply_gradients(zip(zeros, layer.trainable_variables, strict=True))
    assert float(layer.bias[0]) == 1


def test_warmup_and_decay_are_converted_to_steps():
    optimizer = optimizer_of("sgd", epochs=4, warmup_epochs=1.56, poly_power=0.5)
    config = optimizer.get_config()["learning_rate"]["config"]
    assert config == {
        "learning_rate": 0.01, "num_steps": 40, "warmup_steps": 16, "power": 0.5,
    }  # fmt: skip


def test_the_learning_rate_rises_then_falls_to_zero():
    schedule = PolynomialDecayWithWarmup(1.0, num_steps=110, warmup_steps=10, power=0.9)
    rates = [float(schedule(step)) for step in (0, 4, 9, 10, 60, 110, 200)]
    assert rates[:4] == pytest.approx([0.1, 0.5, 1.0, 1.0])
    assert rates[4] == pytest.approx(0.5**0.9)
    assert rates[5:] == [0, 0]


def test_without_warmup_the_first_rate_is_the_highest():
    schedule = PolynomialDecayWithWarmup(0.3, num_steps=10)
    assert float(schedule(0)) == pytest.approx(0.3)


def test_default_decay_has_no_warmup_and_the_power_of_deeplab():
    schedule = PolynomialDecayWithWarmup(1.0, num_steps=10)
    assert float(schedule(5)) == pytest.approx(0.5**0.9)


def test_learning_rate_of_a_training_of_one_step():
    schedule = PolynomialDecayWithWarmup(0.3, num_steps=1)
    assert [float(schedule(step)) for step in (0, 1)] == pytest.approx([0.3, 0.0])


def test_warmup_may_last_the_whole_training():
    schedule = PolynomialDecayWithWarmup(1.0, num_steps=4, warmup_steps=4)
    rates = [float(schedule(step)) for step in range(4)]
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert float(schedule(4)) == 1.0
    assert float(schedule(5)) == 0.0


def test_a_schedule_is_saved_and_loaded_with_an_optimizer():
    schedule = PolynomialDecayWithWarmup(0.3, num_steps=10, warmup_steps=2, power=2.0)
    saved = keras.optimizers.serialize(keras.optimizers.SGD(schedule))
    loaded = keras.optimizers.deserialize(saved)._learning_rate
    assert loaded.get_config() == schedule.get_config()
    assert [float(loaded(step)) for step in range(10)] == [
        float(schedule(step)) for step in range(10)
    ]


@pytest.mark.parametrize("amsgrad", [False, True])
def test_adamw_has_the_updates_of_keras(amsgrad):
    rng = np.random.default_rng(0)
    starts = [rng.normal(size=(3, 4)).astype("float32") for _ in range(2)]
    schedule = PolynomialDecayWithWarmup(0.1, num_steps=10, warmup_steps=2)
    trained = []
    for cls in (SlowEncoderAdamW, keras.optimizers.AdamW):
        options = {"weight_decay": 0.01, "beta_2": 0.6, "epsilon": 1e-3}
        optimizer = cls(schedule, amsgrad=amsgrad, **options)
        variables = [keras.Variable(value, name="kernel") for value in starts]
        optimizer.build(variables)
        rng = np.random.default_rng(1)
        for _ in range(5):
            gradients = [
                keras.ops.convert_to_tensor(rng.normal(size=(3, 4)).astype("float32"))
                for _ in variables
            ]
            optimizer.apply(gradients)
        trained.append([np.asarray(v) for v in [*variables, *optimizer.variables]])
    assert len(trained[0]) == len(trained[1])
    for value, expected in zip(*trained, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-7)
    assert np.abs(trained[0][0] - starts[0]).max() > 0.1


def test_a_variable_is_updated_by_one_operation():
    import tensorflow as tf

    kernel = keras.Variable(np.ones((3, 4)), name="kernel")
    optimizer = SlowEncoderAdamW(0.1)
    optimizer.build([kernel])
    update = tf.function(lambda gradient: optimizer.apply([gradient]))
    graph = update.get_concrete_function(tf.ones((3, 4))).graph
    assert [op.type for op in graph.get_operations()].count("ResourceApplyAdam") == 1


@pytest.mark.parametrize("cls", [SlowEncoderAdamW, SlowEncoderSGD])
def test_a_compiled_update_is_freed_with_its_graph(cls):
    import tensorflow as tf

    kernel = keras.Variable(np.ones((3, 4)), name="kernel")
    optimizer = cls(0.1)
    optimizer.build([kernel])
    update = tf.function(lambda gradient: optimizer.apply([gradient]))
    graph = weakref.ref(update.get_concrete_function(tf.ones((3, 4))).graph)
    assert graph() is not None
    del update
    gc.collect()
    assert graph() is None
