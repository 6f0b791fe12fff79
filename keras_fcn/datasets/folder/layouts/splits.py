"""How splits are called, and lists of names that make them."""

import os
from collections.abc import Iterator
from pathlib import Path

from keras_fcn.datasets.folder.layouts.matching import is_hidden
from keras_fcn.datasets.folder.samples import Layout, Problem, relative
from keras_fcn.errors import summarize
from keras_fcn.images.reading import IMAGE_SUFFIXES
from keras_fcn.storage.regular_files import check_is_regular

SPLIT_WORDS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
_LIST_FOLDERS = ("", "ImageSets/Segmentation", "ImageSets", "splits")


def subfolders(folder: Path) -> dict[str, Path]:
    """Return the folders in a folder by name in lower case, hidden ones left out.

    Args:
        folder: the folder.
    """
    with os.scandir(folder) as entries:  # which knows without a look at each
        names = [entry.name for entry in entries if entry.is_dir()]
    return {
        name.lower(): folder / name for name in sorted(names) if not is_hidden(name)
    }


def split_folders(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield split and path of the subfolders that are named as splits.

    Args:
        folder: the folder.
    """
    folders = subfolders(folder)
    for split, words in SPLIT_WORDS.items():
        for word in words:
            if word in folders:
                yield split, folders[word]


def split_of_name(name: str) -> str:
    """Return the split that a word of a name stands for; "all" where none does.

    Args:
        name: as in `instances_train2017`.
    """
    for split, words in SPLIT_WORDS.items():
        for word in sorted(words, key=len, reverse=True):
            if word in name.lower():
                return split
    return "all"


def split_by_lists(folder: Path, layout: Layout) -> str | None:
    """Make splits of a layout's samples by `train.txt`, `val.txt` and `test.txt`.

    Args:
        folder: holds the lists, or ImageSets/ with them.
        layout: has samples of no split, in "all"; changed where there are lists.

    Returns:
        The lists for people, or None where there are none.

    Raises:
        ValueError: if a list is empty or no text.
    """
    for below in _LIST_FOLDERS:
        lists = {
            split: path
            for split, words in SPLIT_WORDS.items()
            for word in words
            if (path := folder / below / f"{word}.txt").is_file()
        }
        if lists:
            break
    else:
        return None
    samples = layout.splits.pop("all")
    by_name = {sample.name.rpartition("/")[2]: sample for sample in samples}
    by_name |= {sample.name: sample for sample in samples}
    unlabelled = {
        Path(path).stem: path
        for problem in layout.problems
        for path in problem.examples
        if problem.kind == "unlabelled"
    }
    layout.problems = [one for one in layout.problems if one.kind != "unlabelled"]
    for split, path in lists.items():
        names = read_list(path)
        found = {name: _find(by_name, name) for name in names}
        missing = [
            f"{name} ({'no label' if Path(name).name in unlabelled else 'no image'})"
            for name, sample in found.items()
            if sample is None
        ]
        chosen = sorted({one for one in found.values() if one})
        layout.splits[split] = layout.splits.get(split, []) + chosen
        if missing:
            message = (
                f"{len(missing)} of {len(names)} images of {relative(path, folder)} "
                f"are not there with a label: {summarize(missing)}"
            )
            layout.problems.append(
                Problem("missing", True, message, missing, len(missing))
            )
    return f"lists {', '.join(relative(path, folder) for path in lists.values())}"


def _find(by_name, name):
    return by_name.get(name) or by_name.get(name.rpartition("/")[2])


def read_list(path: Path) -> list[str]:
    """Read names of images, one on a line, in order.

    Args:
        path: a text file; names with or without folder and suffix. What follows an
            image's name on its line, such as its label's, is passed over.

    Raises:
        ValueError: if it is empty or no text.
    """
    check_is_regular(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"The list {path} must be UTF-8 text: {error}") from error
    names = []
    for line in lines:
        name = line.strip().replace("\\", "/")
        first, _, rest = name.partition(" ")
        if rest and first.lower().endswith(IMAGE_SUFFIXES):
            name = first
        if name.lower().endswith(IMAGE_SUFFIXES):
            name = name.rpartition(".")[0]
        if name:
            names.append(name)
    if not names:
        raise ValueError(f"The list {path} is empty")
    return list(dict.fromkeys(names))
