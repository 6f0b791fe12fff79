"""A training from its configuration to `best.keras`, and going on with one."""

import dataclasses
import logging
import shutil
from pathlib import Path

import keras

from keras_fcn.config import TrainingConfig
from keras_fcn.errors import summarize
from keras_fcn.files import remove_parts
from keras_fcn.models.devices import use_xla
from keras_fcn.models.fcn import build_network
from keras_fcn.models.precision import use_precision
from keras_fcn.models.weights import transfer_weights
from keras_fcn.runs.bundled import find_network
from keras_fcn.runs.checkpoints import Checkpoint
from keras_fcn.runs.folder import RunFolder
from keras_fcn.training.augment import make_augment
from keras_fcn.training.calibrate import calibrate
from keras_fcn.training.data import TrainingData, load_training_data
from keras_fcn.training.event_files import keep_events_until
from keras_fcn.training.loop import TrainingLoop
from keras_fcn.training.optimizer import make_optimizer
from keras_fcn.training.patience import has_stalled
from keras_fcn.training.start import absolute, check_start, resolve_config
from keras_fcn.training.trainer import Trainer

logger = logging.getLogger(__name__)


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
    config = resolve_config(config)
    check_start(config)
    data = load_training_data(config)
    if data.dataset.label_values is not None:  # so that it is not decided anew
        config = dataclasses.replace(config, label_values=data.dataset.label_values)
    trainer = _make_started_trainer(config, data)
    _log_training(config, data, trainer.network)
    run = RunFolder.create(
        run_path, config, data.dataset.class_map, data.train.typical_side
    )
    with run.locked():
        try:
            TrainingLoop(trainer, config, data, run, Checkpoint()).run()
        except FloatingPointError:
            if not run.checkpoints.last_file.exists():
                shutil.rmtree(run.path)  # nothing to go on with
            raise
        calibrate(run, data.dataset, config.batch_size)
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
    with run.locked():
        config = run.read_config()
        run.check_goes_on()
        if data_dir is not None:
            config = dataclasses.replace(config, data_dir=absolute(data_dir))
        checkpoints = run.checkpoints.read()
        if checkpoints[0].epoch >= config.epochs:
            raise ValueError(
                f"{run_path} has finished its {config.epochs} epochs: start a new run "
                f"from it by `init_from` {run_path}"
            )
        if has_stalled(checkpoints[0].history, config.patience):
            raise ValueError(
                f"{run_path} has ended: {config.patience} epochs without a better "
                "validation mean IoU. Start a new run from it by `init_from` "
                f"{run_path}"
            )
        remove_parts(run.path)
        data = load_training_data(config)
        run.check_classes(data.dataset.class_map)
        trainer, checkpoint = _make_resumed_trainer(config, data, run, checkpoints)
        _log_training(config, data, trainer.network)
        run.checkpoints.restore(checkpoint)
        keep_events_until(run.tensorboard, checkpoint.epoch)
        logger.info("Going on with %s after epoch %d", run.path, checkpoint.epoch)
        TrainingLoop(trainer, config, data, run, checkpoint).run()
        calibrate(run, data.dataset, config.batch_size)
    return run


def _make_resumed_trainer(config, data, run, checkpoints):
    """A trainer in the state of the last checkpoint that is whole, and which it is."""
    if checkpoints[0].state is None:
        return _make_started_trainer(config, data), checkpoints[0]
    trainer = _make_trainer(config, data, weights=None)
    for checkpoint in checkpoints:
        try:
            trainer.load_state(run.path / checkpoint.state)
        except ValueError as error:
            if checkpoint == checkpoints[-1]:
                raise
            logger.warning("%s; the checkpoint before is taken", error)
        else:
            return trainer, checkpoint


def _make_started_trainer(config, data):
    """A trainer with the weights that the configuration starts from."""
    if config.init_from is None:
        weights = None if config.weights == "none" else config.weights
        return _make_trainer(config, data, weights)
    trainer = _make_trainer(config, data, weights=None)
    source = find_network(config.init_from)
    names = data.dataset.class_map.names
    has_same_classes = source.read_class_map().names == names
    fresh = transfer_weights(
        source.load_model(), trainer.network, keep_scores=has_same_classes
    )
    logger.info(
        "Started from %s%s; re-initialised: %s",
        config.init_from,
        "" if has_same_classes else ", which has other classes",
        ", ".join(fresh) if fresh else "nothing",
    )
    return trainer


def _make_trainer(config: TrainingConfig, data: TrainingData, weights):
    """A compiled trainer with all its variables."""
    # Of the first weights; and tf.data's order needs the same in each process.
    keras.utils.set_random_seed(config.seed)
    class_map = data.dataset.class_map
    with use_precision(config.precision):
        network = build_network(config, class_map.num_classes, weights)
    trainer = Trainer(
        network,
        make_augment(config, data.crop, class_map.void_id),
        class_map.num_classes,
        class_map.void_id,
        data.class_weights,
    )
    trainer.compile(
        optimizer=make_optimizer(config, data.num_steps(config.batch_size)),
        jit_compile=use_xla(data.has_one_size),
    )
    trainer.build()
    trainer.optimizer.build(trainer.trainable_variables)
    return trainer


def _log_training(config, data, network):
    """Tell what is trained on what, when all of it has been found to be right."""
    class_map = data.dataset.class_map
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
    if data.class_weights is not None:
        named = zip(class_map.names, data.class_weights, strict=True)
        logger.info(
            "Class weights: %s",
            ", ".join(f"{name} {weight:.3f}" for name, weight in named),
        )
    logger.info(
        "%s, %s head: %.1f M parameters, %s",
        network.name,
        config.head,
        network.count_params() / 1e6,
        config.precision,
    )
