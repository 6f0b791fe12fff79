"""The loop over the epochs of a training.

`Model.fit` fetches its batches inside the compiled step on TensorFlow, where the time
spent waiting for them can't be told from the step's own; hence a loop around Keras's
`train_on_batch` and `evaluate`.
"""

import logging
import math
import time
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from keras_fcn.callbacks import (
    Checkpoint,
    Progress,
    SampleWriter,
    TensorBoardLogger,
)
from keras_fcn.config import TrainingConfig
from keras_fcn.evaluation import scores_report
from keras_fcn.pipeline import evaluation_batches, iterate, to_device, training_batches
from keras_fcn.run_folder import RunFolder
from keras_fcn.trainer import Trainer
from keras_fcn.training_data import TrainingData

logger = logging.getLogger(__name__)


def run_epochs(
    trainer: Trainer,
    config: TrainingConfig,
    data: TrainingData,
    run: RunFolder,
    checkpoint: dict,
) -> None:
    """Train from the epoch after a checkpoint to the last.

    Args:
        trainer: compiled, in the state of the checkpoint.
        config: the training.
        data: its data.
        run: where everything is written.
        checkpoint: what `RunFolder.read_checkpoint` gave.

    Raises:
        FloatingPointError: if a loss is no longer finite.
        OSError: if something can't be written.
    """
    callbacks = _make_callbacks(trainer, config, data, run, checkpoint["history"])
    validation_batches = _validation_batches(config, data)
    callbacks.on_train_begin()
    try:
        for epoch in range(checkpoint["epoch"] + 1, config.epochs + 1):
            _run_epoch(trainer, config, data, epoch, callbacks, validation_batches)
    except KeyboardInterrupt:
        logger.info("Stopped. To go on: python train.py --resume %s", run.path)
        raise
    callbacks.on_train_end()


def steps_per_epoch(config: TrainingConfig, data: TrainingData) -> int:
    """Return the number of batches in an epoch; the last may be smaller.

    Args:
        config: the training.
        data: its data.
    """
    return math.ceil(data.train.num_images / config.batch_size)


def _make_callbacks(trainer, config, data, run, history):
    class_map = data.dataset.class_map
    sample_writer = SampleWriter(
        run.samples,
        _samples(config, data),
        class_map,
        config.samples_every,
        config.epochs,
    )

    def describe(epoch, matrix):
        return {"epoch": epoch, **scores_report(matrix, data.dataset, "val")}

    return keras.callbacks.CallbackList(
        [
            Progress(config.epochs, steps_per_epoch(config, data)),
            sample_writer,
            TensorBoardLogger(run.tensorboard, class_map, sample_writer),
            Checkpoint(
                run, history, describe, keep_last=config.partition == "train+val"
            ),
        ],
        model=trainer,
    )


def _validation_batches(config, data):
    batches = evaluation_batches(
        data.validation_examples, data.validation, config.batch_size
    )
    return to_device(
        batches.map(lambda batch: {key: batch[key] for key in batch if key != "name"})
    )


def _run_epoch(trainer, config, data, epoch, callbacks, validation_batches):
    """Train, validate and write what an epoch leaves."""
    callbacks.on_epoch_begin(epoch)
    trainer.seed_epoch(config.seed, epoch)
    with trainer.scores_of_an_epoch():
        logs = _train_epoch(trainer, config, data, epoch, callbacks)
    scores = trainer.evaluate(
        validation_batches, callbacks=callbacks, verbose=0, return_dict=True
    )
    logs.update({f"val_{name}": float(value) for name, value in scores.items()})
    _check_finite(logs["val_loss"], "validation loss", trainer, epoch)
    callbacks.on_epoch_end(epoch, logs)


def _train_epoch(trainer, config, data, epoch, callbacks):
    """Train on every image once; return the scores and the speed."""
    batches = training_batches(
        data.train_examples,
        data.train,
        batch_size=config.batch_size,
        void_id=data.dataset.class_map.void_id,
        seed=config.seed,
        epoch=epoch,
        budget=config.cache_budget * 2**20,
    )
    started = time.monotonic()
    waited, num_images = 0.0, 0
    for step, (batch, seconds) in enumerate(_timed(iterate(batches))):
        waited += seconds
        learning_rate = float(trainer.optimizer.learning_rate)
        callbacks.on_train_batch_begin(step)
        logs = trainer.train_on_batch(batch, return_dict=True)
        logs = {name: float(value) for name, value in logs.items()}
        _check_finite(logs["loss"], "loss", trainer, epoch, learning_rate)
        num_images += len(batch["image"])
        passed = time.monotonic() - started
        logs["learning_rate"] = learning_rate
        logs["images_per_second"] = num_images / passed
        logs["data_wait"] = waited / passed
        callbacks.on_train_batch_end(step, logs)
    return logs


def _timed(batches: Iterator) -> Iterator[tuple[dict[str, tf.Tensor], float]]:
    """Batches, each with the seconds that were spent waiting for it."""
    while True:
        asked = time.monotonic()
        batch = next(batches, None)
        if batch is None:
            return
        yield batch, time.monotonic() - asked


def _check_finite(loss, what, trainer, epoch, learning_rate=None):
    """Stop a training that has diverged, and say where it did."""
    if math.isfinite(loss):
        return
    step = int(trainer.optimizer.iterations)
    if learning_rate is None:
        learning_rate = float(trainer.optimizer.learning_rate)
    raise FloatingPointError(
        f"The {what} is {loss} at step {step} (epoch {epoch}) with a learning rate of "
        f"{learning_rate:.3g}: try a lower --learning-rate, --warmup-epochs 1 or "
        "--precision float32"
    )


def _samples(config, data):
    """Images and label maps that are drawn each epoch, spread over the split."""
    last = data.validation.num_images - 1
    count = min(config.num_samples, last + 1)
    chosen = set(np.linspace(0, last, count).round().astype(int).tolist())
    return [
        (example["image"], example["label_map"])
        for index, example in enumerate(data.validation_examples.as_numpy_iterator())
        if index in chosen
    ]
