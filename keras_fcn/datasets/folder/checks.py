"""Checks of files, of splits and of classes, after all files have been read."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np

from keras_fcn.datasets.folder.folder_data import FolderData
from keras_fcn.datasets.folder.samples import Problem, Sample, listed, relative
from keras_fcn.datasets.folder.validation_split import group_names
from keras_fcn.images.value_range import format_range, limits_of

_Key = TypeVar("_Key", bound=Hashable)
_MAX_NAMED = 8  # classes or ids that a message lists
# What is wrong, and what to do; {total} is the number of images.
_FILE_PROBLEMS = {
    "unreadable": ("of {total} images or their labels can't be read", ""),
    "values": ("of {total} label maps have values that are not ids", ""),
    "size": ("of {total} label maps have another size than their image", ""),
    "turned": (
        "label maps are turned as the stored photograph is, but its EXIF orientation "
        "turns the image",
        ". Turn the label maps, or remove the EXIF orientation from the images",
    ),
    "maybe-turned": (
        "images are turned by their EXIF orientation, and the sizes do not show "
        "whether the label maps are turned too",
        ". Check them in the page of samples",
    ),
}


def check(data: FolderData, has_own_classes: bool) -> None:
    """Add the problems of splits and classes to a folder.

    Args:
        data: a folder whose files have been read.
        has_own_classes: whether the classes are those of this folder, not of a run.
    """
    duplicates = check_duplicates(data)
    data.add_problems(duplicates)
    data.add_problems(check_groups(data))
    data.add_problems(check_contrast(data))
    if not duplicates:
        data.add_problems(check_names(data))
    if has_own_classes:
        data.add_problems(check_classes(data))


def check_files(data: FolderData) -> list[Problem]:
    """Find files that can't be read and labels that do not fit their images.

    Args:
        data: the folder.
    """
    found: dict[str, list[str]] = {kind: [] for kind in _FILE_PROBLEMS}
    total = 0
    for _, sample, facts in data.pairs():
        total += 1
        for kind, message in facts.errors:
            found[kind].append(message)
        if facts.size is None or facts.label_size is None:
            continue
        # Orientations 2 to 4 keep the size, 5 to 8 exchange height and width.
        exchanges = facts.orientation > 4
        kind = "size"
        if facts.size == facts.label_size:
            is_unclear = not exchanges or facts.size[0] == facts.size[1]
            kind = "maybe-turned" if facts.orientation > 1 and is_unclear else ""
        elif exchanges and facts.size == facts.label_size[::-1]:
            kind = "turned"
        if kind:
            label = relative(str(sample.label), data.root)
            label_size, size = (
                f"{width}x{height}" for height, width in (facts.label_size, facts.size)
            )
            found[kind].append(f"{label} is {label_size}, its image {size}")
    problems: list[Problem] = []
    for kind, (what, advice) in _FILE_PROBLEMS.items():
        what, is_fatal = what.format(total=total), kind != "maybe-turned"
        problems += listed(kind, what, found[kind], advice, is_fatal=is_fatal)
    return problems


def check_contrast(data: FolderData) -> list[Problem]:
    """Find images that use little of the value range, and are nearly of one color.

    Args:
        data: the folder, with its value range.
    """
    low = []
    for _, sample, facts in data.pairs():
        if facts.extent is None:
            continue
        limits = limits_of(facts.extent, data.value_range, sample.image)
        if facts.extent.uses_little(limits):
            name = relative(sample.image, data.root)
            values = f"{facts.extent.low:g} to {facts.extent.high:g}"
            low.append(f"{name} ({values} of {format_range(limits)})")
    what = "images use less than a tenth of the value range"
    return listed("low-contrast", what, low, ". `value_range` sets another range")


def check_duplicates(data: FolderData) -> list[Problem]:
    """Find images with the same content in two splits.

    Args:
        data: the folder.
    """
    shared = _in_two_splits(_digests(data)).values()
    pairs = sorted({" and ".join(of_split) for of_split in shared})
    same = [
        " = ".join(relative(sample.image, data.root) for sample in of_split.values())
        for of_split in shared
    ]
    return listed(
        "duplicates",
        f"images are in {' and in '.join(pairs)}",
        same,
        ". Remove them from one split; `accept` duplicates keeps them in both",
        is_fatal=True,
    )


def drop_duplicates(data: FolderData) -> None:
    """Leave images out of an assigned validation split that are in train too.

    Args:
        data: the folder; samples and facts of val, and the notes, are changed.
    """
    digests = list(_digests(data))
    in_train = {digest for split, digest, _ in digests if split == "train"}
    doubled = {
        sample.name
        for split, digest, sample in digests
        if split == "val" and digest in in_train
    }
    val = list(zip(data.splits["val"], data.facts["val"], strict=True))
    kept = [(sample, facts) for sample, facts in val if sample.name not in doubled]
    if not doubled or not kept:
        return  # `check_duplicates` refuses a split of nothing but duplicates
    data.splits["val"] = [sample for sample, _ in kept]
    data.facts["val"] = [facts for _, facts in kept]
    what = (
        "images assigned to validation are in train under another name, and are left "
        "out"
    )
    data.problems += listed("left-out-duplicates", what, sorted(doubled))


def check_names(data: FolderData) -> list[Problem]:
    """Find file names that two splits have; a note only, as the images differ.

    Args:
        data: the folder.
    """
    shared = _in_two_splits(
        (split, os.path.basename(sample.image), sample)
        for split, sample, _ in data.pairs()
    )
    names = [
        " and ".join(relative(sample.image, data.root) for sample in of_split.values())
        for of_split in shared.values()
    ]
    return listed("same-names", "file names are in two splits", names)


def check_groups(data: FolderData) -> list[Problem]:
    """Find groups of images, by `group_by`, that are in two splits.

    Args:
        data: the folder.
    """
    if data.options.group_by is None:
        return []
    shared = _in_two_splits(
        (split, group, sample)
        for split, samples in data.splits.items()
        for group, sample in zip(
            group_names(samples, data.options.group_by), samples, strict=True
        )
    )
    return listed(
        "shared-groups",
        "groups of `group_by` are in two splits",
        sorted(shared),
        ". Move each into one split, or leave out `group_by`",
        is_fatal=True,
    )


def _in_two_splits(
    samples: Iterable[tuple[str, _Key, Sample]],
) -> dict[_Key, dict[str, Sample]]:
    """First sample of each split, by a key that samples of two splits have."""
    found: dict[_Key, dict[str, Sample]] = defaultdict(dict)
    for split, key, sample in samples:
        found[key].setdefault(split, sample)
    return {key: of_split for key, of_split in found.items() if len(of_split) > 1}


def _digests(data: FolderData) -> Iterator[tuple[str, bytes, Sample]]:
    """Split, hash of the content, and sample, of images that may be duplicates."""
    # Files of different length differ: of images that were not decoded, only those of
    # the same length in two splits are read.
    by_length: dict[int, list[tuple[str, Sample]]] = defaultdict(list)
    for split, sample, facts in data.pairs():
        if facts.digest is not None:
            yield split, facts.digest, sample
        elif facts.size is not None:
            by_length[os.stat(sample.image).st_size].append((split, sample))
    for found in by_length.values():
        if len({split for split, _ in found}) > 1:
            for split, sample in found:
                content = Path(sample.image).read_bytes()
                yield split, hashlib.blake2b(content, digest_size=16).digest(), sample


def check_classes(data: FolderData) -> list[Problem]:
    """Find classes that can't be learned.

    Args:
        data: the folder.
    """
    if data.encoding is None:
        return []
    names, class_pixels = data.encoding.class_map.names, data.class_pixels
    problems = [
        # Cityscapes has such label maps for its test images.
        Problem(
            "void", split != "test", f"All pixels of the label maps of {split} are void"
        )
        for split, pixels in class_pixels.items()
        if not pixels.any()
    ]
    if "train" not in class_pixels:
        return problems
    # Both boolean, (C,).
    in_train = class_pixels["train"].any(axis=0)
    in_any = np.any([pixels.any(axis=0) for pixels in class_pixels.values()], axis=0)
    if in_train.sum() == 1:
        message = (
            f"All labels of train are {names[in_train.argmax()]}: with one class there "
            "is nothing to learn, and every score is 100 %. `accept` one-class trains "
            "in spite of this"
        )
        problems.append(Problem("one-class", True, message))
    absent = [names[i] for i in np.flatnonzero(~in_any)]
    is_numbered = all(name.startswith("class_") for name in names)
    # Numbered classes without pixels are values that no file has: gaps between ids.
    if absent and is_numbered and data.encoding.kind == "ids" and in_train.sum() > 1:
        problems.append(_gaps(names, in_any, data.options.label_values == "auto"))
    else:
        what = "classes have no pixel"
        problems += listed("absent", what, absent, most=_MAX_NAMED)
    unseen = [names[i] for i in np.flatnonzero(in_any & ~in_train)]
    return problems + listed("unseen", "classes are in no training image", unseen)


def _gaps(names, in_any, is_auto):
    """Ids without a pixel between other ids, and how to close the gaps."""
    ids = [int(names[i].removeprefix("class_")) for i in np.flatnonzero(in_any)]
    num_gaps = len(names) - len(ids)

    def first(words):
        return ", ".join(words[:_MAX_NAMED]) + (" ..." if words[_MAX_NAMED:] else "")

    moved = [f"{old} to {new}" for new, old in enumerate(ids) if old != new]
    lines = "; ".join(f"{value},name of {value}" for value in ids[:3])
    # Most probably the values are no ids: gray colors, or ids of another data set.
    is_fatal = num_gaps > len(ids) and is_auto
    message = (
        f"{num_gaps} of {len(names)} ids have no pixel: label maps have the ids "
        f"{first(list(map(str, ids)))}. To close the gaps ({first(moved)}), add a "
        f"class_dict.csv with the lines id,name; {lines} ..."
    )
    if is_fatal:
        message += (
            f"; `label_values` ids trains {len(names)} classes. If the values are gray "
            "colors, the lines are name,r,g,b"
        )
    return Problem("gaps", is_fatal, message, list(map(str, ids)), num_gaps)
