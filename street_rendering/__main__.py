"""Command `python -m street_rendering`: render scenes into a folder."""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from street_rendering.folder import write_scenes

PROG = "python -m street_rendering"
LARGEST_SIDE = 8192  # pixels; memory allows no more on small machines
DESCRIPTION = """\
Render street scenes with CamVid's eleven classes.

Writes images/NUMBER.png (RGB), labels/NUMBER.png (palette PNG: the value is the class
id, 11 is void) and class_dict.csv (name and color by class id) into a new folder."""
EXAMPLE = f"example: {PROG} --num-images 10 --output-dir streets"


class _OneLineParser(argparse.ArgumentParser):
    def error(self, message):
        message = " ".join(message.split())
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


class _HelpFormatter(
    argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter
):
    """Shows defaults, and keeps the line breaks of description and example."""


def main(argv: Sequence[str] | None = None) -> int:
    """Render scenes into a folder.

    Args:
        argv: command-line arguments; `sys.argv` when None.

    Returns:
        Exit status: 0, 2 (invalid arguments), 1 (out of memory) or 130 (interrupted);
        errors are one line on standard error.
    """
    arguments = _make_parser().parse_args(argv)
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    first, count = arguments.first_index, arguments.num_images
    folder, size = arguments.output_dir, arguments.image_size
    try:
        write_scenes(folder, count, size, arguments.seed, first)
    except OSError as error:
        return _report(" ".join(str(error).split()), 2)
    except MemoryError:
        return _report("out of memory: lower --image-size", 1)
    except KeyboardInterrupt:
        return _report("interrupted", 130)
    height, width = size
    print(
        f"{folder}: {count} images and label maps of {height}x{width}, scenes {first} "
        f"to {first + count - 1} of seed {arguments.seed}, and class_dict.csv"
    )
    return 0


def _make_parser():
    parser = _OneLineParser(
        prog=PROG,
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=_HelpFormatter,
    )
    parser.add_argument(
        "--output-dir",
        type=Path,
        required=True,
        default=argparse.SUPPRESS,  # there is none to show
        metavar="DIR",
        help="output folder, new or empty",
    )
    for flag, default, minimum, help_text in (
        ("--num-images", 10, 1, "number of scenes"),
        ("--seed", 0, 0, "seed of all random numbers"),
        ("--first-index", 0, 0, "number of the first scene"),
    ):
        parser.add_argument(
            flag,
            type=_integer(minimum),
            default=default,
            metavar="N",
            help=help_text,
        )
    parser.add_argument(
        "--image-size",
        type=_parse_size,
        default="360x480",
        metavar="HxW",
        help="height and width of the images, pixels",
    )
    return parser


def _integer(minimum: int) -> Callable[[str], int]:
    def parse(text):
        if not text.isdecimal() or int(text) < minimum:
            raise argparse.ArgumentTypeError(
                f"expected an integer of at least {minimum}, got {text}"
            )
        return int(text)

    return parse


def _parse_size(text):
    height, _, width = text.lower().partition("x")
    sides = [int(side) for side in (height, width) if side.isdecimal()]
    if len(sides) != 2 or min(sides) < 1 or max(sides) > LARGEST_SIDE:
        raise argparse.ArgumentTypeError(
            f"expected HEIGHTxWIDTH of 1 to {LARGEST_SIDE} pixels, such as 360x480, "
            f"got {text}"
        )
    return tuple(sides)


def _report(message, status):
    print(f"{PROG}: error: {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
