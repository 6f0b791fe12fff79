"""Other ways to part training from validation images than the published one."""

import dataclasses

import tensorflow as tf

from keras_fcn.datasets.dataset import SegmentationDataset, Split

# Datasets whose images are named after the drive that shows them
DATASETS_WITH_DRIVES = ("camvid", "camvid32")


def repartition(dataset: SegmentationDataset, partition: str) -> SegmentationDataset:
    """Part a data set's training and validation images anew.

    CamVid's validation images are of one drive that is also in train, so they flatter
    what has learned that drive. A drive left out of both is a harder judge.

    Args:
        dataset: has the splits "train" and "val".
        partition: "published" changes nothing; "train+val" adds the validation images
            to the training images, and keeps them for validation; "without-DRIVE"
            trains on the images of both whose names do not start with DRIVE, and
            validates on the others.

    Returns:
        The data set with other splits "train" and "val".

    Raises:
        ValueError: if no image is of the drive, or all are.
    """
    if partition == "published":
        return dataset
    train, val = dataset.split("train"), dataset.split("val")
    both = train.examples.concatenate(val.examples)
    sizes = train.image_sizes + val.image_sizes
    if partition == "train+val":
        return _parted(dataset, partition, train=Split(both, sizes), val=val)
    drive = partition.removeprefix("without-")
    names = [
        name.decode()
        for name in both.map(lambda example: example["name"]).as_numpy_iterator()
    ]
    is_held_out = [name.startswith(drive) for name in names]
    if not any(is_held_out) or all(is_held_out):
        raise ValueError(
            f"--partition {partition} needs images of the drive {drive} and of others. "
            f"Received: {sum(is_held_out)} of {len(names)} images whose names start so"
        )

    def part(wanted):
        """The images that are of the drive, or the others, in their order."""
        pattern = f"{drive}.*"
        examples = both.filter(
            lambda example: (
                tf.strings.regex_full_match(example["name"], pattern) == wanted
            )
        )
        flagged = zip(sizes, is_held_out, strict=True)
        kept = tuple(size for size, flag in flagged if flag == wanted)
        return Split(
            examples.apply(tf.data.experimental.assert_cardinality(len(kept))), kept
        )

    return _parted(dataset, partition, train=part(False), val=part(True))


def _parted(dataset, partition, **parts):
    splits = {**dataset.splits, **parts}
    return dataclasses.replace(dataset, splits=splits, partition=partition)
