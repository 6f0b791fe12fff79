"""The loop over the epochs of a training.

`Model.fit` fetches its batches inside the compiled step on TensorFlow, where waiting
for data can't be distinguished from computing; hence a loop around the trainer's
compiled step and Keras's `evaluate`.

The host dispatches steps ahead of the device, and synchronizes only to report scores:
after the first step, at intervals, and at the end of an epoch.
"""

import logging
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

import keras
import numpy as np

from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.lanes import training_batches
from keras_fcn.datasets.pipeline import iterate
from keras_fcn.errors import BatchTooLarge, TrainingStopped, is_out_of_memory
from keras_fcn.evaluation.report import scores_report
from keras_fcn.models.devices import use_xla
from keras_fcn.runs.checkpoints import Checkpoint
from keras_fcn.runs.folder import RunFolder
from keras_fcn.training.callbacks import (
    CheckpointWriter,
    ProgressReporter,
    SampleWriter,
    TensorBoardLogger,
)
from keras_fcn.training.data import TrainingData
from keras_fcn.training.optimizer import make_schedule
from keras_fcn.training.trainer import Step, Trainer, fetch, is_pending
from keras_fcn.typing import Tensor

logger = logging.getLogger(__name__)

# Samples are chosen among at most this many validation images: reading all of a large
# split would delay the start.
_MAX_SAMPLED = 256


class TrainingLoop:
    """Trains from the epoch after a checkpoint to the last.

    Args:
        trainer: compiled, in the state of the checkpoint.
        config: the training.
        data: its data.
        run: the run folder; None on all workers but the first.
        checkpoint: where the training starts or resumes.
        checkpoint_every: steps between two checkpoints within an epoch; None writes
            them at the end of epochs only.
        callbacks: the user's. They are called after the run's own files are written,
            with the network as their model and epochs counted from 0, as by `fit`.
    """

    def __init__(
        self,
        trainer: Trainer,
        config: TrainingConfig,
        data: TrainingData,
        run: RunFolder | None,
        checkpoint: Checkpoint,
        checkpoint_every: int | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ):
        self.trainer = trainer
        self.distribution = trainer.distribution
        self.config = config
        self.data = data
        self.run_folder = run
        self.start = checkpoint
        self.checkpoint_every = checkpoint_every
        self.steps_per_epoch = data.num_steps(config.batch_size)
        self.images_per_step = config.batch_size * (1 if data.mixed is None else 2)
        self.schedule = make_schedule(config, self.steps_per_epoch)
        # Seconds; less often in a log file.
        self.seconds_between_reports = 0.5 if sys.stderr.isatty() else 30
        self.history = list(checkpoint.history)
        self._is_compiled = False
        self._seconds_of_all_reduce = 0.0
        self._has_asked_for_report = False
        self.checkpoints: CheckpointWriter | None = None
        self.callbacks = self._make_callbacks(checkpoint)
        trainer.network.stop_training = False
        self.user_callbacks = keras.callbacks.CallbackList(
            list(callbacks) if self.distribution.is_first else [],
            model=trainer.network,
            epochs=config.epochs,
            steps=self.steps_per_epoch,
        )

    def run(self) -> None:
        """Run the remaining epochs and write their results to the run.

        Raises:
            FloatingPointError: if a loss is no longer finite.
            OSError: if something can't be written.
            TrainingStopped: by SIGTERM to a worker, after a checkpoint.
            PeerLost: if another worker has ended.
            BatchTooLarge: if the memory has no room for the first batch.
        """
        config = self.config
        self.callbacks.on_train_begin()
        self.user_callbacks.on_train_begin()
        with stop_requested() as self._is_stop_requested:
            for epoch in range(self.start.epoch + 1, config.epochs + 1):
                checkpoint = Checkpoint.at(len(self.history), self.history)
                if checkpoint.is_last(config.epochs, config.patience):
                    if self.distribution.is_first:
                        logger.info(
                            "No better validation mean IoU for %d epochs: the "
                            "training ends",
                            config.patience,
                        )
                    break
                self._run_epoch(epoch)
                if self.distribution.any_worker(self.trainer.network.stop_training)[0]:
                    logger.info("A callback has stopped the training")
                    break
        self.callbacks.on_train_end()
        self.user_callbacks.on_train_end(self.history[-1] if self.history else None)

    def _make_callbacks(self, checkpoint: Checkpoint) -> keras.callbacks.CallbackList:
        run, class_map = self.run_folder, self.data.dataset.class_map
        if run is None:
            return keras.callbacks.CallbackList([], model=self.trainer)
        sample_writer = SampleWriter(run.samples, self._samples(), class_map)

        def describe(epoch: int, matrix: np.ndarray) -> dict:
            return {"epoch": epoch, **scores_report(matrix, self.data.dataset, "val")}

        self.checkpoints = CheckpointWriter(run, checkpoint, describe)
        return keras.callbacks.CallbackList(
            [
                sample_writer,
                TensorBoardLogger(
                    run.tensorboard, class_map, sample_writer, asdict(self.config)
                ),
                self.checkpoints,
                # Last: it logs an epoch when all of its files are written.
                ProgressReporter(
                    self.config.epochs,
                    self.steps_per_epoch,
                    self.distribution.describe(),
                ),
            ],
            model=self.trainer,
        )

    def _run_epoch(self, epoch: int) -> None:
        """Train, validate and write the results of an epoch."""
        # The order of the images, augmentation and dropout depend on the seed and the
        # number of the epoch only, so that a resumed training repeats them.
        random = np.random.default_rng((self.config.seed, epoch))
        is_first = epoch == self.start.epoch + 1
        first_step = self.start.step if is_first else 0
        self.callbacks.on_epoch_begin(epoch)
        self.user_callbacks.on_epoch_begin(epoch - 1)
        self.trainer.set_seeds(random, can_resume=first_step > 0)
        order_seed = int(random.integers(2**31))
        logs = self._train_epoch(epoch, order_seed, first_step)
        scores = self.trainer.validate(
            self._on_all_devices(self.data.validation_batches), self.callbacks
        )
        logs.update({f"val_{name}": float(value) for name, value in scores.items()})
        self._check_finite("validation loss", logs["val_loss"], epoch)
        self.callbacks.on_epoch_end(epoch, logs)
        self.user_callbacks.on_epoch_end(epoch - 1, dict(logs))
        self.history.append({"epoch": epoch, **logs})

    def _train_epoch(
        self, epoch: int, order_seed: int, first_step: int
    ) -> dict[str, float]:
        """Train the rest of an epoch; return the scores and the speed."""
        speed = Speed(
            self.data.images_per_epoch(self.config.batch_size),
            self.images_per_step,
            self.seconds_between_reports,
            first_step,
        )
        scores: dict[str, Tensor] = {}
        batches = speed.timed(
            self._batches(order_seed, first_step), lambda: is_pending(scores)
        )
        logs: dict[str, float] = {}
        done, is_stopped = first_step, False
        while done < self.steps_per_epoch and not is_stopped:
            with self.trainer.epoch(can_resume=done > 0) as train_on:
                for step in range(done, self._next_checkpoint(done)):
                    self.callbacks.on_train_batch_begin(step)
                    self.user_callbacks.on_train_batch_begin(step)
                    batch = next(batches)
                    if self._is_compiled:
                        scores = train_on(batch)
                    else:
                        scores = self._first_step(train_on, batch, speed)
                    is_stopped, is_due = self._vote(speed)
                    is_due = is_due or step + 1 == self.steps_per_epoch
                    logs = self._report(scores, speed, epoch, step) if is_due else {}
                    self.callbacks.on_train_batch_end(step, logs)
                    self.user_callbacks.on_train_batch_end(step, dict(logs))
                    done = step + 1
                    if is_stopped or (logs and not math.isfinite(logs["loss"])):
                        break
            # A state that is not finite must not be written.
            loss = (logs or fetch(scores))["loss"]
            self._check_finite("loss", loss, epoch)
            is_partial = is_stopped or done < self.steps_per_epoch
            if is_partial and self.checkpoints is not None:
                self.checkpoints.write_within_epoch(epoch, done)
        if is_stopped:
            self.distribution.barrier()
            raise TrainingStopped(
                f"stopped by SIGTERM after step {done} of epoch {epoch}"
            )
        if not logs:  # resumed after the epoch's last step: no step was run
            last = self.steps_per_epoch - 1
            logs = self._report(self.trainer.get_metrics_result(), speed, epoch, last)
        return logs

    def _batches(self, order_seed: int, first_step: int) -> Iterator[dict]:
        """Return the remaining batches of an epoch, for all local devices."""
        datasets = [
            training_batches(
                lanes,
                self.data.train,
                batch_size=self.config.batch_size,
                void_id=self.data.dataset.class_map.void_id,
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

    def _on_all_devices(self, datasets: list) -> Iterable[dict]:
        """Return the batches of the local devices as the trainer takes them."""
        if len(datasets) == 1:
            return datasets[0]
        return map(self.distribution.per_replica, zip(*datasets, strict=True))

    def _next_checkpoint(self, done: int) -> int:
        """Return the step after which the next checkpoint is written."""
        if self.checkpoint_every is None:
            return self.steps_per_epoch
        following = (done // self.checkpoint_every + 1) * self.checkpoint_every
        return min(following, self.steps_per_epoch)

    def _vote(self, speed: "Speed") -> list[bool]:
        """Return whether to stop and whether to report, the same on all workers.

        With several workers the answer is that of the step before: see
        `Distribution.any_worker`.
        """
        wants_report = speed.is_due() and not self._has_asked_for_report
        self._has_asked_for_report |= wants_report
        return self.distribution.any_worker(
            self._is_stop_requested(), wants_report, is_delayed=True
        )

    def _first_step(
        self, train_on: Step, batch: dict[str, Tensor], speed: "Speed"
    ) -> dict[str, Tensor]:
        """Train on the first batch; log the duration and leave it out of the speed."""
        try:
            scores = train_on(batch)
            fetch(scores)
        except Exception as error:
            size = self._fitting_batch_size(train_on, batch, error)
            if size is None:
                raise
            raise BatchTooLarge(
                f"`batch_size` {size} fits, {self.config.batch_size} does not"
            ) from error
        self._is_compiled = True
        if self.run_folder is not None:
            logger.info("The first step, which is compiled, took %.1f s", speed.seconds)
        weights = self.trainer.trainable_variables
        num_bytes = sum(4 * math.prod(weight.shape) for weight in weights)
        self._seconds_of_all_reduce = self.distribution.seconds_of_all_reduce(num_bytes)
        if self.steps_per_epoch > 1:
            speed.restart()
        return scores

    def _fitting_batch_size(
        self, train_on: Step, batch: dict[str, Tensor], error: Exception
    ) -> int | None:
        """Return a smaller batch size that can be trained on after a lack of memory."""
        size = self.config.batch_size
        images_per_size = self.images_per_step // size
        while is_out_of_memory(error) and self.distribution.num_replicas == 1:
            if size == 1:
                return None
            size = -(-size // 2)
            count = size * images_per_size
            part = {name: values[:count] for name, values in batch.items()}
            try:
                fetch(train_on(part))
                return size
            except Exception as smaller_error:
                error = smaller_error
        return None

    def _report(
        self, scores: dict[str, Tensor], speed: "Speed", epoch: int, step: int
    ) -> dict[str, float]:
        """Wait for the device; return the scores and the speed of the epoch so far."""
        logs = fetch(scores)
        logs["learning_rate"] = self._learning_rate(epoch, step)
        logs.update(speed.report())
        self._has_asked_for_report = False
        if self._seconds_of_all_reduce:
            # 0 if the only step so far is the one that was compiled.
            steps_per_second = logs["images_per_second"] / self.images_per_step
            share = self._seconds_of_all_reduce * steps_per_second
            logs["all_reduce"] = min(1.0, share)
        return logs

    def _learning_rate(self, epoch: int, step: int) -> float:
        return float(self.schedule((epoch - 1) * self.steps_per_epoch + step))

    def _check_finite(self, what: str, loss: float, epoch: int) -> None:
        """Raise FloatingPointError with the step at which the training diverged."""
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

    def _samples(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return evenly spaced validation images with their label maps."""
        validation = self.data.validation
        last = min(validation.num_images, _MAX_SAMPLED) - 1
        count = min(self.config.num_samples, last + 1)
        chosen = set(np.linspace(0, last, count).round().astype(int).tolist())
        examples = validation.part(chosen).examples.as_numpy_iterator()
        return [(example["image"], example["label_map"]) for example in examples]


class Speed:
    """Speed of an epoch so far, and the time for the next report.

    The host runs ahead of the device: the figures are right when it has just waited for
    the device.

    Args:
        num_images: images of the epoch.
        images_per_step: images in a batch; those that fill up the last are not counted.
        seconds_between: seconds from one report to the next.
        first_step: steps of the epoch that a previous session has done.
    """

    def __init__(
        self,
        num_images: int,
        images_per_step: int,
        seconds_between: float,
        first_step: int = 0,
    ):
        self._num_images = num_images
        self._images_per_step = images_per_step
        self._seconds_between = seconds_between
        self.num_steps = first_step
        self.restart()

    def restart(self) -> None:
        """Count from now on, so that compiling is not part of the speed."""
        self._started = self._reported = time.monotonic()
        self._waited = 0.0
        self._images_before = self._images_so_far

    def timed(
        self, batches: Iterator[dict[str, Tensor]], is_busy: Callable[[], bool]
    ) -> Iterator[dict[str, Tensor]]:
        """Iterate over batches and measure how long the device waits for them.

        Args:
            batches: one for each step of the epoch.
            is_busy: whether the device is still computing the previous step; waiting
                for data costs nothing meanwhile.
        """
        while True:
            asked = time.monotonic()
            batch = next(batches, None)
            if batch is None:
                return
            if not is_busy():
                self._waited += time.monotonic() - asked
            self.num_steps += 1
            yield batch

    @property
    def seconds(self) -> float:
        """Seconds since the start or restart."""
        return time.monotonic() - self._started

    def is_due(self) -> bool:
        """Return whether to report: from time to time, and after the last step."""
        is_last = self._images_so_far == self._num_images
        return is_last or time.monotonic() - self._reported >= self._seconds_between

    def report(self) -> dict[str, float]:
        """Return `images_per_second` and `data_wait`, the share of time waited."""
        self._reported = time.monotonic()
        passed = max(self._reported - self._started, 1e-9)
        return {
            "images_per_second": (self._images_so_far - self._images_before) / passed,
            "data_wait": self._waited / passed,
        }

    @property
    def _images_so_far(self) -> int:
        return min(self.num_steps * self._images_per_step, self._num_images)


@contextmanager
def stop_requested() -> Iterator[Callable[[], bool]]:
    """Catch SIGTERM in a block, so that a step is finished and its state written.

    A second SIGTERM has its previous effect. Outside the main thread Python has no
    signals, and nothing is caught.

    Yields:
        A function that returns whether SIGTERM was received.
    """
    is_received = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield is_received.is_set
        return

    def note(number, frame):
        is_received.set()
        signal.signal(signal.SIGTERM, before)

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield is_received.is_set
    finally:
        signal.signal(signal.SIGTERM, before)
