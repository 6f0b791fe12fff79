"""The options of a training."""

import json
from dataclasses import FrozenInstanceError, asdict, fields, replace

import pytest

from keras_fcn.config import DATA_FIELDS, GROUPS, TrainingConfig
from keras_fcn.options import kind_of, parse


def test_json_restores_the_configuration():
    config = TrainingConfig(
        variant="8s", crop=(96, 128), scale=(0.75, 1.5), data_dir="x", flip=False
    )
    restored = TrainingConfig(**json.loads(json.dumps(asdict(config))))
    assert restored == config
    assert isinstance(restored.crop, tuple)
    assert isinstance(restored.scale, tuple)
    assert hash(restored) == hash(config)


def test_a_field_that_is_missing_in_json_has_its_default():
    assert TrainingConfig(**json.loads('{"epochs": 3}')) == TrainingConfig(epochs=3)


def test_an_unknown_field_is_refused_with_the_nearest_one():
    with pytest.raises(ValueError, match="no option epoch .did you mean epochs"):
        TrainingConfig(epoch=3)
    for name in ("self", "__dataclass_self__"):  # names of pydantic's own arguments
        with pytest.raises(ValueError, match=f"^there is no option {name}"):
            TrainingConfig(**{name: 3})


@pytest.mark.parametrize("removed", ["partition", "classes", "label_smoothing"])
def test_options_of_version_0_1_are_refused(removed):
    with pytest.raises(ValueError, match=f"there is no option {removed}"):
        TrainingConfig(**{removed: 1})


def test_configuration_is_frozen():
    with pytest.raises(FrozenInstanceError):
        TrainingConfig().epochs = 3
    assert replace(TrainingConfig(), epochs=3).epochs == 3


def test_every_option_is_in_a_group_and_described():
    groups = {field.metadata["group"] for field in fields(TrainingConfig)}
    assert groups == set(GROUPS)
    assert all(field.metadata["help"] for field in fields(TrainingConfig))
    assert all(kind_of(field.type).expected for field in fields(TrainingConfig))


def test_every_default_is_valid():
    for field in fields(TrainingConfig):
        assert getattr(TrainingConfig(), field.name) == field.default
        assert parse(field.type, field.default) == field.default


def test_the_fields_of_the_data_are_fields_of_that_group():
    groups = {field.name: field.metadata["group"] for field in fields(TrainingConfig)}
    assert {groups[name] for name in DATA_FIELDS} == {"data"}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("batch_size", 0, "a positive integer. Received: batch_size=0"),
        ("batch_size", "4", "a positive integer. Received: batch_size='4'"),
        ("batch_size", 4.0, "a positive integer"),
        ("batch_size", True, "a positive integer"),
        ("batch_size", None, "a positive integer"),
        ("epochs", [3], "a positive integer"),
        ("crop", [64], "(height, width) in pixels"),
        ("crop", [64, 0], "(height, width)"),
        ("crop", [64, 64.0], "(height, width)"),
        ("crop", 64, "(height, width)"),
        ("crop", "64x64", "(height, width)"),
        ("image_size", None, "(height, width)"),
        ("scale", [2.0, 1.0], "two numbers above 0"),
        ("scale", [0, 1], "two numbers above 0"),
        ("scale", ["0.5", 1], "two numbers above 0"),
        ("dropout", 1.0, "a number of at least 0 and below 1"),
        ("dropout", {}, "a number"),
        ("learning_rate", float("inf"), "a number above 0"),
        ("encoder_rate", 1.5, "a number above 0 and at most 1"),
        ("hue", 0.6, "a number from 0 to 0.5"),
        ("rotation", 181, "an angle from 0 to 180 degrees"),
        ("weight_decay", -1, "a number of at least 0"),
        ("val_share", 1, "a number above 0 and below 1"),
        ("seed", 2**31, "an integer from 0 to 2147483647"),
        ("freeze_blocks", 6, "an integer from 0 to 5"),
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
def test_invalid_values_are_refused(name, value, expected):
    with pytest.raises(ValueError) as caught:
        TrainingConfig(**{name: value})
    message = str(caught.value)
    assert expected in message and len(message) < 250
    assert name in message


def test_fields_that_are_none_by_default_accept_none():
    assert TrainingConfig(crop=None, data_dir=None).crop is None
