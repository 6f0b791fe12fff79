"""Lanes: the order of batches, padding of the last one, decoding per device."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_fcn.datasets.lanes import cached_lanes, training_batches
from tests.support.data import numbered_split

VOID = 255


def batches_of(
    num_images, pieces, batch_size=4, seed=3, budget=2**20, split=None, **options
):
    """Number of each image of each batch, and whether its label map is all void."""
    keras.utils.set_random_seed(0)
    split = split or numbered_split(num_images)
    parts = []
    for piece in pieces:
        lanes = cached_lanes(split, piece, batch_size=batch_size, budget=budget)
        batches = training_batches(
            lanes, split, batch_size=batch_size, void_id=VOID, order_seed=seed,
            **options,
        )  # fmt: skip
        parts.append(list(batches.as_numpy_iterator()))
    return [
        [
            (int(image[0, 0, 0]), bool((label_map == VOID).all()))
            for batch in batches_of_devices
            for image, label_map in zip(batch["image"], batch["label_map"], strict=True)
        ]
        for batches_of_devices in zip(*parts, strict=True)
    ]


ONE = [range(4)]
TWO = [range(2), range(2, 4)]
FOUR = [range(p, p + 1) for p in range(4)]


@pytest.mark.parametrize("num_images", [4, 11, 12, 13])
def test_batches_do_not_depend_on_the_number_of_devices(num_images):
    one = batches_of(num_images, ONE)
    assert one == batches_of(num_images, TWO) == batches_of(num_images, FOUR)
    labelled = sorted(n for batch in one for n, is_void in batch if not is_void)
    assert labelled == list(range(num_images))
    assert all(len(batch) == 4 for batch in one)


def test_the_last_batch_is_padded_with_void_images_at_its_end():
    *others, last = batches_of(11, ONE)
    assert [is_void for _, is_void in last] == [False, False, False, True]
    assert not any(is_void for batch in others for _, is_void in batch)


def test_fewer_images_than_a_batch_give_one_padded_batch():
    (batch,) = batches_of(3, ONE)
    assert [is_void for _, is_void in batch] == [False, False, False, True]
    (batch,) = batches_of(1, ONE)
    assert [n for n, _ in batch] == [0] * 4 and sum(void for _, void in batch) == 3


def test_the_order_is_determined_by_the_seed():
    first, again, other = (batches_of(40, ONE, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    orders = np.array(first)[..., 0] // 4  # index of the image in its lane
    assert all((orders[:, p] != orders[:, 0]).any() for p in (1, 2, 3))
    assert (np.array(first)[..., 0] != np.arange(40).reshape(10, 4)).any()


def test_the_first_batches_can_be_skipped():
    whole = batches_of(11, TWO)
    for num_skipped in (1, 3):
        assert batches_of(11, TWO, num_skipped=num_skipped) == whole[num_skipped:]


def test_the_order_depends_neither_on_the_budget_nor_on_the_devices():
    uncached = batches_of(40, ONE, budget=1)
    assert uncached == batches_of(40, TWO, budget=1) == batches_of(40, ONE)


def second_split(num_images):
    """Images of 3x5 pixels with the numbers 100, 101, ..."""
    split = numbered_split(num_images)

    def enlarge(example):
        image = tf.cast(tf.fill((3, 5, 3), example["image"][0, 0, 0] + 100), tf.uint8)
        return {**example, "image": image, "label_map": image[..., 0] % 2}

    changed = split.changed(enlarge)
    return dataclasses.replace(changed, image_sizes=((3, 5),) * num_images)


@pytest.mark.parametrize("num_images", [8, 11])
@pytest.mark.parametrize("num_mixed", [1, 3, 5, 12, 50])
def test_each_image_is_followed_by_one_of_the_second_data_set(num_images, num_mixed):
    mixed = second_split(num_mixed)
    alone = batches_of(num_images, ONE)
    one = batches_of(num_images, ONE, mixed=mixed)
    assert one == batches_of(num_images, TWO, mixed=mixed)
    assert one == batches_of(num_images, FOUR, mixed=mixed)
    assert [batch[::2] for batch in one] == alone  # including the padding of the last
    others = [n for batch in one for n, is_void in batch[1::2] if not is_void]
    assert len(others) == 4 * len(one)
    # The counts of any two images differ by at most one.
    counts = np.bincount(others, minlength=100 + num_mixed)[100:]
    assert counts.sum() == len(others) and counts.max() - counts.min() <= 1


def test_a_part_of_the_second_data_set_is_sampled():
    mixed = second_split(50).part([10, 20, 40])
    numbers = {n for batch in batches_of(12, ONE, mixed=mixed) for n, _ in batch[1::2]}
    assert numbers == {110, 120, 140}


def test_the_second_data_set_is_sampled_again_in_each_epoch():
    mixed = second_split(50)
    epochs = [
        [n for batch in batches_of(12, ONE, seed=seed, mixed=mixed) for n, _ in batch]
        for seed in (1, 1, 2)
    ]
    assert epochs[0] == epochs[1] != epochs[2]
    assert len({*epochs[0][1::2], *epochs[2][1::2]}) > 12
    assert epochs[0][1::2] != sorted(epochs[0][1::2])


@pytest.mark.parametrize("num_skipped", [1, 2])
def test_batches_of_both_data_sets_are_skipped(num_skipped):
    whole = batches_of(11, TWO, mixed=second_split(5))
    rest = batches_of(11, TWO, mixed=second_split(5), num_skipped=num_skipped)
    assert rest == whole[num_skipped:]


@pytest.mark.parametrize("one_shape", [False, True])
def test_smaller_images_of_a_mixed_batch_are_padded_with_void(one_shape):
    split = numbered_split(4)
    lanes = cached_lanes(split, range(2), batch_size=2, budget=2**20)
    batches = training_batches(
        lanes, split, batch_size=2, void_id=VOID, order_seed=0,
        mixed=second_split(3), one_shape=one_shape,
    )  # fmt: skip
    for batch in batches.as_numpy_iterator():
        assert batch["image"].shape == (4, 3, 5, 3)
        assert batch["size"].tolist() == [[2, 2], [3, 5]] * 2
        assert (batch["label_map"][::2, 2:] == VOID).all()
        assert (batch["label_map"][::2, :, 2:] == VOID).all()
        assert (batch["label_map"][1::2] != VOID).all()


def test_only_the_used_images_of_the_second_data_set_are_decoded():
    decoded = []

    def record(number):
        decoded.append(int(number))
        return number

    def decode(example):
        number = tf.numpy_function(record, [example["image"][0, 0, 0]], tf.uint8)
        with tf.control_dependencies([number]):
            return {**example, "image": tf.identity(example["image"])}

    split = numbered_split(50)
    mixed = split.changed(decode)
    (batch,) = batches_of(2, [range(2)], batch_size=2, mixed=mixed)
    assert sorted(decoded) == sorted(n for n, _ in batch[1::2])


def test_a_device_decodes_only_its_lanes_and_only_once():
    split, decoded = numbered_split(12), []

    def record(number):
        decoded.append(int(number))
        return number

    def decode(example):
        number = tf.numpy_function(
            record, [tf.cast(example["image"][0, 0, 0], tf.int64)], tf.int64
        )
        with tf.control_dependencies([number]):
            return {**example, "image": tf.identity(example["image"])}

    counted = split.changed(decode)
    lanes = cached_lanes(counted, range(2, 4), batch_size=4, budget=2**20)
    for seed in (1, 2):
        batches = training_batches(
            lanes, counted, batch_size=4, void_id=VOID, order_seed=seed
        )
        assert len(list(batches)) == 3
    assert sorted(decoded) == [2, 3, 6, 7, 10, 11]


@pytest.mark.parametrize("budget", [1, 2**20])
def test_exceeding_the_cache_budget_is_logged_once_for_all_lanes(caplog, budget):
    split = numbered_split(8)
    with caplog.at_level("INFO", "keras_fcn"):
        cached_lanes(split, range(4), batch_size=4, budget=budget)
    lines = [message for message in caplog.messages if "exceed" in message]
    assert len(lines) == (budget == 1)
