"""Flags for the data of a trained network."""

import argparse
from typing import TYPE_CHECKING

from keras_fcn.commands.flags import add_config_arguments
from keras_fcn.config import DATA_FIELDS, TrainingConfig

if TYPE_CHECKING:
    from keras_fcn.runs.network_folder import NetworkFolder


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags for another data set than that of the training."""
    group = parser.add_argument_group(
        "data", "Options that are not given are taken from the training run."
    )
    add_config_arguments(group, DATA_FIELDS, show_defaults=False)


def data_config(
    network: "NetworkFolder", arguments: argparse.Namespace, given: set[str]
) -> TrainingConfig:
    """Return the configuration of a network's training with the data of the flags.

    Args:
        network: the trained network.
        arguments: have the values of the flags.
        given: names of the flags that were given.
    """
    from keras_fcn.evaluation.data import data_config as with_data

    changes = {
        name: getattr(arguments, name) for name in given.intersection(DATA_FIELDS)
    }
    return with_data(network, changes)
