"""Flags that select how a network is run on an image."""

import argparse
from dataclasses import fields
from typing import TYPE_CHECKING

from keras_fcn.commands.flags import add_flag
from keras_fcn.conversion.options import InferencePrecision, RuntimeName, RuntimeOptions
from keras_fcn.conversion.startup import quick_imports
from keras_fcn.options import (
    ImageScale,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    Size,
)
from keras_fcn.prediction.options import Dense, PredictionOptions

if TYPE_CHECKING:
    from keras_fcn.conversion.selection import Selection


def add_inference_arguments(
    parser: argparse.ArgumentParser, default_size: str | None = "auto"
) -> None:
    """Add the flags of the inference mode, the size and the tiles.

    Args:
        parser: gets the flags.
        default_size: as for `add_size_argument`.
    """
    group = parser.add_argument_group("inference")
    group.add_argument(
        "--tta",
        action="store_true",
        help="test-time augmentation: mean of five scales and their mirror images; "
        "takes about 17 times as long",
    )
    add_flag(
        group,
        "--dense",
        Dense,
        "how full-size logits are computed: by the network's upsampling layers or by "
        "shift-and-stitch",
        "upsampling",
        metavar="METHOD",
    )
    add_flag(
        group,
        "--stride-factor",
        PositiveInt,
        "number of shifts along each axis for shift-and-stitch; must divide the "
        "network's stride, which is the default; takes F*F times as long",
        metavar="F",
    )
    add_flag(
        group,
        "--uncertainty",
        NonNegativeInt,
        "Monte Carlo dropout: mean of N passes with dropout; takes N times as long; 0 "
        "disables it",
        0,
    )
    add_size_argument(group, default_size)
    add_flag(
        group,
        "--tile",
        Size,
        "process images in tiles of this size, which limits memory use; replaces "
        "--size auto by native. If not given, images above 4 million pixels are "
        "processed in tiles of 1024x1024",
    )
    add_flag(
        group,
        "--overlap",
        NonNegativeInt,
        "overlap of adjacent tiles, pixels; with at least 404, the result equals that "
        "of the whole image. If not given, 416, or half the tile if the tile is "
        "smaller",
    )


def add_size_argument(
    parser: argparse._ActionsContainer, default: str | None = "auto"
) -> None:
    """Add the flag for the size at which a network is run.

    Args:
        parser: a parser or a group of it.
        default: its default; None follows the training.
    """
    add_flag(
        parser,
        "--size",
        ImageScale,
        "inference size: resize the shorter side of the image to N pixels, or to the "
        "training size (auto), or do not resize (native); outputs always have the "
        "original size"
        + ("" if default else ". If not given, native, or auto after train --size"),
        default,
    )


def add_runtime_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the runtime that computes the predictions."""
    group = parser.add_argument_group("runtime")
    add_flag(
        group,
        "--runtime",
        RuntimeName,
        "what computes the predictions; openvino and onnxruntime convert the network "
        "once; auto is OpenVINO on a CPU if it is installed, and Keras on a GPU, for "
        "test-time augmentation, shift-and-stitch and dropout, or if KERAS_BACKEND is "
        "set",
        "auto",
        metavar="RUNTIME",
    )
    add_flag(
        group,
        "--precision",
        InferencePrecision,
        "numeric precision; int8 is fastest on CPUs and is calibrated once, with the "
        "training images of a run, or with rendered streets for the bundled network",
        "auto",
        metavar="TYPE",
    )
    add_flag(
        group,
        "--max-loss",
        NonNegativeFloat,
        "maximum drop in validation mean IoU by int8, in percentage points",
        RuntimeOptions.max_loss,
        metavar="POINTS",
    )


def runtime_options(arguments: argparse.Namespace, given: set[str]) -> RuntimeOptions:
    """Return the options that the flags of `add_runtime_arguments` select.

    Args:
        arguments: have the values of the flags.
        given: names of the flags that were given.

    Raises:
        ValueError: names flags that can't be combined.
    """
    if "max_loss" in given and arguments.precision != "int8":
        raise ValueError("`max_loss` requires `precision` int8")
    return RuntimeOptions(arguments.runtime, arguments.precision, arguments.max_loss)


def select_runtime_of(arguments: argparse.Namespace) -> "Selection":
    """Return the network of the arguments, and the runtime that is selected for it.

    Args:
        arguments: with `model`, `runtime_options`, and `options` if the command has
            other inference modes.

    Raises:
        ValueError: if the runtime is not installed, or can't be combined with another
            option.
    """
    from keras_fcn.conversion.selection import select_runtime
    from keras_fcn.runs.bundled import find_network

    options = getattr(arguments, "options", PredictionOptions())
    with quick_imports():  # TensorFlow may be imported to find a GPU
        return select_runtime(
            find_network(arguments.model, exported=True),
            arguments.runtime_options,
            options.special_modes,
        )


def inference_options(arguments: argparse.Namespace) -> PredictionOptions:
    """Return the options that the flags of `add_inference_arguments` select.

    Raises:
        ValueError: names flags that can't be combined.
    """
    names = [field.name for field in fields(PredictionOptions)]
    values = {name: getattr(arguments, name, None) for name in names}
    # None is a flag that was not given: the defaults are those of the class.
    return PredictionOptions(
        **{name: value for name, value in values.items() if value is not None}
    )
