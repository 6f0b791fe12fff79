"""Lists of image names that define splits."""

import os
import unicodedata
from collections import Counter
from pathlib import Path

from keras_fcn.datasets.folder.layouts.listing import (
    SPLIT_WORDS,
    split_of_folder,
    split_of_name,
)
from keras_fcn.datasets.folder.samples import Layout, Sample, listed, relative
from keras_fcn.images.reading import IMAGE_SUFFIXES
from keras_fcn.storage.regular_files import check_is_regular, read_lines

_LIST_FOLDERS = (
    *("", "ImageSets/Segmentation", "ImageSets", "splits"),
    *("list", "lists", "annotations"),  # the last one of Oxford pets
)


def split_by_lists(layout: Layout) -> str:
    """Divide a layout's samples by `train.txt`, `val.txt` and `test.txt`.

    Without lists of training and validation images, `trainval.txt` is for training.

    Args:
        layout: has all samples in "all"; changed if its folder has lists, directly or
            in one of the usual folders.

    Returns:
        The lists, for people; "" if there are none.

    Raises:
        ValueError: if a list is empty or not text.
    """
    folder = layout.root
    for below in _LIST_FOLDERS:
        files = _files(folder / below)
        lists = {
            split: files[f"{word}.txt"]
            for split, words in SPLIT_WORDS.items()
            for word in words
            if f"{word}.txt" in files
        }
        union = files.get("trainval.txt")
        if lists.keys() <= {"test"} and union is not None:
            lists = {"train": union, **lists}
        unread = [
            relative(path, folder)
            for path in files.values()
            if path.suffix.lower() in (".txt", ".csv", ".lst", ".json")
            and split_of_name(path.stem) != "all"
            and path not in lists.values()
        ]
        layout.problems += listed(
            "unread-lists",
            "files are named as lists of splits are, and are not read",
            unread,
            ". Lists are named train.txt, val.txt and test.txt",
        )
        if lists:
            break
    else:
        return ""
    samples = layout.splits.pop("all")
    bases = [os.path.basename(sample.name) for sample in samples]
    counts = Counter(bases)
    # A list may name images without their folder, unless several have the name.
    by_name = {b: s for b, s in zip(bases, samples, strict=True) if counts[b] == 1}
    by_name |= {sample.name: sample for sample in samples}
    has_train = "train" in lists  # a list of other images leaves the rest to training
    # Images without a label matter only if a list has them, as in Pascal VOC.
    unlabelled = {
        Path(path).stem
        for problem in layout.problems
        for path in problem.examples
        if problem.kind == "unlabelled"
    }
    if has_train:
        layout.problems = [one for one in layout.problems if one.kind != "unlabelled"]
    for split, path in lists.items():
        names = read_list(path)
        chosen, missing = set(), []
        for name in names:
            base = os.path.basename(name)
            words = base.split()  # Oxford pets have numbers after the name
            keys = (name, base, words[0] if words else "")
            if sample := next(filter(None, map(by_name.get, keys)), None):
                chosen.add(sample)
            else:
                reason = "no label" if base in unlabelled else "no image"
                if counts[base] > 1:
                    reason = f"{counts[base]} images in subfolders have this name"
                missing.append(f"{name} ({reason})")
        layout.splits[split] = layout.splits.get(split, []) + sorted(chosen)
        layout.problems += listed(
            "missing",
            f"of {len(names)} images in {relative(path, folder)} have no image file or "
            "no label",
            missing,
            ". Add the files, or remove the names from the list",
            is_fatal=True,
        )
    listed_samples = {sample for part in layout.splits.values() for sample in part}
    rest = [sample for sample in samples if sample not in listed_samples]
    found = f"lists {', '.join(relative(path, folder) for path in lists.values())}"
    if not has_train:
        layout.splits = {"train": rest, **layout.splits}
        return f"{found}; all other images are for training"
    layout.problems += listed(
        "unlisted",
        "images with labels are in no list and are not used",
        [sample.name for sample in rest],
    )
    return found


def _files(folder):
    """Files of a folder, which may be missing, by name in lower case."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return {path.name.lower(): path for path in paths if path.is_file()}


def split_by_folders(layout: Layout) -> str:
    """Divide a layout's samples by folders such as `fog/train/` in those of images.

    Args:
        layout: has all samples in "all"; changed if each of them is in a folder of one
            split, some of them in that of train.

    Returns:
        The splits, for people; "" if samples are in other folders.
    """
    splits: dict[str, list[Sample]] = {}
    for sample in layout.splits["all"]:
        words = set(map(split_of_folder, sample.name.split("/")[:-1])) - {None}
        if len(words) != 1:
            return ""
        splits.setdefault(str(words.pop()), []).append(sample)
    if "train" not in splits:
        return ""
    del layout.splits["all"]
    order = [split for split in SPLIT_WORDS if split in splits]
    layout.splits.update({split: splits[split] for split in order})
    return f"with folders {', '.join(order)}"


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
        name = unicodedata.normalize("NFC", line.strip().replace("\\", "/"))
        # SegNet and others write `image.png label.png` on a line.
        first, _, rest = name.partition(" ")
        if rest and first.lower().endswith(IMAGE_SUFFIXES):
            name = first
        if name.lower().endswith(IMAGE_SUFFIXES):
            name = name.rpartition(".")[0]
        if name:
            names.append(name)
    return list(dict.fromkeys(names))
