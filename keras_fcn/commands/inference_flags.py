"""Flags that select how a network is run on an image."""

import argparse
from dataclasses import fields

from keras_fcn.commands.flags import add_flag
from keras_fcn.options import ImageScale, NonNegativeInt, PositiveInt, Size
from keras_fcn.prediction.options import Dense, PredictionOptions


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
        "how the logits of every pixel are computed",
        "upsampling",
        metavar="METHOD",
    )
    add_flag(
        group,
        "--stride-factor",
        PositiveInt,
        "shift-and-stitch with FxF shifts, F a divisor of the network's stride; takes "
        "F*F times as long. The stride if not given",
        metavar="F",
    )
    add_flag(
        group,
        "--uncertainty",
        NonNegativeInt,
        "Monte Carlo dropout: mean of N passes with dropout; takes N times as long. 0 "
        "is off",
        0,
    )
    add_size_argument(group, default_size)
    add_flag(
        group,
        "--tile",
        Size,
        "run on tiles of this size, so that memory does not grow with the image, and "
        "with --size native if that is auto; tiles of 1024x1024 are used for images "
        "above 4 million pixels if not given",
    )
    add_flag(
        group,
        "--overlap",
        NonNegativeInt,
        "pixels that neighbouring tiles share; at least 404 give the result of the "
        "whole image. 416, or half the tile if that is less, if not given",
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
        "shorter side to which images are resized for the network, pixels; auto is "
        "that of the training images, native is no resizing. Results have the size of "
        "the image"
        + ("" if default else ". If not given native, or auto after train --size"),
        default,
    )


def inference_options(arguments: argparse.Namespace) -> PredictionOptions:
    """Return the options that the flags of `add_inference_arguments` select.

    Raises:
        ValueError: names flags that can't be combined.
    """
    names = [field.name for field in fields(PredictionOptions)]
    values = {name: getattr(arguments, name, None) for name in names}
    return PredictionOptions(
        **{name: value for name, value in values.items() if value is not None}
    )
