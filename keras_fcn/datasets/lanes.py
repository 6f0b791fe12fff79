"""Training images in lanes: an order that is the same for one worker and for many.

A batch of B takes one image from each of B lanes: lane p has the images p, p + B,
p + 2B ..., and gives them in an order of its own. So who computes some positions of the
batch reads and keeps their lanes alone, and yet all batches are those of one worker.
"""

import math
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from keras_fcn.datasets.dataset import Split
from keras_fcn.datasets.pipeline import cached_examples, sized, to_device, void


@dataclass(frozen=True)
class Lane:
    """The images that come at one position of the batches.

    Attributes:
        position: in the batch, from 0.
        part: its images; one at least.
        examples: theirs, cached where they fit into memory or a file.
        is_cached: whether they are.
        num_images: how many of them are trained on: 0 where the batch is larger than
            the split, and the position is filled up in each step.
    """

    position: int
    part: Split
    examples: tf.data.Dataset
    is_cached: bool
    num_images: int


def cached_lanes(
    split: Split, positions: range, *, batch_size: int, budget: int
) -> list[Lane]:
    """Return some lanes of a split, decoded once and kept as uint8.

    Args:
        split: the training images.
        positions: those in the batch whose lanes are wanted.
        batch_size: of all devices together.
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
            fits or not split.reads_files,
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
    budget: int,
    one_shape: bool = False,
    num_skipped: int = 0,
    device: int = 0,
) -> tf.data.Dataset:
    """Return the batches of one epoch, in an order that follows from a seed.

    tf.data mixes TensorFlow's global seed into it: the same order in another process
    needs the same `keras.utils.set_random_seed` there.

    Lanes that are one image short give an image again in the last step, with a label
    map of void. So all batches have one size, for which a step is compiled once, and
    the statistics of batch normalisation are of images as they are.

    Pictures of different sizes are padded to the largest of the batch, the label map
    with void.

    Args:
        lanes: those of one device.
        split: what they are of, all lanes together.
        batch_size: of all devices together.
        void_id: label of the padding.
        order_seed: from which the order follows, 0 to 2**31 - 1.
        budget: bytes of memory that shuffling may hold, for all lanes of the split.
        one_shape: pad pictures of different sizes to the largest of the split.
        num_skipped: batches that are left out at the start.
        device: number of the accelerator, as for `to_device`.

    Returns:
        Yields `{"image", "label_map", "size"}`: uint8 `(lanes, height, width, 3)`,
        uint8 `(lanes, height, width)`, and int32 `(lanes, 2)`, the height and width
        of each picture.
    """
    num_steps = math.ceil(split.num_images / batch_size)
    seeds = np.random.default_rng(order_seed).integers(2**31, size=batch_size)
    # A buffer of the whole lane where it fits: then all orders are equally likely.
    # Names of files always do; and cached images in memory are held anyway.
    bytes_an_image = max(1, split.num_bytes // split.num_images)
    buffer_size = max(1, min(num_steps, budget // batch_size // bytes_an_image))
    if split.reads_files:
        buffer_size = num_steps

    def shuffled(dataset, lane):
        return dataset.shuffle(
            buffer_size,
            seed=int(seeds[lane.position]),
            reshuffle_each_iteration=False,
        ).take(lane.num_images)

    def stream(lane):
        if lane.is_cached:
            examples = shuffled(lane.examples, lane)
        else:
            examples = lane.part.decoded(shuffled(lane.part.records, lane))
        fillers = lane.examples.take(1).repeat(num_steps - lane.num_images)
        kept = examples.map(sized, num_parallel_calls=tf.data.AUTOTUNE)
        return kept.concatenate(fillers.map(sized).map(void(void_id)))

    turns = tf.data.Dataset.range(len(lanes)).repeat(num_steps)
    in_turns = tf.data.Dataset.choose_from_datasets([*map(stream, lanes)], turns)
    in_turns = in_turns.skip(num_skipped * len(lanes))
    if split.has_one_size:
        # (N, H, W, 3) and (N, H, W)
        batches = in_turns.batch(len(lanes), drop_remainder=True)
        return to_device(batches, device)
    height, width = np.max(split.image_sizes, axis=0) if one_shape else (None, None)
    # At the lower right; None is the largest of the batch.
    batches = in_turns.padded_batch(
        len(lanes),
        {"image": (height, width, 3), "label_map": (height, width), "size": (2,)},
        padding_values={
            "image": tf.constant(0, tf.uint8),
            "label_map": tf.constant(void_id, tf.uint8),
            "size": tf.constant(0, tf.int32),
        },
        drop_remainder=True,
    )
    return to_device(batches, device)
