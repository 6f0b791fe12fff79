"""The trainer model: its losses, metrics, seeds and state."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_fcn.losses import CrossEntropy
from keras_fcn.models.fcn import FCN
from keras_fcn.storage.arrays import read_arrays, write_arrays
from keras_fcn.training.augment import Augment
from keras_fcn.training.epoch_loss import EpochLoss
from keras_fcn.training.trainer import Trainer, fetch
from tests.support.narrow import narrow_vgg16


@pytest.fixture(scope="module")
def trainer():
    keras.utils.set_random_seed(0)
    with narrow_vgg16():
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


def test_training_uses_crops_and_validation_uses_whole_images(trainer):
    outputs = trainer(batch_of(), training=True)
    assert outputs["logits"].shape == (2, 32, 32, 3)
    outputs = trainer(batch_of(), training=False)
    assert outputs["logits"].shape == (2, 48, 64, 3)
    np.testing.assert_array_equal(outputs["label_map"], batch_of()["label_map"])


def test_an_all_void_batch_has_zero_loss_and_no_counts(trainer):
    trainer.reset_metrics()
    logs = trainer.test_on_batch(batch_of(void=True), return_dict=True)
    assert logs["loss"] == 0
    assert trainer.confusion.matrix().sum() == 0


def test_metrics_are_accumulated_over_the_whole_epoch(trainer):
    losses = []
    for seed in range(3):
        trainer.reset_metrics()
        losses.append(trainer.test_on_batch(batch_of(seed), return_dict=True)["loss"])
    logs = trainer.evaluate(
        tf.data.Dataset.from_tensor_slices(
            {
                key: np.stack([batch_of(seed)[key] for seed in range(3)])
                for key in batch_of()
            }
        ),
        return_dict=True,
        verbose=0,
    )
    assert trainer.confusion.matrix().sum() == 3 * 2 * 48 * 64
    assert float(logs["loss"]) == pytest.approx(np.mean(losses), rel=1e-5)


def test_void_examples_change_neither_loss_nor_scores(trainer):
    batch, void = batch_of(), batch_of(seed=1, void=True)
    filled = {key: np.concatenate([batch[key], void[key]]) for key in batch}
    scores = []
    for examples in (batch, filled):
        data = tf.data.Dataset.from_tensors(examples)
        scores.append(trainer.evaluate(data, return_dict=True, verbose=0))
    numbers = [{k: float(v) for k, v in each.items()} for each in scores]
    assert numbers[1] == pytest.approx(numbers[0], rel=1e-6)
    assert trainer.epoch_loss.first_non_finite_step() == 2  # of one step


def test_the_loss_of_an_epoch_is_weighted_by_labeled_pixels():
    loss = EpochLoss()
    # Two pixels at 1 nat, one at 4; a batch without labeled pixels is ignored.
    loss.update_state(1.0, 2.0)
    loss.update_state(4.0, 1.0)
    loss.update_state(7.0, 0.0)
    assert float(loss.result()) == 2.0
    assert loss.first_non_finite_step() == 4
    loss.reset_state()
    assert float(loss.result()) == 0.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_loss_that_is_not_finite_is_kept(bad):
    loss = EpochLoss()
    for value in (1.0, bad, 1.0, -bad):
        loss.update_state(value, 1.0)
    assert not np.isfinite(float(loss.result()))
    assert loss.first_non_finite_step() == 2
    loss.reset_state()
    loss.update_state(bad, 0.0)  # also without labeled pixels
    assert not np.isfinite(float(loss.result()))
    assert loss.first_non_finite_step() == 1


def test_steps_transfer_no_values_to_the_host_before_fetch(trainer, monkeypatch):
    conversions = []

    def count_conversions(owner, name):
        convert = getattr(owner, name)
        monkeypatch.setattr(
            owner, name, lambda tensor: conversions.append(name) or convert(tensor)
        )

    # Conversions from tensors to Python: `numpy()`, `float()`, and that of Keras.
    count_conversions(type(tf.constant(0.0)), "_numpy")
    count_conversions(keras.ops, "convert_to_numpy")
    with trainer.epoch() as train_on:
        for seed in range(3):
            scores = train_on(
                {name: tf.constant(value) for name, value in batch_of(seed).items()}
            )
        assert not conversions
        scores = fetch(scores)
    assert len(conversions) == 1  # all scores at once
    assert {type(value) for value in scores.values()} == {float}
    assert set(scores) == {
        "loss", "pixel_accuracy", "mean_accuracy", "mean_iou", "frequency_weighted_iou"
    }  # fmt: skip
    # Counts of the whole epoch, without pixels outside the images.
    assert 2 * 2 * 32 * 32 < trainer.confusion.matrix().sum() <= 3 * 2 * 32 * 32


def test_class_weights_are_used_in_training_only():
    network = FCN("32s", 3, "compact", None, head_filters=8)
    augment = Augment((32, 32), 255)
    loss = CrossEntropy(255, class_weights=[1, 2, 100])
    weighted = Trainer(network, augment, 3, 255, loss)
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


def test_random_numbers_depend_on_the_seeds_only(trainer):
    def augmented(seed):
        trainer.set_seeds(np.random.default_rng(seed))
        return np.asarray(trainer(batch_of(), training=True)["logits"])

    # Initial logits are zero everywhere: random kernels make them differ.
    kernel = trainer.network.get_layer("score_fr").kernel
    kernel.assign(np.random.default_rng(0).normal(size=kernel.shape))
    first, second = augmented((0, 1)), augmented((0, 2))
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_array_equal(augmented((0, 1)), first)


def test_each_seed_generator_gets_a_different_seed(trainer):
    trainer.set_seeds(np.random.default_rng(0))
    states = [
        tuple(np.asarray(variable).tolist())
        for variable in trainer.variables
        if variable.name == "seed_generator_state"
    ]
    assert len(states) == 3  # of two dropouts and the augmentation
    assert len(set(states)) == 3


def test_loading_a_state_that_does_not_fit_changes_no_variable(trainer, tmp_path):
    trainer.build()
    trainer.optimizer.build(trainer.trainable_variables)
    path, other = tmp_path / "state.safetensors", tmp_path / "other.safetensors"
    trainer.save_state(path)
    values = {name: array + 1 for name, array in read_arrays(path).items()}
    last = max(values)
    write_arrays(other, {**values, last: np.zeros(7)})
    with pytest.raises(ValueError, match=f"{other} does not fit .* {last} of shape"):
        trainer.load_state(other)
    arrays = read_arrays(path)
    for name, variable in trainer._state().items():
        np.testing.assert_array_equal(np.asarray(variable), arrays[name])
    trainer.load_state(path)
