"""Another choice of validation images than the published one: those of a drive, say."""

import dataclasses
from fnmatch import fnmatchcase

import numpy as np
import tensorflow as tf

from keras_fcn.datasets.dataset import SegmentationDataset, Split


def split_by_pattern(dataset: SegmentationDataset, pattern: str) -> SegmentationDataset:
    """Validate on the images whose names match, and train on all others.

    CamVid's validation images are of one drive that is also in train, so they flatter
    what has learned that drive. A drive that is left out of both is a harder judge.

    Args:
        dataset: has the splits "train" and "val".
        pattern: which names of training and validation images, with the wildcards of
            `fnmatch`, as in `0016E5*`.

    Returns:
        The data set with other splits "train" and "val".

    Raises:
        ValueError: if no name matches, or all do.
    """
    train, val = dataset.split("train"), dataset.split("val")
    whole = _one_after_the_other(train, val)
    names = whole.examples.map(lambda example: example["name"]).as_numpy_iterator()
    is_held_out = [fnmatchcase(name.decode(), pattern) for name in names]
    if not any(is_held_out) or all(is_held_out):
        raise ValueError(
            "`val_pattern` must match the names of some images of train and val, "
            f"and not of all. Received: val_pattern={pattern}, which matches "
            f"{sum(is_held_out)} of {len(is_held_out)}"
        )

    held_out = set(np.flatnonzero(is_held_out).tolist())
    others = set(range(whole.num_images)) - held_out
    splits = {
        **dataset.splits,
        "train": whole.part(others),
        "val": whole.part(held_out),
    }
    return dataclasses.replace(dataset, splits=splits, val_pattern=pattern)


def _one_after_the_other(first, second):
    """One split of the images of two, each decoded as its own."""
    decoders = [split.decode or (lambda record: record) for split in (first, second)]

    def marked(split, is_first):
        return split.records.map(lambda record: (is_first, record))

    def decode(is_first, record):
        return tf.cond(is_first, *(lambda d=d: d(record) for d in decoders))

    return Split(
        marked(first, True).concatenate(marked(second, False)),
        first.image_sizes + second.image_sizes,
        decode,
    )
