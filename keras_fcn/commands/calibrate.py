"""Fit the temperature of a network's probabilities on the validation images.

Writes calibration.json to the folder of the network, as `train` does at its end; a
bundled network is copied first. Label maps do not change; probabilities and confidence
do.
"""

import argparse
import shutil
from pathlib import Path

from keras_fcn.commands.command_line import Command
from keras_fcn.commands.flags import (
    add_config_arguments,
    add_data_arguments,
    add_model_argument,
    given_data,
)
from keras_fcn.runs.names import FOLDER, network_path

_EXAMPLES = """examples:
  %(prog)s runs/camvid-8s
  %(prog)s fcn8s-camvid --data-dir data/CamVid --output-dir my-fcn8s
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    add_model_argument(parser)
    parser.add_argument(
        "--output-dir",
        type=Path,
        metavar="DIR",
        help="copy the network to this folder and calibrate the copy; required for a "
        "bundled network, optional for others",
    )
    add_config_arguments(parser, ("batch_size",))
    add_data_arguments(parser)


def check(arguments: argparse.Namespace, given: set[str]) -> None:
    """Refuse to write into the package, or over another folder."""
    in_package = FOLDER in network_path(arguments.model).resolve().parents
    if in_package and arguments.output_dir is None:
        raise ValueError(
            f"{arguments.model} is bundled, and its files are not changed: give a "
            "folder for a calibrated copy, by `output_dir`"
        )
    if arguments.output_dir is not None and arguments.output_dir.exists():
        raise FileExistsError(
            "`output_dir` must be a folder that does not exist. Received: "
            f"output_dir={arguments.output_dir}"
        )


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Fit and write the temperature."""
    from keras_fcn.evaluation.data import data_config, load_data
    from keras_fcn.runs.bundled import find_network
    from keras_fcn.storage.atomic import atomic_folder, move_into_place
    from keras_fcn.training.calibrate import calibrate

    network = find_network(arguments.model)
    config = data_config(network, given_data(arguments, given))
    # Not on the training images, on which the network is more often right than on
    # others: it would stay overconfident.
    dataset = load_data(network, config, ("val",))
    if arguments.output_dir is not None:
        with atomic_folder(arguments.output_dir.absolute().parent) as part:
            shutil.copytree(network.path, part, dirs_exist_ok=True)
            move_into_place(part, arguments.output_dir)
        network = find_network(arguments.output_dir)
    calibrate(network, dataset, arguments.batch_size)
    print(f"Calibration: {network.calibration_file}")
    return 0


main = Command(
    __doc__,
    add_arguments,
    work,
    check,
    "%(prog)s [RUN|NAME] [options]",
    _EXAMPLES,
    by_position="model",
).main
