"""Parsing of the option `mix`, the second data set of a training."""

import re
from pathlib import Path
from typing import NamedTuple

from keras_fcn.config import DATASETS
from keras_fcn.errors import did_you_mean

_NAMES = tuple(name for name in DATASETS if name != "folder")
_TAKEN = f"{', '.join(_NAMES)}, or the path of a folder"


class Mix(NamedTuple):
    """The second data set of a training.

    Attributes:
        name: name of the data set; "folder" for a path.
        folder: folder with its images; None if it needs none.
        num_images: number of training images that are used; None for all.
    """

    name: str
    folder: str | None
    num_images: int | None


def parse_mix(text: str | None) -> Mix | None:
    """Parse `NAME[:N]`, `NAME=DIR[:N]` or `DIR[:N]`; None or "none" is no mix.

    Args:
        text: the value of `mix`.

    Raises:
        FileNotFoundError: if a folder does not exist.
        ValueError: if the data set is unknown or N is not a positive integer.
    """
    if text is None or text == "none":  # "none" is for flags that override a recipe
        return None
    source, num_images = text, None
    if ":" in text and not Path(text).is_dir():  # a folder's name may have a colon
        source, _, count = text.rpartition(":")
        if not re.fullmatch("0*[1-9][0-9]{0,9}", count):
            raise ValueError(
                f"`mix` expects a positive integer after {source}:, got "
                + (count[:20] or "nothing")
                + (", which is too large" if count.isdigit() and int(count) else "")
            )
        num_images = int(count)
    name, _, folder = source.partition("=")
    if name not in _NAMES:
        _check_folder(source)
        return Mix("folder", source, num_images)
    if name == "streets" and folder:
        raise ValueError(f"`mix` streets is rendered and takes no folder, got {folder}")
    if name.startswith("camvid32") and not folder:
        raise ValueError(
            f"`mix` {name} expects the folder of its images, as in {name}=DIR: train/, "
            "train_labels/, val/, val_labels/ and class_dict.csv, as in the copy on "
            "Kaggle"
        )
    if folder and not Path(folder).is_dir():
        raise FileNotFoundError(f"There is no folder {folder} for `mix` {name}")
    return Mix(name, folder or None, num_images)


def absolute_mix(text: str | None) -> str | None:
    """Return a value of `mix` with an absolute path; None for None.

    Args:
        text: a value that `parse_mix` accepts.
    """
    mix = parse_mix(text)
    if mix is None or mix.folder is None:
        return text if mix else None
    prefix = "" if mix.name == "folder" else f"{mix.name}="
    suffix = "" if mix.num_images is None else f":{mix.num_images}"
    return f"{prefix}{Path(mix.folder).absolute()}{suffix}"


def _check_folder(source: str) -> None:
    if source and Path(source).is_dir():
        return
    if "/" in source:
        raise FileNotFoundError(f"There is no folder {source}: `mix` takes {_TAKEN}")
    raise ValueError(
        f"`mix` expects one of {_TAKEN}, got {source or 'nothing'}"
        + did_you_mean(source, _NAMES)
    )
