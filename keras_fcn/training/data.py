"""The data of a training: loaded, checked, counted and cached."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from keras_fcn.classes import ClassMap
from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.class_weights import class_weights_from_counts
from keras_fcn.datasets.dataset import (
    LabelStatistics,
    SegmentationDataset,
    Split,
    label_statistics,
)
from keras_fcn.datasets.fingerprint import Fingerprint, combine, fingerprint
from keras_fcn.datasets.lanes import Lane, cached_lanes
from keras_fcn.datasets.loading import as_in_training, load_dataset, load_mix
from keras_fcn.datasets.mix import parse_mix
from keras_fcn.datasets.pipeline import cached_examples, validation_batches
from keras_fcn.training.distributed.strategy import Distribution
from keras_fcn.typing import Size

_LARGEST_DEFAULT_CROP = 320  # pixels
_MOST_LANES = 64  # that may have no image; each takes time, like one with images


@dataclass(frozen=True)
class TrainingData:
    """Training and validation images; each worker reads those of its positions.

    Attributes:
        dataset: the data set.
        train_lanes: for each device of this worker, the lanes of its positions.
        mixed: training images of a second data set, or None.
        validation_batches: for each device of this worker, its batches.
        train_pixels: int64 `(num_classes,)`, training pixels of each class.
        class_weights: float `(num_classes,)` or None.
        crop: `(height, width)` of the training crops, pixels.
        fingerprints: of all images and label maps, by "train", "val" and "mix".
    """

    dataset: SegmentationDataset
    train_lanes: list[list[Lane]]
    mixed: Split | None
    validation_batches: list[tf.data.Dataset]
    train_pixels: np.ndarray
    class_weights: np.ndarray | None
    crop: Size
    fingerprints: Mapping[str, Fingerprint]

    @property
    def train(self) -> Split:
        """The training split."""
        return self.dataset.split("train")

    @property
    def validation(self) -> Split:
        """The validation split."""
        return self.dataset.split("val")

    def num_steps(self, batch_size: int) -> int:
        """Return the number of batches in an epoch.

        Args:
            batch_size: images in a batch.
        """
        return math.ceil(self.train.num_images / batch_size)

    def images_per_epoch(self, batch_size: int) -> int:
        """Return the number of images in an epoch, of both data sets.

        Args:
            batch_size: images of the first one in a batch.
        """
        num_mixed = self.num_steps(batch_size) * batch_size if self.mixed else 0
        return self.train.num_images + num_mixed

    @property
    def has_one_size(self) -> bool:
        """Whether a split's images have one size, and `mixed` that of train."""
        sizes = {
            *self.train.image_sizes,
            *(self.mixed.image_sizes if self.mixed else ()),
        }
        return len(sizes) == 1 and self.validation.has_one_size


def load_training_data(
    config: TrainingConfig, distribution: Distribution
) -> TrainingData:
    """Load the data of a training, decode them once and check every label.

    Args:
        config: the training.
        distribution: the devices; each worker decodes and caches its own images.

    Raises:
        ValueError, OSError: if the data are not usable; names the files.
    """

    def load() -> tuple[SegmentationDataset, Split | None]:
        dataset = load_dataset(config, ("train", "val"))
        return as_in_training(dataset, config), load_mix(config, dataset)

    dataset, mixed = distribution.first_then_others(load)
    _check_same_data(dataset, mixed, distribution)
    train = dataset.split("train")
    with distribution.fail_together():
        crop = training_crop(config.crop, train)
        _check_enough_images(train, config.batch_size, distribution)
        budget = config.cache_budget * 2**20  # MiB
        # Training images first: they are read more often, in another order each time.
        pieces = distribution.local_positions(config.batch_size)
        lanes = [
            cached_lanes(
                train, piece, batch_size=config.batch_size, budget=budget // len(pieces)
            )
            for piece in pieces
        ]
        budget -= train.num_bytes // distribution.num_workers
        batches, validation_examples = _cache_validation(
            dataset, config.batch_size, distribution, max(0, budget)
        )
        own = [lane.examples for lane in sum(lanes, []) if lane.num_images]
        counted = _count(train, own, dataset.class_map)
        _count(dataset.split("val"), validation_examples, dataset.class_map)  # checks
    statistics = train.statistics or _sum_statistics(counted, distribution)
    fingerprints = {
        "train": _fingerprint(own, distribution),
        "val": _fingerprint(validation_examples, distribution),
    }
    # Rendered streets follow from the configuration.
    mix = parse_mix(config.mix)
    if mixed is not None and mix is not None and mix.name != "streets":
        with distribution.fail_together():
            fingerprints["mix"] = fingerprint(mixed.examples.as_numpy_iterator())
    class_weights = class_weights_from_counts(config.class_weights, *statistics)
    return TrainingData(
        dataset,
        lanes,
        mixed,
        batches,
        statistics.pixels,
        class_weights,
        crop,
        fingerprints,
    )


def _check_same_data(
    dataset: SegmentationDataset, mixed: Split | None, distribution: Distribution
) -> None:
    class_map = dataset.class_map
    values: dict[str, object] = {
        "classes": list(class_map.names),
        "void": class_map.void_id,
    }
    splits = {name: dataset.split(name) for name in ("train", "val")}
    for name, split in (splits | ({"mixed": mixed} if mixed else {})).items():
        sizes = {f"{w}x{h}": 0 for h, w in split.image_sizes}
        values[f"number of {name} images"] = split.num_images
        values[f"sizes of {name} images"] = list(sizes)
    distribution.check_same(values, "data")


def _check_enough_images(
    train: Split, batch_size: int, distribution: Distribution
) -> None:
    """Check that the images fill a batch, or most of it would be fillers.

    On several devices, a device with fillers only would have no labeled pixel.
    """
    most = max(train.num_images, _MOST_LANES)
    if batch_size > most:
        raise ValueError(
            f"`batch_size` must be at most {most} for {train.num_images} training "
            f"images. Received: batch_size={batch_size}"
        )
    if distribution.num_replicas > 1 and train.num_images < batch_size:
        raise ValueError(
            f"`batch_size` must be at most {train.num_images}, the training images, on "
            f"several devices. Received: batch_size={batch_size}"
        )


def _cache_validation(
    dataset: SegmentationDataset,
    batch_size: int,
    distribution: Distribution,
    budget: int,
) -> tuple[list[tf.data.Dataset], list[tf.data.Dataset]]:
    """Return the validation batches of each local device, and their examples."""
    split = dataset.split("val")
    # Images of different sizes are not padded: one for each device.
    whole_batch = batch_size if split.has_one_size else distribution.num_replicas
    pieces = distribution.local_positions(whole_batch)
    fillers = split.part([0]).examples.cache()
    batches, all_examples = [], []
    for device, piece in enumerate(pieces):
        indices = range(split.num_images)
        part = split.part([i for i in indices if i % whole_batch in piece])
        examples = cached_examples(part, budget // len(pieces))
        all_examples.append(examples)
        batches.append(
            validation_batches(
                examples,
                part,
                fillers,
                batch_size=len(piece),
                num_batches=math.ceil(split.num_images / whole_batch),
                void_id=dataset.class_map.void_id,
                device=device,
            )
        )
    return batches, all_examples


def _count(
    split: Split, all_examples: list[tf.data.Dataset], class_map: ClassMap
) -> LabelStatistics:
    """Count the classes in this worker's images, unless they have been counted."""
    if split.statistics is not None:
        return split.statistics
    first, *others = all_examples
    for other in others:
        first = first.concatenate(other)
    return label_statistics(first, class_map)


def _fingerprint(
    all_examples: list[tf.data.Dataset], distribution: Distribution
) -> Fingerprint:
    """Return the fingerprint of the examples of all workers; cached ones are cached."""
    with distribution.fail_together():
        own = fingerprint(
            example
            for examples in all_examples
            for example in examples.as_numpy_iterator()
        )
    return combine(distribution.all_gather(own))


def _sum_statistics(
    statistics: LabelStatistics, distribution: Distribution
) -> LabelStatistics:
    """Return the counts of all workers together."""
    counts = distribution.all_gather([part.tolist() for part in statistics])
    whole = LabelStatistics(*np.sum(counts, axis=0))
    if not whole.pixels.any():
        raise ValueError("All pixels of the training label maps are void")
    return whole


def training_crop(crop: Size | None, split: Split) -> Size:
    """Return the size of the training crops.

    Args:
        crop: `(height, width)`, or None for the size of the largest image, at most
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
        height, width = (min(length, _LARGEST_DEFAULT_CROP) for length in largest)
        return height, width
    padded = [math.ceil(length / 32) * 32 for length in largest]
    if crop[0] > padded[0] or crop[1] > padded[1]:
        raise ValueError(
            f"`crop` must be at most {padded[0]}x{padded[1]} (height x width), the "
            "size of the largest training image padded to a multiple of 32. Received: "
            f"{crop[0]}x{crop[1]}"
        )
    return crop
