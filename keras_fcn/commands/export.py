"""Export a network for a server or another runtime.

Writes the next free version, DIR/1/, DIR/2/ and so on, as TensorFlow Serving reads
them; docs/serving.md shows how it is served.
"""

import argparse
from pathlib import Path

from keras_fcn.commands.command_line import Command, OneLineParser
from keras_fcn.commands.flags import (
    add_choice,
    add_model_argument,
    add_size_argument,
    number_parser,
)
from keras_fcn.config import (
    DEFAULT_MAX_PIXELS,
    EXPORT_FORMATS,
    LEAST_MAX_PIXELS,
    MOST_MAX_PIXELS,
    SCALED_MAX_PIXELS,
    Number,
)

_EXAMPLES = """examples:
  %(prog)s --output-dir export/fcn
  %(prog)s --model runs/camvid-8s --output-dir export/fcn --precision bfloat16
  %(prog)s --output-dir export/fcn --format onnx
"""


def add_arguments(parser: OneLineParser) -> None:
    """Add the flags of the command.

    Args:
        parser: gets them.
    """
    add_model_argument(parser)
    parser.add_argument(
        "--output-dir",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of the versions; made when missing",
    )
    add_choice(parser, "--format", EXPORT_FORMATS, "what is written", "savedmodel")
    add_choice(
        parser,
        "--precision",
        ("float32", "bfloat16"),
        "arithmetic of a SavedModel; bfloat16 pays where the server's hardware has it",
        "float32",
    )
    max_pixels = Number(
        int,
        lambda value: LEAST_MAX_PIXELS <= value <= MOST_MAX_PIXELS,
        f"a whole number from {LEAST_MAX_PIXELS} to {MOST_MAX_PIXELS}",
    )
    parser.add_argument(
        "--max-pixels",
        type=number_parser(max_pixels),
        metavar="N",
        help="pixels that an image sent to a SavedModel may have, padded to multiples "
        "of 32; greater ones are refused before they are decoded. When not given "
        f"{SCALED_MAX_PIXELS}, or {DEFAULT_MAX_PIXELS} with --size native",
    )
    add_size_argument(parser)


def check(arguments: argparse.Namespace, given: set[str]) -> None:
    """Refuse flags that do not go together.

    Args:
        arguments: what was parsed.
        given: names of the flags that were given.
    """
    if arguments.format != "savedmodel":
        if "max_pixels" in given:
            raise ValueError("`max_pixels` is for `format` savedmodel")
        if arguments.precision == "bfloat16":
            raise ValueError(
                f"`format` {arguments.format} is written in float32: leave out "
                "`precision` bfloat16"
            )


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Export the network and print where it is.

    Args:
        arguments: what was parsed.
        given: names of the flags that were given.
    """
    from keras_fcn.runs.bundled import find_network
    from keras_fcn.serving.export import export

    version = export(
        find_network(arguments.model),
        arguments.output_dir,
        arguments.format,
        arguments.precision,
        arguments.max_pixels,
        arguments.size,
    )
    size = sum(path.stat().st_size for path in version.rglob("*") if path.is_file())
    print(f"Exported: {version}/ ({size / 1e6:.1f} MB)")
    return 0


main = Command(
    __doc__,
    add_arguments,
    work,
    check,
    "%(prog)s --output-dir DIR [options]",
    _EXAMPLES,
).main
