"""Pack the network of a run into a small folder to share or to archive.

The folder holds the weights (float16), the classes, the scores and the configuration;
`--model` accepts its path. Write a model card, README.md, into it yourself.
"""

import argparse
from pathlib import Path

from keras_fcn.commands.command_line import Command
from keras_fcn.commands.flags import parse_run

_EXAMPLES = """examples:
  %(prog)s runs/camvid-8s --output-dir fcn8s-mine
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.add_argument("run", type=parse_run, metavar="RUN", help="finished run")
    parser.add_argument(
        "--output-dir",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder to write; it must not exist",
    )


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Pack the network."""
    from keras_fcn.runs.folder import RunFolder
    from keras_fcn.runs.packed import pack

    packed = pack(RunFolder.open(arguments.run), arguments.output_dir)
    # Of the weights alone: the other files have some kilobytes.
    megabytes = packed.weights_file.stat().st_size / 1e6
    print(f"Packed: {packed.path}/ ({megabytes:.1f} MB)")
    return 0


main = Command(
    __doc__,
    add_arguments,
    work,
    usage="%(prog)s RUN --output-dir DIR [options]",
    examples=_EXAMPLES,
).main
