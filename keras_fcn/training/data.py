"""What a training needs of its data: checked, counted and cached."""

import math
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from keras_fcn.config import TrainingConfig
from keras_fcn.datasets import load_dataset
from keras_fcn.datasets.dataset import SegmentationDataset, Split, split_statistics
from keras_fcn.datasets.hold_out import hold_out
from keras_fcn.datasets.pipeline import cached_examples
from keras_fcn.training.class_weights import class_weights_from_counts
from keras_fcn.typing import Size

_LARGEST_DEFAULT_CROP = 320  # pixels


@dataclass(frozen=True)
class TrainingData:
    """Training and validation images.

    Attributes:
        dataset: the data set.
        train_examples: its training images, cached.
        validation_examples: its validation images, cached.
        train_pixels: int64 `(num_classes,)`, training pixels of each class.
        class_weights: float32 `(num_classes,)` or None.
        crop: `(height, width)` of the training crops, pixels.
    """

    dataset: SegmentationDataset
    train_examples: tf.data.Dataset
    validation_examples: tf.data.Dataset
    train_pixels: np.ndarray
    class_weights: np.ndarray | None
    crop: Size

    @property
    def train(self) -> Split:
        """The training split."""
        return self.dataset.split("train")

    @property
    def validation(self) -> Split:
        """The validation split."""
        return self.dataset.split("val")

    def num_steps(self, batch_size: int) -> int:
        """Return the number of batches in an epoch; the last may be smaller.

        Args:
            batch_size: images in a batch.
        """
        return math.ceil(self.train.num_images / batch_size)

    @property
    def has_one_size(self) -> bool:
        """Whether all images have one size in both splits."""
        return self.train.has_one_size and self.validation.has_one_size


def load_training_data(config: TrainingConfig) -> TrainingData:
    """Load the data of a training, decode them once and check every label.

    Args:
        config: the training.

    Returns:
        The data.

    Raises:
        ValueError, OSError: if something is wrong with them; names the files.
    """
    dataset = load_dataset(config, splits=("train", "val"))
    if config.hold_out is not None:
        dataset = hold_out(dataset, config.hold_out)
    train, validation = dataset.split("train"), dataset.split("val")
    crop = training_crop(config.crop, train)
    budget = config.cache_budget * 2**20
    train_examples = cached_examples(train, budget)
    # Training images come first: they are read more often, in a new order each time.
    validation_examples = cached_examples(validation, max(0, budget - train.num_bytes))
    statistics = split_statistics(train, train_examples, dataset.class_map)
    split_statistics(validation, validation_examples, dataset.class_map)  # its checks
    class_weights = class_weights_from_counts(
        config.class_weights,
        statistics.pixels,
        statistics.pixels_of_images_with_class,
    )
    return TrainingData(
        dataset,
        train_examples,
        validation_examples,
        statistics.pixels,
        class_weights,
        crop,
    )


def training_crop(crop: Size | None, split: Split) -> Size:
    """Return the size of the training crops.

    Args:
        crop: `(height, width)` asked for, or None for the images' own size, at most
            320x320.
        split: the training images.

    Returns:
        Height and width, pixels.

    Raises:
        ValueError: if the crop is larger than the largest image, padded to a multiple
            of 32.
    """
    heights, widths = zip(*split.image_sizes, strict=True)
    largest = (max(heights), max(widths))
    if crop is None:
        return tuple(min(length, _LARGEST_DEFAULT_CROP) for length in largest)
    padded = tuple(math.ceil(length / 32) * 32 for length in largest)
    if crop[0] > padded[0] or crop[1] > padded[1]:
        raise ValueError(
            f"`crop` must be at most {padded[0]}x{padded[1]}, the size of the largest "
            f"training image padded to a multiple of 32. Received: {crop[0]}x{crop[1]}"
        )
    return crop
