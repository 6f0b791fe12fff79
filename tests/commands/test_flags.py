"""What the values of flags may be, and how the help shows them."""

import argparse
from dataclasses import fields

import pytest

from keras_fcn.commands.command_line import OneLineParser, format_value
from keras_fcn.commands.flags import (
    add_config_arguments,
    add_model_argument,
    add_prediction_arguments,
    add_server_arguments,
    check_server_arguments,
    parse_scale,
    parse_size,
    prediction_options,
)
from keras_fcn.config import DEFAULT_NETWORK, TrainingConfig

OPTIONS = [option.name for option in fields(TrainingConfig)]


def make_parser(*adders):
    parser = OneLineParser("train.py", "Train a network.", "%(prog)s [options]", "")
    for add in adders:
        add(parser)
    return parser


@pytest.fixture
def parser(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    return make_parser(lambda parser: add_config_arguments(parser, OPTIONS))


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
        ("--variant", "32s, 16s, 8s, 4s (default: 32s)"),
        ("--image-size", "(default: 360x480)"),
        ("--scale", "(default: 0.5,1.5)"),
        ("--rotation", "degrees; 0 is off (default: 5.0)"),
        ("--flip", "(default: True)"),
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
    names = ("dataset", "image_size")
    parser = make_parser(
        lambda parser: add_config_arguments(parser, names, show_defaults=False)
    )
    assert vars(parser.parse_args([])) == {"dataset": None, "image_size": None}
    assert "(default:" not in parser.format_help()


@pytest.mark.parametrize(
    ("argv", "needed"),
    [
        (["--epochs", "0"], "a whole number from 1 on. Received: 0"),
        (["--epochs", "1.5"], "a whole number from 1 on. Received: 1.5"),
        (["--learning-rate", "0"], "a number above 0. Received: 0"),
        (["--learning-rate", "inf"], "a number above 0. Received: inf"),
        (["--learning-rate", "nan"], "a number above 0. Received: nan"),
        (["--encoder-rate", "1.5"], "a number above 0, at most 1. Received: 1.5"),
        (["--weight-decay", "-1"], "0 or more. Received: -1"),
        (["--dropout", "1"], "a number from 0 to below 1. Received: 1"),
        (["--dropout", "nan"], "a number from 0 to below 1. Received: nan"),
        (["--hue", "0.6"], "a number from 0 to 0.5. Received: 0.6"),
        (["--rotation", "181"], "degrees from 0 to 180. Received: 181"),
        (["--seed", "-1"], "a whole number from 0 to 2**31-1. Received: -1"),
        (["--seed", str(2**31)], "a whole number from 0 to 2**31-1. Received: 21474"),
        (["--freeze-blocks", "6"], "a whole number from 0 to 5. Received: 6"),
        (["--crop", "32"], "HEIGHTxWIDTH in pixels, as in 360x480. Received: 32"),
        (["--crop=-3x4"], "HEIGHTxWIDTH in pixels"),
        (["--crop", "0x32"], "HEIGHTxWIDTH in pixels"),
        (["--scale", "2"], "LEAST,MOST above 0, as in 0.5,2. Received: 2"),
        (
            ["--variant", "7s"],
            "needed one of 32s, 16s, 8s, 4s. Received: 7s (did you mean 8s?)",
        ),
        (["--variant", "xyz"], "needed one of 32s, 16s, 8s, 4s. Received: xyz (see "),
        (["--dataset", "camvid23"], "(did you mean camvid32?)"),
        (["--epochs"], "expected one argument"),
        (["--epochs", "1\n2"], "a whole number from 1 on"),
    ],
)
def test_bad_values_are_one_line_and_status_2(parser, capsys, argv, needed):
    with pytest.raises(SystemExit) as caught:
        parser.parse(argv)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"argument {argv[0].partition('=')[0]}: " in err
    assert needed in err
    assert err.endswith("\n")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("removed", ["partition", "classes", "label_smoothing"])
def test_what_version_0_1_alone_could_do_has_no_flag(removed):
    assert removed not in OPTIONS


def test_the_network_is_the_bundled_one_when_not_given():
    assert make_parser(add_model_argument).parse_args([]).model == DEFAULT_NETWORK


@pytest.mark.parametrize(
    ("argv", "needed"),
    [
        (["--stride-factor", "4"], "`stride_factor` requires `dense` shift-and-stitch"),
        (
            ["--dense", "shift-and-stitch", "--tta"],
            "`dense` and `tta` cannot be combined",
        ),
    ],
)
def test_prediction_flags_that_cannot_be_combined_are_refused(argv, needed):
    parser = make_parser(add_prediction_arguments)
    with pytest.raises(ValueError, match=needed):
        prediction_options(parser.parse_args(argv))


@pytest.mark.parametrize(
    "argv",
    [[], ["--tta"], ["--dense", "shift-and-stitch", "--stride-factor", "4"]],
)
def test_prediction_flags_that_can_be_combined(argv):
    parser = make_parser(add_prediction_arguments)
    prediction_options(parser.parse_args(argv))


@pytest.mark.parametrize(
    ("given", "needed"),
    [
        ({"server", "tta"}, "leave out `tta`$"),
        ({"server", "dense", "stride_factor"}, "leave out `dense`, `stride_factor`$"),
        ({"timeout"}, "`timeout` is for `server`, which is missing"),
        ({"retries", "images_per_request"}, "`images_per_request`, `retries` is for"),
    ],
)
def test_what_a_server_can_not_do_is_refused(given, needed):
    with pytest.raises(ValueError, match=needed):
        check_server_arguments(given)


def test_what_a_server_can_do_is_accepted():
    check_server_arguments({"server", "timeout", "retries", "images_per_request"})
    check_server_arguments({"tta", "images"})


@pytest.mark.parametrize(
    ("argv", "needed"),
    [
        (["--timeout", "0"], "seconds above 0"),
        (["--timeout", "nan"], "seconds above 0"),
        (["--timeout", "1e300"], "to 86400"),
        (["--retries", "-1"], "from 0 on"),
        (["--images-per-request", "0"], "from 1 on"),
    ],
)
def test_numbers_for_a_server_are_checked(capsys, argv, needed):
    with pytest.raises(SystemExit):
        make_parser(add_server_arguments).parse(argv)
    assert needed in capsys.readouterr().err
