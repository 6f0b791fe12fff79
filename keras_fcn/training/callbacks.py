"""Keras callbacks of a `Trainer`: samples, TensorBoard, checkpoints, progress.

Epochs are counted from 1, steps of an epoch from 0.
"""

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_fcn.classes import ClassMap
from keras_fcn.drawing.panels import (
    colorize,
    draw_confusion_matrix,
    sample_panel,
    stack_panels,
)
from keras_fcn.images.encoding import write_label_map, write_png
from keras_fcn.metrics import ConfusionMatrix, SegmentationMetric, segmentation_scores
from keras_fcn.models.inference import prediction_model
from keras_fcn.progress import Progress
from keras_fcn.runs.checkpoints import Checkpoint
from keras_fcn.runs.folder import RunFolder
from keras_fcn.training.event_files import naming_full_disk

logger = logging.getLogger(__name__)
Logs = dict[str, float] | None

# TensorBoard's groups of the values that are neither a loss nor a score.
_GROUPS = {
    "learning_rate": "schedule",
    "images_per_second": "speed",
    "data_wait": "speed",
    "all_reduce": "speed",
}


class ProgressReporter(keras.callbacks.Callback):
    """Shows the progress of a training, and logs the scores of each epoch.

    Args:
        num_epochs: epochs of the whole training.
        steps_per_epoch: steps of one.
        devices: description of the devices if there are several.
    """

    def __init__(self, num_epochs: int, steps_per_epoch: int, devices: str = ""):
        super().__init__()
        self.num_epochs = num_epochs
        self.steps_per_epoch = steps_per_epoch
        self.devices = devices
        self._bar: Progress | None = None

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Remember the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Count a step, and show the scores if there is a report."""
        num_done = (self._epoch - 1) * self.steps_per_epoch + batch + 1
        if self._bar is None:  # after the first step, which is compiled
            total = self.num_epochs * self.steps_per_epoch
            self._bar = Progress(
                description="", total=total, unit="steps", initial=num_done
            )
        self._bar.n = num_done
        is_last = batch + 1 == self.steps_per_epoch
        if not logs or (is_last and not sys.stderr.isatty()):
            return  # the line of the epoch follows
        text = (
            f"loss {logs['loss']:.3f}, mean IoU {logs['mean_iou']:.1%}, "
            f"{logs['images_per_second']:.1f} images/s, data wait "
            f"{logs['data_wait']:.0%}"
        )
        if self.devices:
            share = logs.get("all_reduce", 0)
            text += f", {self.devices}, all-reduce {share:.0%}"
        self._bar.set_description_str(
            f"epoch {self._epoch}/{self.num_epochs}", refresh=False
        )
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.refresh()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Log the scores of an epoch."""
        logs = logs or {}
        if self._bar is not None and sys.stderr.isatty():
            self._bar.clear()
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

    def on_train_end(self, logs: Logs = None) -> None:
        """Remove the progress bar."""
        if self._bar is not None:
            self._bar.close()


class SampleWriter(keras.callbacks.Callback):
    """Writes the same validation images with their predictions after each epoch.

    The figure is written to `epoch-EEEE.png`; the predictions are kept in `predictions`
    and written as palette PNGs, `epoch-EEEE-sample-S.png`, S from 1.

    Args:
        folder: where to write.
        samples: `(image, label_map)` pairs, uint8 `(height, width, 3)` and `(height,
            width)`.
        class_map: names and colors.
    """

    def __init__(
        self,
        folder: Path,
        samples: list[tuple[np.ndarray, np.ndarray]],
        class_map: ClassMap,
    ):
        super().__init__()
        self.folder = folder
        self.samples = samples
        self.class_map = class_map
        self.predictions: list[np.ndarray] = []

    def on_train_begin(self, logs: Logs = None) -> None:
        """Build the model that predicts."""
        self._predict = prediction_model(self.model.network).predict_on_batch

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Predict and write the samples."""
        panels, self.predictions = [], []
        for number, (image, label_map) in enumerate(self.samples, start=1):
            # (1, H, W) of a batch of one: the samples may differ in size.
            prediction = np.asarray(self._predict(image[None]))[0].astype("uint8")
            panels.append(sample_panel(image, label_map, prediction, self.class_map))
            path = self.folder / f"epoch-{epoch:04}-sample-{number}.png"
            write_label_map(path, prediction, self.class_map)
            self.predictions.append(prediction)
        write_png(self.folder / f"epoch-{epoch:04}.png", stack_panels(panels))


class SegmentationTensorBoard(keras.callbacks.Callback):
    """Writes scores, IoU of each class and figures of each epoch for TensorBoard.

    IoU by class and the confusion matrix require one of `keras_fcn.metrics` in
    `compile`. There is one file for training and one for validation, with the tags

    - `scores/NAME` of each metric and `iou/CLASS`, in one chart for both;
    - `loss/train` and `loss/validation`;
    - `schedule/learning_rate`, and `speed/NAME` in a run of `keras_fcn.train`;
    - `confusion_matrix`, and `sample-N/image`, `/truth` and `/prediction`.

    Examples:
        >>> samples = data.val.examples.take(4).as_numpy_iterator()
        >>> board = keras_fcn.callbacks.SegmentationTensorBoard(
        ...     "logs", data.class_map, [(s["image"], s["label_map"]) for s in samples]
        ... )
        >>> model.fit(batches, validation_data=validation, callbacks=[board])

    Args:
        log_dir: parent of the folders `train` and `validation`.
        class_map: names and colors of the classes.
        samples: `(image, label_map)` pairs, uint8 RGB `(height, width, 3)` and uint8
            `(height, width)`, whose predictions are drawn.

    Raises:
        OSError: in `fit`, if a file can't be written.
    """

    def __init__(
        self,
        log_dir: str | PathLike,
        class_map: ClassMap,
        samples: Sequence[tuple[np.ndarray, np.ndarray]] = (),
    ):
        super().__init__()
        if not isinstance(class_map, ClassMap):
            raise ValueError(
                "`class_map` must be a `keras_fcn.ClassMap`, such as that of a data "
                f"set. Received: class_map={class_map!r:.80}"
            )
        self.log_dir = Path(log_dir)
        self.class_map = class_map
        self.samples = samples
        self._train_matrix: np.ndarray | None = None
        self._has_samples = False  # images and truth are written once

    def on_train_begin(self, logs: Logs = None) -> None:
        """Open the files."""
        self._writers = {
            split: tf.summary.create_file_writer(str(self.log_dir / split))
            for split in ("train", "validation")
        }

    def on_train_end(self, logs: Logs = None) -> None:
        """Close the files."""
        for writer in self._writers.values():
            writer.close()

    def on_test_begin(self, logs: Logs = None) -> None:
        """Keep the training's confusion matrix, which Keras resets for validation."""
        self._train_matrix = self._matrix()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write the points of an epoch."""
        logs = logs or {}
        is_validated = any(name.startswith("val_") for name in logs)
        with self._writer("train", epoch):
            for name, value in logs.items():
                if not name.startswith("val_"):
                    tf.summary.scalar(_tag(name, "train"), value)
            matrix = self._train_matrix if is_validated else self._matrix()
            self._write_per_class_iou(matrix)
        predictions = self._predictions()
        with self._writer("validation", epoch):
            for name, value in logs.items():
                if name.startswith("val_"):
                    tag = _tag(name.removeprefix("val_"), "validation")
                    tf.summary.scalar(tag, value)
            if is_validated and (matrix := self._matrix()) is not None:
                self._write_per_class_iou(matrix)
                drawn = draw_confusion_matrix(matrix, self.class_map)
                tf.summary.image("confusion_matrix", drawn[None])
            self._write_samples(predictions)

    def _matrix(self) -> np.ndarray | None:
        """Return the counts of the model's first metric that has a confusion matrix."""
        metrics = list(self.model.metrics)
        for metric in metrics:
            if isinstance(metric, ConfusionMatrix):
                return metric.matrix()
            if isinstance(metric, SegmentationMetric):
                return metric.confusion_matrix.matrix()
            metrics += getattr(metric, "metrics", [])  # those of `compile`
        return None

    def _predictions(self) -> list[np.ndarray]:
        """Return the label maps that are predicted for the samples."""
        predictions = []
        for image, _ in self.samples:
            # (1, H, W, C) of a batch of one: the samples may differ in size.
            logits = ops.convert_to_numpy(self.model(image[None], training=False))
            predictions.append(logits[0].argmax(axis=-1).astype("uint8"))
        return predictions

    def _write_samples(self, predictions: Sequence[np.ndarray]) -> None:
        """Write the samples' predictions, and once their images and truth."""
        pairs = zip(self.samples, predictions, strict=True)
        for number, ((image, label_map), prediction) in enumerate(pairs, start=1):
            drawn = {"prediction": colorize(prediction, self.class_map)}
            if not self._has_samples:
                drawn |= {"image": image, "truth": colorize(label_map, self.class_map)}
            for name, figure in drawn.items():
                tf.summary.image(f"sample-{number}/{name}", figure[None])
        self._has_samples = True

    @contextmanager
    def _writer(self, split: str, epoch: int) -> Iterator[None]:
        writer = self._writers[split]
        with naming_full_disk(self.log_dir / split), writer.as_default(step=epoch):
            yield
            writer.flush()

    def _write_per_class_iou(self, matrix: np.ndarray | None) -> None:
        """Write a point for each class that occurs in the epoch."""
        if matrix is None:
            return
        for name, iou in zip(
            self.class_map.names,
            segmentation_scores(matrix)["per_class_iou"],
            strict=True,
        ):
            if not np.isnan(iou):
                tf.summary.scalar(f"iou/{name}", iou)


def _tag(name: str, split: str) -> str:
    """Return the tag of a value of an epoch."""
    if name == "loss":
        return f"loss/{split}"
    return f"{_GROUPS.get(name, 'scores')}/{name}"


class TensorBoardLogger(SegmentationTensorBoard):
    """The TensorBoard files of a run.

    A session writes one file for training and one for validation; `keep_events_until`
    prepares them when a training resumes.

    Args:
        log_dir: parent of the folders `train` and `validation`.
        class_map: names of the classes.
        sample_writer: its samples are shown; it must come before this callback.
        configuration: options of the training, shown as a table.
    """

    def __init__(
        self,
        log_dir: Path,
        class_map: ClassMap,
        sample_writer: SampleWriter,
        configuration: dict,
    ):
        super().__init__(log_dir, class_map, sample_writer.samples)
        self.sample_writer = sample_writer
        self.configuration = configuration

    def on_train_begin(self, logs: Logs = None) -> None:
        """Open the files, and write the configuration into new ones."""
        is_new = not any((self.log_dir / "train").glob("events.*"))
        super().on_train_begin(logs)
        if is_new:
            options = self.configuration.items()
            rows = (f"| {name} | {value} |" for name, value in options)
            with self._writer("train", 0):
                table = "\n".join(["| option | value |", "|---|---|", *rows])
                tf.summary.text("configuration", table)

    def _predictions(self) -> list[np.ndarray]:
        return self.sample_writer.predictions


class CheckpointWriter(keras.callbacks.Callback):
    """Writes the best network, and the state from which a training can resume.

    Args:
        run: the run's folder.
        checkpoint: where the training starts or resumes.
        describe: returns the content of `metrics.json` for an epoch and its validation
            confusion matrix.
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
        """Write the state between two steps.

        Args:
            epoch: the current epoch.
            step: number of its finished steps.

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

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write the state, and the network if it is the best so far."""
        history = [*self.last.history, {"epoch": epoch, **(logs or {})}]
        checkpoint = Checkpoint.at(epoch, history)
        if checkpoint.best_epoch == epoch:
            metrics = self.describe(epoch, self.model.confusion.matrix())
            self.checkpoints.stage_best(epoch, self.model.network.save, metrics)
        self.checkpoints.write(checkpoint, self.last, self.model.save_state)
        self.last = checkpoint
