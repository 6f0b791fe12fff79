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
from keras_fcn.datasets.lanes import training_batches
from keras_fcn.datasets.pipeline import iterate
from keras_fcn.errors import TrainingStopped
from keras_fcn.evaluation.report import scores_report
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
from keras_fcn.training.pace import TrainingProgress
from keras_fcn.training.patience import has_stalled
from keras_fcn.training.schedule import make_schedule
from keras_fcn.training.stop import stop_requested
from keras_fcn.training.trainer import Trainer, fetch, is_pending

logger = logging.getLogger(__name__)

_MOST_LOOKED_AT = 256  # validation images among which samples are chosen


class TrainingLoop:
    """Trains from the epoch after a checkpoint to the last.

    Args:
        trainer: compiled, in the state of the checkpoint.
        config: the training.
        data: its data.
        run: where everything is written; None on the other workers than the first.
        checkpoint: where it goes on from.
        checkpoint_every: steps after which the state is written within an epoch; None
            for at its end alone.
    """

    def __init__(
        self,
        trainer: Trainer,
        config: TrainingConfig,
        data: TrainingData,
        run: RunFolder | None,
        checkpoint: Checkpoint,
        checkpoint_every: int | None = None,
    ):
        self.trainer = trainer
        self.distribution = trainer.distribution
        self.config = config
        self.data = data
        self.run_folder = run
        self.start = checkpoint
        self.checkpoint_every = checkpoint_every
        self.steps_per_epoch = data.num_steps(config.batch_size)
        self.schedule = make_schedule(config, self.steps_per_epoch)
        # Often enough to be followed, seldom enough for a log of days.
        self.seconds_between_reports = 0.5 if sys.stderr.isatty() else 30
        self._is_compiled = False
        self.history = list(checkpoint.history)
        self._seconds_of_all_reduce = 0.0
        self._has_asked_for_report = False
        self.checkpoints = None
        self.callbacks = self._make_callbacks(checkpoint)

    def run(self) -> None:
        """Run the epochs that are left, each leaving what the run promises.

        Raises:
            FloatingPointError: if a loss is no longer finite.
            OSError: if something can't be written.
            TrainingStopped: by SIGTERM to a worker, when its state is written.
            PeerLost: if another worker is gone.
        """
        self.callbacks.on_train_begin()
        with stop_requested() as self._is_stop_asked_for:
            for epoch in range(self.start.epoch + 1, self.config.epochs + 1):
                if has_stalled(self.history, self.config.patience):
                    self._tell_end()
                    break
                self._run_epoch(epoch)
        self.callbacks.on_train_end()

    def _tell_end(self):
        if self.distribution.is_first:
            logger.info(
                "No better validation mean IoU for %d epochs: the training ends",
                self.config.patience,
            )

    def _make_callbacks(self, checkpoint):
        config, run, class_map = self.config, self.run_folder, self._class_map
        if run is None:
            return keras.callbacks.CallbackList([], model=self.trainer)
        sample_writer = SampleWriter(run.samples, self._samples(), class_map)

        def describe(epoch, matrix):
            return {"epoch": epoch, **scores_report(matrix, self.data.dataset, "val")}

        self.checkpoints = CheckpointWriter(run, checkpoint, describe)
        return keras.callbacks.CallbackList(
            [
                sample_writer,
                TensorBoardLogger(
                    run.tensorboard, class_map, sample_writer, asdict(config)
                ),
                self.checkpoints,
                # Last: its line tells of an epoch when all of it is on the disk.
                Progress(
                    config.epochs, self.steps_per_epoch, self.distribution.describe()
                ),
            ],
            model=self.trainer,
        )

    @property
    def _images_per_step(self):
        return self.config.batch_size * (1 if self.data.mixed is None else 2)

    @property
    def _class_map(self):
        return self.data.dataset.class_map

    def _run_epoch(self, epoch):
        """Train, validate and write what an epoch leaves."""
        # Its order, augmentation and dropout follow from the seed and its number, so
        # that a resumed training draws the same.
        draws = np.random.default_rng((self.config.seed, epoch))
        is_first = epoch == self.start.epoch + 1
        first_step = self.start.step if is_first else 0
        self.callbacks.on_epoch_begin(epoch)
        self.trainer.seed_draws(draws, can_resume=first_step > 0)
        order_seed = int(draws.integers(2**31))
        logs = self._train_epoch(epoch, order_seed, first_step)
        scores = self.trainer.validate(
            self._on_all_devices(self.data.validation_batches), self.callbacks
        )
        logs.update({f"val_{name}": float(value) for name, value in scores.items()})
        self._check_finite("validation loss", logs["val_loss"], epoch)
        self.callbacks.on_epoch_end(epoch, logs)
        self.history.append({"epoch": epoch, **logs})

    def _on_all_devices(self, datasets):
        """Batches of the local devices as what the trainer takes."""
        if len(datasets) == 1:
            return datasets[0]
        return map(self.distribution.regroup, zip(*datasets, strict=True))

    def _train_epoch(self, epoch, order_seed, first_step):
        """Train on every image once; return the scores and the speed."""
        pace = TrainingProgress(
            self.data.images_per_epoch(self.config.batch_size),
            self._images_per_step,
            self.seconds_between_reports,
            first_step,
        )
        scores = {}
        batches = pace.timed(
            self._batches(order_seed, first_step), lambda: is_pending(scores)
        )
        logs, done, is_stopped = {}, first_step, False
        while done < self.steps_per_epoch and not is_stopped:
            with self.trainer.epoch(can_resume=done > 0) as train_on:
                for step in range(done, self._next_checkpoint(done)):
                    self.callbacks.on_train_batch_begin(step)
                    scores = train_on(next(batches))
                    if not self._is_compiled:
                        self._tell_first_step(scores, pace)
                    is_stopped, is_due = self._agree(pace)
                    is_due = is_due or step + 1 == self.steps_per_epoch
                    logs = self._report(scores, pace, epoch, step) if is_due else {}
                    self.callbacks.on_train_batch_end(step, logs)
                    done = step + 1
                    if is_stopped or (logs and not math.isfinite(logs["loss"])):
                        break
            # A state that is not finite must not be written.
            loss = (logs or fetch(scores))["loss"]
            self._check_finite("loss", loss, epoch)
            if is_stopped or done < self.steps_per_epoch:
                self._write_checkpoint(epoch, done)
        if is_stopped:
            self.distribution.finish()
            raise TrainingStopped(
                f"stopped by SIGTERM after step {done} of epoch {epoch}"
            )
        if not logs:  # it was stopped after the last step
            last = self.steps_per_epoch - 1
            logs = self._report(self.trainer.get_metrics_result(), pace, epoch, last)
        return logs

    def _batches(self, order_seed, first_step):
        """The batches of an epoch that are left, for all local devices."""
        datasets = [
            training_batches(
                lanes,
                self.data.train,
                batch_size=self.config.batch_size,
                void_id=self._class_map.void_id,
                order_seed=order_seed,
                mixed=self.data.mixed,
                one_shape=use_xla(self.data.has_one_size),
                num_skipped=first_step,
                device=device,
            )
            for device, lanes in enumerate(self.data.train_lanes)
        ]
        if len(datasets) == 1:
            return iterate(datasets[0])
        return iter(self._on_all_devices(datasets))

    def _next_checkpoint(self, done):
        """The step after which the state is written next."""
        if self.checkpoint_every is None:
            return self.steps_per_epoch
        following = (done // self.checkpoint_every + 1) * self.checkpoint_every
        return min(following, self.steps_per_epoch)

    def _write_checkpoint(self, epoch, done):
        if self.checkpoints is not None:
            self.checkpoints.write_within_epoch(epoch, done)

    def _agree(self, pace):
        """Whether to stop, and whether to report: the same on all workers."""
        wishes_report = pace.is_due() and not self._has_asked_for_report
        self._has_asked_for_report |= wishes_report
        return self.distribution.agree(self._is_stop_asked_for(), wishes_report)

    def _tell_first_step(self, scores, pace):
        """Log how long the step took that is compiled, and leave it out of the pace."""
        fetch(scores)
        self._is_compiled = True
        if self.run_folder is not None:
            logger.info("The first step, which is compiled, took %.1f s", pace.seconds)
        weights = self.trainer.trainable_variables
        num_bytes = sum(4 * math.prod(weight.shape) for weight in weights)
        self._seconds_of_all_reduce = self.distribution.seconds_of_all_reduce(num_bytes)
        if self.steps_per_epoch > 1:
            pace.start_anew()

    def _report(self, scores, pace, epoch, step):
        """Scores and speed of the epoch so far, when the device has caught up."""
        logs = fetch(scores)
        logs["learning_rate"] = self._learning_rate(epoch, step)
        logs.update(pace.report())
        self._has_asked_for_report = False
        if self._seconds_of_all_reduce:
            # 0 where the only step so far is the one that was compiled.
            steps_per_second = logs["images_per_second"] / self._images_per_step
            share = self._seconds_of_all_reduce * steps_per_second
            logs["all_reduce"] = min(1.0, share)
        return logs

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
        validation = self.data.validation
        last = min(validation.num_images, _MOST_LOOKED_AT) - 1
        count = min(self.config.num_samples, last + 1)
        chosen = set(np.linspace(0, last, count).round().astype(int).tolist())
        examples = validation.part(chosen).examples.as_numpy_iterator()
        return [(example["image"], example["label_map"]) for example in examples]
