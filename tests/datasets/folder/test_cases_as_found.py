"""Folders as annotation tools, cameras and public data sets produce them.

Each is read as described, or refused with a line; `inspect` and `train` agree.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from keras_fcn.commands import inspect
from keras_fcn.datasets.folder.dataset import load_folder
from keras_fcn.datasets.folder.folder_data import FolderOptions
from tests.support.commands import outcome
from tests.support.folders import write_image, write_labels, write_pairs


class Case(NamedTuple):
    """A folder and how it is read.

    `images` are the numbers of images by split; None if the folder is refused. `says`
    is a regular expression for the report or for the line of the refusal, `classes` the
    names of the classes, and `options` are those of `FolderOptions`.
    """

    build: Callable[[Path], object]
    images: dict[str, int] | None = None
    says: str = ""
    classes: tuple[str, ...] | None = None
    options: dict = {}


def pairs(images="images", labels="labels", names="abcdef", **options):
    """Build images and label maps in two folders."""
    return lambda folder: write_pairs(
        folder / images, folder / labels, names, **options
    )


def together(*builds):
    """Build the content of several cases in one folder."""
    return lambda folder: [build(folder) for build in builds]


def text(name, content):
    """Build a text file."""

    def build(folder):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)

    return build


def unlabelled(folder):
    for name in "abcdef":
        write_image(folder / f"images/{name}.png")
    write_labels(folder / "labels/z.png")


CASES = {
    "splits in folders": Case(
        together(
            pairs("images/train", "labels/train"),
            pairs("images/val", "labels/val", "gh"),
        ),
        {"train": 6, "val": 2},
    ),
    "labels without images": Case(unlabelled, None, "6 of 6 images have no label"),
}


def flags_of(case):
    return [
        part
        for name, value in case.options.items()
        for part in (
            "--" + name.replace("_", "-"),
            ",".join(map(str, value)) if isinstance(value, tuple) else value,
        )
    ]


@pytest.mark.parametrize("name", CASES)
def test_folder_as_found(name, tmp_path, capsys):
    case, folder, file = CASES[name], tmp_path / "data", tmp_path / "report.json"
    folder.mkdir()
    case.build(folder)
    status, out, err = outcome(
        inspect,
        capsys,
        *("--data-dir", folder, "--page", tmp_path / "page.png", "--json", file),
        *flags_of(case),
    )
    assert re.search(case.says, out + err), out + err
    if case.images is None:
        assert status == 2, out
        with pytest.raises((ValueError, OSError)):
            load_folder(folder, ("train", "val"), None, FolderOptions(**case.options))
        return
    assert status == 0, out + err
    described = json.loads(file.read_text())
    counts = {split: one["num_images"] for split, one in described["splits"].items()}
    assert counts == case.images
    names = tuple(one["name"] for one in described["classes"])
    assert case.classes in (None, names)
    dataset = load_folder(folder, ("train", "val"), None, FolderOptions(**case.options))
    assert dataset.class_map.names == names
    for split in dataset.splits:
        assert dataset.split(split).num_images == counts[split]
