"""Lanes: one order for any number of devices; fillers; what a device decodes."""

import keras
import numpy as np
import pytest

from keras_fcn.datasets.dataset import Split
from keras_fcn.datasets.lanes import cached_lanes, training_batches
from tests.support.data import numbered_split

VOID = 255


def batches_of(num_images, pieces, batch_size=4, seed=3, split=None, **options):
    """Numbers of the images of each batch, and which of them are void."""
    keras.utils.set_random_seed(0)
    split = split or numbered_split(num_images)
    parts = []
    for piece in pieces:
        lanes = cached_lanes(split, piece, batch_size=batch_size, budget=2**20)
        batches = training_batches(
            lanes, split, batch_size=batch_size, void_id=VOID, order_seed=seed,
            **{"budget": 2**20, **options},
        )  # fmt: skip
        parts.append(list(batches.as_numpy_iterator()))
    return [
        [
            (int(image[0, 0, 0]), bool((label_map == VOID).all()))
            for batch in of_all
            for image, label_map in zip(batch["image"], batch["label_map"], strict=True)
        ]
        for of_all in zip(*parts, strict=True)
    ]


ONE = [range(4)]
TWO = [range(2), range(2, 4)]
FOUR = [range(p, p + 1) for p in range(4)]


@pytest.mark.parametrize("num_images", [4, 11, 12, 13])
def test_all_numbers_of_devices_have_the_same_batches(num_images):
    one = batches_of(num_images, ONE)
    assert one == batches_of(num_images, TWO) == batches_of(num_images, FOUR)
    labelled = sorted(n for batch in one for n, is_void in batch if not is_void)
    assert labelled == list(range(num_images))
    assert all(len(batch) == 4 for batch in one)


def test_the_last_batch_is_filled_up_without_labels_at_its_end():
    *others, last = batches_of(11, ONE)
    assert [is_void for _, is_void in last] == [False, False, False, True]
    assert not any(is_void for batch in others for _, is_void in batch)


def test_fewer_images_than_a_batch_are_trained_on_once():
    (batch,) = batches_of(3, ONE)
    assert [is_void for _, is_void in batch] == [False, False, False, True]
    (batch,) = batches_of(1, ONE)
    assert [n for n, _ in batch] == [0] * 4 and sum(void for _, void in batch) == 3


def test_the_order_follows_from_the_seed():
    first, again, other = (batches_of(40, ONE, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    orders = np.array(first)[..., 0] // 4  # which image of its lane
    assert all((orders[:, p] != orders[:, 0]).any() for p in (1, 2, 3))
    assert (np.array(first)[..., 0] != np.arange(40).reshape(10, 4)).any()


def test_batches_can_be_left_out_at_the_start():
    whole = batches_of(11, TWO)
    for num_skipped in (1, 3):
        assert batches_of(11, TWO, num_skipped=num_skipped) == whole[num_skipped:]


def test_the_order_depends_on_the_budget_and_not_on_the_devices():
    budget = 4 * 16 * 3  # three images of 16 bytes for each lane of four
    little = batches_of(40, ONE, budget=budget)
    assert little == batches_of(40, TWO, budget=budget) != batches_of(40, ONE)
    # The first of a lane is among its first three.
    assert all(n < 3 * 4 for n, _ in little[0])


def test_a_device_decodes_its_lanes_alone_and_once():
    split, decoded = numbered_split(12), []

    def note(number):
        decoded.append(int(number))
        return number

    def decode(example):
        import tensorflow as tf

        number = tf.numpy_function(
            note, [tf.cast(example["image"][0, 0, 0], tf.int64)], tf.int64
        )
        with tf.control_dependencies([number]):
            return {**example, "image": tf.identity(example["image"])}

    counted = Split(split.records, split.image_sizes, decode)
    lanes = cached_lanes(counted, range(2, 4), batch_size=4, budget=2**20)
    for seed in (1, 2):
        batches = training_batches(
            lanes, counted, batch_size=4, void_id=VOID, order_seed=seed, budget=2**20
        )
        assert len(list(batches)) == 3
    assert sorted(decoded) == [2, 3, 6, 7, 10, 11]


@pytest.mark.parametrize("budget", [1, 2**20])
def test_a_cache_beyond_the_budget_is_told_in_one_line_for_all_lanes(caplog, budget):
    split = numbered_split(8)
    with caplog.at_level("INFO", "keras_fcn"):
        cached_lanes(split, range(4), batch_size=4, budget=budget)
    told = [message for message in caplog.messages if "exceed" in message]
    assert len(told) == (budget == 1)
