"""`streets` as a TFDS builder."""

import dataclasses
from functools import partial

import numpy as np
import pytest

from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.loading import load_dataset
from keras_fcn.progress import Progress
from street_rendering import render_street

CONFIG = TrainingConfig(dataset="streets", num_images=5, image_size=(48, 64))


@pytest.fixture(scope="module")
def dataset():
    return load_dataset(CONFIG, ("train", "val", "test"))


def test_val_and_test_have_a_quarter_of_the_training_images(dataset):
    counts = {name: split.num_images for name, split in dataset.splits.items()}
    assert counts == {"train": 5, "val": 1, "test": 1}


def test_examples_are_the_rendered_scenes(dataset):
    for number, example in enumerate(dataset.split("train").examples):
        image, label_map = render_street(0, number, 48, 64)
        np.testing.assert_array_equal(example["image"], image)
        np.testing.assert_array_equal(example["label_map"], label_map)


def test_rendering_logs_its_progress_without_a_terminal(monkeypatch, caplog):
    at_once = partial(Progress, seconds=0)
    monkeypatch.setattr("keras_fcn.datasets.streets.Progress", at_once)
    config = dataclasses.replace(CONFIG, num_images=6)
    with caplog.at_level("INFO", "keras_fcn"):
        load_dataset(config, ("train",))
    lines = [line for line in caplog.messages if line.startswith("Rendering ")]
    assert any(line.startswith("Rendering train: 3/6 images, ") for line in lines)
    assert all(" left" in line for line in lines)


def test_splits_share_no_scene(dataset):
    scenes = [
        example["image"].tobytes()
        for split in dataset.splits.values()
        for example in split.examples.as_numpy_iterator()
    ]
    assert len(scenes) == len(set(scenes))


def test_classes_are_those_of_camvid(dataset):
    assert dataset.class_map.num_classes == 11
    assert dataset.class_map.void_id == 11
    assert dataset.class_map.names[3] == "road"


def test_an_unknown_split_is_refused(dataset):
    with pytest.raises(ValueError, match="train, val, test. Received: split=dev"):
        dataset.split("dev")
