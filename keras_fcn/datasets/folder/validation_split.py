"""A validation split where the data have none: drawn by a hash of the names."""

import hashlib
import re
from collections.abc import Sequence

from keras_fcn.datasets.folder.samples import Sample
from keras_fcn.errors import summarize


def assign_validation(
    samples: Sequence[Sample], share: float, group_by: str | None
) -> tuple[list[Sample], list[Sample]]:
    """Divide samples into training and validation.

    A sample's side follows from its name (or its group's) alone, so that those that
    are added later move no other. Where the share would leave one side empty, the
    name that is nearest to it changes sides.

    Args:
        samples: all of them.
        share: of the names that validate, above 0, below 1.
        group_by: regular expression: samples for which it finds the same text stay
            together; its first group where it has one. None: each for itself.

    Returns:
        Training and validation samples, in their order.

    Raises:
        ValueError: if there are fewer than two groups, or names do not match.
    """
    groups = group_names(samples, group_by)
    points = {group: _point(group) for group in groups}
    if len(points) < 2:
        what = "images" if group_by is None else "groups (`group_by`)"
        raise ValueError(
            f"To draw a validation split, there must be two {what} or more. Received: "
            f"{len(points)}"
        )
    ordered = sorted(points, key=points.get)
    chosen = {group for group in ordered if points[group] < share}
    chosen = chosen or {ordered[0]}
    if len(chosen) == len(ordered):
        chosen.remove(ordered[-1])
    sides = [group in chosen for group in groups]
    train = [one for one, is_val in zip(samples, sides, strict=True) if not is_val]
    val = [one for one, is_val in zip(samples, sides, strict=True) if is_val]
    return train, val


def group_names(samples: Sequence[Sample], group_by: str | None) -> list[str]:
    """Return the group of each sample.

    Args:
        samples: the samples.
        group_by: as for `assign_validation`.

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
    matches = [pattern.search(sample.name) for sample in samples]
    wrong = [
        sample.name
        for sample, match in zip(samples, matches, strict=True)
        if match is None
    ]
    if wrong:
        raise ValueError(
            f"`group_by` must match every name; {len(wrong)} do not: "
            f"{summarize(wrong)}. Received: group_by={group_by}"
        )
    return [match[1] if pattern.groups else match[0] for match in matches]


def _point(name):
    """A number in [0, 1) that follows from a name."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8)
    return int.from_bytes(digest.digest(), "big") / 2**64
