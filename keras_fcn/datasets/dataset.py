"""What every data set looks like to the rest of the project."""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from keras_fcn.classes import ClassMap
from keras_fcn.errors import summarize
from keras_fcn.typing import Size


@dataclass(frozen=True)
class LabelStatistics:
    """How often the classes occur in a split.

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
        records: what is stored of each image, in order.
        image_sizes: `(height, width)` of every image, in the order of `records`.
        decode: makes the example of a record; None where records are examples. Records
            are small (numbers), so that all of them can be held and shuffled.
        statistics: of its labels, where they have been counted and checked already.
    """

    records: tf.data.Dataset
    image_sizes: tuple[Size, ...]
    decode: Callable | None = None
    statistics: LabelStatistics | None = None

    @property
    def examples(self) -> tf.data.Dataset:
        """Yields `{"name", "image", "label_map"}`, each decoded when it is read.

        A string scalar, uint8 RGB `(height, width, 3)` and uint8 `(height, width)`.
        """
        return self.decoded(self.records)

    def decoded(self, records: tf.data.Dataset) -> tf.data.Dataset:
        """Return the examples of records, decoded when they are read.

        Args:
            records: of this split, in any order.
        """
        if self.decode is None:
            return records
        return records.map(self.decode, num_parallel_calls=tf.data.AUTOTUNE)

    def part(self, indices: Collection[int]) -> "Split":
        """Return some of the images, in their order; the others are not decoded.

        Args:
            indices: their numbers, from 0.
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
            numbers: of the images, from 0, in any order and as often as wanted.
        """
        table = self.records.batch(self.num_images).get_single_element()
        chosen = tf.nest.map_structure(lambda part: tf.gather(part, numbers), table)
        return self.decoded(tf.data.Dataset.from_tensor_slices(chosen))

    def changed(self, change: Callable[[dict], dict]) -> "Split":
        """Return the split with a change of every example.

        Args:
            change: takes and returns an example.
        """

        def decode(*record):  # tf.data passes the parts of a tuple one by one
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
        # Three bytes of colour and one of label for each pixel.
        return sum(4 * height * width for height, width in self.image_sizes)


@dataclass(frozen=True)
class SegmentationDataset:
    """A data set: its classes, and its splits by name ("train", "val", "test").

    `val_pattern` is the pattern of the images held out for validation, None for the
    published ones: see `datasets/val_pattern.py`. `label_values` is how the labels of a
    user's folder were read, None for other data.
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
            ValueError: if the data set has none of that name.
        """
        if name not in self.splits:
            raise ValueError(
                f"Data set {self.name} has the splits {', '.join(self.splits)}. "
                f"Received: split={name}"
            )
        return self.splits[name]


def label_statistics(examples: tf.data.Dataset, class_map: ClassMap) -> LabelStatistics:
    """Count the classes, and refuse labels that are neither a class nor void.

    Args:
        examples: yields `name` and `label_map`, a string scalar and uint8 `(height,
            width)`, of a whole split.
        class_map: the classes that are allowed.

    Raises:
        ValueError: names the first images with such ids, and the ids.
    """
    pixels = np.zeros(256, dtype="int64")
    around = np.zeros(256, dtype="int64")  # pixels of the images that show an id
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
