"""The tf.data pipeline: order, cache, padding, and no augmentation."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_fcn.datasets.pipeline as pipeline
from keras_fcn.datasets.folder.dataset import load_folder
from keras_fcn.datasets.lanes import cached_lanes
from keras_fcn.datasets.lanes import training_batches as batches_of_lanes
from keras_fcn.datasets.pipeline import (
    cached_examples,
    evaluation_batches,
    iterate,
    to_device,
    validation_batches,
)
from tests.support.data import numbered_split, split_of, write_folder

BUDGET = 2**24


@pytest.fixture
def split(tiny_folder):
    return load_folder(tiny_folder, ("train",)).split("train")


@pytest.fixture
def mixed_split(tmp_path):
    folder = write_folder(tmp_path / "mixed", {"train": 3, "val": 1})
    Image.new("RGB", (80, 20), (1, 2, 3)).save(folder / "images/train/wide.png")
    Image.new("L", (80, 20), 2).save(folder / "labels/train/wide.png")
    return load_folder(folder, ("train",)).split("train")


def training_batches(split, batch_size, budget=BUDGET, **options):
    """Training batches of a single device, which has all lanes."""
    positions = range(batch_size)
    lanes = cached_lanes(split, positions, batch_size=batch_size, budget=budget)
    return batches_of_lanes(lanes, split, batch_size=batch_size, void_id=255, **options)


def batches_of(split, order_seed=0, batch_size=2):
    batches = training_batches(split, batch_size, order_seed=order_seed)
    return list(batches.as_numpy_iterator())


def images_of(batches):
    return [image.tobytes() for batch in batches for image in batch["image"]]


def test_an_epoch_contains_every_image_once(split):
    stored = [
        example["image"].tobytes() for example in split.examples.as_numpy_iterator()
    ]
    assert sorted(images_of(batches_of(split))) == sorted(stored)


def test_the_order_is_determined_by_its_seed(split):
    orders = [tuple(images_of(batches_of(split, order_seed=n))) for n in range(8)]
    again = [tuple(images_of(batches_of(split, order_seed=n))) for n in range(8)]
    assert orders == again
    assert len(set(orders)) > 2  # of 4 possible orders: two lanes of two images


def test_iterating_an_epoch_again_gives_the_same_order(split):
    batches = training_batches(split, batch_size=1, order_seed=0)
    orders = {tuple(images_of(batches.as_numpy_iterator())) for _ in range(6)}
    assert len(orders) == 1


def test_the_whole_split_is_shuffled_if_it_fits_the_budget(tmp_path):
    folder = write_folder(tmp_path / "many", {"train": 40, "val": 1})
    split = load_folder(folder, ("train",)).split("train")
    stored = [e["image"].tobytes() for e in split.examples.as_numpy_iterator()]
    num_moved_to_front = 0
    for seed in range(5):
        first = images_of(batches_of(split, order_seed=seed, batch_size=10))[:10]
        num_moved_to_front += sum(stored.index(image) >= 30 for image in first)
    assert num_moved_to_front >= 5


def test_images_and_label_maps_stay_uint8_at_the_stored_size(split):
    (batch,) = batches_of(split, batch_size=4)
    assert batch["image"].dtype == np.uint8 and batch["label_map"].dtype == np.uint8
    assert set(np.unique(batch["label_map"])) <= {0, 1, 2, 255}
    np.testing.assert_array_equal(batch["size"], [[48, 64]] * 4)


@pytest.mark.parametrize("batch_size", [3, 7])
def test_the_last_batch_is_padded_with_images_of_void_label_maps(split, batch_size):
    batches = batches_of(split, batch_size=batch_size)
    assert {len(batch["image"]) for batch in batches} == {batch_size}
    stored = [example["image"] for example in split.examples.as_numpy_iterator()]
    label_maps = np.concatenate([batch["label_map"] for batch in batches])
    assert (label_maps[4:] == 255).all() and len(label_maps) > 4
    images = np.concatenate([batch["image"] for batch in batches])
    # Padding repeats real images: batch normalization gets no black ones.
    for number, image in enumerate(images[4:]):
        position = (4 + number) % batch_size  # in its lane
        np.testing.assert_array_equal(image, stored[position % 4])
    assert len({image.tobytes() for image in images[:4]}) == 4
    assert all((batch["size"] == (48, 64)).all() for batch in batches)


def test_complete_batches_are_not_padded(split):
    (batch,) = batches_of(split, batch_size=4)
    assert (batch["label_map"] != 255).any(axis=(1, 2)).all()


def test_validation_batches_are_padded_if_all_images_have_one_size(split, mixed_split):

    def batches_of(split, **options):
        fillers = split.part([0]).examples
        return validation_batches(
            split.examples, split, fillers, void_id=255, **options
        )

    (batch,) = batches_of(split, batch_size=6, num_batches=1)
    assert set(batch) == {"image", "label_map", "size"}
    label_maps = batch["label_map"].numpy()
    stored = [example["label_map"] for example in split.examples.as_numpy_iterator()]
    np.testing.assert_array_equal(label_maps[:4], stored)
    assert (label_maps[4:] == 255).all() and len(label_maps) == 6
    batches = batches_of(mixed_split, batch_size=1, num_batches=4)
    shapes = sorted(batch["image"].shape[:3] for batch in batches.as_numpy_iterator())
    assert shapes == [(1, 20, 80), (1, 48, 64), (1, 48, 64), (1, 48, 64)]


def test_one_shape_pads_all_batches_to_one_shape(mixed_split):
    for one_shape, shapes in ((True, {(48, 80)}), (False, {(48, 80), (48, 64)})):
        batches = training_batches(
            mixed_split, batch_size=1, order_seed=0, one_shape=one_shape
        )
        found = {batch["image"].shape[1:3] for batch in batches.as_numpy_iterator()}
        assert (found == shapes) is one_shape


def test_images_of_different_sizes_are_padded_with_void(mixed_split):
    (batch,) = batches_of(mixed_split, batch_size=4)
    assert batch["image"].shape == (4, 48, 80, 3)
    for label_map, (height, width) in zip(
        batch["label_map"], batch["size"], strict=True
    ):
        assert (label_map[height:] == 255).all()
        assert (label_map[:, width:] == 255).all()
    for image, (height, width) in zip(batch["image"], batch["size"], strict=True):
        assert not image[height:].any() and not image[:, width:].any()


def test_evaluation_batches_keep_the_size_of_each_image(mixed_split):
    batches = evaluation_batches(mixed_split.examples, mixed_split, batch_size=4)
    shapes = [batch["label_map"].shape for batch in batches.as_numpy_iterator()]
    assert sorted(shapes) == [(1, 20, 80), (1, 48, 64), (1, 48, 64), (1, 48, 64)]


def test_a_batch_reserves_memory_for_no_more_than_all_images():
    split = numbered_split(3)  # of 10**15 images the array of tensors would be 40 PB
    (batch,) = evaluation_batches(split.examples, split, 10**15).as_numpy_iterator()
    assert batch["image"].shape == (3, 2, 2, 3)


def counting_split(split):
    """The split, and a list of the names of its decoded images."""
    decoded = []

    def count(name):
        decoded.append(name)
        return name

    def example(row):
        name = tf.numpy_function(count, [row["name"]], tf.string)
        return {**row, "name": tf.ensure_shape(name, ())}

    return split.changed(example), decoded


@pytest.mark.parametrize(("missing", "times"), [(0, 1), (1, 3)])
def test_images_are_decoded_once_within_the_budget_and_each_epoch_beyond(
    missing, times
):
    counted, decoded = counting_split(numbered_split(4))
    examples = cached_examples(counted, counted.num_bytes - missing)
    for _ in range(3):
        assert len(list(examples)) == 4
    assert len(decoded) == 4 * times


def test_exceeding_the_memory_budget_is_logged(split, caplog):
    large = split_of([(2**14, 3 * 2**14)], name=["large"])  # 4 bytes a pixel: 3 GiB
    with caplog.at_level("INFO", "keras_fcn"):
        cached_examples(large, BUDGET)
    assert caplog.messages == [
        "3.0 GiB of decoded images exceed the memory budget: they are decoded in each "
        "epoch"
    ]


@pytest.fixture
def prefetched(monkeypatch):
    """Device and buffer size of each `prefetch_to_device`, with two simulated GPUs."""
    requested = []

    def prefetch_to_device(device, buffer_size):
        requested.append((device, buffer_size))
        return lambda batches: batches

    devices = [tf.config.LogicalDevice(f"/device:GPU:{n}", "GPU") for n in (0, 1)]
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: devices)
    monkeypatch.setattr(tf.data.experimental, "prefetch_to_device", prefetch_to_device)
    return requested


def test_two_batches_are_prefetched_to_the_first_accelerator(prefetched):
    to_device(tf.data.Dataset.range(3))
    assert prefetched == [("/device:GPU:0", 2)]


def test_batches_of_other_backends_stay_on_the_host(prefetched, monkeypatch):
    monkeypatch.setattr(pipeline.keras.backend, "backend", lambda: "jax")
    assert list(to_device(tf.data.Dataset.range(3)).as_numpy_iterator()) == [0, 1, 2]
    assert not prefetched


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_batches_are_iterated_as_tensors_in_order(monkeypatch, backend):
    batches = tf.data.Dataset.range(5).batch(2).map(lambda numbers: {"n": numbers})
    monkeypatch.setattr(pipeline.keras.backend, "backend", lambda: backend)
    found = list(iterate(batches))
    assert all(isinstance(batch["n"], tf.Tensor) for batch in found)  # of this process
    assert [batch["n"].numpy().tolist() for batch in found] == [[0, 1], [2, 3], [4]]


def test_the_next_batch_is_requested_before_the_current_one_is_used(monkeypatch):
    requested = []

    def numbers():
        for number in range(4):
            requested.append(number)
            yield {"n": np.array(number)}

    monkeypatch.setattr(pipeline.keras.backend, "backend", lambda: "jax")
    next(iterate(SimpleNamespace(as_numpy_iterator=numbers)))
    assert requested == [0, 1]


def test_no_augmentation_operation_is_in_tf_data(split):
    batches = training_batches(split, batch_size=2, order_seed=0)
    graph = tf.compat.v1.GraphDef.FromString(batches._as_serialized_graph().numpy())
    operations = {node.op for node in graph.node}
    for function in graph.library.function:
        operations |= {node.op for node in function.node_def}
    assert "ShuffleDatasetV3" in operations  # the graph contains the functions
    arithmetic = ("Random", "Resize", "Gather", "Mul", "AddV2", "Reverse", "Floor")
    assert not [name for name in operations if name.startswith(arithmetic)]
