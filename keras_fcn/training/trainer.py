"""The trainer: a Keras model that augments, predicts, and knows loss and metrics.

It overrides `call`, `compute_loss` and `compute_metrics` and nothing of a backend, so
that the compiled step is the same on TensorFlow and on JAX.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
from keras import ops

from keras_fcn.evaluation.metrics import ConfusionMatrix, count_on_device
from keras_fcn.models.replicas import sum_over_replicas, whole_batch_statistics
from keras_fcn.models.weights import assign_arrays
from keras_fcn.storage.arrays import read_arrays, write_arrays
from keras_fcn.training.augment import Augment
from keras_fcn.training.distributed.strategy import Distribution
from keras_fcn.training.epoch_loss import EpochLoss
from keras_fcn.training.losses import masked_cross_entropy
from keras_fcn.typing import Tensor

# A step of a training: a batch to the scores of the epoch so far, on the device.
Step = Callable[[dict[str, Tensor]], dict[str, Tensor]]


class Trainer(keras.Model):
    """Trains a network on batches of `{"image", "label_map", "size"}`.

    Args:
        network: a model of `FCN`.
        augment: applied to image and label map in training, on the device.
        num_classes: number of classes.
        ignore_class: id of void.
        class_weights: float `(num_classes,)` or None; weights in the training loss.
            The validation loss is not weighted.
        distribution: the devices, in whose `scope` the trainer is made.
    """

    def __init__(
        self,
        network: keras.Model,
        augment: Augment,
        num_classes: int,
        ignore_class: int,
        class_weights: np.ndarray | None = None,
        distribution: Distribution | None = None,
    ):
        super().__init__(name="trainer", dtype="float32")
        self.distribution = distribution or Distribution()
        self.network = network
        self.augment = augment
        self.ignore_class = ignore_class
        self.class_weights = class_weights
        self.epoch_loss = EpochLoss()
        self.confusion = ConfusionMatrix(num_classes, ignore_class)

    def seed_draws(self, draws: np.random.Generator, can_resume: bool = False) -> None:
        """Let augmentation and dropout follow from a generator.

        Keras does not save the states of its seed generators, so a resumed training
        could not go on with them.

        Args:
            draws: gives as many numbers as there are seed generators.
            can_resume: keep the count of what has been drawn, of a state from within an
                epoch.
        """
        states = [v for v in self.variables if v.name == "seed_generator_state"]
        seeds = draws.integers(2**31, size=len(states))
        for state, seed in zip(states, seeds, strict=True):
            num_drawn = ops.convert_to_numpy(state)[1] if can_resume else 0
            state.assign(np.array([seed, num_drawn], dtype=state.dtype))
            if state is not self.augment.seed_generator.state:
                # Dropout: the examples of each replica are others.
                self.distribution.let_differ(state)

    def save_state(self, path: Path, is_within_epoch: bool = False) -> None:
        """Write weights and the optimizer's state to a safetensors file.

        HDF5 is not used because h5py crashes the process when the disk is full.

        Args:
            path: a new file; ends in `.safetensors`.
            is_within_epoch: the scores of the epoch so far too.

        Raises:
            OSError: if it can't be written.
        """
        arrays = {
            name: ops.convert_to_numpy(variable)
            for name, variable in self._state(is_within_epoch).items()
        }
        write_arrays(path, arrays)

    def load_state(self, path: Path, is_within_epoch: bool = False) -> None:
        """Take over what `save_state` wrote for the same network and optimizer.

        Args:
            path: the file.
            is_within_epoch: as for `save_state`.

        Raises:
            ValueError: if the file is missing, damaged or of another network.
        """
        assign_arrays(self._state(is_within_epoch), read_arrays(path), path)

    def copy_from_first(self, is_within_epoch: bool = False) -> None:
        """Take over what the first worker has loaded.

        Args:
            is_within_epoch: as for `load_state`.
        """
        state = self._state(is_within_epoch)
        self.distribution.copy_from_first(list(state.values()))

    def _state(self, is_within_epoch=False):
        """All variables, by their place: names may stand twice."""
        variables = [*self.variables, *self.optimizer.variables]
        if is_within_epoch:
            variables += [*self.epoch_loss.variables, *self.confusion.variables]
        return {f"{index:05}": variable for index, variable in enumerate(variables)}

    @contextmanager
    def epoch(self, can_resume: bool = False) -> Iterator[Step]:
        """Give the compiled training step, and let the scores of the block add up.

        Keras's `train_on_batch` resets the scores before each call, and waits until the
        device has handed over all of them. Here they stay on the device, for `fetch`.
        The variables count after the block: on JAX they are handed from step to step.

        Args:
            can_resume: add to the scores that there are.
        """
        if not can_resume:
            self.reset_metrics()
        if self.distribution.num_replicas > 1:
            yield self.distribution.compiled(self.train_step)
            return
        self.optimizer.build(self.trainable_variables)
        self.make_train_function()
        if keras.backend.backend() != "jax":
            yield lambda batch: self.train_function(iter([(batch,)]))
            return
        groups = (
            self.trainable_variables,
            self.non_trainable_variables,
            self.optimizer.variables,
            self.metrics_variables,
        )
        state = tuple([variable.value for variable in group] for group in groups)

        def step(batch):
            nonlocal state
            scores, state = self.train_function(state, iter([(batch,)]))
            return scores

        try:
            yield step
        finally:
            for group, values in zip(groups, state, strict=True):
                for variable, value in zip(group, values, strict=True):
                    variable.assign(value)

    def validate(
        self, batches: Iterable, callbacks: keras.callbacks.CallbackList
    ) -> dict[str, float]:
        """Return the scores of a whole split.

        Args:
            batches: all of them, once.
            callbacks: are told of it.
        """
        if self.distribution.num_replicas == 1:
            return self.evaluate(
                batches, callbacks=callbacks, verbose=0, return_dict=True
            )
        callbacks.on_test_begin()
        self.reset_metrics()
        score = self.distribution.compiled(self.test_step)
        for batch in batches:
            scores = score(batch)
        return fetch(scores)

    def build(self, input_shape: object = None) -> None:
        """Nothing to make: the network and the augmentation are built already."""
        self.built = True

    def call(
        self, inputs: dict[str, Tensor], training: bool = False
    ) -> dict[str, Tensor]:
        """Return `logits` and their `label_map`, of augmented images in training."""
        image, label_map = inputs["image"], inputs["label_map"]
        if training:
            # (N, *crop, 3) and (N, *crop)
            image, label_map = self.augment(image, label_map, inputs["size"])
        with whole_batch_statistics(self.network):
            logits = self.network(image, training=training)  # (N, H, W, C)
        return {"logits": logits, "label_map": label_map}

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Mean cross-entropy in nats; classes are weighted in training only."""
        label_map, logits = y_pred["label_map"], y_pred["logits"]
        weights = self.class_weights if training else None
        loss = masked_cross_entropy(label_map, logits, self.ignore_class, weights)
        is_labelled = ops.cast(label_map != self.ignore_class, "float32")
        self.epoch_loss.update_state(
            *(sum_over_replicas(value) for value in (loss, ops.sum(is_labelled)))
        )
        return loss

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        prediction = ops.argmax(y_pred["logits"], axis=-1)
        counts = count_on_device(
            y_pred["label_map"],
            prediction,
            self.confusion.num_classes,
            self.ignore_class,
        )
        self.confusion.add(sum_over_replicas(counts))
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict[str, Tensor]:
        """Return the scores so far, `loss` and those of the confusion matrix."""
        return {"loss": self.epoch_loss.result(), **self.confusion.result()}


def fetch(scores: dict[str, Tensor]) -> dict[str, float]:
    """Wait for the device, and take scores off it all at once.

    Args:
        scores: scalars, what a step returned.
    """
    values = ops.convert_to_numpy(ops.stack(list(scores.values())))
    return dict(zip(scores, values.tolist(), strict=True))


def is_pending(scores: dict[str, Tensor]) -> bool:
    """Whether the device still works on what a step returned.

    Args:
        scores: what it returned; empty before the first.

    Returns:
        False where the backend can't tell: TensorFlow.
    """
    return any(
        not value.is_ready() for value in scores.values() if hasattr(value, "is_ready")
    )
