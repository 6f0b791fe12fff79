"""The flags that several commands share, and what their values may be."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import Field, fields
from pathlib import Path
from typing import get_args

from keras_fcn.config import (
    DEFAULT_NETWORK,
    POSITIVE_INT,
    Number,
    TrainingConfig,
)
from keras_fcn.errors import did_you_mean
from keras_fcn.prediction.options import (
    Dense,
    OverlayFormat,
    PredictionOptions,
    VideoLabels,
)
from keras_fcn.runs.names import bundled_names, check_run, network_path
from keras_fcn.typing import Size

_MAX_TIMEOUT = 86_400  # seconds, a day; sockets can't wait for 1e10


def parse_size(text: str) -> Size:
    """Read `HEIGHTxWIDTH`, as in `360x480`.

    Args:
        text: two whole numbers from 1 on, pixels, joined by `x` or `X`.

    Raises:
        argparse.ArgumentTypeError: if it is not two numbers from 1 on.
    """
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise argparse.ArgumentTypeError(
            f"needed HEIGHTxWIDTH in pixels, as in 360x480. Received: {text}"
        )
    return int(height), int(width)


def parse_scale(text: str) -> tuple[float, float]:
    """Read `LEAST,MOST`, two factors above 0.

    Args:
        text: two numbers joined by a comma, the second not below the first.

    Raises:
        argparse.ArgumentTypeError: if it is anything else.
    """
    try:
        least, most = (float(part) for part in text.split(","))
    except ValueError:
        least, most = 0.0, 0.0
    if not 0 < least <= most < float("inf"):
        raise argparse.ArgumentTypeError(
            f"needed LEAST,MOST above 0, as in 0.5,2. Received: {text}"
        )
    return least, most


def parse_image_scale(text: str) -> int | str:
    """Read `auto`, `native` or a shorter side in pixels.

    Args:
        text: one of the words, or a whole number from 1 on.

    Raises:
        argparse.ArgumentTypeError: if it is anything else.
    """
    if text in ("auto", "native"):
        return text
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(
            f"needed auto, native or pixels from 1 on, as in 360. Received: {text}"
        )
    return int(text)


def number_parser(number: Number) -> Callable[[str], float]:
    """Return a parser of numbers for argparse that says what it needed.

    Args:
        number: which numbers are taken.

    Returns:
        Function from a flag's text to the number; it raises
        argparse.ArgumentTypeError for any other text.
    """

    def parse(text):
        try:
            value = number.convert(text)
        except ValueError:
            value = None
        if value is None or not number.accepts(value):
            raise argparse.ArgumentTypeError(
                f"needed {number.needed}. Received: {text}"
            )
        return value

    return parse


def choice_parser(choices: Sequence[str]) -> Callable[[str], str]:
    """Return a parser for argparse of some words that names the nearest.

    Args:
        choices: the words.
    """

    def parse(text):
        if text not in choices:
            raise argparse.ArgumentTypeError(
                f"needed one of {', '.join(choices)}. Received: {text}"
                + did_you_mean(text, choices)
            )
        return text

    return parse


def add_choice(
    parser: argparse._ActionsContainer,
    flag: str,
    choices: Sequence[str],
    help: str,
    default: str | None = None,
    metavar: str = "NAME",
) -> None:
    """Add a flag that takes some words, which its help lists.

    Args:
        parser: a parser or a group of it.
        flag: as in `--variant`.
        choices: the words.
        help: what it is.
        default: its default; None for that of `evaluate`, which hangs on the network.
        metavar: stands for the word in the help.
    """
    parser.add_argument(
        flag,
        type=choice_parser(choices),
        default=default,
        metavar=metavar,
        help=f"{help}: {', '.join(choices)}",
    )


def option_parser(option: Field) -> Callable[[str], object]:
    """Return the function that reads a field of `TrainingConfig` from text.

    Args:
        option: the field; not a switch.
    """
    kind = option.metadata["kind"]
    if isinstance(kind, Number):
        return number_parser(kind)
    if isinstance(kind, tuple):
        return choice_parser(kind)
    return {"text": str, "size": parse_size, "scale": parse_scale}[kind]


def add_config_arguments(
    parser: argparse._ActionsContainer, names: Sequence[str], show_defaults: bool = True
) -> None:
    """Add flags for fields of `TrainingConfig`.

    Args:
        parser: a parser or a group of it.
        names: the fields.
        show_defaults: give the flags the fields' defaults; otherwise None.
    """
    for option in fields(TrainingConfig):
        if option.name not in names:
            continue
        flag = "--" + option.name.replace("_", "-")
        help, kind = option.metadata["help"], option.metadata["kind"]
        default = option.default if show_defaults else None
        if kind == "switch":
            parser.add_argument(
                flag,
                action=argparse.BooleanOptionalAction,
                default=default,
                help=help,
            )
        elif isinstance(kind, tuple):
            metavar = option.metadata["metavar"]
            add_choice(parser, flag, kind, help, default, metavar)
        else:
            parser.add_argument(
                flag,
                type=option_parser(option),
                default=default,
                metavar=option.metadata["metavar"],
                help=help,
            )


def parse_network(text: str) -> str:
    """Read the name or the folder of a network, which is there.

    Args:
        text: as `network_path` takes it.

    Raises:
        argparse.ArgumentTypeError: if there is none.
    """
    try:
        network_path(text)
    except OSError as error:
        nearest = did_you_mean(text, bundled_names())
        raise argparse.ArgumentTypeError(f"{error}{nearest}") from error
    return text


def parse_run(text: str) -> Path:
    """Read the folder of a run, which is there.

    Args:
        text: the path.

    Raises:
        argparse.ArgumentTypeError: if it is none, or a packed network.
    """
    try:
        check_run(Path(text))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return Path(text)


def add_model_argument(parser: argparse.ArgumentParser) -> None:
    """Add the flag that names a trained network; `find_network` reads it.

    Args:
        parser: gets the flag.
    """
    parser.add_argument(
        "--model",
        type=parse_network,
        default=DEFAULT_NETWORK,
        metavar="RUN|NAME",
        help="run, packed folder, or name of a bundled network",
    )


def add_prediction_arguments(
    parser: argparse.ArgumentParser, default_size: str | None = "auto"
) -> None:
    """Add the flags that say how a network looks at an image.

    Args:
        parser: gets the flags.
        default_size: as for `add_size_argument`.
    """
    group = parser.add_argument_group("how the network looks at an image")
    group.add_argument(
        "--tta",
        action="store_true",
        help="test-time augmentation: average over five sizes and the mirror image; "
        "about 17 times as long",
    )
    add_choice(
        group,
        "--dense",
        get_args(Dense),
        "scores of every pixel by the network's upsampling or by shifted images",
        default="upsampling",
    )
    group.add_argument(
        "--stride-factor",
        type=number_parser(POSITIVE_INT),
        metavar="F",
        help="shift-and-stitch: FxF shifts, F a divisor of the network's stride; the "
        "stride itself when not given, which takes F*F times as long",
    )
    passes = Number(int, lambda value: value >= 0, "a whole number from 0 on")
    group.add_argument(
        "--uncertainty",
        type=number_parser(passes),
        default=0,
        metavar="N",
        help="Monte-Carlo dropout: the mean of N passes with dropout, N times as long; "
        "0 for none",
    )
    add_size_argument(group, default_size)
    group.add_argument(
        "--tile",
        type=parse_size,
        metavar="HxW",
        help="look at tiles of this size, so that memory does not grow with the image; "
        "by itself 1024x1024 above 4 million pixels; --size auto is then native",
    )
    overlap = Number(int, lambda value: value >= 0, "pixels from 0 on")
    group.add_argument(
        "--overlap",
        type=number_parser(overlap),
        metavar="N",
        help="pixels that two tiles share; 416 when not given, or half the tile. From "
        "404 on the answer is that of the whole image",
    )


def add_size_argument(
    parser: argparse._ActionsContainer, default: str | None = "auto"
) -> None:
    """Add the flag that says at which scale a network looks; `resolve_size` reads it.

    Args:
        parser: a parser or a group of it.
        default: its default.
    """
    parser.add_argument(
        "--size",
        type=parse_image_scale,
        default=default,
        metavar="auto|N|native",
        help="scale at which the network looks: the shorter side of an image becomes "
        "that of the training images (auto) or N pixels; native leaves it. Answers "
        "have the image's own size"
        + ("" if default else ". When not given native, or auto after train --size"),
    )


def prediction_options(arguments: argparse.Namespace) -> PredictionOptions:
    """Return the options of the flags of `add_prediction_arguments`.

    Args:
        arguments: what was parsed.

    Raises:
        ValueError: if the flags cannot be combined.
    """
    names = [field.name for field in fields(PredictionOptions)]
    values = {name: getattr(arguments, name, None) for name in names}
    return PredictionOptions(
        **{name: value for name, value in values.items() if value is not None}
    )


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say what is written of an image.

    Args:
        parser: gets the flags.
    """
    group = parser.add_argument_group("what is written")
    add_choice(
        group,
        "--overlay",
        get_args(OverlayFormat),
        "the image under the classes' colours",
        default="png",
    )
    share = Number(float, lambda value: 0 <= value <= 1, "a number from 0 to 1")
    group.add_argument(
        "--opacity",
        type=number_parser(share),
        default=0.5,
        metavar="P",
        help="of the colours in overlays, 0 to 1",
    )
    group.add_argument(
        "--contours",
        action="store_true",
        help="draw the borders of the regions in overlays",
    )
    group.add_argument(
        "--no-legend",
        dest="legend",
        action="store_false",
        help="leave out the names of the classes below overlays",
    )
    group.add_argument(
        "--skip-existing",
        action="store_true",
        help="leave out images and films whose outputs are there",
    )
    group.add_argument(
        "--csv",
        type=Path,
        metavar="FILE",
        help="table of images and frames: path, size, seconds, share of each class",
    )


def add_video_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags for films and cameras.

    Args:
        parser: gets the flags.
    """
    group = parser.add_argument_group("films and cameras")
    group.add_argument(
        "--camera",
        metavar="N",
        help="predict what a camera sees, 0 for the first, until Ctrl-C or --end",
    )
    group.add_argument(
        "--start",
        type=parse_time,
        default=0.0,
        metavar="TIME",
        help="begin there: seconds, M:S or H:M:S",
    )
    group.add_argument(
        "--end", type=parse_time, metavar="TIME", help="stop before that"
    )
    group.add_argument(
        "--every",
        type=number_parser(POSITIVE_INT),
        default=1,
        metavar="N",
        help="take every N-th frame",
    )
    add_choice(
        group,
        "--video-labels",
        get_args(VideoLabels),
        "label maps as a PNG for each frame, or as a lossless video (FFV1, whose grey "
        "values are the ids)",
        default="png",
    )


def check_video_arguments(arguments: argparse.Namespace) -> None:
    """Check that the flags of `add_video_arguments` go together.

    Args:
        arguments: what was parsed.

    Raises:
        ValueError: if they do not.
    """
    if arguments.end is not None and arguments.end <= arguments.start:
        raise ValueError(
            "`end` must be later than `start`. "
            f"Received: {arguments.end:g} s and {arguments.start:g} s"
        )


def parse_time(text: str) -> float:
    """Read a time in seconds, or as `M:S` or `H:M:S`.

    Args:
        text: numbers from 0 on, joined by colons; the last may be a fraction.

    Raises:
        argparse.ArgumentTypeError: if it is anything else.
    """
    *larger, seconds = text.split(":")
    try:
        values = [*map(int, larger), float(seconds)]
    except ValueError:
        values = [-1]
    if len(values) > 3 or not all(0 <= value < float("inf") for value in values):
        raise argparse.ArgumentTypeError(
            f"needed seconds, M:S or H:M:S, as in 90 or 1:30. Received: {text}"
        )
    total = 0.0
    for value in values:
        total = 60 * total + value
    return total


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags for predicting by TensorFlow Serving.

    Args:
        parser: gets the flags.
    """
    group = parser.add_argument_group("predicting by a server")
    group.add_argument(
        "--server",
        metavar="URL",
        help="TensorFlow Serving's model, http://HOST:8501/v1/models/NAME or "
        "grpc://HOST:8500/NAME; --model then gives the names and colours alone",
    )
    group.add_argument(
        "--images-per-request",
        type=number_parser(POSITIVE_INT),
        default=4,
        metavar="N",
        help="images that are sent together",
    )
    timeout = Number(
        float,
        lambda value: 0 < value <= _MAX_TIMEOUT,
        f"seconds above 0, up to {_MAX_TIMEOUT}",
    )
    group.add_argument(
        "--timeout",
        type=number_parser(timeout),
        default=60.0,
        metavar="S",
        help="seconds to wait for an answer",
    )
    retries = Number(int, lambda value: value >= 0, "a whole number from 0 on")
    group.add_argument(
        "--retries",
        type=number_parser(retries),
        default=4,
        metavar="N",
        help="how often a request is sent again, ever later, when the server is not "
        "available",
    )


def check_server_arguments(given: set[str]) -> None:
    """Check that what was asked for can be had by a server, or without one.

    Args:
        given: names of the arguments on the command line.

    Raises:
        ValueError: if two of them do not go together.
    """
    if "server" in given:
        others = ("tta", "dense", "stride_factor", "uncertainty")
        others += ("size", "tile", "overlap")
        needed = "`server` predicts as the network was exported: leave out {}"
    else:
        others = ("images_per_request", "timeout", "retries")
        needed = "{} is for `server`, which is missing"
    wrong = [f"`{name}`" for name in others if name in given]
    if wrong:
        raise ValueError(needed.format(", ".join(wrong)))
