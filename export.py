"""Export a network for a server: `python export.py --output-dir export/fcn`.

Writes the next free version, DIR/1/, DIR/2/ and so on, as TensorFlow Serving reads
them; docs/serving.md shows how it is served.
"""

import sys
from pathlib import Path

from keras_fcn.command_line import add_model_argument, run_command
from keras_fcn.config import given_arguments, number_parser


def add_arguments(parser):
    from keras_fcn.export import (
        DEFAULT_MAX_PIXELS,
        FORMATS,
        LEAST_MAX_PIXELS,
        MOST_MAX_PIXELS,
    )

    add_model_argument(parser)
    parser.add_argument(
        "--output-dir",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of the versions; made when missing",
    )
    parser.add_argument(
        "--format", default="savedmodel", choices=FORMATS, help="what is written"
    )
    parser.add_argument(
        "--precision",
        default="float32",
        choices=("float32", "bfloat16"),
        help="arithmetic of a SavedModel; bfloat16 pays where the server's hardware "
        "has it",
    )
    parser.add_argument(
        "--max-pixels",
        type=number_parser(
            int,
            lambda value: LEAST_MAX_PIXELS <= value <= MOST_MAX_PIXELS,
            f"a whole number from {LEAST_MAX_PIXELS} to {MOST_MAX_PIXELS}",
        ),
        default=DEFAULT_MAX_PIXELS,
        metavar="N",
        help="pixels that an image sent to a SavedModel may have, padded to multiples "
        "of 32; greater ones are refused before they are decoded",
    )


def command(parser, arguments, argv):
    from keras_fcn.export import export
    from keras_fcn.pretrained import find_model

    if arguments.format != "savedmodel" and "max_pixels" in given_arguments(
        parser, argv
    ):
        raise ValueError("--max-pixels is for --format savedmodel")
    version = export(
        find_model(arguments.model),
        arguments.output_dir,
        arguments.format,
        arguments.precision,
        arguments.max_pixels,
    )
    size = sum(path.stat().st_size for path in version.rglob("*") if path.is_file())
    print(f"Exported: {version}/ ({size / 1e6:.1f} MB)")
    return 0


def main(argv=None):
    return run_command(__doc__, add_arguments, command, argv)


if __name__ == "__main__":
    sys.exit(main())
