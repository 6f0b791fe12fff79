"""The loop over the epochs of a training.

`Model.fit` fetches its batches inside the compiled step on TensorFlow, where the time
spent waiting for them can't be told from the step's own; hence a loop around Keras's
`train_on_batch` and `evaluate`.
"""

import math
import time
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.pipeline import (
    evaluation_batches,
    iterate,
    to_device,
    training_batches,
)
from keras_fcn.evaluation.evaluate import scores_report
from keras_fcn.runs.folder import RunFolder
from keras_fcn.training.callbacks import (
    Checkpoint,
    Progress,
    SampleWriter,
    TensorBoardLogger,
)
from keras_fcn.training.data import TrainingData
from keras_fcn.training.trainer import Trainer


class TrainingLoop:
    """Trains from the epoch after a checkpoint to the last.

    Args:
        trainer: compiled, in the state of the checkpoint.
        config: the training.
        data: its data.
        run: where everything is written.
        checkpoint: what `RunFolder.read_checkpoint` gave.
    """

    def __init__(
        self,
        trainer: Trainer,
        config: TrainingConfig,
        data: TrainingData,
        run: RunFolder,
        checkpoint: dict,
    ):
        self.trainer = trainer
        self.config = config
        self.data = data
        self.run_folder = run
        self.num_finished = checkpoint["epoch"]
        self.callbacks = self._make_callbacks(checkpoint["history"])
        self.validation_batches = self._make_validation_batches()

    def run(self) -> None:
        """Run the epochs that are left, each leaving what the run promises.

        Raises:
            FloatingPointError: if a loss is no longer finite.
            OSError: if something can't be written.
        """
        self.callbacks.on_train_begin()
        for epoch in range(self.num_finished + 1, self.config.epochs + 1):
            self._run_epoch(epoch)
        self.callbacks.on_train_end()

    def _make_callbacks(self, history):
        config, run, class_map = self.config, self.run_folder, self._class_map
        sample_writer = SampleWriter(run.samples, self._samples(), class_map)

        def describe(epoch, matrix):
            return {"epoch": epoch, **scores_report(matrix, self.data.dataset, "val")}

        return keras.callbacks.CallbackList(
            [
                Progress(config.epochs, self.data.num_steps(config.batch_size)),
                sample_writer,
                TensorBoardLogger(run.tensorboard, class_map, sample_writer),
                Checkpoint(run, history, describe),
            ],
            model=self.trainer,
        )

    def _make_validation_batches(self):
        data = self.data
        batches = evaluation_batches(
            data.validation_examples, data.validation, self.config.batch_size
        )
        return to_device(
            batches.map(
                lambda batch: {key: batch[key] for key in batch if key != "name"}
            )
        )

    @property
    def _class_map(self):
        return self.data.dataset.class_map

    def _run_epoch(self, epoch):
        """Train, validate and write what an epoch leaves."""
        # Its order, augmentation and dropout follow from the seed and its number, so
        # that a resumed training draws the same.
        draws = np.random.default_rng((self.config.seed, epoch))
        self.callbacks.on_epoch_begin(epoch)
        self.trainer.seed_draws(draws)
        with self.trainer.scores_of_an_epoch():
            logs = self._train_epoch(epoch, order_seed=int(draws.integers(2**31)))
        scores = self.trainer.evaluate(
            self.validation_batches,
            callbacks=self.callbacks,
            verbose=0,
            return_dict=True,
        )
        logs.update({f"val_{name}": float(value) for name, value in scores.items()})
        self._check_finite(logs["val_loss"], "validation loss", epoch)
        self.callbacks.on_epoch_end(epoch, logs)

    def _train_epoch(self, epoch, order_seed):
        """Train on every image once; return the scores and the speed."""
        batches = training_batches(
            self.data.train_examples,
            self.data.train,
            batch_size=self.config.batch_size,
            void_id=self._class_map.void_id,
            order_seed=order_seed,
            budget=self.config.cache_budget * 2**20,  # MiB
        )
        started = time.monotonic()
        waited, num_images = 0.0, 0
        for step, (batch, seconds) in enumerate(_timed(iterate(batches))):
            waited += seconds
            learning_rate = float(self.trainer.optimizer.learning_rate)
            self.callbacks.on_train_batch_begin(step)
            logs = self.trainer.train_on_batch(batch, return_dict=True)
            logs = {name: float(value) for name, value in logs.items()}
            self._check_finite(logs["loss"], "loss", epoch, learning_rate)
            num_images += len(batch["image"])
            passed = time.monotonic() - started
            logs["learning_rate"] = learning_rate
            logs["images_per_second"] = num_images / passed
            logs["data_wait"] = waited / passed
            self.callbacks.on_train_batch_end(step, logs)
        return logs

    def _check_finite(self, loss, what, epoch, learning_rate=None):
        """Stop a training that has diverged, and say where it did."""
        if math.isfinite(loss):
            return
        step = int(self.trainer.optimizer.iterations)
        if learning_rate is None:
            learning_rate = float(self.trainer.optimizer.learning_rate)
        raise FloatingPointError(
            f"The {what} is {loss} at step {step} (epoch {epoch}) with a learning rate "
            f"of {learning_rate:.3g}: try a lower `learning_rate`, `warmup_epochs` 1 "
            "or `precision` float32"
        )

    def _samples(self):
        """Images and label maps that are drawn each epoch, spread over the split."""
        last = self.data.validation.num_images - 1
        count = min(self.config.num_samples, last + 1)
        chosen = set(np.linspace(0, last, count).round().astype(int).tolist())
        examples = self.data.validation_examples.as_numpy_iterator()
        return [
            (example["image"], example["label_map"])
            for index, example in enumerate(examples)
            if index in chosen
        ]


def _timed(batches: Iterator) -> Iterator[tuple[dict[str, tf.Tensor], float]]:
    """Batches, each with the seconds that were spent waiting for it."""
    while True:
        asked = time.monotonic()
        batch = next(batches, None)
        if batch is None:
            return
        yield batch, time.monotonic() - asked
