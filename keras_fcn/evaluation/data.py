"""The data set of a trained network."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.dataset import SegmentationDataset
from keras_fcn.datasets.loading import as_in_training, load_dataset
from keras_fcn.datasets.recognize import check_folder, recognize_dataset
from keras_fcn.runs.network_folder import NetworkFolder

logger = logging.getLogger(__name__)


def data_config(network: NetworkFolder, changes: Mapping[str, Any]) -> TrainingConfig:
    """Return the configuration of a network's training with other data.

    Args:
        network: the trained network.
        changes: fields of `TrainingConfig` that select the data. With `data_dir` and
            no `dataset`, the data set is recognized by the layout of the folder.

    Raises:
        FileNotFoundError: if such a `data_dir` is not a folder.
        ValueError: if a field is unknown or a value is wrong.
    """
    trained = network.read_config()
    config = replace(trained, **changes)
    if "dataset" not in changes and changes.get("data_dir") is not None:
        folder = Path(changes["data_dir"])
        check_folder(folder)
        dataset = recognize_dataset(folder, trained.dataset)
        if dataset != trained.dataset:
            logger.info("Reading %s as `dataset` %s", folder, dataset)
        config = replace(config, dataset=dataset)
    if config.dataset != trained.dataset:
        # It matches names of the other data set.
        config = replace(config, val_pattern=None)
    return config


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
