"""Label statistics, invalid ids and properties of splits."""

import numpy as np
import pytest
import tensorflow as tf

from keras_fcn.classes import ClassMap
from keras_fcn.datasets.dataset import label_statistics
from tests.support.data import split_of

CLASS_MAP = ClassMap(("a", "b", "c"), ((0, 0, 1), (0, 0, 2), (0, 0, 3)), void_id=7)


def examples_of(*label_maps):
    label_maps = np.array(label_maps, "uint8")
    names = [f"image_{index}" for index in range(len(label_maps))]
    return tf.data.Dataset.from_tensor_slices({"name": names, "label_map": label_maps})


def test_pixels_of_classes_and_of_images_with_them_are_counted():
    statistics = label_statistics(
        examples_of([[0, 0], [1, 7]], [[0, 0], [0, 0]]), CLASS_MAP
    )
    np.testing.assert_array_equal(statistics.pixels, [6, 1, 0])
    np.testing.assert_array_equal(statistics.pixels_of_images_with_class, [8, 4, 0])


def test_a_part_keeps_the_order_and_sizes_of_its_images():
    names = ["image_0", "image_1", "image_2"]
    split = split_of([(1, 2), (3, 4), (5, 6)], name=names)
    part = split.part([2, 0])
    names = [example["name"] for example in part.examples.as_numpy_iterator()]
    assert names == [b"image_0", b"image_2"]
    assert part.image_sizes == ((1, 2), (5, 6))
    assert int(part.examples.cardinality()) == part.num_images == 2


def test_ids_without_a_class_are_refused_with_their_image():
    with pytest.raises(ValueError, match="Received in 1 label maps: image_1: 3, 200"):
        label_statistics(examples_of([[0, 7]], [[3, 200]]), CLASS_MAP)


def test_num_bytes_of_a_split_are_those_of_its_decoded_images():
    split = split_of([(10, 20), (10, 20)])
    assert split.num_bytes == 2 * 10 * 20 * 4
    assert split.has_one_size
    assert not split_of([(1, 2), (2, 1)]).has_one_size
