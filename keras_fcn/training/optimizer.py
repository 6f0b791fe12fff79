"""Optimizers that train VGG16's layers at a rate of their own."""

import keras

from keras_fcn.config import TrainingConfig
from keras_fcn.training.schedule import make_schedule

_ENCODER = "block"  # how the names of VGG16's layers begin


class _SlowEncoder:
    """Multiplies the learning rate of VGG16's layers by `encoder_rate`.

    Keras has one rate for all variables. The decay of weights keeps the common rate;
    biases and batch normalisation do not decay.
    """

    def __init__(self, *args, encoder_rate: float = 1.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.encoder_rate = encoder_rate
        self.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])

    def update_step(self, gradient, variable, learning_rate):
        # TensorFlow's own variables come here, which do not know their layer.
        index = self._get_variable_index(variable)
        if self._trainable_variables[index].path.startswith(_ENCODER):
            learning_rate = learning_rate * self.encoder_rate
        super().update_step(gradient, variable, learning_rate)

    def get_config(self):
        return {**super().get_config(), "encoder_rate": self.encoder_rate}


@keras.saving.register_keras_serializable(package="keras_fcn")
class SlowEncoderAdamW(_SlowEncoder, keras.optimizers.AdamW):
    """AdamW with a factor of the learning rate of VGG16's layers.

    Args:
        encoder_rate: the factor, in (0, 1]. All others are those of
            `keras.optimizers.AdamW`.
    """


@keras.saving.register_keras_serializable(package="keras_fcn")
class SlowEncoderSGD(_SlowEncoder, keras.optimizers.SGD):
    """SGD with a factor of the learning rate of VGG16's layers.

    Args:
        encoder_rate: the factor, in (0, 1]. All others are those of
            `keras.optimizers.SGD`.
    """


def make_optimizer(
    config: TrainingConfig, steps_per_epoch: int
) -> keras.optimizers.Optimizer:
    """Return the optimizer of a configuration.

    Args:
        config: the training, with the rates that `resolve_config` gave it.
        steps_per_epoch: batches in an epoch.
    """
    common = {
        "learning_rate": make_schedule(config, steps_per_epoch),
        "weight_decay": config.weight_decay,
        "encoder_rate": config.encoder_rate,
    }
    if config.optimizer == "sgd":
        optimizer = SlowEncoderSGD(momentum=config.momentum, **common)
    else:
        optimizer = SlowEncoderAdamW(**common)
    if config.precision == "float16":
        # Small gradients are 0 in float16: the loss is multiplied as far as it goes.
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer
