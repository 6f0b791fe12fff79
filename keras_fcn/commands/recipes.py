"""Recipes: the options of a training as a TOML file, and options that contradict."""

import argparse
import sys
from collections.abc import Collection
from dataclasses import fields
from pathlib import Path

from keras_fcn.commands.command_line import format_value
from keras_fcn.commands.flags import option_parser
from keras_fcn.config import FOLDER_FIELDS, TrainingConfig
from keras_fcn.datasets.mix import parse_mix
from keras_fcn.errors import did_you_mean

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_OPTIONS = {option.name: option for option in fields(TrainingConfig)}
_OFF = {"flip": False, "scale": (1.0, 1.0)}  # of augmentation; the others are 0


def read_recipe(path: Path) -> dict[str, object]:
    """Read a recipe: names of `TrainingConfig`'s fields with their values.

    Values are written as in TOML or as on the command line: `crop = [320, 416]` or
    `crop = "320x416"`.

    Args:
        path: the TOML file.

    Returns:
        The values by name, as `TrainingConfig` takes them.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not TOML, or a name or a value is none; names it.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no recipe {path}: `config` takes a TOML file"
        )
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not TOML: {error}") from error
    recipe = {name: _read(path, name, value) for name, value in written.items()}
    check_options(recipe, recipe.keys())
    return recipe


def _read(path, name, value):
    """A value of a recipe, read as its flag is."""
    if name not in _OPTIONS:
        nearest = did_you_mean(name, _OPTIONS)
        raise ValueError(f"{path}: there is no option {name}{nearest}")
    if _OPTIONS[name].metadata["kind"] == "switch":
        if not isinstance(value, bool):
            raise ValueError(f"{path}: {name} needs true or false. Received: {value}")
        return value
    try:
        return option_parser(_OPTIONS[name])(format_value(name, value))
    except argparse.ArgumentTypeError as error:
        raise ValueError(f"{path}: {name} {error}") from error


def check_options(values: dict[str, object], given: Collection[str]) -> None:
    """Refuse options that others make useless.

    Args:
        values: options by name; those that are missing have their defaults.
        given: the names of those that were asked for in one place.

    Raises:
        ValueError: names both options.
    """
    config = TrainingConfig(**values)
    has_folder = config.dataset == "folder"
    if config.mix is not None:
        has_folder |= parse_mix(config.mix).name == "folder"
    is_random = config.init_from is None and config.weights == "none"
    is_useless = {
        name: (not has_folder, f"`dataset` {config.dataset}") for name in FOLDER_FIELDS
    } | {
        "weights": (config.init_from is not None, "`init_from`, which brings its own"),
        "momentum": (config.optimizer != "sgd", "`optimizer` adamw"),
        "num_images": (config.dataset != "streets", f"`dataset` {config.dataset}"),
        "image_size": (config.dataset != "streets", f"`dataset` {config.dataset}"),
        "data_dir": (config.dataset == "streets", "`dataset` streets, which is drawn"),
        "head_filters": (
            config.head == "vgg" and config.init_from is None,
            "`head` vgg, which has VGG16's 4096",
        ),
        "freeze_upsampling": (
            config.upsampling in ("bilinear", "nearest"),
            f"`upsampling` {config.upsampling}, which has no kernels",
        ),
        "freeze_blocks": (
            is_random and bool(config.freeze_blocks),
            "`weights` none: nothing has been trained that could be kept",
        ),
        "encoder_rate": (
            is_random and config.encoder_rate not in (None, 1.0),
            "`weights` none: nothing has been trained that could be kept",
        ),
    }
    if not config.augment:
        is_useless |= {
            name: (getattr(config, name) != _OFF.get(name, 0), "`augment` off")
            for name, option in _OPTIONS.items()
            if option.metadata["group"] == "augmentation"
            and name not in ("crop", "augment")
        }
    for name, (is_so, because) in is_useless.items():
        if is_so and name in given:
            raise ValueError(
                f"`{name}` does not go with {because}: leave one of them out"
            )
