"""Validation on the images whose names match a pattern, such as those of one drive."""

import dataclasses
from fnmatch import fnmatchcase

import numpy as np
import tensorflow as tf

from keras_fcn.datasets.dataset import Example, SegmentationDataset, Split


def split_by_pattern(dataset: SegmentationDataset, pattern: str) -> SegmentationDataset:
    """Validate on the images whose names match, and train on all others.

    CamVid's published validation images are of a drive of which there are training
    images, too, so they overestimate the accuracy on other streets. A whole drive that
    is held out does not.

    Args:
        dataset: has the splits "train" and "val".
        pattern: for the names of training and validation images, with the wildcards of
            `fnmatch`, as in `0016E5*`.

    Returns:
        The data set with other splits "train" and "val".

    Raises:
        ValueError: if no name matches, or all do.
    """
    whole = _concatenate(dataset.split("train"), dataset.split("val"))
    names = whole.examples.map(lambda example: example["name"]).as_numpy_iterator()
    is_held_out = np.array([fnmatchcase(name.decode(), pattern) for name in names])
    if not is_held_out.any() or is_held_out.all():
        raise ValueError(
            "`val_pattern` must match the names of some images of train and val, "
            f"and not of all. Received: val_pattern={pattern}, which matches "
            f"{is_held_out.sum()} of {len(is_held_out)}"
        )
    splits = {
        **dataset.splits,
        "train": whole.part(np.flatnonzero(~is_held_out).tolist()),
        "val": whole.part(np.flatnonzero(is_held_out).tolist()),
    }
    return dataclasses.replace(dataset, splits=splits, val_pattern=pattern)


def _concatenate(first: Split, second: Split) -> Split:
    """Return the images of two splits as one; each is decoded by its own split."""
    size = first.num_images
    numbers = np.concatenate([first.numbers, second.numbers])

    def decode(position: tf.Tensor) -> Example:
        number = tf.gather(numbers, position)
        return tf.cond(
            position < size,
            lambda: first.decode(number),
            lambda: second.decode(number),
        )

    sizes = first.image_sizes + second.image_sizes
    return Split(np.arange(len(numbers)), sizes, decode)
