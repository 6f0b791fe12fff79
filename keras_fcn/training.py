"""A training from its configuration to `best.keras`, and going on with one."""

import dataclasses
import logging
import shutil
from pathlib import Path

import keras

from keras_fcn.callbacks import remove_epochs_after
from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.dataset import summarize
from keras_fcn.datasets.partition import DATASETS_WITH_DRIVES
from keras_fcn.models import DEFAULT_FILTERS, build_network
from keras_fcn.precision import has_accelerator, resolve_precision, use_precision
from keras_fcn.pretrained import find_model, start_name
from keras_fcn.run_folder import RunFolder
from keras_fcn.trainer import Trainer, make_augment, make_optimizer
from keras_fcn.training_data import TrainingData, load_training_data
from keras_fcn.training_loop import run_epochs, steps_per_epoch
from keras_fcn.weights import transfer_weights

logger = logging.getLogger(__name__)

_ARCHITECTURE = ("variant", "head", "head_filters", "skip_scales", "upsampling")


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
    config = dataclasses.replace(
        config,
        precision=resolve_precision(config.precision),
        data_dir=_absolute(config.data_dir),
        init_from=config.init_from and start_name(config.init_from),
    )
    _check_start(config)
    data = load_training_data(config)
    trainer = _make_started_trainer(config, data)
    _log_training(config, data, trainer.network)
    run = RunFolder.create(run_path, config, data.dataset.class_map)
    try:
        run_epochs(trainer, config, data, run, run.read_checkpoint())
    except FloatingPointError:
        if not run.checkpoint.exists():
            shutil.rmtree(run.path)  # nothing to go on with
        raise
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
        config = dataclasses.replace(config, data_dir=_absolute(data_dir))
    checkpoint = run.read_checkpoint()
    if checkpoint["epoch"] >= config.epochs:
        raise ValueError(
            f"{run_path} has finished its {config.epochs} epochs: start a new run from "
            f"it with --init-from {run_path}"
        )
    run.remove_unfinished_files()
    data = load_training_data(config)
    run.check_classes(data.dataset.class_map)
    if checkpoint["epoch"] == 0:
        trainer = _make_started_trainer(config, data)
    else:
        trainer = _make_trainer(config, data, weights=None)
        trainer.load_state(run.path / checkpoint["state"])
    _log_training(config, data, trainer.network)
    remove_epochs_after(run.tensorboard, checkpoint["epoch"])
    logger.info("Going on with %s after epoch %d", run.path, checkpoint["epoch"])
    run_epochs(trainer, config, data, run, checkpoint)
    return run


def follow_start(config: TrainingConfig, given: set[str]) -> TrainingConfig:
    """Give a configuration the architecture of the network that it starts from.

    Args:
        config: the training; `init_from` names a run or a pretrained network.
        given: fields that were asked for, and stay.

    Returns:
        The configuration with the others of the network's.

    Raises:
        FileNotFoundError: if there is no such network.
        ValueError: if its `config.json` is of something else.
    """
    if config.init_from is None:
        return config
    source = find_model(config.init_from).read_config()
    followed = {
        name: getattr(source, name) for name in _ARCHITECTURE if name not in given
    }
    return dataclasses.replace(config, **followed)


def _absolute(path):
    return None if path is None else str(Path(path).absolute())


def _check_start(config):
    """Refuse what can't be started, before anything is read."""
    if config.head == "vgg" and config.head_filters not in (None, 4096):
        raise ValueError(
            "--head-filters is for --head compact; the vgg head has VGG16's 4096. "
            f"Received: --head-filters {config.head_filters}"
        )
    is_by_drive = config.partition.startswith("without-")
    if is_by_drive and config.dataset not in DATASETS_WITH_DRIVES:
        raise ValueError(
            f"--partition {config.partition} is for CamVid's drives. "
            f"Received: --dataset {config.dataset}"
        )
    if config.dataset != "camvid32":
        default = TrainingConfig()
        for name in ("classes", "void_as_class"):
            if getattr(config, name) != getattr(default, name):
                raise ValueError(
                    f"--{name.replace('_', '-')} is for --dataset camvid32. "
                    f"Received: --dataset {config.dataset}"
                )
    if config.init_from is not None:
        source = find_model(config.init_from).read_config()
        has_skips = "32s" not in (source.variant, config.variant)
        for name in ("head", "head_filters", "skip_scales")[: 3 if has_skips else 2]:
            needed, received = _effective(source, name), _effective(config, name)
            if needed != received:
                flag = f"--{name.replace('_', '-')}"
                raise ValueError(
                    f"{config.init_from} has {flag} {needed}, and what starts from it "
                    f"needs the same. Received: {flag} {received}"
                )
    elif config.weights not in ("imagenet", "none"):
        if not Path(config.weights).is_file():
            raise FileNotFoundError(
                f"There is no weights file {config.weights}: --weights takes imagenet, "
                "none or the path of an .h5 file"
            )


def _effective(config, name):
    """A value of the configuration, with the width that a head has by default."""
    if name == "head_filters" and config.head_filters is None:
        return DEFAULT_FILTERS[config.head]
    return getattr(config, name)


def _make_started_trainer(config, data):
    """A trainer with the weights that the configuration starts from."""
    keras.utils.set_random_seed(config.seed)
    if config.init_from is None:
        weights = None if config.weights == "none" else config.weights
        return _make_trainer(config, data, weights)
    trainer = _make_trainer(config, data, weights=None)
    source = find_model(config.init_from)
    names = data.dataset.class_map.names
    has_same_classes = source.read_class_map().names == names
    fresh = transfer_weights(
        source.load_best_model(), trainer.network, keep_scores=has_same_classes
    )
    logger.info(
        "Started from %s%s; anew: %s",
        config.init_from,
        "" if has_same_classes else ", which has other classes",
        ", ".join(fresh) if fresh else "nothing",
    )
    return trainer


def _make_trainer(config: TrainingConfig, data: TrainingData, weights):
    """A compiled trainer with all its variables."""
    class_map = data.dataset.class_map
    with use_precision(config.precision):
        network = build_network(config, class_map.num_classes, weights)
    trainer = Trainer(
        network,
        make_augment(config, data.crop, class_map.void_id),
        class_map.num_classes,
        class_map.void_id,
        data.class_weights,
        label_smoothing=config.label_smoothing,
        hard_pixels=config.hard_pixels,
    )
    # XLA made a step on the CPU slower (2.3 s an image against 1.9 s), and compiles
    # anew for each size of image.
    is_jax = keras.backend.backend() == "jax"
    use_xla = is_jax or (has_accelerator() and data.has_one_size)
    trainer.compile(
        optimizer=make_optimizer(config, steps_per_epoch(config, data)),
        jit_compile=use_xla,
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
