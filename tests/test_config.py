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
    with pytest.raises(TypeError, match="colour"):
        TrainingConfig.from_json({"colour": "red"})


def test_reading_json_leaves_the_values_as_they_are():
    values = {"scale": [1.0, 2.0], "label_smoothing": 0.0}
    TrainingConfig.from_json(values)
    assert values == {"scale": [1.0, 2.0], "label_smoothing": 0.0}


def test_an_option_of_version_0_1_is_left_out_where_it_does_nothing():
    values = {"label_smoothing": 0.0, "hard_pixels": 1.0, "partition": "published"}
    assert TrainingConfig.from_json(values) == TrainingConfig()
    with pytest.raises(ValueError, match="^partition is an option of version 0.1"):
        TrainingConfig.from_json({"partition": "train+val"})


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
