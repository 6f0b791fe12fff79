"""Inspect a folder of images and labels before a training: all that is in it.

It says how the folder is laid out and how its labels are read, counts the classes,
lists all that is wrong, and draws a page of samples. Exit status 2: a training would
be refused.
"""

import argparse
import logging
from dataclasses import fields
from pathlib import Path

from keras_fcn.commands.command_line import Command, OneLineParser
from keras_fcn.commands.flags import add_config_arguments, number_parser
from keras_fcn.config import FOLDER_FIELDS, POSITIVE_INT, TrainingConfig

logger = logging.getLogger(__name__)

_FIELDS = ("data_dir", *FOLDER_FIELDS, "class_weights")
_EXAMPLES = """examples:
  %(prog)s --data-dir my_data
  %(prog)s --data-dir my_data --json my_data.json --page my_data.png
"""


def add_arguments(parser: OneLineParser) -> None:
    """Add the flags of the command.

    Args:
        parser: gets them.
    """
    parser.set_defaults(with_flags=parser.with_flags)
    add_config_arguments(parser, _FIELDS)
    parser.add_argument(
        "--page",
        type=Path,
        default=Path("inspection.png"),
        metavar="FILE",
        help="PNG file for the page of samples: image, labels, and both",
    )
    parser.add_argument(
        "--num-samples",
        type=number_parser(POSITIVE_INT),
        default=8,
        metavar="N",
        help="samples on the page, the rarest classes first",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the description here too"
    )


def check(arguments: argparse.Namespace, given: set[str]) -> None:
    """Refuse flags that can't be followed.

    Args:
        arguments: what was parsed.
        given: names of the flags that were given.
    """
    if arguments.data_dir is None:
        raise ValueError("`data_dir` DIR is needed: the folder to look at")
    for name in ("page", "json"):
        path = getattr(arguments, name)
        if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
            raise FileNotFoundError(
                f"`{name}` needs a file in a folder that is there. Received: {path}"
            )
    if arguments.page.suffix.lower() != ".png":
        raise ValueError(f"`page` must end in .png. Received: {arguments.page}")


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Read the folder, print what it holds, and write page and JSON.

    Args:
        arguments: what was parsed.
        given: names of the flags that were given.
    """
    from keras_fcn.datasets.folder.folder_data import FolderOptions
    from keras_fcn.datasets.folder.read import read_folder
    from keras_fcn.datasets.folder.report import format_report, report, sample_page
    from keras_fcn.images.encoding import write_png
    from keras_fcn.storage.atomic import write_json
    from keras_fcn.training.class_weights import class_weights_from_counts

    names = {option.name for option in fields(TrainingConfig)}.intersection(_FIELDS)
    config = TrainingConfig(**{name: getattr(arguments, name) for name in names})
    logger.info("Reading %s", config.data_dir)
    data = read_folder(
        Path(config.data_dir),
        options=FolderOptions.of(config),
        is_full=True,
    )
    weights = None
    if "train" in data.class_pixels:
        counts = data.count_classes("train")
        weights = class_weights_from_counts(config.class_weights, *counts)
    described = report(data, weights)
    print(arguments.with_flags(format_report(data, described)))
    page = sample_page(data, arguments.num_samples)
    if page is not None:
        write_png(arguments.page, page)
        print(f"\nSamples: {arguments.page}")
    if arguments.json is not None:
        write_json(arguments.json, described)
    return 0 if described["can_be_trained"] else 2


main = Command(
    __doc__,
    add_arguments,
    work,
    check,
    examples=_EXAMPLES,
    needs_backend=lambda _: False,
).main
