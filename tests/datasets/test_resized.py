"""Data sets resized to the training size."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from keras_fcn.classes import ClassMap
from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.dataset import SegmentationDataset, Split
from keras_fcn.datasets.loading import as_in_training
from keras_fcn.datasets.resized import resized
from tests.support.data import draw_blocks, split_of


def data_set(sizes):
    """A training split of images of the given sizes, generated when decoded."""

    def draw_image(index):
        size = sizes[index]
        return draw_blocks(*size, 3, seed=int(index))

    def decode(index):
        image, label_map = tf.numpy_function(draw_image, [index], (tf.uint8, tf.uint8))
        return {
            "name": tf.strings.as_string(index),
            "image": tf.ensure_shape(image, (None, None, 3)),
            "label_map": tf.ensure_shape(label_map, (None, None)),
        }

    split = Split(np.arange(len(sizes)), tuple(sizes), decode)
    class_map = ClassMap(("a", "b", "c"), ((1, 2, 3), (4, 5, 6), (7, 8, 9)), 255)
    return SegmentationDataset("blocks", class_map, {"train": split})


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((48, 64), 24, (24, 32)),
        ((123, 77), 77, (123, 77)),
        ((123, 77), 100, (160, 100)),
        ((1, 1), 9, (9, 9)),
        ((5, 100), 10, (4, 80)),
    ],
)
def test_resized_images_have_the_sizes_of_the_split(size, side, expected):
    split = resized(data_set([size]), side).split("train")
    assert split.image_sizes == (expected,)
    (example,) = split.examples.as_numpy_iterator()
    assert example["name"] == b"0"
    assert example["image"].shape == (*expected, 3)
    assert example["label_map"].shape == expected
    assert example["image"].dtype == example["label_map"].dtype == np.uint8


def test_image_and_label_map_are_enlarged_by_the_same_factor():
    image, label_map = draw_blocks(48, 64, 3, seed=0)
    split = resized(data_set([(48, 64)]), 96).split("train")
    (example,) = split.examples.as_numpy_iterator()
    doubled = label_map.repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(example["label_map"], doubled)
    # Away from edges the color is that of the nearest pixel, except for noise.
    near = image.repeat(2, axis=0).repeat(2, axis=1).astype("int")
    assert np.median(np.abs(example["image"].astype("int") - near)) <= 8


def test_images_are_antialiased_when_they_become_smaller():
    # The middle two of each four columns, where a new pixel lies, are black.
    column = np.where(np.isin(np.arange(64) % 4, (0, 3)), 255, 0).astype("uint8")
    image = np.broadcast_to(column[:, None], (64, 64, 3))
    label_map = np.zeros((64, 64), "uint8")
    whole = split_of(
        [(64, 64)], name=["stripes"], image=image[None], label_map=label_map[None]
    )
    dataset = dataclasses.replace(data_set([(64, 64)]), splits={"train": whole})
    (example,) = resized(dataset, 16).split("train").examples.as_numpy_iterator()
    assert np.abs(example["image"][2:-2, 2:-2].astype("int") - 127).max() < 40


def test_a_part_of_a_resized_split_is_resized():
    split = resized(data_set([(48, 64), (64, 48), (32, 32)]), 16).split("train")
    part = split.part([1, 2])
    assert part.image_sizes == ((21, 16), (16, 16))
    shapes = [example["label_map"].shape for example in part.examples]
    assert shapes == [(21, 16), (16, 16)]


def test_training_data_are_split_by_pattern_and_resized():
    train = data_set([(48, 64)] * 3).split("train")
    dataset = data_set([(48, 64)] * 2)
    dataset = dataclasses.replace(dataset, splits={"train": train, "val": train})
    config = TrainingConfig(val_pattern="2", size=24)
    resized_dataset = as_in_training(dataset, config)
    assert resized_dataset.split("train").image_sizes == ((24, 32),) * 4
    assert resized_dataset.split("val").image_sizes == ((24, 32),) * 2
    for example in resized_dataset.split("val").examples.as_numpy_iterator():
        assert example["name"] == b"2"
        assert example["image"].shape == (24, 32, 3)
    unchanged = as_in_training(dataset, TrainingConfig())
    assert unchanged is dataset
