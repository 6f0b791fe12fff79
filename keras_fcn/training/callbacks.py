"""What is written while a network trains: progress, TensorBoard, samples, checkpoints.

All are Keras callbacks of a `Trainer`; epochs are counted from 1.
"""

import logging
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_fcn.classes import ClassMap
from keras_fcn.drawing.panels import (
    draw_confusion_matrix,
    sample_panel,
    stack_panels,
)
from keras_fcn.evaluation.metrics import segmentation_scores
from keras_fcn.images.encoding import write_label_map, write_png
from keras_fcn.models.inference import prediction_model
from keras_fcn.runs.checkpoints import Checkpoint
from keras_fcn.runs.folder import RunFolder
from keras_fcn.training.event_files import naming_full_disk

logger = logging.getLogger(__name__)

SCALARS = (
    "loss",
    "pixel_accuracy",
    "mean_accuracy",
    "mean_iou",
    "frequency_weighted_iou",
)
_SPEED = ("learning_rate", "images_per_second", "data_wait")


class Progress(keras.callbacks.Callback):
    """Tells how far a training is, how fast, and when it will be done.

    On a terminal one line is kept up to date with each report of the loop; elsewhere (a
    file, a service's log) it is logged. After each epoch its scores are logged.

    Args:
        num_epochs: epochs of the whole training.
        steps_per_epoch: steps of one.
        devices: on what is trained, where it is more than one device.
    """

    def __init__(self, num_epochs: int, steps_per_epoch: int, devices: str = ""):
        super().__init__()
        self.num_epochs = num_epochs
        self.steps_per_epoch = steps_per_epoch
        self.devices = devices
        self._is_terminal = sys.stderr.isatty()

    def on_train_begin(self, logs=None):
        self._steps_done = 0
        self._started = None

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        now = time.monotonic()
        if self._started is None:  # after the first step, which is compiled
            self._started = now
        else:
            self._steps_done += 1
        is_last = batch + 1 == self.steps_per_epoch
        if not logs or (is_last and not self._is_terminal):
            return  # no report; or the epoch's line is about to come
        left = (self.num_epochs - self._epoch + 1) * self.steps_per_epoch - batch - 1
        seconds_a_step = (now - self._started) / max(1, self._steps_done)
        line = (
            f"epoch {self._epoch}/{self.num_epochs}  "
            f"step {batch + 1}/{self.steps_per_epoch}  loss {logs['loss']:.3f}  "
            f"mean IoU {logs['mean_iou']:.1%}  {logs['images_per_second']:.1f} images/s"
            f"  data wait {logs['data_wait']:.0%}  {self._shared_work(logs)}"
            f"ETA {format_seconds(seconds_a_step * left)}"
        )
        if self._is_terminal:
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\x1b[K{line[:width]}")
            sys.stderr.flush()
        else:
            logger.info(line)

    def _shared_work(self, logs):
        """The devices, and the share of time that adding up their gradients takes."""
        if not self.devices:
            return ""
        return f"{self.devices}  all-reduce {logs.get('all_reduce', 0):.0%}  "

    def on_epoch_end(self, epoch, logs=None):
        if self._is_terminal:
            sys.stderr.write("\r\x1b[K")
        logger.info(
            "epoch %d/%d  loss %.3f  validation loss %.3f  mean IoU %.1f %%  pixel "
            "accuracy %.1f %%  %.1f images/s  data wait %.0f %%",
            epoch,
            self.num_epochs,
            logs["loss"],
            logs["val_loss"],
            100 * logs["val_mean_iou"],
            100 * logs["val_pixel_accuracy"],
            logs["images_per_second"],
            100 * logs["data_wait"],
        )


def format_seconds(seconds: float) -> str:
    """Write a duration as `m:ss` or `h:mm:ss`.

    Args:
        seconds: the duration, 0 or more; rounded to whole seconds.
    """
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class SampleWriter(keras.callbacks.Callback):
    """Draws the same validation images with their prediction after each epoch.

    The picture is kept in `picture`, and written to `epoch-EEEE.png`; the predictions
    alone are written as palette PNGs, `epoch-EEEE-sample-S.png`, S from 1.

    Args:
        folder: where to write.
        samples: `(image, label_map)` pairs.
        class_map: names and colours.
    """

    def __init__(
        self,
        folder: Path,
        samples: list,
        class_map: ClassMap,
    ):
        super().__init__()
        self.folder = folder
        self.samples = samples
        self.class_map = class_map
        self.picture = None

    def on_train_begin(self, logs=None):
        self._predict = prediction_model(self.model.network).predict_on_batch

    def on_epoch_end(self, epoch, logs=None):
        panels = []
        for number, (image, label_map) in enumerate(self.samples, start=1):
            # (1, H, W) of a batch of one: the samples may differ in size.
            prediction = np.asarray(self._predict(image[None]))[0].astype("uint8")
            panels.append(sample_panel(image, label_map, prediction, self.class_map))
            path = self.folder / f"epoch-{epoch:04}-sample-{number}.png"
            write_label_map(path, prediction, self.class_map)
        self.picture = stack_panels(panels)
        write_png(self.folder / f"epoch-{epoch:04}.png", self.picture)


class TensorBoardLogger(keras.callbacks.Callback):
    """Writes curves and pictures of each epoch for TensorBoard.

    One file for training and one for validation, however many epochs follow;
    `keep_events_until` prepares for a training that goes on.

    Args:
        log_dir: gets the folders `train` and `validation`.
        class_map: names of the classes.
        sample_writer: its picture is shown; stands before this one in the list.
        configuration: of the training, shown as a table of text.
    """

    def __init__(
        self,
        log_dir: Path,
        class_map: ClassMap,
        sample_writer: SampleWriter,
        configuration: dict,
    ):
        super().__init__()
        self.configuration = configuration
        self.log_dir = log_dir
        self.class_map = class_map
        self.sample_writer = sample_writer

    def on_train_begin(self, logs=None):
        is_new = not any((self.log_dir / "train").glob("events.*"))
        self._writers = {
            split: tf.summary.create_file_writer(str(self.log_dir / split))
            for split in ("train", "validation")
        }
        if is_new:
            options = self.configuration.items()
            rows = (f"| {name} | {value} |" for name, value in options)
            with self._writer("train", 0):
                table = "\n".join(["| option | value |", "|---|---|", *rows])
                tf.summary.text("configuration", table)

    def on_train_end(self, logs=None):
        for writer in self._writers.values():
            writer.close()

    def on_test_begin(self, logs=None):
        # Keras is about to reset it for the validation.
        self._train_matrix = self.model.confusion.matrix()

    def on_epoch_end(self, epoch, logs=None):
        validation_matrix = self.model.confusion.matrix()
        with self._writer("train", epoch):
            for name in SCALARS:
                tf.summary.scalar(f"epoch_{name}", logs[name])
            for name in _SPEED:
                tf.summary.scalar(name, logs[name])
            self._write_per_class_iou(self._train_matrix)
        with self._writer("validation", epoch):
            for name in SCALARS:
                tf.summary.scalar(f"epoch_{name}", logs[f"val_{name}"])
            self._write_per_class_iou(validation_matrix)
            matrix = draw_confusion_matrix(validation_matrix, self.class_map)
            tf.summary.image("confusion_matrix", matrix[None])
            tf.summary.image("samples", self.sample_writer.picture[None])

    @contextmanager
    def _writer(self, split, epoch):
        writer = self._writers[split]
        with naming_full_disk(self.log_dir / split), writer.as_default(step=epoch):
            yield
            writer.flush()

    def _write_per_class_iou(self, matrix):
        """One curve a class; an epoch in which it does not occur has no point."""
        for name, iou in zip(
            self.class_map.names,
            segmentation_scores(matrix)["per_class_iou"],
            strict=True,
        ):
            if not np.isnan(iou):
                tf.summary.scalar(f"iou/{name}", iou)


class CheckpointWriter(keras.callbacks.Callback):
    """Keeps the best network, and the state from which a killed training goes on.

    Args:
        run: the run's folder.
        checkpoint: the one that the training goes on from.
        describe: makes `metrics.json`'s content of epoch and confusion matrix.
    """

    def __init__(
        self,
        run: RunFolder,
        checkpoint: Checkpoint,
        describe: Callable[[int, np.ndarray], dict],
    ):
        super().__init__()
        self.checkpoints = run.checkpoints
        self.last = checkpoint
        self.describe = describe

    def write_within_epoch(self, epoch: int, step: int) -> None:
        """Write the state of a moment between two steps.

        Args:
            epoch: the epoch that is not finished.
            step: steps of it that are done.

        Raises:
            OSError: if it can't be written.
        """
        checkpoint = Checkpoint.at(epoch - 1, self.last.history, step)
        self.checkpoints.write(
            checkpoint,
            self.last,
            lambda path: self.model.save_state(path, is_within_epoch=True),
        )
        self.last = checkpoint

    def on_epoch_end(self, epoch, logs=None):
        history = [*self.last.history, {"epoch": epoch, **logs}]
        checkpoint = Checkpoint.at(epoch, history)
        if checkpoint.best_epoch == epoch:
            metrics = self.describe(epoch, self.model.confusion.matrix())
            self.checkpoints.stage_best(epoch, self.model.network.save, metrics)
        self.checkpoints.write(checkpoint, self.last, self.model.save_state)
        self.last = checkpoint
