"""Another choice of validation images than the published one: those of a drive, say."""

import dataclasses
from fnmatch import fnmatchcase

import tensorflow as tf

from keras_fcn.datasets.dataset import SegmentationDataset, Split


def hold_out(dataset: SegmentationDataset, pattern: str) -> SegmentationDataset:
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
    examples = train.examples.concatenate(val.examples)
    sizes = train.image_sizes + val.image_sizes
    names = examples.map(lambda example: example["name"]).as_numpy_iterator()
    is_held_out = [fnmatchcase(name.decode(), pattern) for name in names]
    if not any(is_held_out) or all(is_held_out):
        raise ValueError(
            "`hold_out` must match the names of some of the images of train and val, "
            f"and not of all. Received: hold_out={pattern}, which matches "
            f"{sum(is_held_out)} of {len(is_held_out)}"
        )

    def part(wanted):
        """The images held out, or the others, in their order."""
        flags = [flag == wanted for flag in is_held_out]
        kept = (
            examples.enumerate()
            .filter(lambda index, _: tf.gather(flags, index))
            .map(lambda _, example: example)
            .apply(tf.data.experimental.assert_cardinality(sum(flags)))
        )
        flagged = zip(sizes, flags, strict=True)
        return Split(kept, tuple(size for size, flag in flagged if flag))

    splits = {**dataset.splits, "train": part(False), "val": part(True)}
    return dataclasses.replace(dataset, splits=splits, hold_out=pattern)
