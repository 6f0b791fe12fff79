"""The trainer: a Keras model that augments images, predicts, and has loss and metrics.

It overrides `call`, `compute_loss` and `compute_metrics`, which do not depend on the
backend, so the compiled step is the same on TensorFlow and on JAX.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
from keras import ops

from keras_fcn.losses import CrossEntropy, SegmentationLoss
from keras_fcn.metrics.confusion_matrix import ConfusionMatrix, count_on_device
from keras_fcn.models.replicas import sum_over_replicas, whole_batch_statistics
from keras_fcn.models.weights import assign_arrays
from keras_fcn.storage.arrays import read_arrays, write_arrays
from keras_fcn.training.augment import Augment
from keras_fcn.training.distributed.strategy import Distribution
from keras_fcn.training.epoch_loss import EpochLoss
from keras_fcn.typing import Tensor

# A training step: takes a batch, returns the scores of the epoch so far, on the device.
Step = Callable[[dict[str, Tensor]], dict[str, Tensor]]


class Trainer(keras.Model):
    """Trains a network on batches of `{"image", "label_map", "size"}`.

    Args:
        network: a model of `FCN`.
        augment: applied to images and label maps in training, on the device.
        num_classes: number of classes.
        ignore_class: id of void.
        loss: the loss in training; None for the cross-entropy.
        validation_loss: the loss in validation, usually without class weights; None for
            the cross-entropy.
        distribution: the devices; the trainer must be made in their `scope`.
    """

    def __init__(
        self,
        network: keras.Model,
        augment: Augment,
        num_classes: int,
        ignore_class: int,
        loss: SegmentationLoss | None = None,
        validation_loss: SegmentationLoss | None = None,
        distribution: Distribution | None = None,
    ):
        super().__init__(name="trainer", dtype="float32")
        self.distribution = distribution or Distribution()
        self.network = network
        self.augment = augment
        self.ignore_class = ignore_class
        self.training_loss = loss or CrossEntropy(ignore_class)
        self.validation_loss = validation_loss or CrossEntropy(ignore_class)
        self.epoch_loss = EpochLoss()
        self.confusion = ConfusionMatrix(num_classes, ignore_class)

    def set_seeds(self, random: np.random.Generator, can_resume: bool = False) -> None:
        """Set the seeds of augmentation and dropout.

        They are set for each epoch, because the state of a seed generator does not
        say how a resumed training on other devices would have continued.

        Args:
            random: the seeds are its next integers.
            can_resume: keep the counters of the seed generators, in a state that was
                written within an epoch.
        """
        states = [v for v in self.variables if v.name == "seed_generator_state"]
        seeds = random.integers(2**31, size=len(states))
        for state, seed in zip(states, seeds, strict=True):
            counter = ops.convert_to_numpy(state)[1] if can_resume else 0
            state.assign(np.array([seed, counter], dtype=state.dtype))
            if state is not self.augment.seed_generator.state:
                # Dropout must differ between replicas; augmentation samples for the
                # whole batch, and each replica takes its part.
                self.distribution.offset_seed(state)

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
        """Copy the state of the first worker to all workers.

        Args:
            is_within_epoch: as for `load_state`.
        """
        state = self._state(is_within_epoch)
        self.distribution.broadcast(list(state.values()))

    def _state(self, is_within_epoch=False):
        """Return all variables by number: names are not unique."""
        variables = [*self.variables, *self.optimizer.variables]
        if is_within_epoch:
            variables += [*self.epoch_loss.variables, *self.confusion.digits]
        return {f"{index:05}": variable for index, variable in enumerate(variables)}

    @contextmanager
    def epoch(self, can_resume: bool = False) -> Iterator[Step]:
        """Yield the compiled training step, which accumulates the scores of the block.

        Keras's `train_on_batch` resets the scores before each call and waits for the
        device. Here they stay on the device until `fetch`.

        On JAX a step takes and returns the state; the variables are assigned when the
        block ends and must not be read within it.

        Args:
            can_resume: add to the present scores instead of resetting them.
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
            callbacks: their `on_test_begin` is called, and Keras's other test hooks on
                a single device.
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
        """Mark the model as built: the network and the augmentation are."""
        self.built = True

    def call(
        self, inputs: dict[str, Tensor], training: bool = False
    ) -> dict[str, Tensor]:
        """Return `logits` and `label_map`, of augmented images in training."""
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
        """Return the loss of a batch."""
        label_map, logits = y_pred["label_map"], y_pred["logits"]
        function = self.training_loss if training else self.validation_loss
        # `call` does not check the ids: all labels are checked before a training.
        loss = function.call(label_map, logits)
        is_labelled = ops.cast(label_map != self.ignore_class, "float32")
        self.epoch_loss.update_state(
            *(sum_over_replicas(value) for value in (loss, ops.sum(is_labelled)))
        )
        return loss

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Add a batch to the confusion matrix and return the scores so far."""
        prediction = ops.argmax(y_pred["logits"], axis=-1)
        counts = count_on_device(
            y_pred["label_map"],
            prediction,
            self.confusion.num_classes,
            self.ignore_class,
        )
        # The matrix has two int32 digits: 2,048 images of 1024x1024 have 2**31 pixels,
        # float32 stops counting at 2**24, and JAX has no int64 by default.
        self.confusion.add(sum_over_replicas(counts))
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict[str, Tensor]:
        """Return the scores so far: `loss` and those of the confusion matrix."""
        return {"loss": self.epoch_loss.result(), **self.confusion.result()}


def fetch(scores: dict[str, Tensor]) -> dict[str, float]:
    """Wait for the device and return its scores as Python numbers.

    Args:
        scores: scalars, as a step returns them. One transfer for all of them.
    """
    values = ops.convert_to_numpy(ops.stack(list(scores.values())))
    return dict(zip(scores, values.tolist(), strict=True))


def is_pending(scores: dict[str, Tensor]) -> bool:
    """Return whether the device is still computing the scores of a step.

    Args:
        scores: as the step returned them; empty before the first step.

    Returns:
        Always False on TensorFlow, whose tensors do not say.
    """
    return any(
        not value.is_ready() for value in scores.values() if hasattr(value, "is_ready")
    )
