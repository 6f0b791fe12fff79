"""A training from its configuration to `best.keras`, and going on with one."""

import dataclasses
import logging
import math
import time
from pathlib import Path

import keras
import numpy as np

from keras_fcn.callbacks import (
    Checkpoint,
    Progress,
    SampleWriter,
    TensorBoardLogger,
    remove_epochs_after,
)
from keras_fcn.config import TrainingConfig
from keras_fcn.datasets import load_dataset
from keras_fcn.datasets.dataset import (
    SegmentationDataset,
    Split,
    label_statistics,
    summarize,
)
from keras_fcn.evaluation import scores_report
from keras_fcn.losses import class_weights_from_counts
from keras_fcn.models import FCN
from keras_fcn.pipeline import (
    cached_examples,
    evaluation_batches,
    iterate,
    to_device,
    training_batches,
)
from keras_fcn.precision import has_accelerator, resolve_precision, use_precision
from keras_fcn.run_folder import RunFolder
from keras_fcn.trainer import Trainer, make_augment, make_optimizer
from keras_fcn.weights import transfer_weights

logger = logging.getLogger(__name__)

_LARGEST_DEFAULT_CROP = 320


@dataclasses.dataclass
class _Data:
    """Training and validation images, checked and cached."""

    dataset: SegmentationDataset
    train: Split
    validation: Split
    train_examples: object
    validation_examples: object
    train_pixels: np.ndarray
    class_weights: np.ndarray | None


def train(config: TrainingConfig, run_path: Path) -> RunFolder:
    """Train a network from the start.

    Args:
        config: the training.
        run_path: folder of the new run; must not exist or be empty. It is made when
            data, weights and configuration have been found to be right.

    Returns:
        The run, finished.

    Raises:
        ValueError, OSError: if data, weights or configuration are not usable.
        FloatingPointError: if the loss is no longer finite.
    """
    RunFolder(run_path).check_is_free()
    config = dataclasses.replace(config, precision=resolve_precision(config.precision))
    data = _load_data(config)
    keras.utils.set_random_seed(config.seed)
    trainer = _make_trainer(config, data, config.weights)
    if config.init_from is not None:
        _start_from(RunFolder.open(config.init_from), trainer.network, data)
    _log_training(config, data, trainer.network)
    run = RunFolder.create(run_path, config, data.dataset.class_map)
    _fit(trainer, config, data, run, run.read_checkpoint())
    return run


def resume(run_path: Path, data_dir: str | None = None) -> RunFolder:
    """Go on with a training from its last finished epoch.

    Weights, optimizer, learning rate, best score, curves and random draws go on as if
    it had not been stopped.

    Args:
        run_path: the run.
        data_dir: where the data are now, if they have moved.

    Returns:
        The run, finished.

    Raises:
        ValueError, OSError: if the run or the data are not usable.
    """
    run = RunFolder.open(run_path)
    config = run.read_config()
    if data_dir is not None:
        config = dataclasses.replace(config, data_dir=data_dir)
    checkpoint = run.read_checkpoint()
    if checkpoint["epoch"] >= config.epochs:
        raise ValueError(
            f"{run_path} has finished its {config.epochs} epochs: start a new run from "
            f"it with --init-from {run_path}"
        )
    run.remove_unfinished_files()
    data = _load_data(config)
    run.check_classes(data.dataset.class_map)
    keras.utils.set_random_seed(config.seed)
    is_started = checkpoint["epoch"] > 0
    weights = "none" if is_started else config.weights
    trainer = _make_trainer(config, data, weights)
    if is_started:
        _restore(trainer, run.path / checkpoint["state"])
    elif config.init_from is not None:
        _start_from(RunFolder.open(config.init_from), trainer.network, data)
    _log_training(config, data, trainer.network)
    remove_epochs_after(run.tensorboard, checkpoint["epoch"])
    logger.info("Going on with %s after epoch %d", run.path, checkpoint["epoch"])
    _fit(trainer, config, data, run, checkpoint)
    return run


def training_crop(crop: tuple[int, int] | None, split: Split) -> tuple[int, int]:
    """Return the size of the training crops.

    Args:
        crop: `(height, width)` asked for, or None for the images' own size, at most
            320x320.
        split: the training images.

    Raises:
        ValueError: if the crop is larger than the largest image, padded to a multiple
            of 32.
    """
    heights, widths = zip(*split.image_sizes, strict=True)
    largest = (max(heights), max(widths))
    if crop is None:
        return tuple(min(length, _LARGEST_DEFAULT_CROP) for length in largest)
    padded = tuple(math.ceil(length / 32) * 32 for length in largest)
    if crop[0] > padded[0] or crop[1] > padded[1]:
        raise ValueError(
            f"--crop must be at most {padded[0]}x{padded[1]}, the size of the largest "
            f"training image padded to a multiple of 32. Received: {crop[0]}x{crop[1]}"
        )
    return crop


def _load_data(config):
    dataset = load_dataset(config, splits=("train", "val"))
    train_split, validation = dataset.split("train"), dataset.split("val")
    training_crop(config.crop, train_split)
    budget = config.cache_budget * 2**20
    train_examples = cached_examples(train_split, budget)
    validation_examples = cached_examples(
        validation, max(0, budget - train_split.num_bytes)
    )
    statistics = label_statistics(train_examples, dataset.class_map)
    label_statistics(validation_examples, dataset.class_map)
    class_weights = class_weights_from_counts(
        config.class_weights,
        statistics.pixels,
        statistics.pixels_of_images_with_class,
    )
    return _Data(
        dataset,
        train_split,
        validation,
        train_examples,
        validation_examples,
        statistics.pixels,
        class_weights,
    )


def _log_training(config, data, network):
    """Tell what is trained on what, when all of it has been found to be right."""
    class_map, class_weights = data.dataset.class_map, data.class_weights
    logger.info(
        "%s: %d training and %d validation images, %d classes",
        data.dataset.name,
        data.train.num_images,
        data.validation.num_images,
        class_map.num_classes,
    )
    shown = zip(class_map.names, data.train_pixels, strict=True)
    absent = [name for name, count in shown if not count]
    if absent:
        logger.warning("No training image shows: %s", summarize(absent, most=11))
    if class_weights is not None:
        named = (
            f"{name} {weight:.3f}"
            for name, weight in zip(class_map.names, class_weights, strict=True)
        )
        logger.info("Class weights: %s", ", ".join(named))
    logger.info(
        "%s, %s head: %.1f M parameters, %s",
        network.name,
        config.head,
        network.count_params() / 1e6,
        config.precision,
    )


def _make_trainer(config, data, weights):
    class_map = data.dataset.class_map
    with use_precision(config.precision):
        network = FCN(
            config.variant,
            class_map.num_classes,
            config.head,
            None if weights == "none" else weights,
            dropout=config.dropout,
            skip_scales=config.skip_scales,
            freeze_upsampling=config.freeze_upsampling,
        )
    crop = training_crop(config.crop, data.train)
    trainer = Trainer(
        network,
        make_augment(config, crop, class_map.void_id),
        class_map.num_classes,
        class_map.void_id,
        data.class_weights,
    )
    trainer.compile(
        optimizer=make_optimizer(config, _steps_per_epoch(config, data)),
        # XLA made a step on the CPU slower: 2.3 s an image against 1.9 s
        jit_compile="auto"
        if has_accelerator() or keras.backend.backend() == "jax"
        else False,
    )
    trainer.build()
    trainer.optimizer.build(trainer.trainable_variables)
    return trainer


def _steps_per_epoch(config, data):
    return math.ceil(data.train.num_images / config.batch_size)


def _start_from(run, network, data):
    """Take over the weights of a coarser network, and say what starts anew."""
    run.check_classes(data.dataset.class_map)
    fresh = transfer_weights(run.load_best_model(), network)
    logger.info(
        "Started from %s; anew: %s", run.path, ", ".join(fresh) if fresh else "nothing"
    )


def _restore(trainer, state):
    try:
        trainer.load_weights(state)
    except (OSError, KeyError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"{state} can't be loaded: it is missing or damaged ({reason})"
        ) from error


def _fit(trainer, config, data, run, checkpoint):
    """The loop over the epochs.

    `Model.fit` fetches its batches inside the compiled step on TensorFlow, where the
    time spent waiting for them can't be told from the step's own; hence a loop of ours
    around Keras's `train_on_batch` and `evaluate`.
    """
    class_map = data.dataset.class_map
    sample_writer = SampleWriter(run.samples, _samples(config, data), class_map)

    def describe(epoch, matrix):
        report = scores_report(matrix, data.dataset, "val")
        return {"epoch": epoch, **report}

    callbacks = keras.callbacks.CallbackList(
        [
            Progress(config.epochs, _steps_per_epoch(config, data)),
            sample_writer,
            TensorBoardLogger(run.tensorboard, class_map, sample_writer),
            Checkpoint(run, checkpoint["history"], describe),
        ],
        model=trainer,
    )
    numeric = evaluation_batches(
        data.validation_examples, data.validation, config.batch_size
    ).map(lambda batch: {key: batch[key] for key in ("image", "label_map", "size")})
    validation_batches = to_device(numeric)
    callbacks.on_train_begin()
    first_epoch = checkpoint["epoch"] + 1
    try:
        for epoch in range(first_epoch, config.epochs + 1):
            _run_epoch(trainer, config, data, epoch, callbacks, validation_batches)
    except KeyboardInterrupt:
        logger.info("Stopped. To go on: python train.py --resume %s", run.path)
        raise
    callbacks.on_train_end()


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
    batches = iterate(
        training_batches(
            data.train_examples,
            data.train,
            batch_size=config.batch_size,
            void_id=data.dataset.class_map.void_id,
            seed=config.seed,
            epoch=epoch,
            budget=config.cache_budget * 2**20,
        )
    )
    started = time.monotonic()
    waited, num_images, step = 0.0, 0, 0
    while True:
        asked = time.monotonic()
        batch = next(batches, None)
        if batch is None:
            break
        waited += time.monotonic() - asked
        learning_rate = float(trainer.optimizer.learning_rate)
        callbacks.on_train_batch_begin(step)
        logs = trainer.train_on_batch(batch, return_dict=True)
        logs = {name: float(value) for name, value in logs.items()}
        _check_finite(logs["loss"], "loss", trainer, epoch, learning_rate)
        num_images += len(batch["image"])
        seconds = time.monotonic() - started
        logs["learning_rate"] = learning_rate
        logs["images_per_second"] = num_images / seconds
        logs["data_wait"] = waited / seconds
        callbacks.on_train_batch_end(step, logs)
        step += 1
    return logs


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
    count = min(config.num_samples, data.validation.num_images)
    last = data.validation.num_images - 1
    chosen = set(np.linspace(0, last, count).round().astype(int).tolist())
    return [
        (example["image"], example["label_map"])
        for index, example in enumerate(data.validation_examples.as_numpy_iterator())
        if index in chosen
    ]
