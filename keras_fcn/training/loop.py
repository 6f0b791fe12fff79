"""The loop over the epochs of a training.

`Model.fit` fetches its batches inside the compiled step on TensorFlow, where the time
spent waiting for them can't be told from the step's own; hence a loop around the
trainer's compiled step and Keras's `evaluate`.

Nothing is fetched from the device but reports: after the first step, from time to time,
and at the end of an epoch. Between them the host runs ahead of the device.
"""

import logging
import math
import sys
from dataclasses import asdict

import keras
import numpy as np

from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.pipeline import (
    iterate,
    training_batches,
    validation_batches,
)
from keras_fcn.evaluation.evaluate import scores_report
from keras_fcn.models.devices import use_xla
from keras_fcn.runs.checkpoints import Checkpoint
from keras_fcn.runs.folder import RunFolder
from keras_fcn.training.callbacks import (
    CheckpointWriter,
    Progress,
    SampleWriter,
    TensorBoardLogger,
)
from keras_fcn.training.data import TrainingData
from keras_fcn.training.pace import Pace
from keras_fcn.training.patience import has_stalled
from keras_fcn.training.schedule import make_schedule
from keras_fcn.training.trainer import Trainer, fetch, is_pending

logger = logging.getLogger(__name__)

_MOST_LOOKED_AT = 256  # validation images among which samples are chosen


class TrainingLoop:
    """Trains from the epoch after a checkpoint to the last.

    Args:
        trainer: compiled, in the state of the checkpoint.
        config: the training.
        data: its data.
        run: where everything is written.
        checkpoint: where it goes on from.
    """

    def __init__(
        self,
        trainer: Trainer,
        config: TrainingConfig,
        data: TrainingData,
        run: RunFolder,
        checkpoint: Checkpoint,
    ):
        self.trainer = trainer
        self.config = config
        self.data = data
        self.run_folder = run
        self.num_finished = checkpoint.epoch
        self.steps_per_epoch = data.num_steps(config.batch_size)
        self.schedule = make_schedule(config, self.steps_per_epoch)
        # Often enough to be followed, seldom enough for a log of days.
        self.seconds_between_reports = 0.5 if sys.stderr.isatty() else 30
        self._is_compiled = False
        self.callbacks = self._make_callbacks(checkpoint)
        self.validation_batches = validation_batches(
            data.validation_examples,
            data.validation,
            batch_size=config.batch_size,
            void_id=self._class_map.void_id,
        )

    def run(self) -> None:
        """Run the epochs that are left, each leaving what the run promises.

        Raises:
            FloatingPointError: if a loss is no longer finite.
            OSError: if something can't be written.
        """
        self.callbacks.on_train_begin()
        for epoch in range(self.num_finished + 1, self.config.epochs + 1):
            history = self.checkpoint_writer.last.history
            if has_stalled(history, self.config.patience):
                logger.info(
                    "No better validation mean IoU for %d epochs: the training ends",
                    self.config.patience,
                )
                break
            self._run_epoch(epoch)
        self.callbacks.on_train_end()

    def _make_callbacks(self, checkpoint):
        config, run, class_map = self.config, self.run_folder, self._class_map
        sample_writer = SampleWriter(run.samples, self._samples(), class_map)

        def describe(epoch, matrix):
            return {"epoch": epoch, **scores_report(matrix, self.data.dataset, "val")}

        self.checkpoint_writer = CheckpointWriter(run, checkpoint, describe)
        return keras.callbacks.CallbackList(
            [
                sample_writer,
                TensorBoardLogger(
                    run.tensorboard, class_map, sample_writer, asdict(config)
                ),
                self.checkpoint_writer,
                # Last: its line tells of an epoch when all of it is on the disk.
                Progress(config.epochs, self.steps_per_epoch),
            ],
            model=self.trainer,
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
        logs = self._train_epoch(epoch, order_seed=int(draws.integers(2**31)))
        scores = self.trainer.evaluate(
            self.validation_batches,
            callbacks=self.callbacks,
            verbose=0,
            return_dict=True,
        )
        logs.update({f"val_{name}": float(value) for name, value in scores.items()})
        self._check_finite("validation loss", logs["val_loss"], epoch)
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
            one_shape=use_xla(self.data.has_one_size),
        )
        pace = Pace(
            self.data.train.num_images,
            self.config.batch_size,
            self.seconds_between_reports,
        )
        scores = {}
        with self.trainer.epoch() as train_on:
            timed = pace.timed(iterate(batches), lambda: is_pending(scores))
            for step, batch in enumerate(timed):
                self.callbacks.on_train_batch_begin(step)
                scores = train_on(batch)
                if not self._is_compiled:
                    self._tell_first_step(scores, pace)
                logs = self._report(scores, pace, epoch, step) if pace.is_due() else {}
                self.callbacks.on_train_batch_end(step, logs)
                if logs and not math.isfinite(logs["loss"]):
                    break
        self._check_finite("loss", logs["loss"], epoch)
        return logs

    def _tell_first_step(self, scores, pace):
        """Log how long the step took that is compiled, and leave it out of the pace."""
        fetch(scores)
        self._is_compiled = True
        logger.info("The first step, which is compiled, took %.1f s", pace.seconds)
        if self.steps_per_epoch > 1:
            pace.start_anew()

    def _report(self, scores, pace, epoch, step):
        """Scores and speed of the epoch so far, when the device has caught up."""
        logs = fetch(scores)
        logs["learning_rate"] = self._learning_rate(epoch, step)
        return {**logs, **pace.report()}

    def _learning_rate(self, epoch, step):
        """That of a step of an epoch, which is counted from 0."""
        return float(self.schedule((epoch - 1) * self.steps_per_epoch + step))

    def _check_finite(self, what, loss, epoch):
        """Stop a training that has diverged, and say where it did."""
        if math.isfinite(loss):
            return
        step = self.steps_per_epoch
        if what == "loss":
            step = self.trainer.epoch_loss.first_non_finite_step()
        raise FloatingPointError(
            f"The {what} is {loss} at step {(epoch - 1) * self.steps_per_epoch + step} "
            f"(epoch {epoch}) with a learning rate of "
            f"{self._learning_rate(epoch, step - 1):.3g}: try a lower `learning_rate`, "
            "`warmup_epochs` 1 or `precision` float32"
        )

    def _samples(self):
        """Images and label maps that are drawn each epoch, spread over the split."""
        last = min(self.data.validation.num_images, _MOST_LOOKED_AT) - 1
        count = min(self.config.num_samples, last + 1)
        chosen = set(np.linspace(0, last, count).round().astype(int).tolist())
        # Not the cached ones: a cache that is read in part is thrown away.
        examples = self.data.validation.examples.take(last + 1).as_numpy_iterator()
        return [
            (example["image"], example["label_map"])
            for index, example in enumerate(examples)
            if index in chosen
        ]
