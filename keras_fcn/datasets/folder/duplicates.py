"""The same image in two splits: by content, by name, or by group."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from keras_fcn.datasets.folder.samples import Problem, Sample, relative
from keras_fcn.datasets.folder.scan import SampleFacts
from keras_fcn.datasets.folder.validation_split import group_names
from keras_fcn.errors import summarize

Splits = Mapping[str, Sequence[Sample]]


def find_duplicates(
    splits: Splits, facts: Mapping[str, Sequence[SampleFacts]], folder: Path
) -> list[Problem]:
    """Find images that are in two splits, by their content or their file name.

    Args:
        splits: samples by split.
        facts: of each sample.
        folder: the data folder.
    """
    places = defaultdict(list)
    for split, digest, sample in _digests(splits, facts):
        places[digest].append((split, sample))
    same, pairs = [], set()
    for found in places.values():
        first = {}
        for split, sample in found:
            first.setdefault(split, sample)
        if len(first) > 1:
            pairs.add(" and ".join(first))
            same.append(
                " = ".join(relative(one.image, folder) for one in first.values())
            )
    if not same:
        return []
    message = (
        f"{len(same)} images are in {' and in '.join(sorted(pairs))}: "
        f"{summarize(same)}. Take them out of one; `accept` duplicates leaves them"
    )
    return [Problem("duplicates", True, message, same, len(same))]


def drop_duplicates(
    splits: dict[str, Sequence[Sample]],
    facts: dict[str, Sequence[SampleFacts]],
    folder: Path,
) -> list[Problem]:
    """Leave images out of a drawn validation split that are in train too.

    Args:
        splits: samples by split; changed.
        facts: of each sample; changed.
        folder: the data folder.
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
        return []  # all of them: `find_duplicates` refuses
    kept = [
        (sample, fact)
        for sample, fact in zip(splits["val"], facts["val"], strict=True)
        if sample.name not in doubled
    ]
    splits["val"], facts["val"] = map(list, zip(*kept, strict=True))
    names = sorted(doubled)
    message = (
        f"{len(names)} images drawn for validation are in train under another name, "
        f"and were left out: {summarize(names)}"
    )
    return [Problem("drawn-duplicates", False, message, names, len(names))]


def find_same_names(splits: Splits, folder: Path) -> list[Problem]:
    """Tell of file names that two splits have, when the images are not the same.

    Args:
        splits: samples by split.
        folder: the data folder.
    """
    owners = defaultdict(dict)
    for split, samples in splits.items():
        for sample in samples:
            owners[os.path.basename(sample.image)].setdefault(split, sample.image)
    names = [
        " and ".join(relative(path, folder) for path in of_name.values())
        for of_name in owners.values()
        if len(of_name) > 1
    ]
    if not names:
        return []
    message = f"{len(names)} names are in two splits: {summarize(names)}"
    return [Problem("same-names", False, message, names, len(names))]


def find_shared_groups(splits: Splits, group_by: str | None) -> list[Problem]:
    """Find groups of images that are in two splits.

    Args:
        splits: samples by split.
        group_by: as for `assign_validation`; None finds nothing.
    """
    if group_by is None:
        return []
    owners = defaultdict(set)
    for split, samples in splits.items():
        for group in group_names(samples, group_by):
            owners[group].add(split)
    shared = sorted(group for group, of_group in owners.items() if len(of_group) > 1)
    if not shared:
        return []
    message = (
        f"{len(shared)} groups of `group_by` are in two splits: {summarize(shared)}. "
        "Move them into one, or leave out `group_by`"
    )
    return [Problem("shared-groups", True, message, shared, len(shared))]


def _digests(splits, facts):
    """Digest of each image's content, of files where none was decoded."""
    unread = [
        (split, sample)
        for split, samples in splits.items()
        for sample, fact in zip(samples, facts[split], strict=True)
        if fact.size is not None and fact.digest is None
    ]
    for split, samples in splits.items():
        for sample, fact in zip(samples, facts[split], strict=True):
            if fact.digest is not None:
                yield split, fact.digest, sample
    # Files of different length differ; the others are read.
    by_length = defaultdict(list)
    for split, sample in unread:
        by_length[os.stat(sample.image).st_size].append((split, sample))
    for found in by_length.values():
        if len({split for split, _ in found}) > 1:
            for split, sample in found:
                content = Path(sample.image).read_bytes()
                digest = hashlib.blake2b(content, digest_size=16).digest()
                yield split, digest, sample
