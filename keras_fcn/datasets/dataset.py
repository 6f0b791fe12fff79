"""Data sets as the rest of the package uses them: classes, splits and examples."""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from keras_fcn.classes import ClassMap
from keras_fcn.errors import summarize
from keras_fcn.typing import Size

Example = dict[str, tf.Tensor]


@dataclass(frozen=True)
class LabelStatistics:
    """Frequency of the classes in a split.

    Attributes:
        pixels: int64 `(num_classes,)`, pixels of each class.
        pixels_of_images_with_class: int64 `(num_classes,)`, all pixels of the images
            in which a class occurs.
    """

    pixels: np.ndarray
    pixels_of_images_with_class: np.ndarray


@dataclass(frozen=True)
class Split:
    """The images of one split with their label maps, in a fixed order.

    Attributes:
        records: one record for each image, such as its number. Records are small, so
            that all of them can be held and shuffled.
        image_sizes: `(height, width)` of every image, in the order of `records`.
        decode: returns the example of a record; None if records are examples.
        statistics: of the labels, if they have been counted and checked already.
    """

    records: tf.data.Dataset
    image_sizes: tuple[Size, ...]
    decode: Callable | None = None
    statistics: LabelStatistics | None = None

    @property
    def examples(self) -> tf.data.Dataset:
        """Examples in order, decoded when they are read.

        `{"name", "image", "label_map"}`: a string scalar, uint8 RGB `(height, width,
        3)` and uint8 `(height, width)`.
        """
        return self.decoded(self.records)

    def decoded(self, records: tf.data.Dataset) -> tf.data.Dataset:
        """Return the examples of records, decoded when they are read.

        Args:
            records: records of this split, in any order.
        """
        if self.decode is None:
            return records
        return records.map(self.decode, num_parallel_calls=tf.data.AUTOTUNE)

    def part(self, indices: Collection[int]) -> "Split":
        """Return some of the images, in the order of the split.

        Args:
            indices: numbers of the images, from 0.
        """
        chosen = np.isin(np.arange(self.num_images), list(indices))
        flags = tf.data.Dataset.from_tensor_slices(chosen)
        records = (
            tf.data.Dataset.zip((self.records, flags))
            .filter(lambda _, is_chosen: is_chosen)
            .map(lambda record, _: record)
            .apply(tf.data.experimental.assert_cardinality(int(chosen.sum())))
        )
        sizes = zip(self.image_sizes, chosen, strict=True)
        kept = tuple(size for size, is_chosen in sizes if is_chosen)
        return Split(records, kept, self.decode)

    def sampled(self, numbers: np.ndarray) -> tf.data.Dataset:
        """Return the examples of some images, decoded when they are read.

        Args:
            numbers: int `(n,)`, numbers of the images, from 0, in any order; a number
                may occur more than once.
        """
        table = self.records.batch(self.num_images).get_single_element()
        chosen = tf.nest.map_structure(lambda part: tf.gather(part, numbers), table)
        return self.decoded(tf.data.Dataset.from_tensor_slices(chosen))

    def changed(self, change: Callable[[Example], Example]) -> "Split":
        """Return the split with a function applied to every example.

        Args:
            change: takes and returns an example.
        """

        def decode(*record: tf.Tensor) -> Example:  # tf.data unpacks tuples
            return change(self.decode(*record) if self.decode else record[0])

        return dataclasses.replace(self, decode=decode)

    @property
    def num_images(self) -> int:
        """Number of images."""
        return len(self.image_sizes)

    @property
    def has_one_size(self) -> bool:
        """Whether all images have one height and width."""
        return len(set(self.image_sizes)) == 1

    @property
    def median_shorter_side(self) -> int:
        """Median of the images' shorter sides, pixels."""
        return round(float(np.median([min(size) for size in self.image_sizes])))

    @property
    def num_bytes(self) -> int:
        """Bytes of all images and label maps, decoded."""
        # 3 bytes of color and 1 of label for each pixel.
        return sum(4 * height * width for height, width in self.image_sizes)


@dataclass(frozen=True)
class SegmentationDataset:
    """A data set.

    Attributes:
        name: its name, an option of `dataset`.
        class_map: its classes.
        splits: splits by name: "train", "val", "test".
        val_pattern: pattern of the validation images, if `split_by_pattern` chose them.
        label_values: how the labels of a user's folder were read; None for other data.
    """

    name: str
    class_map: ClassMap
    splits: Mapping[str, Split]
    val_pattern: str | None = None
    label_values: str | None = None

    def split(self, name: str) -> Split:
        """Return a split.

        Args:
            name: "train", "val" or "test".

        Raises:
            ValueError: if the data set has no such split.
        """
        if name not in self.splits:
            raise ValueError(
                f"Data set {self.name} has the splits {', '.join(self.splits)}. "
                f"Received: split={name}"
            )
        return self.splits[name]


def label_statistics(examples: tf.data.Dataset, class_map: ClassMap) -> LabelStatistics:
    """Count the classes, and check that all labels are a class or void.

    Args:
        examples: yields `name` and `label_map`, a string scalar and uint8 `(height,
            width)`.
        class_map: the classes.

    Raises:
        ValueError: if there are other ids; names the first images and their ids.
    """
    pixels = np.zeros(256, dtype="int64")
    around = np.zeros(256, dtype="int64")  # pixels of the images that contain an id
    wrong = []
    allowed = np.zeros(256, dtype=bool)
    allowed[: class_map.num_classes] = allowed[class_map.void_id] = True
    for example in examples.as_numpy_iterator():
        counts = np.bincount(example["label_map"].ravel(), minlength=256)
        if counts[~allowed].any():
            ids = np.flatnonzero(counts * ~allowed)
            wrong.append(f"{example['name'].decode()}: {', '.join(map(str, ids))}")
        pixels += counts
        around += counts.sum() * (counts > 0)
    if wrong:
        raise ValueError(
            f"Label ids must be 0 to {class_map.num_classes - 1}, or "
            f"{class_map.void_id} for void. Received in {len(wrong)} label maps: "
            + summarize(wrong)
        )
    classes = slice(class_map.num_classes)
    return LabelStatistics(pixels[classes], around[classes])
