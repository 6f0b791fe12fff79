"""Learning rate schedule, and optimizers with a lower rate for VGG16's layers."""

from typing import Any

import keras
from keras import ops

from keras_fcn.config import TrainingConfig
from keras_fcn.typing import Tensor

_ENCODER = "block"  # names of VGG16's layers begin with it


@keras.saving.register_keras_serializable(package="keras_fcn")
class PolynomialDecayWithWarmup(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate that rises linearly, then falls as `(1 - progress) ** power`.

    Args:
        learning_rate: the highest value.
        num_steps: steps of the whole training.
        warmup_steps: steps of the rise from 0.
        power: exponent of the decay.

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

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return dict(vars(self))


def make_schedule(
    config: TrainingConfig, steps_per_epoch: int
) -> PolynomialDecayWithWarmup:
    """Return the learning rate schedule of a configuration.

    Args:
        config: the training, resolved by `resolve_config`.
        steps_per_epoch: batches in an epoch.

    Raises:
        ValueError: if the learning rate has not been resolved.
    """
    if config.learning_rate is None:
        raise ValueError("`learning_rate` must be resolved. Received: None")
    return PolynomialDecayWithWarmup(
        config.learning_rate,
        num_steps=config.epochs * steps_per_epoch,
        warmup_steps=round(config.warmup_epochs * steps_per_epoch),
        power=config.poly_power,
    )


class _SlowEncoder(keras.optimizers.Optimizer):
    """Multiplies the learning rate of VGG16's layers by `encoder_rate`.

    Keras has one rate for all variables. Weight decay uses the common rate; biases and
    batch normalization do not decay.
    """

    def __init__(self, *args: Any, encoder_rate: float = 1.0, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.encoder_rate = encoder_rate
        self.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])

    def update_step(
        self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor
    ) -> None:
        """Update a variable, with a lower rate if it is VGG16's."""
        # On TensorFlow `variable` is a tf.Variable, whose name lacks the layer.
        index = self._get_variable_index(variable)
        if self._trainable_variables[index].path.startswith(_ENCODER):
            learning_rate = learning_rate * self.encoder_rate
        super().update_step(gradient, variable, learning_rate)

    def _all_reduce_sum_gradients(self, grads_and_vars):
        # TensorFlow registers the gradient of each all-reduce that it traces, and so
        # keeps the graph and its variables in memory until the process ends.
        if self._distribution_strategy.num_replicas_in_sync == 1:
            return grads_and_vars
        return super()._all_reduce_sum_gradients(grads_and_vars)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "encoder_rate": self.encoder_rate}


class _FusedAdamW(keras.optimizers.AdamW):
    """AdamW that updates a variable with one operation on TensorFlow.

    Keras uses about ten. They take two to three times as long on a CPU, and 0.3 s
    longer to trace (docs/performance.md).
    """

    def update_step(self, gradient, variable, learning_rate):
        if keras.backend.backend() != "tensorflow" or self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        import tensorflow as tf

        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, variable.dtype),
        )


@keras.saving.register_keras_serializable(package="keras_fcn")
class SlowEncoderAdamW(_SlowEncoder, _FusedAdamW):
    """AdamW with a factor of the learning rate of VGG16's layers.

    Args:
        encoder_rate: the factor, in (0, 1]. The other arguments are those of
            `keras.optimizers.AdamW`.
    """


@keras.saving.register_keras_serializable(package="keras_fcn")
class SlowEncoderSGD(_SlowEncoder, keras.optimizers.SGD):
    """SGD with a factor of the learning rate of VGG16's layers.

    Args:
        encoder_rate: the factor, in (0, 1]. The other arguments are those of
            `keras.optimizers.SGD`.
    """


def make_optimizer(
    config: TrainingConfig, steps_per_epoch: int
) -> keras.optimizers.Optimizer:
    """Return the optimizer of a configuration.

    Args:
        config: the training, resolved by `resolve_config`.
        steps_per_epoch: batches in an epoch.
    """
    common: dict[str, Any] = {
        "learning_rate": make_schedule(config, steps_per_epoch),
        "weight_decay": config.weight_decay,
        "encoder_rate": config.encoder_rate,
    }
    if config.optimizer == "sgd":
        optimizer = SlowEncoderSGD(momentum=config.momentum, **common)
    else:
        optimizer = SlowEncoderAdamW(**common)
    if config.precision == "float16":
        # Small gradients underflow in float16: the loss is scaled up.
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer
