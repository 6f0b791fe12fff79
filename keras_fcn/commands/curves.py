"""Plot the loss and the validation scores of runs over their epochs."""

import argparse
from pathlib import Path

from keras_fcn.commands.command_line import Command
from keras_fcn.commands.flags import check_output_file, parse_run
from keras_fcn.runs.names import network_files

_EXAMPLES = """examples:
  %(prog)s runs/camvid-32s runs/camvid-8s --output curves.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.add_argument(
        "runs", nargs="+", type=parse_run, metavar="RUN", help="runs to compare"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("curves.png"),
        metavar="FILE",
        help="PNG or SVG file to write",
    )


def check(arguments: argparse.Namespace, given: set[str]) -> None:
    """Refuse an output that can't be written, or replaces a file of a run."""
    inputs = [file for run in arguments.runs for file in network_files(run)]
    check_output_file(
        "output", arguments.output, b"keras-fcn curves", inputs, (".png", ".svg")
    )


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Plot the curves."""
    from keras_fcn.drawing.curves import plot_curves
    from keras_fcn.runs.folder import RunFolder

    runs = [RunFolder.open(path) for path in arguments.runs]
    histories = [(str(run.path), run.read_history()) for run in runs]
    plot_curves(histories, arguments.output)
    print(f"Curves: {arguments.output}")
    return 0


main = Command(
    __doc__,
    add_arguments,
    work,
    check,
    "%(prog)s RUN [RUN ...] [options]",
    _EXAMPLES,
    needs_backend=lambda _: False,
).main
