"""Checks of files, of splits and of classes, after all files have been read."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from keras_fcn.datasets.folder.labels.encoding import Encoding
from keras_fcn.datasets.folder.samples import Problem, Sample, relative
from keras_fcn.datasets.folder.scan import SampleFacts
from keras_fcn.datasets.folder.validation_split import group_names
from keras_fcn.errors import summarize

Splits = Mapping[str, Sequence[Sample]]
Facts = Mapping[str, Sequence[SampleFacts]]

_MAX_NAMED = 8  # classes or ids that a message lists
_FILE_PROBLEMS = {
    "unreadable": "{n} of {total} images or their labels can't be read: {files}",
    "values": "{n} of {total} label maps have values that are not ids: {files}",
    "size": "{n} of {total} label maps have another size than their image: {files}",
    "turned": "{n} label maps are turned as the stored photograph is, but its EXIF "
    "orientation turns the image: {files}. Turn the label maps, or remove the EXIF "
    "orientation from the images",
    "maybe-turned": "{n} images are turned by their EXIF orientation, and the sizes do "
    "not show whether the label maps are turned too: {files}. Check them in the page "
    "of samples",
}


def check_files(splits: Splits, facts: Facts, folder: Path) -> list[Problem]:
    """Find files that can't be read and labels that do not fit their images.

    Args:
        splits: samples by split.
        facts: facts of each sample.
        folder: the data folder.
    """
    found: dict[str, list[str]] = {kind: [] for kind in _FILE_PROBLEMS}
    for split, samples in splits.items():
        for sample, fact in zip(samples, facts[split], strict=True):
            for kind, message in fact.errors:
                found[kind].append(message)
            if fact.size is None or fact.label_size is None:
                continue
            (height, width), (rows, columns) = fact.label_size, fact.size
            # Orientations 2 to 4 keep the size, 5 to 8 exchange height and width.
            kind = "size"
            if fact.size == fact.label_size:
                keeps_size = fact.orientation <= 4 or rows == columns
                kind = "maybe-turned" if fact.orientation > 1 and keeps_size else ""
            elif fact.orientation > 4 and (rows, columns) == (width, height):
                kind = "turned"
            if kind:
                found[kind].append(
                    f"{relative(str(sample.label), folder)} is {width}x{height}, its "
                    f"image {columns}x{rows}"
                )
    total = sum(map(len, splits.values()))
    return [
        Problem(
            kind,
            kind != "maybe-turned",
            _FILE_PROBLEMS[kind].format(
                n=len(files), total=total, files=summarize(files)
            ),
            files,
        )
        for kind, files in found.items()
        if files
    ]


def check_duplicates(splits: Splits, facts: Facts, folder: Path) -> list[Problem]:
    """Find images with the same content in two splits.

    Args:
        splits: samples by split.
        facts: facts of each sample.
        folder: the data folder.
    """
    places: dict[bytes, dict[str, Sample]] = defaultdict(dict)
    for split, digest, sample in _digests(splits, facts):
        places[digest].setdefault(split, sample)
    shared = [of_split for of_split in places.values() if len(of_split) > 1]
    if not shared:
        return []
    pairs = sorted({" and ".join(of_split) for of_split in shared})
    same = [
        " = ".join(relative(sample.image, folder) for sample in of_split.values())
        for of_split in shared
    ]
    message = (
        f"{len(same)} images are in {' and in '.join(pairs)}: {summarize(same)}. "
        "Remove them from one split; `accept` duplicates keeps them in both"
    )
    return [Problem("duplicates", True, message, same)]


def drop_duplicates(
    splits: dict[str, list[Sample]], facts: dict[str, list[SampleFacts]]
) -> list[Problem]:
    """Leave images out of an assigned validation split that are in train too.

    Args:
        splits: samples by split; changed.
        facts: facts of each sample; changed.
    """
    both = {split: splits[split] for split in ("train", "val")}
    digests = list(_digests(both, facts))
    in_train = {digest for split, digest, _ in digests if split == "train"}
    doubled = {
        sample.name
        for split, digest, sample in digests
        if split == "val" and digest in in_train
    }
    if not doubled or len(doubled) == len(splits["val"]):
        return []  # `check_duplicates` refuses a split of nothing but duplicates
    # Splits and facts are parallel lists.
    kept = [one.name not in doubled for one in splits["val"]]
    splits["val"] = [
        s for s, is_kept in zip(splits["val"], kept, strict=True) if is_kept
    ]
    facts["val"] = [f for f, is_kept in zip(facts["val"], kept, strict=True) if is_kept]
    names = sorted(doubled)
    message = (
        f"{len(names)} images assigned to validation are in train under another name, "
        f"and are left out: {summarize(names)}"
    )
    return [Problem("left-out-duplicates", False, message, names)]


def check_names(splits: Splits, folder: Path) -> list[Problem]:
    """Find file names that two splits have; a note only, as the images differ.

    Args:
        splits: samples by split.
        folder: the data folder.
    """
    owners: dict[str, dict[str, str]] = defaultdict(dict)
    for split, samples in splits.items():
        for sample in samples:
            owners[os.path.basename(sample.image)].setdefault(split, sample.image)
    names = [
        " and ".join(relative(path, folder) for path in of_name.values())
        for of_name in owners.values()
        if len(of_name) > 1
    ]
    message = f"{len(names)} file names are in two splits: {summarize(names)}"
    return [Problem("same-names", False, message, names)] if names else []


def check_groups(splits: Splits, group_by: str | None) -> list[Problem]:
    """Find groups of images that are in two splits.

    Args:
        splits: samples by split.
        group_by: regular expression, as for `assign_validation`; None finds nothing.
    """
    owners = defaultdict(set)
    for split, samples in splits.items() if group_by is not None else ():
        for group in group_names(samples, group_by):
            owners[group].add(split)
    shared = sorted(group for group, of_group in owners.items() if len(of_group) > 1)
    message = (
        f"{len(shared)} groups of `group_by` are in two splits: {summarize(shared)}. "
        "Move each into one split, or leave out `group_by`"
    )
    return [Problem("shared-groups", True, message, shared)] if shared else []


def _digests(splits: Splits, facts: Facts) -> Iterator[tuple[str, bytes, Sample]]:
    """Split, hash of the content, and sample, of images that may be duplicates."""
    # Files of different length differ: of images that were not decoded, only those of
    # the same length in two splits are read.
    by_length: dict[int, list[tuple[str, Sample]]] = defaultdict(list)
    for split, samples in splits.items():
        for sample, fact in zip(samples, facts[split], strict=True):
            if fact.digest is not None:
                yield split, fact.digest, sample
            elif fact.size is not None:
                by_length[os.stat(sample.image).st_size].append((split, sample))
    for found in by_length.values():
        if len({split for split, _ in found}) > 1:
            for split, sample in found:
                content = Path(sample.image).read_bytes()
                yield split, hashlib.blake2b(content, digest_size=16).digest(), sample


def check_classes(
    encoding: Encoding, class_pixels: Mapping[str, np.ndarray], is_auto: bool
) -> list[Problem]:
    """Find classes that can't be learned.

    Args:
        encoding: how the labels are read.
        class_pixels: int64 `(num_images, num_classes)` by split.
        is_auto: whether `label_values` was left to the rules.
    """
    names = encoding.class_map.names
    problems = [
        Problem("void", True, f"All pixels of the label maps of {split} are void")
        for split, pixels in class_pixels.items()
        if not pixels.any()
    ]
    if "train" not in class_pixels:
        return problems
    # Both boolean, (C,).
    in_train = class_pixels["train"].sum(axis=0) > 0
    in_any = sum(pixels.sum(axis=0) for pixels in class_pixels.values()) > 0
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
    if absent and is_numbered and encoding.kind == "ids" and in_train.sum() > 1:
        problems.append(_gaps(names, in_any, is_auto))
    elif absent:
        message = (
            f"{len(absent)} classes have no pixel: {summarize(absent, _MAX_NAMED)}"
        )
        problems.append(Problem("absent", False, message, absent))
    unseen = [names[i] for i in np.flatnonzero(in_any & ~in_train)]
    if unseen:
        message = f"{len(unseen)} classes are in no training image: {summarize(unseen)}"
        problems.append(Problem("unseen", False, message, unseen))
    return problems


def _gaps(names, in_any, is_auto):
    """Ids without a pixel between other ids, and how to close the gaps."""
    ids = [int(names[i].removeprefix("class_")) for i in np.flatnonzero(in_any)]
    num_gaps = len(names) - len(ids)

    def first(words):
        return ", ".join(words[:_MAX_NAMED]) + (" ..." if words[_MAX_NAMED:] else "")

    moved = [f"{old} to {new}" for new, old in enumerate(ids) if old != new]
    lines = "; ".join(f"{value},name of {value}" for value in ids[:3])
    message = (
        f"{num_gaps} of {len(names)} ids have no pixel: label maps have the ids "
        f"{first(list(map(str, ids)))}. To close the gaps ({first(moved)}), add a "
        f"class_dict.csv with the lines id,name; {lines} ..."
    )
    # Most probably the values are no ids: grey colours, or ids of another data set.
    is_fatal = num_gaps > len(ids) and is_auto
    if is_fatal:
        message += (
            f"; `label_values` ids trains {len(names)} classes. If the values are grey "
            "colours, the lines are name,r,g,b"
        )
    return Problem("gaps", is_fatal, message, list(map(str, ids)), num_gaps)
