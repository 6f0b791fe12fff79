"""The data set of a trained network."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.dataset import SegmentationDataset
from keras_fcn.datasets.loading import as_in_training, load_dataset
from keras_fcn.runs.network_folder import NetworkFolder


def data_config(network: NetworkFolder, changes: Mapping[str, Any]) -> TrainingConfig:
    """Return the configuration of a network's training with other data.

    Args:
        network: the trained network.
        changes: fields of `TrainingConfig` that select the data.

    Raises:
        ValueError: if a field is unknown or a value is wrong.
    """
    trained = network.read_config()
    changes = dict(changes)
    if changes.get("dataset", trained.dataset) != trained.dataset:
        changes["val_pattern"] = None  # it matches names of the other data set
    return replace(trained, **changes)


def load_data(
    network: NetworkFolder, config: TrainingConfig, splits: tuple[str, ...]
) -> SegmentationDataset:
    """Load a data set, with the splits and at the size of its training.

    Args:
        network: its classes are required.
        config: selects the data set.
        splits: the splits that are read.

    Raises:
        ValueError: if the data set has other classes than the network.
        OSError: if an image can't be read.
    """
    if "test" in splits:
        config = replace(config, val_pattern=None)
    elif config.val_pattern is not None:
        splits = ("train", "val")  # the pattern divides the images of both
    dataset = load_dataset(config, splits, network.read_class_map())
    dataset = as_in_training(dataset, config)
    network.check_classes(dataset.class_map)
    return dataset
