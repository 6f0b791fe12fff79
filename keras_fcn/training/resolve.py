"""Checks of a configuration, and values for the options that depend on others."""

import dataclasses
import logging
from pathlib import Path

from keras_fcn.config import DEFAULT_NETWORK, TrainingConfig
from keras_fcn.datasets.mix import absolute_mix
from keras_fcn.models.architecture import Architecture
from keras_fcn.models.precision import resolve_precision
from keras_fcn.models.weights import VGG16_URL
from keras_fcn.runs.bundled import find_network
from keras_fcn.runs.names import start_name
from keras_fcn.storage.downloads import is_downloaded

logger = logging.getLogger(__name__)

_ARCHITECTURE = ("variant", "head", "head_filters", "skip_scales", "upsampling")
_START = ("init_from", "weights", *_ARCHITECTURE)


def follow_start(config: TrainingConfig, given: set[str]) -> TrainingConfig:
    """Select the initial network of a training, and copy its architecture.

    Args:
        config: the training; `init_from` is a run or a pretrained network.
        given: names of fields that the user has set; they are kept. If neither initial
            weights nor an option of the architecture are among them, the training
            starts from the bundled network, or trains a compact FCN-8s from VGG16's
            ImageNet weights if they have been downloaded.

    Returns:
        The configuration with the values of the network of `init_from` for the other
        options of the architecture.

    Raises:
        FileNotFoundError: if there is no such network.
        ValueError: if its `config.json` is not usable.
    """
    if config.init_from is None and given.isdisjoint(_START):
        if is_downloaded(Path(VGG16_URL).name, cache_subdir="models"):
            logger.info("Training FCN-8s with `head` compact from `weights` imagenet")
            return dataclasses.replace(config, variant="8s", head="compact")
        logger.info("Starting from the bundled network, `init_from` pretrained")
        config = dataclasses.replace(config, init_from=DEFAULT_NETWORK)
    if config.init_from is None:
        return config
    source = find_network(config.init_from).read_config()
    copied = {
        name: getattr(source, name) for name in _ARCHITECTURE if name not in given
    }
    return TrainingConfig(**{**dataclasses.asdict(config), **copied})


def resolve_config(config: TrainingConfig) -> TrainingConfig:
    """Set the options that are None by default, and make paths absolute.

    The rates and the number of frozen blocks were the best in docs/results.md: with the
    compact head, AdamW and trained weights, 1e-4 for VGG16's layers and five times as
    much for new layers.

    Args:
        config: the training.
    """
    is_trained = config.init_from is not None or config.weights != "none"
    is_measured = (
        is_trained and config.head == "compact" and config.optimizer == "adamw"
    )
    rates = {"adamw": 5e-4 if is_measured else 1e-4, "sgd": 1e-3}
    values = {
        "learning_rate": rates[config.optimizer],
        "encoder_rate": 0.2 if is_measured else 1.0,
        "freeze_blocks": 2 if is_trained else 0,
        **{k: v for k, v in dataclasses.asdict(config).items() if v is not None},
        "precision": resolve_precision(config.precision),
        "data_dir": absolute(config.data_dir),
        "mix": absolute_mix(config.mix),
        "init_from": config.init_from and start_name(config.init_from),
    }
    return TrainingConfig(**values)


def check_start(config: TrainingConfig) -> None:
    """Raise an error if a training can't start, before any data are read.

    Args:
        config: the training, resolved.

    Raises:
        FileNotFoundError: if there is no weights file or no network to start from.
        ValueError: if options contradict each other.
    """
    architecture = Architecture.from_config(config, num_classes=1)  # checks its options
    if config.init_from is not None:
        source = find_network(config.init_from).read_config()
        needed: dict[str, object] = {
            "head": source.head,
            "head_filters": Architecture.from_config(source, num_classes=1).filters,
        }
        if "32s" not in (source.variant, config.variant):  # 32s has no skip layers
            needed["skip_scales"] = source.skip_scales
        received: dict[str, object] = {
            "head": config.head,
            "head_filters": architecture.filters,
            "skip_scales": config.skip_scales,
        }
        for name, value in needed.items():
            if received[name] != value:
                raise ValueError(
                    f"{config.init_from} has `{name}` {value}, and a network that "
                    f"starts from it must have the same. Received: "
                    f"{name}={received[name]}"
                )
        return
    if config.weights == "none" and config.freeze_blocks:
        raise ValueError(
            "`freeze_blocks` keeps trained weights, and `weights` none has none. "
            f"Received: freeze_blocks={config.freeze_blocks}"
        )
    is_file = config.weights not in ("imagenet", "none")
    if is_file and not Path(config.weights).is_file():
        raise FileNotFoundError(
            f"There is no weights file {config.weights}: `weights` takes imagenet, "
            "none or the path of an .h5 file"
        )


def absolute(path: str | None) -> str | None:
    """Return an absolute path; None for None.

    Args:
        path: a path, relative to the working folder or absolute.
    """
    return None if path is None else str(Path(path).absolute())
