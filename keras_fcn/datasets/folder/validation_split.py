"""A validation split by a hash of the file names, for data without one."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence

from keras_fcn.datasets.folder.samples import Sample
from keras_fcn.errors import summarize


def assign_validation(
    samples: Sequence[Sample], share: float, group_by: str | None
) -> tuple[list[Sample], list[Sample]]:
    """Divide samples into training and validation.

    Names (or groups) are ordered by a hash, and the first ones are for validation, so
    that an added image moves at most one other.

    Args:
        samples: all samples.
        share: share of the samples for validation, above 0 and below 1; met to the
            nearest sample, or as nearly as groups allow, with at least one name in each
            split.
        group_by: regular expression: samples in whose names it finds the same text stay
            together; its first group counts if it has one. None: no groups.

    Returns:
        Training and validation samples, in their order.

    Raises:
        ValueError: if there are fewer than two groups, or names do not match.
    """
    groups = group_names(samples, group_by)
    hashes = {}
    for group in groups:
        # File names may have bytes that are not UTF-8.
        content = group.encode("utf-8", "surrogateescape")
        digest = hashlib.blake2b(content, digest_size=8).digest()
        hashes[group] = int.from_bytes(digest, "big") / 2**64  # in [0, 1)
    if len(hashes) < 2:
        what = "images" if group_by is None else "groups (`group_by`)"
        raise ValueError(
            f"A validation split needs at least two {what}. Received: {len(hashes)}"
        )
    sizes = Counter(groups)
    ordered = sorted(hashes, key=hashes.__getitem__)
    chosen: set[str] = set()
    missing = share * len(samples)
    for group in ordered:
        # At least one group on each side, whatever the share.
        is_last = len(chosen) == len(ordered) - 1
        is_nearer = abs(missing - sizes[group]) < abs(missing)
        if not is_last and is_nearer:
            chosen.add(group)
            missing -= sizes[group]
    chosen = chosen or {min(ordered, key=sizes.__getitem__)}
    train: list[Sample] = []
    val: list[Sample] = []
    for sample, group in zip(samples, groups, strict=True):
        (val if group in chosen else train).append(sample)
    return train, val


def group_names(samples: Sequence[Sample], group_by: str | None) -> list[str]:
    """Return the group of each sample: its name if there are no groups.

    Args:
        samples: the samples.
        group_by: regular expression, as for `assign_validation`.

    Raises:
        ValueError: if it is no regular expression, or a name does not match.
    """
    if group_by is None:
        return [sample.name for sample in samples]
    try:
        pattern = re.compile(group_by)
    except re.error as error:
        raise ValueError(
            f"`group_by` must be a regular expression ({error}). "
            f"Received: group_by={group_by}"
        ) from error
    groups, wrong = [], []
    for sample in samples:
        match = pattern.search(sample.name)
        text = match and match[1 if pattern.groups else 0]
        if text is None:  # no match, or none of an optional group
            wrong.append(sample.name)
        else:
            groups.append(text)
    if wrong:
        raise ValueError(
            f"`group_by` must match every name; {len(wrong)} do not match: "
            f"{summarize(wrong)}. Received: group_by={group_by}"
        )
    return groups
