"""Order of the training images, the same for one worker and for many.

A batch of B takes one image from each of B lanes: lane p has the images p, p + B,
p + 2B ..., in an order of its own. A worker that computes some positions of the batch
reads and caches their lanes only, and all batches are still those of a single worker.
Images of a second data set stand next to those of the first: positions 0, 0, 1, 1 ...,
so that the part of each worker is contiguous in the whole batch of 2B.
"""

import math
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from keras_fcn.datasets.dataset import Split
from keras_fcn.datasets.pipeline import cached_examples, to_device, with_sizes


@dataclass(frozen=True)
class Lane:
    """The images at one position of the batches.

    Attributes:
        position: position in the batch, from 0.
        part: the images; at least one.
        examples: their examples, cached if they fit into memory.
        is_cached: whether the examples are cached.
        num_images: number of images that are trained on: 0 for a position beyond the
            size of the split, which is filled up in every step.
    """

    position: int
    part: Split
    examples: tf.data.Dataset
    is_cached: bool
    num_images: int


def cached_lanes(
    split: Split, positions: range, *, batch_size: int, budget: int
) -> list[Lane]:
    """Return some lanes of a split, decoded once and cached as uint8 if they fit.

    Args:
        split: the training images.
        positions: positions in the batch.
        batch_size: images in a batch of all devices together.
        budget: bytes of memory that may be used, as for `cached_examples`.
    """
    num_images = split.num_images
    parts = [
        split.part(range(position % num_images, num_images, batch_size))
        for position in positions
    ]
    num_bytes = sum(part.num_bytes for part in parts)
    fits = num_bytes <= budget
    return [
        Lane(
            position,
            part,
            cached_examples(
                part,
                part.num_bytes if fits else 0,
                num_bytes if position == positions[0] else 0,
            ),
            fits,
            part.num_images if position < num_images else 0,
        )
        for position, part in zip(positions, parts, strict=True)
    ]


def training_batches(
    lanes: list[Lane],
    split: Split,
    *,
    batch_size: int,
    void_id: int,
    order_seed: int,
    mixed: Split | None = None,
    one_shape: bool = False,
    num_skipped: int = 0,
    device: int = 0,
) -> tf.data.Dataset:
    """Return the batches of one epoch, in an order that depends on a seed.

    tf.data mixes TensorFlow's global seed into its random numbers: the same order in
    another process requires the same `keras.utils.set_random_seed`.

    Lanes that are one image short repeat an image in the last step, with a label map of
    void. So all batches have the same number of images, and batch normalization gets
    real images only.

    Images of different sizes are padded to the largest of the batch, label maps with
    void.

    Args:
        lanes: lanes of one device.
        split: the training images of all lanes.
        batch_size: images in a batch of all devices together, without those of `mixed`.
        void_id: label of the padding.
        order_seed: seed of the order, 0 to 2**31 - 1.
        mixed: training images of a second data set, one of which follows each image of
            the first. They are sampled without replacement, starting over if an epoch
            needs more, and decoded when they are needed.
        one_shape: pad all images to the largest size of the data, for XLA.
        num_skipped: batches to skip at the start.
        device: number of the accelerator, as for `to_device`.

    Returns:
        Yields `{"image", "label_map", "size"}`: uint8 `(N, height, width, 3)`, uint8
        `(N, height, width)`, and int32 `(N, 2)`, the height and width of each image. N
        is the number of lanes, twice that with `mixed`.
    """
    num_steps = math.ceil(split.num_images / batch_size)
    seeds = np.random.default_rng(order_seed).integers(2**31, size=batch_size)

    def stream(lane: Lane) -> tf.data.Dataset:
        # The buffer holds the whole lane, so that all orders are equally likely:
        # numbers are small, and cached images are in memory anyway.
        def shuffled(dataset: tf.data.Dataset) -> tf.data.Dataset:
            seed = int(seeds[lane.position])
            shuffled = dataset.shuffle(num_steps, seed, reshuffle_each_iteration=False)
            return shuffled.take(lane.num_images)

        if lane.is_cached:
            examples = shuffled(lane.examples)
        else:
            examples = lane.part.decoded(shuffled(lane.part.dataset_of_numbers))
        fillers = lane.examples.take(1).repeat(num_steps - lane.num_images)
        return examples.concatenate(fillers)

    turns = tf.data.Dataset.range(len(lanes)).repeat(num_steps)
    images = tf.data.Dataset.choose_from_datasets([*map(stream, lanes)], turns)
    images = images.skip(num_skipped * len(lanes))
    steps = np.arange(num_skipped, num_steps)[:, None]
    is_filler = steps >= [lane.num_images for lane in lanes]
    image_sizes, num_images = split.image_sizes, len(lanes)
    if mixed is not None:
        numbers = _sample_numbers(mixed.numbers, num_steps, batch_size, order_seed)
        own = numbers[num_skipped:, [lane.position for lane in lanes]]
        others = mixed.decoded(tf.data.Dataset.from_tensor_slices(own.ravel()))
        turns = tf.data.Dataset.range(2).repeat()
        images = tf.data.Dataset.choose_from_datasets([images, others], turns)
        is_filler = np.stack([is_filler, np.zeros_like(is_filler)], axis=-1)
        image_sizes, num_images = image_sizes + mixed.image_sizes, 2 * len(lanes)
    images = with_sizes(images, is_filler.ravel(), void_id)
    if len(set(image_sizes)) == 1:
        # (N, H, W, 3) and (N, H, W)
        batches = images.batch(num_images, drop_remainder=True)
        return to_device(batches, device)
    height, width = np.max(image_sizes, axis=0) if one_shape else (None, None)
    # Padded at the bottom and on the right; None stands for the largest of the batch.
    batches = images.padded_batch(
        num_images,
        {"image": (height, width, 3), "label_map": (height, width), "size": (2,)},
        padding_values={
            "image": tf.constant(0, tf.uint8),
            "label_map": tf.constant(void_id, tf.uint8),
            "size": tf.constant(0, tf.int32),
        },
        drop_remainder=True,
    )
    return to_device(batches, device)


def _sample_numbers(
    numbers: np.ndarray, num_steps: int, batch_size: int, order_seed: int
) -> np.ndarray:
    """Sample images of the second data set, int `(num_steps, batch_size)`."""
    # A seed of its own: the generator of the lanes starts with `order_seed`.
    order = np.random.default_rng((order_seed, 1)).permutation(numbers)
    return np.resize(order, (num_steps, batch_size))
