"""Data sets as the rest of the package uses them: classes, splits and examples."""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_fcn.classes import ClassMap
from keras_fcn.datasets.class_weights import class_weights_from_counts
from keras_fcn.drawing.html import html_with_images
from keras_fcn.drawing.overlays import overlay_with_legend
from keras_fcn.errors import check_positive, summarize
from keras_fcn.options import ValueRange
from keras_fcn.typing import Size

Example = dict[str, tf.Tensor]


class LabelStatistics(NamedTuple):
    """Frequency of the classes in a split.

    Attributes:
        pixels: int64 `(num_classes,)`, pixels of each class.
        pixels_of_images_with_class: int64 `(num_classes,)`, all pixels of the images
            in which a class occurs.
    """

    pixels: np.ndarray
    pixels_of_images_with_class: np.ndarray


@dataclass(frozen=True, eq=False)
class Split:
    """The images of one split with their label maps, in a fixed order.

    Attributes:
        numbers: int64 `(num_images,)`, by which `decode` finds the images.
        image_sizes: `(height, width)` of every image, in the order of `numbers`.
        decode: returns the example of a number, an int64 scalar.
        statistics: of the labels, if they have been counted and checked already.
    """

    numbers: np.ndarray
    image_sizes: tuple[Size, ...]
    decode: Callable[[tf.Tensor], Example]
    statistics: LabelStatistics | None = None

    @property
    def examples(self) -> tf.data.Dataset:
        """Examples in order, decoded when they are read.

        `{"name", "image", "label_map"}`: a string scalar, uint8 RGB `(height, width,
        3)` and uint8 `(height, width)`.
        """
        return self.decoded(self.dataset_of_numbers)

    @property
    def dataset_of_numbers(self) -> tf.data.Dataset:
        """`numbers` in order, as int64 scalars."""
        return tf.data.Dataset.from_tensor_slices(self.numbers)

    def decoded(self, numbers: tf.data.Dataset) -> tf.data.Dataset:
        """Return the examples of some images, decoded when they are read.

        Args:
            numbers: elements of `numbers`, in any order; they may be repeated.
        """
        return numbers.map(self.decode, num_parallel_calls=tf.data.AUTOTUNE)

    def part(self, indices: Collection[int]) -> "Split":
        """Return some of the images, in the order of the split.

        Args:
            indices: positions of the images in the split, from 0.
        """
        chosen = sorted(set(indices))
        sizes = tuple(self.image_sizes[index] for index in chosen)
        return Split(self.numbers[chosen], sizes, self.decode)

    def changed(self, change: Callable[[Example], Example]) -> "Split":
        """Return the split with a function applied to every example.

        Args:
            change: takes and returns an example.
        """

        def decode(number: tf.Tensor) -> Example:
            return change(self.decode(number))

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


@dataclass(frozen=True, repr=False)
class LabeledImages:
    """One split of a data set, for `fit`, `evaluate` or your own loop.

    Attributes:
        dataset: name of the data set.
        name: "train", "val" or "test".
        split: the images.
        class_map: the classes.
    """

    dataset: str
    name: str
    split: Split
    class_map: ClassMap

    @property
    def num_images(self) -> int:
        """Number of images."""
        return self.split.num_images

    @property
    def examples(self) -> tf.data.Dataset:
        """Examples in order: `{"name", "image", "label_map"}`.

        A string scalar, uint8 RGB `(height, width, 3)` and uint8 `(height, width)`.
        """
        return self.split.examples

    def batches(
        self,
        batch_size: int,
        augment: Any = None,
        *,
        shuffle: bool | None = None,
        seed: int = 0,
        cache_budget: int = 1024,
    ) -> tf.data.Dataset:
        """Return batches for `Model.fit` and `Model.evaluate`.

        Args:
            batch_size: images in a batch; the last one may have fewer. Without
                `augment`, images of different sizes are in batches of one.
            augment: `keras_fcn.Augment`, or another function of an image and its label
                map that returns a pair of them, of one size.
            shuffle: whether to shuffle the images anew in each epoch; None for the
                training images only.
            seed: seed of the order. tf.data mixes TensorFlow's global seed into it: set
                that by `keras.utils.set_random_seed` to repeat an order.
            cache_budget: memory for decoded images, MiB; images of a larger split are
                decoded in each epoch.

        Returns:
            A dataset of pairs: images, uint8 `(batch, height, width, 3)`, RGB, and
            label maps, uint8 `(batch, height, width)`. With `keras_fcn.Augment`,
            float32 in [0, 255] and int32.

        Raises:
            ValueError: if `batch_size` is not a positive integer.
        """
        check_positive("batch_size", batch_size)
        split = self.split
        is_cached = split.num_bytes <= cache_budget * 2**20
        images = split.examples.cache() if is_cached else split.dataset_of_numbers
        if self.name == "train" if shuffle is None else shuffle:
            images = images.shuffle(split.num_images, seed)
        examples = images if is_cached else split.decoded(images)
        pairs = examples.map(lambda example: (example["image"], example["label_map"]))
        has_one_size = split.has_one_size
        if augment is not None:
            if getattr(augment, "ignore_class", 0) is None:
                void = {"ignore_class": self.class_map.void_id}
                augment = type(augment).from_config({**augment.get_config(), **void})
            # One after another, so that the random numbers depend on the seed only.
            pairs, has_one_size = pairs.map(augment), True
        return pairs.batch(batch_size if has_one_size else 1).prefetch(tf.data.AUTOTUNE)

    def __repr__(self) -> str:
        sizes = sorted(set(self.split.image_sizes))
        shown = [f"{width}x{height}" for height, width in sizes]
        size = shown[0] if len(shown) == 1 else f"{shown[0]} to {shown[-1]}"
        return (
            f"<{self.dataset} {self.name}: {self.num_images} images of {size} pixels, "
            f"{self.class_map.num_classes} classes>"
        )

    def _repr_html_(self) -> str:
        """Return the first images with the colors of their labels, for notebooks."""
        return html_with_images(repr(self)[1:-1], self._overlays(3))

    def _overlays(self, count: int) -> list[np.ndarray]:
        return [
            overlay_with_legend(one["image"], one["label_map"], self.class_map)
            for one in self.examples.take(count).as_numpy_iterator()
        ]


@dataclass(frozen=True, repr=False)
class SegmentationDataset:
    """A data set.

    Attributes:
        name: its name, an option of `dataset`.
        class_map: its classes.
        splits: splits by name: "train", "val", "test".
        val_pattern: pattern of the validation images, if `split_by_pattern` chose them.
        label_values: how the labels of a user's folder were read; None for other data.
        value_range: the values of images that became 0 and 255.
    """

    name: str
    class_map: ClassMap
    splits: Mapping[str, Split]
    val_pattern: str | None = None
    label_values: str | None = None
    value_range: ValueRange = "auto"

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

    @property
    def train(self) -> LabeledImages:
        """The training images.

        Raises:
            ValueError: if the data set has none.
        """
        return self._labeled("train")

    @property
    def val(self) -> LabeledImages:
        """The validation images.

        Raises:
            ValueError: if the data set has none.
        """
        return self._labeled("val")

    @property
    def test(self) -> LabeledImages:
        """The test images.

        Raises:
            ValueError: if the data set has none.
        """
        return self._labeled("test")

    def _labeled(self, name: str) -> LabeledImages:
        return LabeledImages(self.name, name, self.split(name), self.class_map)

    @property
    def num_classes(self) -> int:
        """Number of classes, without void."""
        return self.class_map.num_classes

    @property
    def void_id(self) -> int:
        """Id of void in the label maps."""
        return self.class_map.void_id

    def class_weights(self, method: str = "median-frequency") -> np.ndarray | None:
        """Compute class weights for a loss from the training labels.

        With f the share of a class among all pixels of the images that contain it,
        "median-frequency" is median(f) / f, "sqrt-median-frequency" its square root and
        "fourth-root-median-frequency" its fourth root. The first call reads all
        training labels, unless they have been counted.

        Args:
            method: one of these, or "none".

        Returns:
            float32 `(num_classes,)`, or None for "none".

        Raises:
            ValueError: if the method is unknown, there are no training images, or a
                label is neither a class nor void.
        """
        if method == "none":
            return None
        split = self.split("train")
        statistics = split.statistics or label_statistics(
            split.examples, self.class_map
        )
        return class_weights_from_counts(method, *statistics)

    def __repr__(self) -> str:
        counts = [f"{name} {part.num_images}" for name, part in self.splits.items()]
        classes = summarize(self.class_map.names, most=5)
        return (
            f"<data set {self.name}: {', '.join(counts)} images; "
            f"{self.num_classes} classes: {classes}>"
        )

    def _repr_html_(self) -> str:
        """Return the first image of each split with its labels, for notebooks."""
        overlays = [self._labeled(name)._overlays(1) for name in self.splits]
        return html_with_images(repr(self)[1:-1], sum(overlays, []))


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
