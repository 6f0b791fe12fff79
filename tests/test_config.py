"""The options of a training as data."""

import json
from dataclasses import FrozenInstanceError, asdict, fields, replace

import pytest

from keras_fcn.config import (
    DATA_FIELDS,
    GROUPS,
    POSITIVE_INT,
    Number,
    TrainingConfig,
    gone_options,
)


def test_json_gives_the_configuration_back():
    config = TrainingConfig(
        variant="8s", crop=(96, 128), scale=(0.75, 1.5), data_dir="x", flip=False
    )
    restored = TrainingConfig.from_json(json.loads(json.dumps(asdict(config))))
    assert restored == config
    assert isinstance(restored.crop, tuple)
    assert isinstance(restored.scale, tuple)
    assert hash(restored) == hash(config)


def test_a_field_that_is_missing_in_json_has_its_default():
    assert TrainingConfig.from_json({"epochs": 3}) == TrainingConfig(epochs=3)


def test_a_field_that_there_never_was_is_refused():
    with pytest.raises(ValueError, match="colour"):
        TrainingConfig.from_json({"colour": "red"})


def test_reading_json_leaves_the_values_as_they_are():
    values = {"scale": [1.0, 2.0], "label_smoothing": 0.0}
    TrainingConfig.from_json(values)
    assert values == {"scale": [1.0, 2.0], "label_smoothing": 0.0}


@pytest.mark.parametrize(
    ("old", "today"),
    [
        ({"classes": 32, "void_as_class": False, "partition": "published"}, {}),
        ({"label_smoothing": 0.1, "hard_pixels": 0.25, "samples_every": 5}, {}),
        ({"dataset": "camvid", "classes": 11}, {"dataset": "camvid"}),
        ({"dataset": "camvid32", "classes": 11}, {"dataset": "camvid32-merged"}),
        ({"dataset": "camvid32", "classes": 32}, {"dataset": "camvid32"}),
        (
            {"dataset": "camvid32", "classes": 32, "void_as_class": True},
            {"dataset": "camvid32-with-void"},
        ),
        ({"partition": "without-0016E5"}, {"val_pattern": "0016E5*"}),
        ({"samples_every": 1, "learning_rate": None}, {"learning_rate": 1e-4}),
        (
            {"samples_every": 1, "learning_rate": None, "optimizer": "sgd"},
            {"learning_rate": 1e-3, "optimizer": "sgd"},
        ),
        ({"samples_every": 1, "learning_rate": 0.5}, {"learning_rate": 0.5}),
        ({"learning_rate": None}, {"learning_rate": None}),
    ],
)
def test_options_of_version_0_1_are_read_as_what_means_the_same(old, today):
    assert TrainingConfig.from_json(old) == TrainingConfig(**today)


def test_images_that_were_trained_on_and_validated_with_are_refused():
    with pytest.raises(ValueError, match=r"^partition train\+val is of version 0.1"):
        TrainingConfig.from_json({"partition": "train+val"})


def test_options_that_shaped_a_training_and_are_gone_are_told():
    assert gone_options({"label_smoothing": 0.0, "samples_every": 5}) == []
    both = {"label_smoothing": 0.1, "hard_pixels": 0.25}
    assert gone_options(both) == ["label_smoothing", "hard_pixels"]


def test_configuration_is_frozen():
    with pytest.raises(FrozenInstanceError):
        TrainingConfig().epochs = 3
    assert replace(TrainingConfig(), epochs=3).epochs == 3


def test_every_option_is_in_a_group_and_described():
    groups = {option.metadata["group"] for option in fields(TrainingConfig)}
    assert groups == set(GROUPS)
    assert all(option.metadata["help"] for option in fields(TrainingConfig))


def test_every_default_is_one_that_the_option_takes():
    for option in fields(TrainingConfig):
        kind, default = option.metadata["kind"], option.default
        if isinstance(kind, tuple):
            assert default in kind, option.name
        elif isinstance(kind, Number) and default is not None:
            assert type(default) is kind.convert and kind.accepts(default), option.name


def test_the_fields_of_the_data_are_fields_of_that_group():
    groups = {
        option.name: option.metadata["group"] for option in fields(TrainingConfig)
    }
    assert {groups[name] for name in DATA_FIELDS} == {"data"}


@pytest.mark.parametrize(("value", "is_taken"), [(0, False), (1, True), (2**40, True)])
def test_positive_numbers_begin_at_one(value, is_taken):
    assert POSITIVE_INT.accepts(value) is is_taken


@pytest.mark.parametrize(
    ("name", "value", "needed"),
    [
        ("batch_size", 0, "a whole number from 1 on. Received: 0"),
        ("batch_size", "4", "a whole number from 1 on. Received: '4'"),
        ("batch_size", 4.0, "a whole number"),
        ("batch_size", True, "a whole number"),
        ("batch_size", None, "a whole number"),
        ("epochs", [3], "a whole number"),
        ("crop", [64], "two whole numbers from 1 on, height and width"),
        ("crop", [64, 0], "two whole numbers"),
        ("crop", [64, 64.0], "two whole numbers"),
        ("crop", 64, "two whole numbers"),
        ("crop", "64x64", "two whole numbers"),
        ("image_size", None, "two whole numbers"),
        ("scale", [2.0, 1.0], "two numbers above 0, the lower one first"),
        ("scale", [0, 1], "two numbers"),
        ("scale", ["0.5", 1], "two numbers"),
        ("dropout", 1.0, "a number from 0 to below 1"),
        ("dropout", {}, "a number"),
        ("learning_rate", float("inf"), "a number above 0"),
        ("flip", 1, "true or false"),
        ("variant", "2s", "one of 32s, 16s, 8s, 4s"),
        ("variant", ["32s"], "one of"),
        ("dataset", "imagenet", "one of camvid, "),
        ("dataset", "http://somewhere/data.zip", "one of camvid, "),
        ("data_dir", 3, "text"),
        ("data_dir", "a\0b", "text"),
        ("weights", None, "text"),
        ("weights", "x" * 200_000 + "\0", "text"),
        ("colour", 3, "there is no option colour"),
    ],
)
def test_a_value_that_an_option_does_not_take_is_refused(name, value, needed):
    with pytest.raises(ValueError) as caught:
        TrainingConfig.from_json({name: value})
    message = str(caught.value)
    assert needed in message and len(message) < 250
    assert name in message


def test_what_is_none_by_default_may_be_none():
    assert TrainingConfig.from_json({"crop": None, "data_dir": None}).crop is None
