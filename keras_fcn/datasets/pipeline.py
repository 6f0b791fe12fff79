"""tf.data's share of the work: decode once, cache, shuffle, batch, feed the device.

Nothing is augmented here; images and label maps stay uint8 until they are on the
device.
"""

import atexit
import logging
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_fcn.datasets.dataset import Split
from keras_fcn.files import TEMPORARY, remove_abandoned, work_folder
from keras_fcn.typing import Tensor

logger = logging.getLogger(__name__)


def cached_examples(split: Split, budget: int) -> tf.data.Dataset:
    """Return a split's examples, decoded once and kept as uint8.

    Args:
        split: the split.
        budget: bytes of memory that may be used; a larger split is cached in a file
            in the temporary folder, removed when the process ends or, where it was
            killed, by the next one; a user's files are decoded anew in each epoch.

    Returns:
        tf.data.Dataset like `split.examples`; these where they are not cached.
    """
    if split.num_bytes <= budget:
        return split.examples.cache()
    if split.reordered is not None:
        logger.info(
            "%.1f GiB of decoded images exceed the memory budget: files are decoded in "
            "each epoch",
            split.num_bytes / 2**30,
        )
        return split.examples
    parent = Path(tempfile.gettempdir())
    remove_abandoned(parent, TEMPORARY)
    stack = ExitStack()
    folder = stack.enter_context(work_folder(parent, f"{TEMPORARY}cache-"))
    atexit.register(stack.close)
    logger.info(
        "%.1f GiB of decoded images exceed the memory budget: cached in %s",
        split.num_bytes / 2**30,
        folder,
    )
    return split.examples.cache(str(folder / "examples"))


def training_batches(
    examples: tf.data.Dataset,
    split: Split,
    *,
    batch_size: int,
    void_id: int,
    order_seed: int,
    budget: int,
    one_shape: bool = False,
) -> tf.data.Dataset:
    """Return the batches of one epoch, in an order that follows from a seed.

    tf.data mixes TensorFlow's global seed into it: the same order in another process
    needs the same `keras.utils.set_random_seed` there.

    The last batch is filled up with the first images of the split, whose label maps are
    void here: so all batches have one size, for which a step is compiled once, and
    the statistics of batch normalisation are of images as they are.

    Pictures of different sizes are padded to the largest of the batch, the label map
    with void.

    Args:
        examples: the split's examples, cached.
        split: what they are of.
        batch_size: images in a batch.
        void_id: label of the padding.
        order_seed: from which the order follows, 0 to 2**31 - 1.
        budget: bytes of memory that shuffling may hold.
        one_shape: pad pictures of different sizes to the largest of the split.

    Returns:
        Yields `{"image", "label_map", "size"}`: uint8 `(batch, height, width, 3)`,
        uint8 `(batch, height, width)`, and int32 `(batch, 2)`, the height and width
        of each picture.
    """
    batches = _shuffled(examples, split, batch_size, order_seed, budget).map(
        _sized, num_parallel_calls=tf.data.AUTOTUNE
    )
    fillers = _fillers(examples, -split.num_images % batch_size, void_id)
    batches = batches.concatenate(fillers)
    if split.has_one_size:
        # (N, H, W, 3) and (N, H, W)
        return to_device(batches.batch(batch_size, drop_remainder=True))
    height, width = np.max(split.image_sizes, axis=0) if one_shape else (None, None)
    # At the lower right; None is the largest of the batch.
    batches = batches.padded_batch(
        batch_size,
        {"image": (height, width, 3), "label_map": (height, width), "size": (2,)},
        padding_values={
            "image": tf.constant(0, tf.uint8),
            "label_map": tf.constant(void_id, tf.uint8),
            "size": tf.constant(0, tf.int32),
        },
        drop_remainder=True,
    )
    return to_device(batches)


def _shuffled(examples, split, batch_size, order_seed, budget):
    """The examples in the order of a seed."""
    if split.reordered is not None and examples is split.examples:  # not cached
        order = np.random.default_rng(order_seed).permutation(split.num_images)
        return split.reordered(order)
    # A buffer of the whole split where it fits: then all orders are equally likely.
    bytes_an_image = max(1, split.num_bytes // split.num_images)
    buffer_size = max(batch_size, min(split.num_images, budget // bytes_an_image))
    return examples.shuffle(
        buffer_size, seed=order_seed, reshuffle_each_iteration=False
    )


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
    sized = examples.map(
        lambda example: {"name": example["name"], **_sized(example)},
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    return sized.batch(batch_size if split.has_one_size else 1).prefetch(
        tf.data.AUTOTUNE
    )


def validation_batches(
    examples: tf.data.Dataset, split: Split, *, batch_size: int, void_id: int
) -> tf.data.Dataset:
    """Return a split's batches for the trainer: its own order, every picture as it is.

    As those of `evaluation_batches`, but without names, and with the last batch filled
    up as in `training_batches`.

    Args:
        examples: the split's examples, cached or not.
        split: what they are of.
        batch_size: images in a batch, where all are of one size.
        void_id: label of what fills up the last batch.

    Returns:
        Yields `{"image", "label_map", "size"}`.
    """
    batch_size = batch_size if split.has_one_size else 1
    fillers = _fillers(examples, -split.num_images % batch_size, void_id)
    sized = examples.map(_sized, num_parallel_calls=tf.data.AUTOTUNE)
    return to_device(sized.concatenate(fillers).batch(batch_size, drop_remainder=True))


def to_device(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Prefetch numeric batches, into the accelerator's memory where there is one.

    Args:
        batches: yields numbers only; strings can't go to an accelerator.

    Returns:
        The same batches, two of them ahead on an accelerator.
    """
    accelerators = tf.config.list_logical_devices("GPU")
    if keras.backend.backend() == "tensorflow" and accelerators:
        return batches.apply(
            tf.data.experimental.prefetch_to_device(accelerators[0].name, 2)
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


def _sized(example):
    return {
        "image": example["image"],
        "label_map": example["label_map"],
        "size": tf.shape(example["label_map"]),  # before any padding
    }


def _fillers(examples, count, void_id):
    """The first examples without a label, to fill up a batch."""

    def void(example):
        label_map = tf.fill(example["size"], tf.constant(void_id, tf.uint8))
        return {**example, "label_map": label_map}

    return examples.repeat().take(count).map(_sized).map(void)
