"""The files and folders of a data folder, without those of the operating system."""

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from keras_fcn.storage.regular_files import walk

_HIDDEN = ("thumbs.db", "desktop.ini", "__macosx")
SPLIT_WORDS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
_FILLERS = ("set", "split", "data", "dataset", "images")
_UNION = re.compile("train[_-]?val", re.IGNORECASE)
_CAPITAL = r"(?<=[a-z])(?=[A-Z])"


class Listing(NamedTuple):
    """Files below a folder.

    Attributes:
        folder: the folder.
        files: paths by name: the path below the folder, without the ending. Names are
            in Unicode's composed form (NFC). Files whose names differ in their ending
            only are under their whole names.
        hidden: paths of the operating system's hidden files.
        others: paths of files with another ending.
        doubles: whole names of the files whose names differ in their ending only, by
            the name that they share.
    """

    folder: Path
    files: dict[str, str]
    hidden: list[str]
    others: list[str]
    doubles: dict[str, list[str]] = {}

    def check_doubles(self, names: Collection[str] | None = None) -> None:
        """Refuse files whose names differ in their ending only.

        Args:
            names: whole names; None for all.

        Raises:
            ValueError: if one of them is such a file.
        """
        for doubles in self.doubles.values():
            if names is None or not set(names).isdisjoint(doubles):
                first, second = (self.files[name] for name in doubles[:2])
                raise ValueError(
                    f"{first} and {second} have the same name without suffix, by which "
                    "images and label maps are matched: rename or remove one, or give "
                    f"the label maps the whole names, {doubles[0]}.png and "
                    f"{doubles[1]}.png"
                )


def list_files(
    folder: Path, endings: tuple[str, ...], is_recursive: bool = True
) -> Listing:
    """List the files of a folder by name.

    Args:
        folder: the folder.
        endings: endings of the wanted files, in lower case, such as suffixes; the first
            that fits is removed from a name.
        is_recursive: include subfolders.
    """
    listing = Listing(folder, {}, [], [], {})
    by_name: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for root, folders, names in walk(folder):
        hidden = [name for name in folders if is_hidden(name)]
        listing.hidden.extend(os.path.join(root, name) for name in hidden)
        folders[:] = sorted(set(folders) - set(hidden)) if is_recursive else []
        below = os.path.relpath(root, folder)
        prefix = "" if below == "." else below.replace(os.sep, "/") + "/"
        for name in sorted(names):
            path = os.path.join(root, name)
            ending = next((one for one in endings if name.lower().endswith(one)), None)
            if is_hidden(name):
                listing.hidden.append(path)
            elif ending is None:
                listing.others.append(path)
            else:
                # File systems and archives of macOS have the decomposed form.
                whole = unicodedata.normalize("NFC", prefix + name)
                by_name[whole[: -len(ending)]].append((whole, path))
    for name, files in by_name.items():
        if len(files) == 1:
            listing.files[name] = files[0][1]
        else:
            listing.files.update(files)
            listing.doubles[name] = [whole for whole, _ in files]
    return listing


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is a hidden one of the operating system.

    Args:
        name: its name, without folder.
    """
    return name.startswith(".") or name.lower() in _HIDDEN


def subfolders(folder: Path) -> dict[str, Path]:
    """Return the folders in a folder by name in lower case, without hidden ones.

    Args:
        folder: the folder.
    """
    with os.scandir(folder) as entries:  # no system call for each of many files
        names = [entry.name for entry in entries if entry.is_dir()]
    return {
        name.lower(): folder / name for name in sorted(names) if not is_hidden(name)
    }


def split_folders(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield split and path of the subfolders that are named after a split.

    Args:
        folder: the folder.
    """
    found = [(split_of_folder(name), path) for name, path in subfolders(folder).items()]
    if "val" in dict(found):
        found = [one for one in found if not _UNION.fullmatch(one[1].name)]
    for split in SPLIT_WORDS:
        yield from ((one, path) for one, path in found if one == split)


def split_of_folder(name: str) -> str | None:
    """Return the split that a folder is named after; None if it is not.

    Args:
        name: its name, such as `train`, `val2017` or `test_set`. `trainval` is for
            training.
    """
    if _UNION.fullmatch(name):
        return "train"
    words = {word for word in _words(name) if word not in _FILLERS}
    split = split_of_name(name)
    return split if len(words) == 1 and split != "all" else None


def split_of_name(name: str) -> str:
    """Return the split of which a name contains a word; "all" if of none or several.

    Words are between separators, digits and capital letters: `latest` contains none.

    Args:
        name: such as `instances_train2017`.
    """
    found = {
        split
        for split, words in SPLIT_WORDS.items()
        if not _words(name).isdisjoint(words)
    }
    return found.pop() if len(found) == 1 else "all"


def _words(name: str) -> set[str]:
    """Words of a name, in lower case."""
    parts = re.findall(r"[^\W\d_]+", name)
    return {word.lower() for part in parts for word in re.split(_CAPITAL, part)}
