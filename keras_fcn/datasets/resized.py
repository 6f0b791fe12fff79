"""A data set whose images are resized before they are used."""

import dataclasses

import tensorflow as tf

from keras_fcn.datasets.dataset import Example, SegmentationDataset, Split
from keras_fcn.images.scale import scaled_size


def resized(dataset: SegmentationDataset, side: int) -> SegmentationDataset:
    """Resize all images and label maps as inference does.

    Images are interpolated bilinearly, with antialiasing if they become smaller; label
    maps by nearest neighbor. The counts of the classes stay those of the files.

    Args:
        dataset: any data set.
        side: new length of the shorter side of each image, pixels.

    Returns:
        The data set with the same splits.
    """
    splits = {name: _resized(split, side) for name, split in dataset.splits.items()}
    return dataclasses.replace(dataset, splits=splits)


def _resized(split: Split, side: int) -> Split:
    def resize(example: Example) -> Example:
        image, label_map = example["image"], example["label_map"]
        # The function that computes `image_sizes` below, so that both agree.
        size = tf.numpy_function(
            lambda height, width: scaled_size((height, width), side),
            [tf.shape(image)[0], tf.shape(image)[1]],
            (tf.int64, tf.int64),
            stateful=False,
        )
        size = tf.cast(tf.stack(size), tf.int32)
        image = tf.image.resize(image, size, antialias=True)
        label_map = tf.image.resize(label_map[..., None], size, method="nearest")
        image = tf.saturate_cast(tf.round(image), tf.uint8)
        return {**example, "image": image, "label_map": label_map[..., 0]}

    sizes = tuple(scaled_size(size, side) for size in split.image_sizes)
    return dataclasses.replace(split.changed(resize), image_sizes=sizes)
