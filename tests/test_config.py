import argparse
import json
from dataclasses import FrozenInstanceError, asdict, fields, replace

import pytest

from keras_fcn.config import (
    TrainingConfig,
    add_config_arguments,
    format_value,
    given_arguments,
    make_parser,
    parse_scale,
    parse_size,
)


@pytest.fixture
def parser(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    parser = make_parser("Train a network.")
    add_config_arguments(parser)
    return parser


def help_of(parser, flag):
    """The text of a flag in `--help`, on one line."""
    lines = parser.format_help().splitlines()
    start = next(i for i, line in enumerate(lines) if line.strip().startswith(flag))
    text = [lines[start]]
    for line in lines[start + 1 :]:
        if line.strip().startswith("-"):
            break
        text.append(line)
    return " ".join(" ".join(text).split())


@pytest.mark.parametrize(
    ("text", "size"),
    [("360x480", (360, 480)), ("1x1", (1, 1)), ("32X64", (32, 64))],
)
def test_sizes_are_height_then_width(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    ["0x5", "5x0", "12", "-3x4", "axb", "", "x", "3x", "3x4x5", "3.5x4", "3,4", "²x4"],
)
def test_sizes_that_are_none_are_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"Received: {text}$"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "scale"), [("0.5,2", (0.5, 2.0)), ("1,1", (1.0, 1.0)), ("1, 2", (1, 2))]
)
def test_scales_are_least_then_most(text, scale):
    assert parse_scale(text) == scale


@pytest.mark.parametrize(
    "text",
    ["2,0.5", "0,1", "-1,1", "1", "a,b", "1,2,3", "", "nan,1", "1,nan", "1,inf"],
)
def test_scales_that_are_none_are_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"Received: {text}$"):
        parse_scale(text)


def test_arguments_that_are_not_given_have_the_defaults(parser):
    assert TrainingConfig(**vars(parser.parse_args([]))) == TrainingConfig()


@pytest.mark.parametrize("field", fields(TrainingConfig), ids=lambda field: field.name)
def test_every_default_passes_its_own_check(parser, field):
    if field.default is None or isinstance(field.default, bool):
        return
    flag = "--" + field.name.replace("_", "-")
    text = format_value(field.name, field.default)
    namespace = parser.parse_args([flag, text])
    assert getattr(namespace, field.name) == field.default


@pytest.mark.parametrize(
    ("flag", "shown"),
    [
        ("--variant", "(default: 32s)"),
        ("--image-size", "(default: 360x480)"),
        ("--scale", "(default: 0.5,2.0)"),
        ("--rotation", "degrees; 0 is off (default: 5.0)"),
        ("--flip", "(default: True)"),
        ("--freeze-upsampling", "(default: False)"),
        ("--seed", "(default: 0)"),
        ("--warmup-epochs", "(default: 0.0)"),
    ],
)
def test_help_shows_defaults_as_they_are_typed(parser, flag, shown):
    text = help_of(parser, flag)
    assert text.endswith(shown)
    assert text.count("(default:") == 1


def test_help_names_no_default_where_there_is_none(parser):
    for flag in ("--crop", "--data-dir", "--learning-rate", "--init-from"):
        assert "(default:" not in help_of(parser, flag)
    assert "None" not in parser.format_help()


def test_help_names_every_field(parser):
    for field in fields(TrainingConfig):
        assert field.metadata["help"] in help_of(
            parser, "--" + field.name.replace("_", "-")
        )


def test_switches_can_be_turned_off(parser):
    namespace = parser.parse_args(["--no-flip", "--freeze-upsampling"])
    assert namespace.flip is False
    assert namespace.freeze_upsampling is True


def test_only_the_named_fields_become_flags_without_defaults_if_asked():
    parser = make_parser("Evaluate.")
    add_config_arguments(parser, ("dataset", "image_size"), show_defaults=False)
    assert vars(parser.parse_args([])) == {"dataset": None, "image_size": None}
    assert "(default:" not in parser.format_help()


def test_given_arguments_are_those_on_the_command_line(parser):
    argv = ["--epochs", "30", "--no-flip", "--crop=32x32"]  # 30 is the default too
    assert given_arguments(parser, argv) == {"epochs", "flip", "crop"}
    assert given_arguments(parser, []) == set()


@pytest.mark.parametrize(
    ("argv", "needed"),
    [
        (["--epochs", "0"], "a whole number from 1 on. Received: 0"),
        (["--epochs", "1.5"], "a whole number from 1 on. Received: 1.5"),
        (["--learning-rate", "0"], "a number above 0. Received: 0"),
        (["--learning-rate", "inf"], "a number above 0. Received: inf"),
        (["--weight-decay", "-1"], "0 or more. Received: -1"),
        (["--dropout", "1"], "a number from 0 to below 1. Received: 1"),
        (["--dropout", "nan"], "a number from 0 to below 1. Received: nan"),
        (["--hue", "0.6"], "a number from 0 to 0.5. Received: 0.6"),
        (["--rotation", "181"], "degrees from 0 to 180. Received: 181"),
        (["--seed", "-1"], "a whole number from 0 to 2147483647. Received: -1"),
        (["--crop", "32"], "HEIGHTxWIDTH in pixels, as in 360x480. Received: 32"),
        (["--scale", "2"], "LEAST,MOST above 0, as in 0.5,2. Received: 2"),
        (["--variant", "7s"], "invalid choice: '7s'"),
        (["--no-such-flag"], "unrecognized arguments: --no-such-flag"),
        (["--epochs"], "expected one argument"),
        (["--epochs", "1\n2"], "a whole number from 1 on"),
    ],
)
def test_bad_arguments_are_one_line_and_status_2(parser, capsys, argv, needed):
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(argv)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert needed in err
    assert err.endswith("\n")
    assert len(err.splitlines()) == 1


def test_json_gives_the_configuration_back():
    config = TrainingConfig(
        variant="8s", crop=(96, 128), scale=(0.75, 1.5), data_dir="x", flip=False
    )
    restored = TrainingConfig.from_json(json.loads(json.dumps(asdict(config))))
    assert restored == config
    assert isinstance(restored.crop, tuple)
    assert isinstance(restored.scale, tuple)
    assert hash(restored) == hash(config)


def test_configuration_is_frozen():
    with pytest.raises(FrozenInstanceError):
        TrainingConfig().epochs = 3
    assert replace(TrainingConfig(), epochs=3).epochs == 3
