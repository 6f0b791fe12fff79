"""tf.data's share of the work: decode once, cache, batch, feed the device.

Nothing is augmented here; images and label maps stay uint8 until they are on the
device.
"""

import logging
from collections.abc import Callable, Iterator

import keras
import tensorflow as tf

from keras_fcn.datasets.dataset import Split
from keras_fcn.typing import Tensor

logger = logging.getLogger(__name__)


def cached_examples(
    split: Split, budget: int, reported_bytes: int | None = None
) -> tf.data.Dataset:
    """Return a split's examples, decoded once and kept as uint8 where they fit.

    Args:
        split: the split.
        budget: bytes of memory that may be used; a larger split is decoded each time
            it is read.
        reported_bytes: number to log where the examples do not fit; `split.num_bytes`
            when None, no line when 0.

    Returns:
        tf.data.Dataset like `split.examples`; these where they are not cached.
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
    """Return a split's batches in its own order, every picture at its own size.

    Pictures of different sizes come one by one: nothing is resized or padded.

    Args:
        examples: the split's examples, cached or not.
        split: what they are of.
        batch_size: images in a batch, where all are of one size; the last may have
            fewer.

    Returns:
        Yields `{"name", "image", "label_map", "size"}`; `name` is string `(batch,)`.
    """
    named = examples.map(
        lambda example: {"name": example["name"], **sized(example)},
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    return named.batch(batch_size if split.has_one_size else 1).prefetch(
        tf.data.AUTOTUNE
    )


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
    """Return the batches of a device's part of a split, every picture as it is.

    Args:
        examples: the part's, cached or not.
        part: what they are of.
        fillers: examples that fill up the batches, with a label map of void.
        batch_size: images in a batch; 1 where they differ in size.
        num_batches: how many there are, as many on each device.
        void_id: label of what fills up.
        device: number of the accelerator, as for `to_device`.

    Returns:
        Yields `{"image", "label_map", "size"}`.
    """
    missing = num_batches * batch_size - part.num_images
    filled = examples.map(sized, num_parallel_calls=tf.data.AUTOTUNE).concatenate(
        fillers.repeat().take(missing).map(sized).map(void(void_id))
    )
    return to_device(filled.batch(batch_size, drop_remainder=True), device)


def to_device(batches: tf.data.Dataset, device: int = 0) -> tf.data.Dataset:
    """Prefetch numeric batches, into the accelerator's memory where there is one.

    Args:
        batches: yields numbers only; strings can't go to an accelerator.
        device: number of the accelerator.

    Returns:
        The same batches, two of them ahead on an accelerator.
    """
    if keras.backend.backend() != "tensorflow":  # whose GPU is not TensorFlow's
        return batches.prefetch(tf.data.AUTOTUNE)
    if accelerators := tf.config.list_logical_devices("GPU"):
        return batches.apply(
            tf.data.experimental.prefetch_to_device(accelerators[device].name, 2)
        )
    return batches.prefetch(tf.data.AUTOTUNE)


def iterate(batches: tf.data.Dataset) -> Iterator[dict[str, Tensor]]:
    """Iterate over batches as tensors of Keras's backend.

    Args:
        batches: yields dicts of numbers, as those of `training_batches`.
    """
    if keras.backend.backend() == "tensorflow":
        return iter(batches)
    return _one_ahead(batches.as_numpy_iterator())


def _one_ahead(batches):
    """Start each batch on its way to the device while the one before is at work."""
    ahead = None
    for batch in batches:
        batch = keras.tree.map_structure(keras.ops.convert_to_tensor, batch)
        if ahead is not None:
            yield ahead
        ahead = batch
    if ahead is not None:
        yield ahead


def sized(example: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Return what is trained on of an example: image, label map and their size."""
    return {
        "image": example["image"],
        "label_map": example["label_map"],
        "size": tf.shape(example["label_map"]),  # before any padding
    }


def void(void_id: int) -> Callable:
    """Return a function that takes the label off what `sized` gave.

    Args:
        void_id: what the label map holds everywhere.
    """

    def without_label(example):
        label_map = tf.fill(example["size"], tf.constant(void_id, tf.uint8))
        return {**example, "label_map": label_map}

    return without_label
