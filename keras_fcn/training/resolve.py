"""What a training starts from: checked, and its open options filled in."""

import dataclasses
from pathlib import Path

from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.mix import absolute_mix
from keras_fcn.models.architecture import Architecture
from keras_fcn.models.precision import resolve_precision
from keras_fcn.runs.bundled import find_network
from keras_fcn.runs.names import start_name

_ARCHITECTURE = ("variant", "head", "head_filters", "skip_scales", "upsampling")


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
    source = find_network(config.init_from).read_config()
    followed = {
        name: getattr(source, name) for name in _ARCHITECTURE if name not in given
    }
    return dataclasses.replace(config, **followed)


def resolve_config(config: TrainingConfig) -> TrainingConfig:
    """Fill in the options that follow from others, and make paths absolute.

    Rates and frozen blocks are those that docs/results.md found good: with the compact
    head, AdamW and a trained start VGG16's layers learn at 1e-4, the new ones five
    times faster.

    Args:
        config: the training.
    """
    is_trained = config.init_from is not None or config.weights != "none"
    is_measured = (
        is_trained and config.head == "compact" and config.optimizer == "adamw"
    )
    rates = {"adamw": 5e-4 if is_measured else 1e-4, "sgd": 1e-3}
    defaults = {
        "learning_rate": rates[config.optimizer],
        "encoder_rate": 0.2 if is_measured else 1.0,
        "freeze_blocks": 2 if is_trained else 0,
    }
    return dataclasses.replace(
        config,
        precision=resolve_precision(config.precision),
        data_dir=absolute(config.data_dir),
        mix=absolute_mix(config.mix),
        init_from=config.init_from and start_name(config.init_from),
        **{
            name: value
            for name, value in defaults.items()
            if getattr(config, name) is None
        },
    )


def check_start(config: TrainingConfig) -> None:
    """Refuse what can't be started, before anything is read.

    Args:
        config: the training, resolved.

    Raises:
        FileNotFoundError: if there is no weights file or no network to start from.
        ValueError: if options do not go together.
    """
    Architecture.from_config(config, num_classes=1)  # checks `head_filters`
    if config.init_from is not None:
        _check_same_architecture(config)
        return
    if config.weights == "none" and config.freeze_blocks:
        raise ValueError(
            "`freeze_blocks` keeps weights that were trained, and `weights` none has "
            f"none. Received: freeze_blocks={config.freeze_blocks}"
        )
    if (
        config.weights not in ("imagenet", "none")
        and not Path(config.weights).is_file()
    ):
        raise FileNotFoundError(
            f"There is no weights file {config.weights}: `weights` takes imagenet, "
            "none or the path of an .h5 file"
        )


def absolute(path: str | None) -> str | None:
    """Return an absolute path; None for None.

    Args:
        path: a path, from the working folder or absolute.
    """
    return None if path is None else str(Path(path).absolute())


def _check_same_architecture(config):
    source = find_network(config.init_from).read_config()
    needed, received = _shared_options(source), _shared_options(config)
    if "32s" in (source.variant, config.variant):  # which has no pools to scale
        needed.pop("skip_scales")
    for name, value in needed.items():
        if received[name] != value:
            raise ValueError(
                f"{config.init_from} has `{name}` {value}, and what starts from it "
                f"needs the same. Received: {name}={received[name]}"
            )


def _shared_options(config):
    return {
        "head": config.head,
        "head_filters": Architecture.from_config(config, num_classes=1).filters,
        "skip_scales": config.skip_scales,
    }
