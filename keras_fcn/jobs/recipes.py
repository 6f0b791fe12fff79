"""Options of a training: recipes in TOML, and options without effect."""

import logging
import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from textwrap import wrap
from typing import Any

from keras_fcn.config import FOLDER_FIELDS, TrainingConfig
from keras_fcn.datasets.mix import parse_mix
from keras_fcn.datasets.recognize import check_folder, recognize_dataset
from keras_fcn.errors import did_you_mean, located, shown
from keras_fcn.options import kind_of, parse
from keras_fcn.runs.names import network_path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

logger = logging.getLogger(__name__)

_RECIPES = Path(__file__).parents[1] / "recipes"
_OPTIONS = {field.name: field for field in fields(TrainingConfig)}
_OFF = {"flip": False, "scale": (1.0, 1.0)}  # augmentation; the others are 0


def with_recipe(options: Mapping[str, Any], name: str | None = None) -> dict[str, Any]:
    """Return the options of a new training with those of a recipe and of its data.

    Args:
        options: fields of `TrainingConfig` that the user has set; they override the
            recipe.
        name: recipe of the package, or path of a TOML file; None for none.

    Returns:
        The options with the recipe's values where they have none, and with the data
        set that is found in `data_dir`, if no `dataset` is given.

    Raises:
        ValueError: if the recipe is invalid.
        FileNotFoundError: if the recipe or the network of `init_from` is missing.
    """
    path = None if name is None else find_recipe(name)
    recipe = {} if path is None else read_recipe(path)
    # An option for one kind of initial weights replaces the other kind in the recipe.
    if "init_from" in options:
        recipe.pop("weights", None)
    elif "weights" in options:
        recipe.pop("init_from", None)
    kept = {name: recipe[name] for name in recipe.keys() - options}
    values = {**kept, **options}
    folder = Path(values["data_dir"]) if values.get("data_dir") is not None else None
    if folder is not None and values.get("dataset") != "streets":  # is rendered
        check_folder(folder)
    if folder is not None and "dataset" not in values:
        # With an option for own data, CamVid's files are read as such, too.
        has_options = not options.keys().isdisjoint(FOLDER_FIELDS)
        values["dataset"] = "folder" if has_options else recognize_dataset(folder)
        logger.info("Reading %s as `dataset` %s", folder, values["dataset"])
    if "mix" in kept:
        try:
            parse_mix(kept["mix"])
        except (ValueError, OSError) as error:
            raise type(error)(f"{path}: {error}") from error
    # Among themselves: an option may make one of the recipe useless, such as `augment`
    # off, or useful.
    useless = find_useless(values)
    with located(path):
        check_options(kept, [name for name in kept if name in useless])
    if (start := TrainingConfig(**values).init_from) is not None:
        network_path(start)
    return values


def recipe_names() -> list[str]:
    """Return the names of the recipes of the package, in order."""
    return sorted(path.stem for path in _RECIPES.glob("*.toml"))


def find_recipe(name: str) -> Path:
    """Return the file of a recipe.

    Args:
        name: name of a recipe of the package, or path of a TOML file.

    Raises:
        FileNotFoundError: if it is neither; names the recipes.
    """
    if name in recipe_names():
        return _RECIPES / f"{name}.toml"
    if not Path(name).is_file():
        raise FileNotFoundError(
            f"`config` must be a TOML file or one of {', '.join(recipe_names())}. "
            f"Received: config={name}{did_you_mean(Path(name).stem, recipe_names())}"
        )
    return Path(name)


def describe_recipes() -> str:
    """Return the names of the package's recipes with the first sentence of each."""
    width = 2 + max(map(len, recipe_names()))
    lines = []
    for name in recipe_names():
        text = find_recipe(name).read_text(encoding="utf-8")
        comment = " ".join(re.findall(r"^# ?(.*)$", text, re.MULTILINE))
        sentence = re.split(r"(?<=[.:]) ", comment, maxsplit=1)[0].rstrip(".:")
        lines += wrap(f"{name:<{width}}{sentence}", 88, subsequent_indent=" " * width)
    return "\n".join(lines)


def read_recipe(path: Path) -> dict[str, Any]:
    """Read a recipe: values of `TrainingConfig`'s fields.

    Values are written as in TOML or as on the command line: `crop = [320, 416]` or
    `crop = "320x416"`.

    Args:
        path: the TOML file.

    Returns:
        Value by name of the field.

    Raises:
        OSError: if it can't be read.
        ValueError: if it is not TOML, or a name or a value is wrong.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except RecursionError as error:
        raise ValueError(f"{path} has too many levels of arrays or tables") from error
    except ValueError as error:  # also for bytes that are not UTF-8, and huge numbers
        raise ValueError(f"{path} is not TOML: {error}") from error
    recipe = {}
    for name, value in values.items():
        if name not in _OPTIONS:
            nearest = did_you_mean(name, _OPTIONS)
            raise ValueError(f"{path}: there is no option {name}{nearest}")
        with located(f"{path}: {name}"):
            recipe[name] = parse(_OPTIONS[name].type, value)
            if isinstance(value, str) and isinstance(recipe[name], int | float):
                kind = kind_of(_OPTIONS[name].type)
                raise ValueError(
                    f"expected {kind.expected}, got the text {shown(value)}: leave out "
                    "the quotes"
                )
    return recipe


def check_options(values: Mapping[str, Any], given: Collection[str]) -> None:
    """Refuse options that have no effect because of others.

    Args:
        values: options by name; those that are missing have their defaults.
        given: names of those that the user gave in one place.

    Raises:
        ValueError: names both options.
    """
    useless = find_useless(values)
    for name in useless:
        if name in given:
            raise ValueError(
                f"`{name}` has no effect with {useless[name]}: leave one of them out"
            )


def find_useless(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the options that have no effect, with what makes them useless.

    Args:
        values: options by name; those that are missing have their defaults.
    """
    config = TrainingConfig(**values)
    dataset = f"`dataset` {config.dataset}"
    mix = parse_mix(config.mix)
    has_folder = "folder" in (config.dataset, mix and mix.name)
    is_random = config.init_from is None and config.weights == "none"
    random = "`weights` none, because no layer is pretrained"
    has_no_effect = {
        **{name: (not has_folder, dataset) for name in FOLDER_FIELDS},
        "num_images": (config.dataset != "streets", dataset),
        "image_size": (config.dataset != "streets", dataset),
        "data_dir": (config.dataset == "streets", f"{dataset}, which is rendered"),
        "weights": (config.init_from is not None, "`init_from`, which has weights"),
        "momentum": (config.optimizer != "sgd", "`optimizer` adamw"),
        "head_filters": (
            config.head == "vgg" and config.init_from is None,
            "`head` vgg, which has 4096",
        ),
        "freeze_upsampling": (
            config.upsampling in ("bilinear", "nearest"),
            f"`upsampling` {config.upsampling}, which has no kernels",
        ),
        "freeze_blocks": (is_random and bool(config.freeze_blocks), random),
        "encoder_rate": (is_random and config.encoder_rate not in (None, 1.0), random),
    }
    if not config.augment:
        has_no_effect |= {
            name: (getattr(config, name) != _OFF.get(name, 0), "`augment` off")
            for name, field in _OPTIONS.items()
            if field.metadata["group"] == "augmentation"
            and name not in ("crop", "augment")
        }
    return {name: other for name, (is_so, other) in has_no_effect.items() if is_so}
