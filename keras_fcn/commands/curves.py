"""Draw losses and validation scores of runs over their epochs."""

import argparse
from pathlib import Path

from keras_fcn.commands.command_line import Command, OneLineParser
from keras_fcn.commands.flags import parse_run

_EXAMPLES = """examples:
  %(prog)s runs/camvid-32s runs/camvid-8s --output curves.png
"""


def add_arguments(parser: OneLineParser) -> None:
    """Add the flags of the command.

    Args:
        parser: gets them.
    """
    parser.add_argument(
        "runs", nargs="+", type=parse_run, metavar="RUN", help="runs to compare"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("curves.png"),
        metavar="FILE",
        help="PNG or SVG file",
    )


def check(arguments: argparse.Namespace, given: set[str]) -> None:
    """Refuse an output that can't be written.

    Args:
        arguments: what was parsed.
        given: names of the flags that were given.
    """
    if arguments.output.suffix.lower() not in (".png", ".svg"):
        raise ValueError(
            f"`output` needs a name in .png or .svg. Received: {arguments.output}"
        )
    if not arguments.output.absolute().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {arguments.output.parent}")


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Draw the curves.

    Args:
        arguments: what was parsed.
        given: names of the flags that were given.
    """
    from keras_fcn.runs.curves import draw_curves
    from keras_fcn.runs.folder import RunFolder

    draw_curves([RunFolder.open(path) for path in arguments.runs], arguments.output)
    print(f"Curves: {arguments.output}")
    return 0


main = Command(
    __doc__,
    add_arguments,
    work,
    check,
    "%(prog)s RUN [RUN ...] [options]",
    _EXAMPLES,
).main
