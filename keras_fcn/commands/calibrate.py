"""Fit the temperature of a network's probabilities on the validation images.

Writes calibration.json to the folder of the network, as `train` does at its end. Label
maps do not change; probabilities and confidence do.
"""

import argparse

from keras_fcn.commands.command_line import Command
from keras_fcn.commands.data_flags import add_data_arguments, data_config
from keras_fcn.commands.flags import add_config_arguments, add_model_argument

_EXAMPLES = """examples:
  %(prog)s --model runs/camvid-8s
  %(prog)s --data-dir data/CamVid
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    add_model_argument(parser)
    add_config_arguments(parser, ("batch_size",))
    add_data_arguments(parser)


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Fit and write the temperature."""
    from keras_fcn.evaluation.data import load_data
    from keras_fcn.runs.bundled import find_network
    from keras_fcn.training.calibrate import calibrate

    network = find_network(arguments.model)
    config = data_config(network, arguments, given)
    # Not on the training images, on which the network is more often right than on
    # others: it would stay overconfident.
    calibrate(network, load_data(network, config, ("val",)), arguments.batch_size)
    print(f"Calibration: {network.calibration_file}")
    return 0


main = Command(__doc__, add_arguments, work, examples=_EXAMPLES).main
