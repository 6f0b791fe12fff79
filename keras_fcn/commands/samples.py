"""Show how a prediction sharpens over the epochs of one run or several.

Takes the predictions of one sample image from the runs' folders `samples/`, in the
order of the runs and their epochs. PNG gives a strip of some of them, GIF a film of
all.
"""

import argparse
from pathlib import Path

from keras_fcn.commands.command_line import Command, OneLineParser
from keras_fcn.commands.flags import number_parser, parse_run
from keras_fcn.config import POSITIVE_INT, Number

_EXAMPLES = """examples:
  %(prog)s runs/camvid-32s runs/camvid-8s --output film.gif
"""


def add_arguments(parser: OneLineParser) -> None:
    """Add the flags of the command.

    Args:
        parser: gets them.
    """
    parser.add_argument(
        "runs", nargs="+", type=parse_run, metavar="RUN", help="runs, in order"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("samples.png"),
        metavar="FILE",
        help="PNG for a strip, GIF for a film",
    )
    parser.add_argument(
        "--sample",
        type=number_parser(POSITIVE_INT),
        default=1,
        metavar="S",
        help="number of the image, from 1",
    )
    parser.add_argument(
        "--frames",
        type=number_parser(POSITIVE_INT),
        default=6,
        metavar="N",
        help="pictures in a strip",
    )
    seconds = Number(float, lambda value: 0 < value < 60, "a number above 0, below 60")
    parser.add_argument(
        "--seconds",
        type=number_parser(seconds),
        default=0.5,
        metavar="S",
        help="for which a film shows each picture",
    )


def check(arguments: argparse.Namespace, given: set[str]) -> None:
    """Refuse an output that can't be written.

    Args:
        arguments: what was parsed.
        given: names of the flags that were given.
    """
    output = arguments.output
    if output.suffix.lower() not in (".png", ".gif"):
        raise ValueError(f"`output` needs a name in .png or .gif. Received: {output}")
    if not output.absolute().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {output.parent}")


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Write the strip or the film.

    Args:
        arguments: what was parsed.
        given: names of the flags that were given.
    """
    from keras_fcn.runs.folder import RunFolder
    from keras_fcn.runs.sample_history import read_frames, write_film, write_strip

    runs = [RunFolder.open(path) for path in arguments.runs]
    frames = read_frames(runs, arguments.sample)
    if arguments.output.suffix.lower() == ".gif":
        write_film(frames, arguments.output, arguments.seconds)
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
).main
