"""Names of splits, and lists of image names that define them."""

import os
from collections.abc import Iterator
from pathlib import Path

from keras_fcn.datasets.folder.layouts.matching import is_hidden
from keras_fcn.datasets.folder.samples import Layout, Problem, relative
from keras_fcn.errors import summarize
from keras_fcn.images.reading import IMAGE_SUFFIXES
from keras_fcn.storage.regular_files import check_is_regular, read_lines

SPLIT_WORDS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
_LIST_FOLDERS = ("", "ImageSets/Segmentation", "ImageSets", "splits")


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
    folders = subfolders(folder)
    for split, words in SPLIT_WORDS.items():
        for word in words:
            if word in folders:
                yield split, folders[word]


def split_of_name(name: str) -> str:
    """Return the split that a name contains; "all" if it contains none.

    Args:
        name: such as `instances_train2017`.
    """
    for split, words in SPLIT_WORDS.items():
        if any(word in name.lower() for word in words):
            return split
    return "all"


def split_by_lists(layout: Layout) -> str | None:
    """Divide a layout's samples by `train.txt`, `val.txt` and `test.txt`.

    Args:
        layout: has all samples in "all"; changed if its folder has lists, directly, in
            splits/ or in ImageSets/.

    Returns:
        The lists, for people; None if there are none.

    Raises:
        ValueError: if a list is empty or not text.
    """
    folder = layout.root
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
    by_name = {os.path.basename(sample.name): sample for sample in samples}
    by_name |= {sample.name: sample for sample in samples}
    # Images without a label matter only if a list has them, as in Pascal VOC.
    unlabelled = {
        Path(path).stem
        for problem in layout.problems
        for path in problem.examples
        if problem.kind == "unlabelled"
    }
    layout.problems = [one for one in layout.problems if one.kind != "unlabelled"]
    for split, path in lists.items():
        names = read_list(path)
        chosen, missing = set(), []
        for name in names:
            base = os.path.basename(name)
            if sample := by_name.get(name) or by_name.get(base):
                chosen.add(sample)
            else:
                missing.append(
                    f"{name} ({'no label' if base in unlabelled else 'no image'})"
                )
        layout.splits[split] = layout.splits.get(split, []) + sorted(chosen)
        if missing:
            message = (
                f"{len(missing)} of {len(names)} images in {relative(path, folder)} "
                f"have no image file or no label: {summarize(missing)}. Add the files, "
                "or remove the names from the list"
            )
            layout.problems.append(Problem("missing", True, message, missing))
    return f"lists {', '.join(relative(path, folder) for path in lists.values())}"


def read_list(path: Path) -> list[str]:
    """Read names of images, one per line.

    Args:
        path: a UTF-8 text file; names with or without folder and suffix. Text after a
            file name, such as the name of its label, is ignored.

    Returns:
        The names without suffix, in order, each once.

    Raises:
        ValueError: if the list is empty or not text.
    """
    check_is_regular(path)
    names = []
    for line in read_lines(path):
        name = line.strip().replace("\\", "/")
        # SegNet and others write `image.png label.png` on a line.
        first, _, rest = name.partition(" ")
        if rest and first.lower().endswith(IMAGE_SUFFIXES):
            name = first
        if name.lower().endswith(IMAGE_SUFFIXES):
            name = name.rpartition(".")[0]
        if name:
            names.append(name)
    return list(dict.fromkeys(names))
