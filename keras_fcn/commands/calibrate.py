"""Fit the temperature of a network's probabilities on the validation images.

Writes calibration.json to the folder of the network, as `train` does at its end. Label
maps do not change; probabilities and confidence do.
"""

import argparse
import dataclasses

from keras_fcn.commands.command_line import Command
from keras_fcn.commands.flags import add_config_arguments, add_model_argument
from keras_fcn.config import DATA_FIELDS

_EXAMPLES = """examples:
  %(prog)s --model runs/camvid-8s
  %(prog)s --data-dir data/CamVid
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    add_model_argument(parser)
    add_config_arguments(parser, ("batch_size",))
    data = parser.add_argument_group(
        "data", "Options that are not given are taken from the training run."
    )
    add_config_arguments(data, DATA_FIELDS, show_defaults=False)


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Fit and write the temperature."""
    from keras_fcn.datasets.load import as_in_training, load_dataset
    from keras_fcn.runs.bundled import find_network
    from keras_fcn.training.calibrate import calibrate

    network = find_network(arguments.model)
    trained = network.read_config()
    others = {name: getattr(arguments, name) for name in given & set(DATA_FIELDS)}
    config = dataclasses.replace(trained, **others)
    if config.dataset != trained.dataset:  # the pattern is for names of the other set
        config = dataclasses.replace(config, val_pattern=None)
    splits = ("val",) if config.val_pattern is None else ("train", "val")
    dataset = load_dataset(config, splits, network.read_class_map())
    dataset = as_in_training(dataset, config)
    network.check_classes(dataset.class_map)
    calibrate(network, dataset, arguments.batch_size)
    print(f"Calibration: {network.calibration_file}")
    return 0


main = Command(__doc__, add_arguments, work, examples=_EXAMPLES).main
