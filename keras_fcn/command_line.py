"""What the commands share: logging, and errors as one line and an exit status."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_fcn.config import DENSE, make_parser, number_parser, positive_int
from keras_fcn.precision import has_accelerator
from keras_fcn.predictor import label_map_predictor
from keras_fcn.pretrained import DEFAULT
from keras_fcn.startup import without_startup_lines
from keras_fcn.stitching import check_factor

MAX_TIMEOUT = 86_400  # seconds, a day; sockets can't wait for 1e10


def run_command(
    description: str,
    add_arguments: Callable[[argparse.ArgumentParser], None],
    command: Callable[[argparse.ArgumentParser, argparse.Namespace, list[str]], int],
    argv: Sequence[str] | None = None,
) -> int:
    """Parse the arguments, run a command and return its exit status.

    Progress goes to standard error by logging, results to standard output.

    Args:
        description: first lines of `--help`.
        add_arguments: adds the command's flags to a parser.
        command: called with the parser, what was parsed, and the arguments.
        argv: the arguments; those of the process when None.

    Returns:
        The command's own status; 2 for bad input, 1 for a training that diverged or
        ran out of memory, 130 when it was interrupted. Each of these prints one line.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = make_parser(description)
    add_arguments(parser)
    parser.add_argument(
        "--debug", action="store_true", help="show where an error came from"
    )
    arguments = parser.parse_args(argv)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("keras_fcn").setLevel(logging.INFO)
    logging.getLogger("absl").setLevel(logging.ERROR)  # TFDS's own progress
    with without_startup_lines():
        has_accelerator()  # the first look for a GPU prints lines too
    try:
        return command(parser, arguments, argv)
    except (MemoryError, tf.errors.ResourceExhaustedError):
        if arguments.debug:
            raise
        print(
            f"{parser.prog}: error: out of memory: {_memory_hint(arguments)}",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print(f"\n{parser.prog}: interrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError, FloatingPointError) as error:
        if arguments.debug:
            raise
        if isinstance(error, BrokenPipeError):
            # The reader of our output has left; nothing is wrong with the input.
            sys.stdout = open(os.devnull, "w")
            return 1
        print(f"{parser.prog}: error: {_one_line(error)}", file=sys.stderr)
        return 1 if isinstance(error, FloatingPointError) else 2


def add_model_argument(parser: argparse.ArgumentParser) -> None:
    """Add the flag that names a trained network; `find_model` reads it.

    Args:
        parser: gets the flag.
    """
    parser.add_argument(
        "--model",
        default=DEFAULT,
        metavar="RUN|NAME",
        help="run of train.py, packed folder, or name of a network that comes along",
    )


def add_prediction_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say how a network looks at an image.

    Args:
        parser: gets the flags.
    """
    parser.add_argument(
        "--tta",
        action="store_true",
        help="test-time augmentation: average over five sizes and the mirror image; "
        "about 17 times as long",
    )
    parser.add_argument(
        "--dense",
        default="upsampling",
        choices=DENSE,
        help="scores of every pixel by the network's upsampling or by shifted images",
    )
    parser.add_argument(
        "--stride-factor",
        type=int,
        metavar="F",
        help="shift-and-stitch: FxF shifts, F a divisor of the network's stride; the "
        "stride itself when not given, which takes F*F times as long",
    )


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
        type=positive_int,
        default=4,
        metavar="N",
        help="images that are sent together",
    )
    group.add_argument(
        "--timeout",
        type=number_parser(
            float,
            lambda value: 0 < value <= MAX_TIMEOUT,
            f"seconds above 0, up to {MAX_TIMEOUT}",
        ),
        default=60.0,
        metavar="SECONDS",
        help="how long to wait for an answer",
    )
    group.add_argument(
        "--retries",
        type=number_parser(int, lambda value: value >= 0, "a whole number from 0 on"),
        default=4,
        metavar="N",
        help="how often a request is sent again, ever later, when the server is not "
        "available",
    )


def check_server_arguments(given: set[str]) -> None:
    """Check that what was asked for can be had by a server, or without one.

    Args:
        given: names of the arguments on the command line, by `given_arguments`.

    Raises:
        ValueError: if two of them do not go together.
    """
    if "server" in given:
        others = ("tta", "dense", "stride_factor")
        needed = "--server predicts as the network was exported: leave out {}"
    else:
        others = ("images_per_request", "timeout", "retries")
        needed = "{} is for --server, which is missing"
    wrong = [f"--{name.replace('_', '-')}" for name in others if name in given]
    if wrong:
        raise ValueError(needed.format(", ".join(wrong)))


def make_predictor(
    model: keras.Model, arguments: argparse.Namespace
) -> tuple[Callable[[np.ndarray], np.ndarray], str]:
    """Return what `label_map_predictor` gives for these flags, and its name.

    Args:
        model: a network of `FCN`.
        arguments: parsed with the flags of `add_prediction_arguments`.

    Returns:
        The function, and how it looks at an image: "one look", "test-time
        augmentation" or "shift-and-stitch, FxF shifts".

    Raises:
        ValueError: if the flags do not go together.
    """
    predict = label_map_predictor(
        model, arguments.tta, arguments.dense, arguments.stride_factor
    )
    if arguments.dense != "upsampling":
        factor = check_factor(model, arguments.stride_factor)
        return predict, f"shift-and-stitch, {factor}x{factor} shifts"
    return predict, "test-time augmentation" if arguments.tta else "one look"


def _memory_hint(arguments):
    """What this command can do with less memory."""
    hints = {
        "batch_size": "lower --batch-size",
        "crop": "lower --crop",
        "head": "take --head compact",
        "tta": "leave out --tta",
        "images": "make the images smaller",
    }
    return ", or ".join(hint for name, hint in hints.items() if name in arguments)


def _one_line(error):
    return " ".join(str(error).split()) or type(error).__name__
