"""Pack a run's network as small as it can be passed on.

The folder has the form of the bundled networks, and `--model` takes its path. Its
README.md, the model card, is for people to write.
"""

import argparse
from pathlib import Path

from keras_fcn.commands.command_line import Command, OneLineParser
from keras_fcn.commands.flags import parse_run

_EXAMPLES = """examples:
  %(prog)s runs/camvid-8s --output-dir fcn8s-mine
"""


def add_arguments(parser: OneLineParser) -> None:
    """Add the flags of the command.

    Args:
        parser: gets them.
    """
    parser.add_argument("run", type=parse_run, metavar="RUN", help="finished run")
    parser.add_argument(
        "--output-dir",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder to make",
    )


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Pack the network.

    Args:
        arguments: what was parsed.
        given: names of the flags that were given.
    """
    from keras_fcn.runs.folder import RunFolder
    from keras_fcn.runs.packed import pack

    packed = pack(RunFolder.open(arguments.run), arguments.output_dir)
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
