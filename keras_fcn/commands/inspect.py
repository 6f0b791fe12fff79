"""Check a folder of images and labels before training.

Prints the layout of the folder, the encoding of the labels, the number of images and
pixels of each class, and all problems. The exit status is 2 if the folder can't be
trained on.
"""

import argparse
import logging
from pathlib import Path

from keras_fcn.commands.command_line import Command
from keras_fcn.commands.flags import add_config_arguments, add_flag, check_output_file
from keras_fcn.config import FOLDER_FIELDS, TrainingConfig
from keras_fcn.datasets.recognize import check_folder, recognize_dataset
from keras_fcn.options import PositiveInt

logger = logging.getLogger(__name__)

_FIELDS = ("data_dir", *FOLDER_FIELDS, "class_weights")
_EXAMPLES = """examples:
  %(prog)s my_data
  %(prog)s my_data --samples samples.png --json report.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    add_config_arguments(parser, _FIELDS)
    parser.add_argument(
        "--samples",
        type=Path,
        metavar="FILE",
        help="also draw samples to this PNG file: images, labels, and both",
    )
    add_flag(
        parser,
        "--num-samples",
        PositiveInt,
        "number of samples to draw; the rarest classes come first",
        8,
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the report to this file"
    )


def check(arguments: argparse.Namespace, given: set[str]) -> None:
    """Refuse a missing folder, and files that can't be written."""
    if arguments.data_dir is None:
        raise ValueError(
            f"expected a folder: {arguments.parser.prog} DIR, or `data_dir` DIR"
        )
    inputs = [Path(arguments.data_dir)]
    check_folder(inputs[0])
    own = b"keras-fcn inspect"
    check_output_file("samples", arguments.samples, own, inputs, (".png",))
    if "num_samples" in given and arguments.samples is None:
        raise ValueError("`num_samples` requires `samples`")
    check_output_file("json", arguments.json, b'"can_be_trained"', inputs)


def _is_camvid(arguments):
    """Whether `train` reads the folder as `camvid`."""
    has_options = any(
        getattr(arguments, name) != getattr(TrainingConfig(), name)
        for name in FOLDER_FIELDS
    )
    name = recognize_dataset(Path(arguments.data_dir))
    return name == "camvid" and not has_options


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Read the folder, print the report, and write the files that were asked for."""
    from keras_fcn.datasets.class_weights import class_weights_from_counts
    from keras_fcn.datasets.folder.read import read_folder
    from keras_fcn.datasets.folder.report import format_report, report, sample_page
    from keras_fcn.images.encoding import write_png
    from keras_fcn.storage.atomic import write_json

    config = TrainingConfig(**{name: getattr(arguments, name) for name in _FIELDS})
    logger.info("Reading %s", arguments.data_dir)
    table = None
    if _is_camvid(arguments):
        from keras_fcn.datasets.camvid import class_table, verify

        verify(Path(arguments.data_dir))  # as `train` does
        table = class_table()
    data = read_folder(
        Path(arguments.data_dir),
        options=config,
        own_table=table,
        is_full=True,  # all files are decoded, so that all problems are in the report
        is_training=True,
    )
    weights = None  # if no label could be read
    if "train" in data.class_pixels:
        counts = data.count_classes("train")
        weights = class_weights_from_counts(config.class_weights, *counts)
    described = report(data, None if weights is None else weights.tolist())
    # The advice in the report names arguments, as errors do.
    print(arguments.parser.with_flags(format_report(data, described)))
    if arguments.samples is not None:
        page = sample_page(data, arguments.num_samples)
        if page is not None:
            write_png(arguments.samples, page, "inspect")
            print(f"\nSamples: {arguments.samples}")
    if arguments.json is not None:
        write_json(arguments.json, described)
    # Bad input, so that `inspect && train` in a script does not start a training.
    return 0 if described["can_be_trained"] else 2


main = Command(
    __doc__,
    add_arguments,
    work,
    check,
    "%(prog)s DIR [options]",
    _EXAMPLES,
    by_position="data_dir",
    needs_backend=_is_camvid,  # NumPy and Pillow read other folders, which is faster
).main
