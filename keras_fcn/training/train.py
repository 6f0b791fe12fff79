"""A training from its configuration to `best.keras`, and going on with one."""

import dataclasses
import logging
import shutil
from contextlib import ExitStack
from pathlib import Path

import keras

from keras_fcn.config import TrainingConfig
from keras_fcn.errors import summarize
from keras_fcn.models.architecture import Architecture
from keras_fcn.models.devices import use_xla
from keras_fcn.models.fcn import build_network
from keras_fcn.models.precision import use_precision
from keras_fcn.models.weights import transfer_weights
from keras_fcn.runs.bundled import find_network
from keras_fcn.runs.checkpoints import Checkpoint
from keras_fcn.runs.folder import RunFolder, versions
from keras_fcn.storage.atomic import remove_parts
from keras_fcn.training.augment import make_augment
from keras_fcn.training.calibrate import calibrate
from keras_fcn.training.data import TrainingData, load_training_data
from keras_fcn.training.distributed.strategy import Distribution, peers_watched
from keras_fcn.training.event_files import keep_events_until
from keras_fcn.training.loop import TrainingLoop
from keras_fcn.training.optimizer import make_optimizer
from keras_fcn.training.patience import has_stalled
from keras_fcn.training.resolve import absolute, check_start, resolve_config
from keras_fcn.training.trainer import Trainer

logger = logging.getLogger(__name__)


def train(
    config: TrainingConfig,
    run_path: Path,
    distribution: Distribution | None = None,
    checkpoint_every: int | None = None,
) -> RunFolder:
    """Train a network from the start.

    Args:
        config: the training.
        run_path: folder of the new run; must not exist or be empty. It is made when
            data, weights and configuration have been found to be right. With several
            workers the first one alone needs it.
        distribution: the devices, as `join` gives them; None for one.
        checkpoint_every: steps after which the state is written within an epoch, to go
            on from; None for at its end alone.

    Returns:
        The run, finished.

    Raises:
        ValueError, OSError: if data, weights or configuration are not usable.
        FloatingPointError: if the loss is no longer finite.
        TrainingStopped: by SIGTERM to a worker, after a checkpoint has been written.
        PeerLost: if another worker is gone.
    """
    distribution = distribution or Distribution()
    config = _check_workers(config, distribution, checkpoint_every)
    with distribution.together():
        if distribution.is_first:
            RunFolder(run_path).check_is_free()
        check_start(config)
    data = load_training_data(config, distribution)
    if data.dataset.label_values is not None:  # so that it is not decided anew
        config = dataclasses.replace(config, label_values=data.dataset.label_values)
    with distribution.together():
        trainer = _make_started_trainer(config, data, distribution)
    _log_training(config, data, trainer)
    run, checkpoint = RunFolder(run_path), Checkpoint()
    with ExitStack() as stack:
        with distribution.together():
            if distribution.is_first:
                run = RunFolder.create(
                    run_path,
                    config,
                    data.dataset.class_map,
                    data.train.median_shorter_side,
                )
                stack.enter_context(run.locked())
        try:
            _run_loop(trainer, config, data, run, checkpoint, checkpoint_every)
        except FloatingPointError:
            if distribution.is_first and not run.checkpoints.last_file.exists():
                shutil.rmtree(run.path)  # nothing to go on with
            raise
    return run


def resume(
    run_path: Path,
    data_dir: str | None = None,
    distribution: Distribution | None = None,
    checkpoint_every: int | None = None,
) -> RunFolder:
    """Go on with a training from its last checkpoint.

    Weights, optimizer, learning rate, best score, curves and random draws go on as if
    it had not been stopped; the devices may be others than before. Where it was stopped
    after its last epoch, what follows that is done.

    Args:
        run_path: the run. With several workers the first one alone needs it.
        data_dir: where the data are now, if they have moved.
        distribution: as for `train`.
        checkpoint_every: as for `train`.

    Returns:
        The run, finished.

    Raises:
        ValueError, OSError: if the run or the data are not usable.
        FloatingPointError, TrainingStopped, PeerLost: as by `train`.
    """
    distribution = distribution or Distribution()
    run, config, checkpoints = RunFolder(run_path), None, [Checkpoint()]
    with ExitStack() as stack:
        with distribution.together():
            if distribution.is_first:
                run = RunFolder.open(run_path)
                stack.enter_context(run.locked())
                remove_parts(run.path)
                config, checkpoints = _read_run(run)
        config = _config_of_first(config, data_dir, distribution)
        config = _check_workers(config, distribution, checkpoint_every)
        data = load_training_data(config, distribution)
        with distribution.together():
            if distribution.is_first:
                run.check_classes(data.dataset.class_map)
        trainer, checkpoint = _make_resumed_trainer(
            config, data, run, checkpoints, distribution
        )
        _log_training(config, data, trainer)
        with distribution.together():
            if distribution.is_first:
                run.checkpoints.restore(checkpoint)
                keep_events_until(run.tensorboard, checkpoint.epoch)
                _log_start(run, checkpoint)
        _run_loop(trainer, config, data, run, checkpoint, checkpoint_every)
    return run


def is_finished(run: RunFolder) -> bool:
    """Whether nothing is left to do: no epoch, and none of what follows the last one.

    Args:
        run: the run.

    Raises:
        ValueError, OSError: if it can't be read.
    """
    return _has_all(run, run.read_config(), run.read_checkpoint())


def _has_all(run, config, checkpoint):
    is_over = checkpoint.epoch >= config.epochs
    is_over = is_over or has_stalled(checkpoint.history, config.patience)
    # A kill may have come between the last checkpoint and the end.
    is_whole = run.checkpoints.is_complete(checkpoint) and run.calibration_file.exists()
    return is_over and is_whole


def _read_run(run):
    """Configuration and checkpoints of a run that can go on."""
    config = run.read_config()
    checkpoints = run.checkpoints.read()
    if not _has_all(run, config, checkpoints[0]):
        return config, checkpoints
    reason = f"has finished its {config.epochs} epochs: start a new run"
    if checkpoints[0].epoch < config.epochs:
        reason = (
            f"has ended: {config.patience} epochs without a better validation mean "
            "IoU. Start a new run"
        )
    raise ValueError(f"{run.path} {reason} from it by `init_from` {run.path}")


def _config_of_first(config, data_dir, distribution):
    """The run's configuration, which the first worker has read, on all workers."""
    values = distribution.exchange(config and dataclasses.asdict(config))[0]
    config = TrainingConfig(**values)
    if data_dir is not None:
        config = dataclasses.replace(config, data_dir=absolute(data_dir))
    return config


def _check_workers(config, distribution, checkpoint_every):
    """The configuration, resolved, when all workers have the same."""
    config = resolve_config(config)
    values = {
        f"`{name}`": value
        for name, value in dataclasses.asdict(config).items()
        if name != "data_dir"  # each host may have a disk of its own
    }
    values["`checkpoint_every`"] = checkpoint_every
    values["number of devices"] = distribution.num_local
    distribution.check_same(values, "configuration")
    distribution.check_same(versions(), "versions")
    distribution.check_batch_size(config.batch_size)
    return config


def _run_loop(trainer, config, data, run, checkpoint, checkpoint_every):
    """Run the epochs, and wait for the other workers' end."""
    distribution = trainer.distribution
    writes = run if distribution.is_first else None
    loop = TrainingLoop(trainer, config, data, writes, checkpoint, checkpoint_every)
    with peers_watched():  # Keras's metrics wait for the others too when they are reset
        loop.run()
    if distribution.is_first:
        calibrate(run, data.dataset, config.batch_size)
    distribution.finish()


def _make_resumed_trainer(config, data, run, checkpoints, distribution):
    """A trainer in the state of the last checkpoint that is whole, and which it is."""
    has_state = distribution.exchange(checkpoints[0].state is not None)[0]
    if not has_state:
        with distribution.together():
            trainer = _make_started_trainer(config, data, distribution)
        return trainer, checkpoints[0]
    trainer = make_trainer(config, data, None, distribution)
    checkpoint = None
    with distribution.together():
        if distribution.is_first:
            checkpoint = _load_last(trainer, run, checkpoints)
    values = distribution.exchange(checkpoint and dataclasses.asdict(checkpoint))[0]
    checkpoint = Checkpoint(**values)
    trainer.copy_from_first(is_within_epoch=checkpoint.step > 0)
    return trainer, checkpoint


def _load_last(trainer, run, checkpoints):
    """Load the last checkpoint that is whole, and return it."""
    for checkpoint in checkpoints:
        try:
            path = run.path / checkpoint.state
            trainer.load_state(path, is_within_epoch=checkpoint.step > 0)
            return checkpoint
        except ValueError as error:
            if checkpoint == checkpoints[-1]:
                raise
            logger.warning("%s; the checkpoint before is taken", error)


def _log_start(run, checkpoint):
    step = f" and step {checkpoint.step}" if checkpoint.step else ""
    logger.info("Going on with %s after epoch %d%s", run.path, checkpoint.epoch, step)


def _make_started_trainer(config, data, distribution):
    """A trainer with the weights that the configuration starts from."""
    if config.init_from is None:
        weights = None if config.weights == "none" else config.weights
        return make_trainer(config, data, weights, distribution)
    trainer = make_trainer(config, data, None, distribution)
    source = find_network(config.init_from)
    names = data.dataset.class_map.names
    has_same_classes = source.read_class_map().names == names
    fresh = transfer_weights(
        source.load_model(), trainer.network, keep_logits=has_same_classes
    )
    if distribution.is_first:
        logger.info(
            "Started from %s%s; re-initialized: %s",
            config.init_from,
            "" if has_same_classes else ", which has other classes",
            ", ".join(fresh) if fresh else "nothing",
        )
    return trainer


def make_trainer(
    config: TrainingConfig,
    data: TrainingData,
    weights: str | None,
    distribution: Distribution,
) -> Trainer:
    """Return a compiled trainer with all its variables.

    Args:
        config: the training, resolved.
        data: its data.
        weights: as for `FCN`.
        distribution: the devices.

    Raises:
        ValueError, OSError: as `FCN`.
    """
    # Of the first weights; and tf.data's order needs the same in each process.
    keras.utils.set_random_seed(config.seed)
    class_map = data.dataset.class_map
    with peers_watched(), distribution.scope():
        with use_precision(config.precision):
            architecture = Architecture.from_config(config, class_map.num_classes)
            network = build_network(architecture, weights)
        trainer = Trainer(
            network,
            make_augment(config, data.crop, class_map.void_id),
            class_map.num_classes,
            class_map.void_id,
            data.class_weights,
            distribution,
        )
        trainer.compile(
            optimizer=make_optimizer(config, data.num_steps(config.batch_size)),
            jit_compile=use_xla(data.has_one_size),
        )
        trainer.build()
        trainer.optimizer.build(trainer.trainable_variables)
    return trainer


def _log_training(config, data, trainer):
    """Tell what is trained on what, when all of it has been found to be right."""
    distribution, network = trainer.distribution, trainer.network
    if not distribution.is_first:
        logger.info(
            "Worker %d of %d trains on its share; the first one, worker 0, tells how "
            "it goes and writes the run",
            distribution.worker,
            distribution.num_workers,
        )
        return
    if distribution.num_replicas > 1:
        logger.info("Training on %s", distribution.describe())
    class_map = data.dataset.class_map
    logger.info(
        "%s: %d training and %d validation images, %d classes",
        data.dataset.name,
        data.train.num_images,
        data.validation.num_images,
        class_map.num_classes,
    )
    if data.mixed is not None:
        logger.info(
            "mix %s: %d images, of which each step takes as many as of %s",
            config.mix,
            data.mixed.num_images,
            data.dataset.name,
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
