"""The learning rate over the steps of a training."""

import keras
from keras import ops

from keras_fcn.config import TrainingConfig
from keras_fcn.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_fcn")
class PolynomialDecayWithWarmup(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate that rises linearly, then falls as `(1 - progress) ** power`.

    Args:
        learning_rate: the highest value.
        num_steps: steps of the whole training.
        warmup_steps: steps of the rise from 0.
        power: exponent of the fall.

    Reference: Chen et al., "DeepLab", 2016, section 4.1, the "poly" policy.
    """

    def __init__(
        self,
        learning_rate: float,
        num_steps: int,
        warmup_steps: int = 0,
        power: float = 0.9,
    ):
        self.learning_rate = learning_rate
        self.num_steps = num_steps
        self.warmup_steps = warmup_steps
        self.power = power

    def __call__(self, step: Tensor) -> Tensor:
        """Return the rate of a step, counted from 0; float32, 0 after the last."""
        step = ops.cast(step, "float32")
        progress = (step - self.warmup_steps) / max(
            1, self.num_steps - self.warmup_steps
        )
        decay = (1 - ops.clip(progress, 0.0, 1.0)) ** self.power
        rise = ops.minimum(1.0, (step + 1) / max(1, self.warmup_steps))
        return self.learning_rate * decay * rise

    def get_config(self):
        return {
            "learning_rate": self.learning_rate,
            "num_steps": self.num_steps,
            "warmup_steps": self.warmup_steps,
            "power": self.power,
        }


def make_schedule(
    config: TrainingConfig, steps_per_epoch: int
) -> PolynomialDecayWithWarmup:
    """Return the learning rate of a configuration.

    Args:
        config: the training, with the rates that `resolve_config` gave it.
        steps_per_epoch: batches in an epoch.
    """
    return PolynomialDecayWithWarmup(
        config.learning_rate,
        num_steps=config.epochs * steps_per_epoch,
        warmup_steps=round(config.warmup_epochs * steps_per_epoch),
        power=config.poly_power,
    )
