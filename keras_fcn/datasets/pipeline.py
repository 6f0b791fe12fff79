"""Batches by tf.data: decoding, caching, padding, and transfer to the device.

Images and label maps stay uint8 up to the device, where they are augmented.
"""

import logging
from collections.abc import Iterable, Iterator

import keras
import numpy as np
import tensorflow as tf

from keras_fcn.datasets.dataset import Example, Split
from keras_fcn.typing import Tensor

logger = logging.getLogger(__name__)


def cached_examples(
    split: Split, budget: int, reported_bytes: int | None = None
) -> tf.data.Dataset:
    """Return a split's examples, decoded once and cached as uint8 if they fit.

    Args:
        split: the split.
        budget: bytes of memory that may be used; a larger split is decoded each time
            it is read.
        reported_bytes: size to log if the examples do not fit: `split.num_bytes` if
            None; nothing is logged if 0.

    Returns:
        A dataset of the same elements as `split.examples`.
    """
    if split.num_bytes <= budget:
        return split.examples.cache()
    reported_bytes = split.num_bytes if reported_bytes is None else reported_bytes
    if reported_bytes:
        size = f"{reported_bytes / 2**30:.1f} GiB"
        if reported_bytes < 2**30:
            size = f"{reported_bytes / 2**20:.0f} MiB"
        logger.info(
            "%s of decoded images exceed the memory budget: they are decoded in each "
            "epoch",
            size,
        )
    return split.examples


def evaluation_batches(
    examples: tf.data.Dataset, split: Split, batch_size: int
) -> tf.data.Dataset:
    """Return a split's batches in its own order, without resizing or padding.

    Args:
        examples: examples of the split, cached or not.
        split: the split.
        batch_size: images in a batch if all have one size (the last batch may have
            fewer); otherwise each batch has one image.

    Returns:
        Yields `{"name", "image", "label_map", "size"}`; `name` is string `(batch,)`.
    """
    named = examples.map(
        lambda example: {**example, "size": tf.shape(example["label_map"])},
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    # tf.data reserves memory for a whole batch before it reads the images.
    size = min(batch_size, split.num_images) if split.has_one_size else 1
    return named.batch(size).prefetch(tf.data.AUTOTUNE)


def validation_batches(
    examples: tf.data.Dataset,
    part: Split,
    fillers: tf.data.Dataset,
    *,
    batch_size: int,
    num_batches: int,
    void_id: int,
    device: int = 0,
) -> tf.data.Dataset:
    """Return the batches of a device's part of a split, without resizing or padding.

    All batches have one size, so that one step is compiled: the last is filled up with
    images that are void.

    Args:
        examples: examples of the part, cached or not.
        part: the device's part of the split.
        fillers: examples whose images fill up the batches.
        batch_size: images in a batch; must be 1 if they differ in size.
        num_batches: number of batches, the same on each device.
        void_id: id of void.
        device: number of the accelerator, as for `to_device`.

    Returns:
        Yields `{"image", "label_map", "size"}`.
    """
    is_filler = np.arange(num_batches * batch_size) >= part.num_images
    filled = with_sizes(examples.concatenate(fillers.repeat()), is_filler, void_id)
    return to_device(filled.batch(batch_size, drop_remainder=True), device)


def to_device(batches: tf.data.Dataset, device: int = 0) -> tf.data.Dataset:
    """Prefetch numeric batches, into the accelerator's memory where there is one.

    Args:
        batches: yields no strings, which an accelerator can't hold.
        device: number of the accelerator.

    Returns:
        The same batches; on an accelerator two of them are prefetched.
    """
    if keras.backend.backend() != "tensorflow":  # the accelerator is JAX's
        return batches.prefetch(tf.data.AUTOTUNE)
    if accelerators := tf.config.list_logical_devices("GPU"):
        return batches.apply(
            tf.data.experimental.prefetch_to_device(accelerators[device].name, 2)
        )
    return batches.prefetch(tf.data.AUTOTUNE)


def iterate(batches: tf.data.Dataset) -> Iterator[dict[str, Tensor]]:
    """Iterate over batches as tensors of Keras's backend.

    Args:
        batches: as those of `training_batches`.
    """
    if keras.backend.backend() == "tensorflow":
        return iter(batches)
    return _one_ahead(batches.as_numpy_iterator())


def _one_ahead(batches: Iterable) -> Iterator[dict[str, Tensor]]:
    """Start the transfer of a batch before the previous one is used."""
    ahead = None
    for batch in batches:
        batch = keras.tree.map_structure(keras.ops.convert_to_tensor, batch)
        if ahead is not None:
            yield ahead
        ahead = batch
    if ahead is not None:
        yield ahead


def with_sizes(
    examples: tf.data.Dataset, is_filler: np.ndarray, void_id: int
) -> tf.data.Dataset:
    """Return images and label maps without names, with their sizes before any padding.

    Args:
        examples: at least n examples of a split.
        is_filler: bool `(n,)`, whether all labels of an image are set to void.
        void_id: id of void.

    Returns:
        Yields n times `{"image", "label_map", "size"}`.
    """

    def prepare(is_filler: tf.Tensor, example: Example) -> Example:
        label_map = example["label_map"]
        return {
            "image": example["image"],
            "label_map": tf.where(is_filler, tf.constant(void_id, tf.uint8), label_map),
            "size": tf.shape(label_map),
        }

    # Flags first: without one, no further image is decoded.
    flags = tf.data.Dataset.from_tensor_slices(is_filler)
    pairs = tf.data.Dataset.zip((flags, examples))
    return pairs.map(prepare, num_parallel_calls=tf.data.AUTOTUNE)
