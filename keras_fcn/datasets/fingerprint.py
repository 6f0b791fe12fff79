"""Fingerprints of splits, by which a resumed training finds that its data changed."""

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np

Fingerprint = Mapping[str, int]

_PARTS = {"name": "names", "image": "images", "label_map": "label maps"}
_NUMBER = "number of images"


def fingerprint(examples: Iterable[Mapping[str, np.ndarray | bytes]]) -> Fingerprint:
    """Return the number of examples, and checksums of their parts.

    Args:
        examples: `{"name", "image", "label_map"}`, in any order.

    Returns:
        Sums of the hashes of all examples, below 2**64: those of parts of a split can
        be added by `combine`.
    """
    sums = dict.fromkeys((_NUMBER, *_PARTS.values()), 0)
    for example in examples:
        sums[_NUMBER] += 1
        for key, part in _PARTS.items():
            # With the name: label maps that were exchanged change the sum.
            checksum = hashlib.blake2b(bytes(example["name"]), digest_size=8)
            value = example[key]
            if isinstance(value, np.ndarray):
                checksum.update(repr(value.shape).encode())
                checksum.update(np.ascontiguousarray(value).data)
            sums[part] += int.from_bytes(checksum.digest(), "big")
    return {part: value % 2**64 for part, value in sums.items()}


def combine(parts: Iterable[Fingerprint]) -> Fingerprint:
    """Return the fingerprint of the examples of several parts together.

    Args:
        parts: fingerprints, at least one.
    """
    parts = list(parts)
    return {key: sum(part[key] for part in parts) % 2**64 for key in parts[0]}


def describe_changes(
    before: Mapping[str, Fingerprint], now: Mapping[str, Fingerprint]
) -> str:
    """Return what changed between the fingerprints of splits; "" if nothing.

    Args:
        before: fingerprint by name of the split.
        now: the same, later.
    """
    changes = []
    for split in sorted(before.keys() | now.keys()):
        old, new = before.get(split, {}), now.get(split, {})
        if old.get(_NUMBER) != new.get(_NUMBER):
            changes.append(
                f"{split} has {new.get(_NUMBER, 0)} images instead of "
                f"{old.get(_NUMBER, 0)}"
            )
        elif old != new:
            parts = [part for part in new if old.get(part) != new[part]]
            changes.append(f"{split} has other {', '.join(parts)}")
    return "; ".join(changes)
