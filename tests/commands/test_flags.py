"""Values of flags, and defaults in the help."""

from dataclasses import fields

import pytest

from keras_fcn.commands import predict
from keras_fcn.commands.flags import add_config_arguments, add_model_argument
from keras_fcn.commands.inference_flags import (
    add_inference_arguments,
    inference_options,
)
from keras_fcn.commands.parser import OneLineParser
from keras_fcn.commands.predict_flags import (
    add_server_arguments,
    check_server_arguments,
    clip_of,
    outputs_of,
)
from keras_fcn.config import DEFAULT_NETWORK, TrainingConfig
from keras_fcn.drawing.overlays import OverlayStyle
from keras_fcn.options import format_value
from keras_fcn.prediction.options import PredictionOptions
from keras_fcn.prediction.outputs import Outputs
from keras_fcn.prediction.video.reader import Clip

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


def test_missing_arguments_have_the_defaults(parser):
    assert TrainingConfig(**vars(parser.parse_args([]))) == TrainingConfig()


@pytest.mark.parametrize("field", fields(TrainingConfig), ids=lambda field: field.name)
def test_every_default_can_be_typed(parser, field):
    if field.default is None or isinstance(field.default, bool):
        return
    flag = "--" + field.name.replace("_", "-")
    text = format_value(field.default)
    namespace = parser.parse_args([flag, text])
    assert getattr(namespace, field.name) == field.default


@pytest.mark.parametrize(
    ("flag", "shown"),
    [
        ("--variant", "one of 32s, 16s, 8s, 4s (default: 32s)"),
        ("--image-size", "(default: 360x480)"),
        ("--scale", "(default: 0.5,1.5)"),
        ("--rotation", "degrees; 0 disables it (default: 5.0)"),
        ("--flip", "(default: on)"),
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


def test_selected_fields_become_flags_without_defaults():
    names = ("dataset", "image_size")
    parser = make_parser(
        lambda parser: add_config_arguments(parser, names, show_defaults=False)
    )
    assert vars(parser.parse_args([])) == {"dataset": None, "image_size": None}
    assert "(default:" not in parser.format_help()


@pytest.mark.parametrize(
    ("argv", "needed"),
    [
        (["--epochs", "0"], "expected a positive integer, got 0"),
        (["--epochs", "1.5"], "expected a positive integer, got 1.5"),
        (["--learning-rate", "0"], "expected a number above 0, got 0"),
        (["--learning-rate", "inf"], "expected a number above 0, got inf"),
        (["--learning-rate", "nan"], "expected a number above 0, got nan"),
        (["--encoder-rate", "1.5"], "a number above 0 and at most 1, got 1.5"),
        (["--weight-decay", "-1"], "a number of at least 0, got -1"),
        (["--dropout", "1"], "a number of at least 0 and below 1, got 1"),
        (["--dropout", "nan"], "a number of at least 0 and below 1, got nan"),
        (["--hue", "0.6"], "a number from 0 to 0.5, got 0.6"),
        (["--rotation", "181"], "an angle from 0 to 180 degrees, got 181"),
        (["--seed", "-1"], "an integer from 0 to 2147483647, got -1"),
        (["--seed", str(2**31)], "an integer from 0 to 2147483647, got 2147483648"),
        (["--freeze-blocks", "6"], "an integer from 0 to 5, got 6"),
        (
            ["--crop", "32"],
            "HEIGHTxWIDTH in pixels, such as 360x480, 100 million at most, got 32",
        ),
        (["--crop=-3x4"], "HEIGHTxWIDTH in pixels"),
        (["--crop", "0x32"], "HEIGHTxWIDTH in pixels"),
        (
            ["--scale", "2"],
            "LOW,HIGH, two numbers above 0 in ascending order, such as 0.5,2, got 2",
        ),
        (
            ["--variant", "7s"],
            "expected one of 32s, 16s, 8s, 4s, got 7s (did you mean 8s?)",
        ),
        (["--variant", "xyz"], "expected one of 32s, 16s, 8s, 4s, got xyz (see "),
        (["--dataset", "camvid23"], "(did you mean camvid32?)"),
        (["--epochs"], "expected one argument"),
        (["--epochs", "1\n2"], "a positive integer"),
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


def test_the_default_network_is_the_bundled_one():
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
def test_inference_options_that_exclude_one_another_are_refused(argv, needed):
    parser = make_parser(add_inference_arguments)
    with pytest.raises(ValueError, match=needed):
        inference_options(parser.parse_args(argv))


@pytest.mark.parametrize(
    "argv",
    [[], ["--tta"], ["--dense", "shift-and-stitch", "--stride-factor", "4"]],
)
def test_inference_options_that_can_be_combined_are_accepted(argv):
    parser = make_parser(add_inference_arguments)
    inference_options(parser.parse_args(argv))


@pytest.mark.parametrize(
    ("given", "needed"),
    [
        ({"server", "tta"}, "leave out `tta`$"),
        ({"server", "dense", "stride_factor"}, "leave out `dense`, `stride_factor`$"),
        ({"timeout"}, "`timeout` requires `server`"),
        (
            {"retries", "images_per_request"},
            "`images_per_request`, `retries` requires `server`",
        ),
    ],
)
def test_flags_that_a_server_does_not_support_are_refused(given, needed):
    with pytest.raises(ValueError, match=needed):
        check_server_arguments(given)


def test_flags_that_a_server_supports_are_accepted():
    check_server_arguments({"server", "timeout", "retries", "images_per_request"})
    check_server_arguments({"tta", "images"})


@pytest.mark.parametrize(
    ("argv", "needed"),
    [
        (["--timeout", "0"], "seconds above 0"),
        (["--timeout", "nan"], "seconds above 0"),
        (["--timeout", "1e300"], "at most 86400"),
        (["--retries", "-1"], "an integer of at least 0"),
        (["--images-per-request", "0"], "a positive integer"),
    ],
)
def test_numbers_for_a_server_are_checked(capsys, argv, needed):
    with pytest.raises(SystemExit):
        make_parser(add_server_arguments).parse(argv)
    assert needed in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "options"),
    [
        ("--tta --size 360", {"tta": True, "size": 360}),
        ("--uncertainty 5 --size native", {"uncertainty": 5, "size": "native"}),
        (
            "--dense shift-and-stitch --stride-factor 4 --unknown-below 0.5",
            {"dense": "shift-and-stitch", "stride_factor": 4, "unknown_below": 0.5},
        ),
        (
            "--tile 64x96 --overlap 16",
            {"tile": (64, 96), "overlap": 16, "size": "auto"},
        ),
    ],
)
def test_every_inference_flag_reaches_its_option(argv, options):
    arguments, _ = make_parser(predict.add_arguments).parse(argv.split())
    values = {"size": "auto", **options}
    assert inference_options(arguments) == PredictionOptions(**values)


def test_every_output_flag_reaches_its_option():
    parser = make_parser(predict.add_arguments)
    arguments, _ = parser.parse([])
    assert outputs_of(arguments) == Outputs()
    flags = (
        "--overlay jpeg --opacity 0.25 --contours --no-legend --video-labels video "
        "--skip-existing --confidence --annotations geojson --class-masks "
        "--probabilities"
    )
    arguments, _ = parser.parse(flags.split())
    assert outputs_of(arguments) == Outputs(
        overlay="jpeg",
        style=OverlayStyle(opacity=0.25, contours=True, legend=False),
        video_labels="video",
        skip_existing=True,
        confidence=True,
        annotations=("geojson",),
        class_masks=True,
        probabilities=True,
    )
    clip, _ = parser.parse("--start 1:30 --end 100.5 --every 3".split())
    assert clip_of(clip) == Clip(90.0, 100.5, 3)
