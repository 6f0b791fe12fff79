"""The data sets by name: `camvid`, `camvid32`, `streets` and `folder`."""

from functools import partial
from pathlib import Path

from keras_fcn.classes import ClassMap
from keras_fcn.config import TrainingConfig
from keras_fcn.datasets import camvid, streets
from keras_fcn.datasets.camvid32 import load_camvid32
from keras_fcn.datasets.dataset import SegmentationDataset
from keras_fcn.datasets.folder.dataset import load_folder
from keras_fcn.datasets.folder.read import FolderOptions
from keras_fcn.datasets.prepared import prepared_dataset
from keras_fcn.datasets.resized import resized
from keras_fcn.datasets.val_pattern import split_by_pattern

_STREETS_SEED = 0  # the data stay the same when a training's seed changes


def load_dataset(
    config: TrainingConfig,
    splits: tuple[str, ...],
    class_map: ClassMap | None = None,
) -> SegmentationDataset:
    """Return the data set that a configuration names, prepared and checked.

    Args:
        config: the fields of `DATA_FIELDS` are read.
        splits: the splits that are needed.
        class_map: the classes of a run, for a folder whose own are only numbered.

    Raises:
        OSError: if files are missing or can't be fetched.
        ValueError: if they are not as they should be; names the files.
    """
    folder = None if config.data_dir is None else Path(config.data_dir)
    if config.dataset == "streets":
        if folder is not None:
            raise ValueError(
                "`dataset` streets is rendered and has no `data_dir`: leave it out, or "
                "name the data by `dataset` camvid or `dataset` folder"
            )
        name = streets.streets_config(
            config.num_images, config.image_size, _STREETS_SEED
        )
        return prepared_dataset(
            partial(streets.Streets, config=name),
            streets.CLASS_MAP,
            config.image_size,
        )
    if config.dataset == "camvid":
        if folder is not None:
            camvid.verify(folder)
        return prepared_dataset(
            partial(camvid.Camvid, source_dir=folder),
            camvid.CLASS_MAP,
            camvid.IMAGE_SIZE,
        )
    if folder is None:
        needed = "your images and their labels"
        if config.dataset != "folder":
            needed = (
                "train/, train_labels/, val/, val_labels/ and class_dict.csv, as in "
                "the copy on Kaggle"
            )
        raise ValueError(f"`dataset` {config.dataset} needs `data_dir` with {needed}")
    if config.dataset == "folder":
        return load_folder(folder, splits, class_map, FolderOptions.of(config))
    return load_camvid32(folder, splits, config.dataset)


def as_in_training(
    dataset: SegmentationDataset, config: TrainingConfig
) -> SegmentationDataset:
    """Return a data set as a training sees it: divided, and at its size.

    Args:
        dataset: has the splits "train" and "val", or one of them where nothing is held
            out.
        config: the training.

    Raises:
        ValueError: if `val_pattern` matches no image, or all.
    """
    if config.val_pattern is not None:
        dataset = split_by_pattern(dataset, config.val_pattern)
    return dataset if config.size is None else resized(dataset, config.size)
