"""The trainer: a Keras model that augments, predicts, and knows loss and metrics.

It overrides `call`, `compute_loss` and `compute_metrics` and nothing of a backend, so
that the compiled step is the same on TensorFlow and on JAX.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile

import keras
import numpy as np

from keras_fcn.augment import Augment
from keras_fcn.config import TrainingConfig
from keras_fcn.losses import masked_cross_entropy
from keras_fcn.metrics import ConfusionMatrix, Tensor


class Trainer(keras.Model):
    """Trains a network on batches of `{"image", "label_map", "size"}`.

    Args:
        network: a model of `FCN`.
        augment: applied to image and label map in training, on the device.
        num_classes: number of classes.
        ignore_class: id of void.
        class_weights: float `(num_classes,)` or None; weights in the training loss.
            The validation loss is not weighted.
        label_smoothing: as in `masked_cross_entropy`, in training.
        hard_pixels: likewise.
    """

    def __init__(
        self,
        network: keras.Model,
        augment: Augment,
        num_classes: int,
        ignore_class: int,
        class_weights: np.ndarray | None = None,
        label_smoothing: float = 0.0,
        hard_pixels: float = 1.0,
    ):
        super().__init__(name="trainer", dtype="float32")
        self.network = network
        self.augment = augment
        self.ignore_class = ignore_class
        self.class_weights = class_weights
        self.label_smoothing = label_smoothing
        self.hard_pixels = hard_pixels
        self.confusion = ConfusionMatrix(num_classes, ignore_class)
        self._keeps_metrics = False

    def seed_epoch(self, seed: int, epoch: int) -> None:
        """Let augmentation and dropout of an epoch follow from seed and epoch alone.

        Keras does not save the states of its seed generators, so a resumed training
        could not go on with them.

        Args:
            seed: the training's seed.
            epoch: number of the epoch, from 1.
        """
        states = [v for v in self.variables if v.name == "seed_generator_state"]
        draws = np.random.default_rng((seed, epoch)).integers(2**31, size=len(states))
        for state, draw in zip(states, draws, strict=True):
            state.assign(np.array([draw, 0], dtype=state.dtype))

    def save_state(self, path: Path) -> None:
        """Write weights and the optimizer's state as `.npz`.

        NumPy and not HDF5, because h5py ends the process where the disk is full.

        Args:
            path: where to; ends in `.npz`.

        Raises:
            OSError: if it can't be written.
        """
        values = map(keras.ops.convert_to_numpy, self._state())
        np.savez(path, **{f"{index:05}": value for index, value in enumerate(values)})

    def load_state(self, path: Path) -> None:
        """Take over what `save_state` wrote for the same network and optimizer.

        Args:
            path: the `.npz` file.

        Raises:
            ValueError: if the file is missing, damaged or of another network.
        """
        state = self._state()
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                values = [arrays[name] for name in sorted(arrays.files)]
        except (OSError, ValueError, EOFError, BadZipFile, KeyError) as error:
            reason = str(error) or type(error).__name__
            raise ValueError(
                f"{path} can't be loaded: it is missing or damaged ({reason})"
            ) from error
        if [value.shape for value in values] != [tuple(v.shape) for v in state]:
            raise ValueError(f"{path} is the state of another network or optimizer")
        for variable, value in zip(state, values, strict=True):
            variable.assign(value)

    def _state(self):
        return [*self.variables, *self.optimizer.variables]

    @contextmanager
    def scores_of_an_epoch(self) -> Iterator[None]:
        """Let the metrics of the block's `train_on_batch` calls add up.

        Keras 3.15 resets them before each call, which leaves the scores of one batch.
        """
        self.reset_metrics()
        self._keeps_metrics = True
        try:
            yield
        finally:
            self._keeps_metrics = False

    def reset_metrics(self) -> None:
        """Start the metrics anew, except in a block of `scores_of_an_epoch`."""
        if not self._keeps_metrics:
            super().reset_metrics()

    def build(self, input_shape: object = None) -> None:
        """Nothing to make: the network and the augmentation are built already."""
        self.built = True

    def call(
        self, inputs: dict[str, Tensor], training: bool = False
    ) -> dict[str, Tensor]:
        """Return `logits` and their `label_map`, of augmented images in training."""
        image, label_map = inputs["image"], inputs["label_map"]
        if training:
            image, label_map = self.augment(image, label_map, inputs["size"])
        logits = self.network(image, training=training)
        return {"logits": logits, "label_map": label_map}

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Mean cross-entropy in nats; classes are weighted in training only."""
        label_map, logits = y_pred["label_map"], y_pred["logits"]
        if not training:
            return masked_cross_entropy(label_map, logits, self.ignore_class)
        return masked_cross_entropy(
            label_map,
            logits,
            self.ignore_class,
            self.class_weights,
            label_smoothing=self.label_smoothing,
            hard_pixels=self.hard_pixels,
        )

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        self.confusion.update_state(y_pred["label_map"], y_pred["logits"])
        return self.get_metrics_result()


@keras.saving.register_keras_serializable(package="keras_fcn")
class PolynomialDecayWithWarmup(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate that rises linearly, then falls as `(1 - progress) ** power`.

    Args:
        learning_rate: the highest value.
        num_steps: steps of the whole training.
        warmup_steps: steps of the rise from 0.
        power: exponent of the fall.
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

    def __call__(self, step):
        step = keras.ops.cast(step, "float32")
        progress = (step - self.warmup_steps) / max(
            1, self.num_steps - self.warmup_steps
        )
        decay = (1 - keras.ops.clip(progress, 0.0, 1.0)) ** self.power
        rise = keras.ops.minimum(1.0, (step + 1) / max(1, self.warmup_steps))
        return self.learning_rate * decay * rise

    def get_config(self):
        return {
            "learning_rate": self.learning_rate,
            "num_steps": self.num_steps,
            "warmup_steps": self.warmup_steps,
            "power": self.power,
        }


def _slow_encoder(optimizer_class):
    """An optimizer whose `encoder_rate` multiplies the learning rate of VGG16's layers.

    Keras has one rate for all variables. The decay of weights keeps the common rate.
    """

    class SlowEncoder(optimizer_class):
        def update_step(self, gradient, variable, learning_rate):
            # TensorFlow's own variables come here, which do not know their layer.
            index = self._get_variable_index(variable)
            if self._trainable_variables[index].path.startswith("block"):
                learning_rate = learning_rate * self.encoder_rate
            super().update_step(gradient, variable, learning_rate)

    return SlowEncoder


def make_optimizer(
    config: TrainingConfig, steps_per_epoch: int
) -> keras.optimizers.Optimizer:
    """Return the optimizer of a configuration.

    Biases and batch normalisation do not decay. VGG16's layers learn at
    `config.encoder_rate` times the rate of the others.

    Args:
        config: the training; without a learning rate 1e-4 (adamw) or 1e-3 (sgd).
        steps_per_epoch: batches in an epoch.
    """
    default_rate = {"adamw": 1e-4, "sgd": 1e-3}[config.optimizer]
    schedule = PolynomialDecayWithWarmup(
        config.learning_rate or default_rate,
        num_steps=config.epochs * steps_per_epoch,
        warmup_steps=round(config.warmup_epochs * steps_per_epoch),
        power=config.poly_power,
    )
    if config.optimizer == "sgd":
        optimizer = _slow_encoder(keras.optimizers.SGD)(
            schedule, momentum=config.momentum, weight_decay=config.weight_decay
        )
    else:
        optimizer = _slow_encoder(keras.optimizers.AdamW)(
            schedule, weight_decay=config.weight_decay
        )
    optimizer.encoder_rate = config.encoder_rate
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def make_augment(
    config: TrainingConfig, crop: tuple[int, int], ignore_class: int
) -> Augment:
    """Return the augmentation of a configuration; `--no-augment` leaves the crop.

    Args:
        config: the training.
        crop: `(height, width)` of what comes out, in pixels.
        ignore_class: id of void.
    """
    is_on = config.augment
    return Augment(
        crop,
        ignore_class,
        flip=config.flip and is_on,
        scale=config.scale if is_on else (1.0, 1.0),
        rotation=config.rotation * is_on,
        brightness=config.brightness * is_on,
        contrast=config.contrast * is_on,
        saturation=config.saturation * is_on,
        hue=config.hue * is_on,
        seed=config.seed,
    )
