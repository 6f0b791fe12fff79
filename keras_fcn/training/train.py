"""A training from its configuration to a finished run, and resuming one."""

import dataclasses
import logging
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import keras
import numpy as np

from keras_fcn.config import TrainingConfig
from keras_fcn.metrics.confusion_matrix import constant_mean_iou
from keras_fcn.runs.checkpoints import Checkpoint
from keras_fcn.runs.folder import RunFolder, versions
from keras_fcn.storage.atomic import remove_parts
from keras_fcn.training.build import (
    log_training,
    make_initialized_trainer,
    make_trainer,
)
from keras_fcn.training.calibrate import calibrate
from keras_fcn.training.data import TrainingData, load_training_data
from keras_fcn.training.distributed.communication import detect_lost_peers
from keras_fcn.training.distributed.strategy import Distribution
from keras_fcn.training.event_files import keep_events_until
from keras_fcn.training.loop import TrainingLoop
from keras_fcn.training.resolve import absolute, check_start, resolve_config
from keras_fcn.training.trainer import Trainer

logger = logging.getLogger(__name__)


def train(
    config: TrainingConfig,
    run_path: Path,
    distribution: Distribution | None = None,
    checkpoint_every: int | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> RunFolder:
    """Train a network from the start.

    Args:
        config: the options.
        run_path: folder of the new run; must not exist, or be an empty folder. It is
            created after data, weights and configuration have been checked. With
            several workers only the first one needs it.
        distribution: the devices, as returned by `join`; None for one.
        checkpoint_every: steps between two checkpoints within an epoch; None writes
            them at the end of epochs only.
        callbacks: as for `TrainingLoop`.

    Returns:
        The finished run.

    Raises:
        ValueError, OSError: if data, weights or configuration are not usable.
        FloatingPointError: if the loss is no longer finite.
        TrainingStopped: if a worker receives SIGTERM, after a checkpoint has been
            written.
        PeerLost: if another worker has ended.
        BatchTooLarge: if the first batch does not fit in memory.
    """
    distribution = distribution or Distribution()
    config = _resolve_on_all_workers(config, distribution, checkpoint_every)
    with distribution.fail_together():
        if distribution.is_first:
            RunFolder(run_path).check_is_free()
        check_start(config)
    data = load_training_data(config, distribution)
    if (
        data.dataset.label_values is not None
    ):  # a resumed training must not decide again
        changes = {
            "label_values": data.dataset.label_values,
            "value_range": data.dataset.value_range,
        }
        config = TrainingConfig(**{**dataclasses.asdict(config), **changes})
    with distribution.fail_together():
        trainer = make_initialized_trainer(config, data, distribution)
    log_training(config, data, trainer)
    run, checkpoint = RunFolder(run_path), Checkpoint()
    with ExitStack() as stack:
        with distribution.fail_together():
            if distribution.is_first:
                run = RunFolder.create(
                    run_path,
                    config,
                    data.dataset.class_map,
                    data.train.median_shorter_side,
                    data.fingerprints,
                )
                stack.enter_context(run.locked())
        try:
            _run_loop(
                trainer, config, data, run, checkpoint, checkpoint_every, callbacks
            )
        except FloatingPointError:
            if distribution.is_first and not run.checkpoints.last_file.exists():
                shutil.rmtree(run.path)  # there is no checkpoint to resume from
            raise
    return run


def resume(
    run_path: Path,
    data_dir: str | None = None,
    distribution: Distribution | None = None,
    checkpoint_every: int | None = None,
    accept_changed_data: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> RunFolder:
    """Resume a training from its last checkpoint.

    Weights, optimizer, learning rate, best score, curves and random numbers are those
    of a training that was not interrupted; the devices may differ. If all epochs are
    done but not the files that follow them, these are written.

    Args:
        run_path: the run. With several workers only the first one needs it.
        data_dir: folder of the data if they have moved.
        distribution: as for `train`.
        checkpoint_every: as for `train`.
        accept_changed_data: resume with other images or labels than before, and record
            the changes in `config.json`.
        callbacks: as for `train`.

    Returns:
        The finished run.

    Raises:
        ValueError, OSError: if the run is finished, the run or the data are not usable,
            or the data have changed.
        FloatingPointError, TrainingStopped, PeerLost, BatchTooLarge: as for `train`.
    """
    distribution = distribution or Distribution()
    run, values, checkpoints = RunFolder(run_path), None, [Checkpoint()]
    with ExitStack() as stack:
        with distribution.fail_together():
            if distribution.is_first:
                run = RunFolder.open(run_path)
                stack.enter_context(run.locked())
                remove_parts(run.path)
                checkpoints = run.checkpoints.read()
                config = run.read_config()
                if _is_complete(run, config, checkpoints[0]):
                    if not config.keep_checkpoints:  # left by a killed process
                        run.checkpoints.remove_states()
                    raise _finished(run, config, checkpoints[0])
                values = dataclasses.asdict(config)
        config = TrainingConfig(**distribution.all_gather(values)[0])
        if data_dir is not None:
            config = dataclasses.replace(config, data_dir=absolute(data_dir))
        config = _resolve_on_all_workers(config, distribution, checkpoint_every)
        data = load_training_data(config, distribution)
        with distribution.fail_together():
            if distribution.is_first:
                run.check_classes(data.dataset.class_map)
                run.check_data(
                    data.fingerprints, accept_changed_data, checkpoints[0].epoch
                )
        trainer, checkpoint = _restore_trainer(
            config, data, run, checkpoints, distribution
        )
        log_training(config, data, trainer)
        with distribution.fail_together():
            if distribution.is_first:
                run.checkpoints.restore(checkpoint)
                keep_events_until(run.tensorboard, checkpoint.epoch)
                step = f" and step {checkpoint.step}" if checkpoint.step else ""
                logger.info(
                    "Resuming %s after epoch %d%s", run.path, checkpoint.epoch, step
                )
        _run_loop(trainer, config, data, run, checkpoint, checkpoint_every, callbacks)
    return run


def is_finished(run: RunFolder) -> bool:
    """Return whether a run has all its epochs and all files that follow the last one.

    Args:
        run: the run.

    Raises:
        ValueError, OSError: if it can't be read.
    """
    return _is_complete(run, run.read_config(), run.read_checkpoint())


def _is_complete(
    run: RunFolder, config: TrainingConfig, checkpoint: Checkpoint
) -> bool:
    if not checkpoint.is_last(config.epochs, config.patience):
        return False
    # The process may have been killed between the last checkpoint and the end.
    is_complete = run.checkpoints.is_complete(checkpoint)
    is_complete &= run.calibration_file.exists()
    return is_complete or not run.checkpoints.has_states()


def _finished(
    run: RunFolder, config: TrainingConfig, checkpoint: Checkpoint
) -> ValueError:
    """The error of resuming a finished training."""
    reason = f"has finished its {config.epochs} epochs: start a new run"
    if checkpoint.epoch < config.epochs:
        reason = (
            f"has ended: {config.patience} epochs without a better validation mean "
            "IoU. Start a new run"
        )
    return ValueError(f"{run.path} {reason} from it by `init_from` {run.path}")


def _resolve_on_all_workers(
    config: TrainingConfig, distribution: Distribution, checkpoint_every: int | None
) -> TrainingConfig:
    """Resolve a configuration, and check that all workers have the same."""
    config = resolve_config(config)
    values = {
        f"`{name}`": value
        for name, value in dataclasses.asdict(config).items()
        if name != "data_dir"  # may be a local disk of each host
    }
    values["`checkpoint_every`"] = checkpoint_every
    values["number of devices"] = distribution.num_local
    distribution.check_same(values, "configuration")
    distribution.check_same(versions(), "versions")
    distribution.check_batch_size(config.batch_size)
    return config


def _run_loop(
    trainer: Trainer,
    config: TrainingConfig,
    data: TrainingData,
    run: RunFolder,
    checkpoint: Checkpoint,
    checkpoint_every: int | None,
    callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    """Run the epochs, calibrate the network, and wait for the other workers."""
    is_first = trainer.distribution.is_first
    loop = TrainingLoop(
        trainer,
        config,
        data,
        run if is_first else None,
        checkpoint,
        checkpoint_every,
        callbacks,
    )
    with detect_lost_peers():  # resetting Keras's metrics also waits for the others
        loop.run()
    if is_first:
        calibrate(run, data.dataset, config.batch_size)
        _report_useless(run)
        # A callback may have stopped the training, which can be resumed then.
        is_last = run.read_checkpoint().is_last(config.epochs, config.patience)
        if is_last and not config.keep_checkpoints:
            run.checkpoints.remove_states()
    # A worker that ends early would be reported as lost.
    trainer.distribution.barrier()


def _report_useless(run: RunFolder) -> None:
    """Log a warning if the best network is no better than a constant prediction."""
    metrics = run.read_metrics()
    constant = constant_mean_iou(np.array(metrics["confusion_matrix"]))
    if metrics["mean_iou"] <= constant + 1e-6:
        logger.warning(
            "No epoch was better than predicting one class for all pixels, whose mean "
            "IoU on val is %.1f %%: change the learning rate, or check the labels",
            100 * constant,
        )


def _restore_trainer(
    config: TrainingConfig,
    data: TrainingData,
    run: RunFolder,
    checkpoints: list[Checkpoint],
    distribution: Distribution,
) -> tuple[Trainer, Checkpoint]:
    """Return a trainer in the state of the last undamaged checkpoint, and that one."""
    has_state = distribution.all_gather(checkpoints[0].state is not None)[0]
    if not has_state:
        with distribution.fail_together():
            trainer = make_initialized_trainer(config, data, distribution)
        return trainer, checkpoints[0]
    trainer = make_trainer(config, data, None, distribution)
    values = None
    with distribution.fail_together():
        if distribution.is_first:
            values = dataclasses.asdict(_load_state(trainer, run, checkpoints))
    checkpoint = Checkpoint(**distribution.all_gather(values)[0])
    trainer.copy_from_first(is_within_epoch=checkpoint.step > 0)
    return trainer, checkpoint


def _load_state(
    trainer: Trainer, run: RunFolder, checkpoints: list[Checkpoint]
) -> Checkpoint:
    """Load the last undamaged checkpoint and return it."""
    for checkpoint in checkpoints[:-1]:
        try:
            trainer.load_state(
                run.path / str(checkpoint.state), is_within_epoch=checkpoint.step > 0
            )
            return checkpoint
        except (OSError, ValueError) as error:
            logger.warning("%s; resuming from the previous checkpoint", error)
    last = checkpoints[-1]
    trainer.load_state(run.path / str(last.state), is_within_epoch=last.step > 0)
    return last
