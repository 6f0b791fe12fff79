"""The learning rate over a training."""

import keras
import pytest

from keras_fcn.training.optimizer import PolynomialDecayWithWarmup


def test_the_learning_rate_rises_then_falls_to_zero():
    schedule = PolynomialDecayWithWarmup(1.0, num_steps=110, warmup_steps=10, power=0.9)
    rates = [float(schedule(step)) for step in (0, 4, 9, 10, 60, 110, 200)]
    assert rates[:4] == pytest.approx([0.1, 0.5, 1.0, 1.0])
    assert rates[4] == pytest.approx(0.5**0.9)
    assert rates[5:] == [0, 0]


def test_without_warmup_the_first_rate_is_the_highest():
    schedule = PolynomialDecayWithWarmup(0.3, num_steps=10)
    assert float(schedule(0)) == pytest.approx(0.3)


def test_by_default_it_falls_from_the_first_step_with_the_power_of_deeplab():
    schedule = PolynomialDecayWithWarmup(1.0, num_steps=10)
    assert float(schedule(5)) == pytest.approx(0.5**0.9)


def test_a_training_of_one_step_falls_in_it():
    schedule = PolynomialDecayWithWarmup(0.3, num_steps=1)
    assert [float(schedule(step)) for step in (0, 1)] == pytest.approx([0.3, 0.0])


def test_a_training_may_be_all_warmup():
    schedule = PolynomialDecayWithWarmup(1.0, num_steps=4, warmup_steps=4)
    rates = [float(schedule(step)) for step in range(4)]
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert float(schedule(4)) == 1.0
    assert float(schedule(5)) == 0.0


def test_it_is_saved_and_loaded_with_an_optimizer():
    schedule = PolynomialDecayWithWarmup(0.3, num_steps=10, warmup_steps=2, power=2.0)
    saved = keras.optimizers.serialize(keras.optimizers.SGD(schedule))
    loaded = keras.optimizers.deserialize(saved)._learning_rate
    assert loaded.get_config() == schedule.get_config()
    assert [float(loaded(step)) for step in range(10)] == [
        float(schedule(step)) for step in range(10)
    ]
