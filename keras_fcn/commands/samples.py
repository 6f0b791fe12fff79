"""Show how the prediction of a validation sample changes over the epochs of runs.

Reads the predictions of one sample image from the `samples/` folders of the runs, in
the order of the runs and their epochs. A PNG file gets a strip of some epochs, a GIF
file an animation of all epochs.
"""

import argparse
from pathlib import Path
from typing import Annotated

from pydantic import Field

from keras_fcn.commands.command_line import Command
from keras_fcn.commands.flags import add_flag, check_output_file, parse_run
from keras_fcn.options import Kind, PositiveInt
from keras_fcn.runs.names import network_files

_Seconds = Annotated[
    float, Field(gt=0, lt=60), Kind("a number above 0 and below 60", "SECONDS")
]
_EXAMPLES = """examples:
  %(prog)s runs/camvid-32s runs/camvid-8s
  %(prog)s runs/camvid-8s --sample 2 --output samples.gif
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.add_argument(
        "runs", nargs="+", type=parse_run, metavar="RUN", help="runs, in order"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("samples.png"),
        metavar="FILE",
        help="PNG file for a strip, or GIF file for an animation",
    )
    add_flag(parser, "--sample", PositiveInt, "number of the sample image", 1)
    add_flag(parser, "--frames", PositiveInt, "predictions in a strip", 6)
    add_flag(parser, "--seconds", _Seconds, "duration of an animation's frame", 0.5)


def check(arguments: argparse.Namespace, given: set[str]) -> None:
    """Refuse an output that can't be written, or replaces a file of a run."""
    inputs = [file for run in arguments.runs for file in network_files(run)]
    check_output_file(
        "output", arguments.output, b"keras-fcn samples", inputs, (".png", ".gif")
    )


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Write the strip or the animation."""
    from keras_fcn.drawing.sample_strip import write_animation, write_strip
    from keras_fcn.runs.folder import RunFolder
    from keras_fcn.runs.samples import find_frames

    runs = [RunFolder.open(path) for path in arguments.runs]
    frames = find_frames(runs, arguments.sample)
    if arguments.output.suffix.lower() == ".gif":
        write_animation(frames, arguments.output, arguments.seconds)
    else:
        write_strip(frames, arguments.output, arguments.frames)
    print(f"{len(frames)} predictions: {arguments.output}")
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
