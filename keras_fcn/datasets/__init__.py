"""The data sets by name: `camvid`, `streets` and `folder`."""

from pathlib import Path

from keras_fcn.classes import ClassMap
from keras_fcn.config import TrainingConfig
from keras_fcn.datasets import camvid, streets
from keras_fcn.datasets.camvid32 import load_camvid32
from keras_fcn.datasets.dataset import SegmentationDataset
from keras_fcn.datasets.folder import load_folder
from keras_fcn.datasets.prepared import prepared_dataset

_STREETS_SEED = 0  # the data stay the same when a training's seed changes


def load_dataset(
    config: TrainingConfig,
    splits: tuple[str, ...],
    class_map: ClassMap | None = None,
) -> SegmentationDataset:
    """Return the data set that a configuration names, prepared and checked.

    Args:
        config: the fields of `DATA_FIELDS` are read: `dataset`, `data_dir`,
            `classes`, `void_as_class`, `num_images` and `image_size`.
        splits: the splits that are needed.
        class_map: the classes of a run, for a folder whose own are only numbered.

    Raises:
        OSError: if files are missing or can't be fetched.
        ValueError: if they are not as they should be; names the files.
    """
    if config.dataset == "folder":
        if config.data_dir is None:
            raise ValueError(
                "--dataset folder needs --data-dir DIR with images/ and labels/"
            )
        return load_folder(Path(config.data_dir), splits, class_map)
    if config.dataset == "camvid32":
        if config.data_dir is None:
            raise ValueError(
                "--dataset camvid32 needs --data-dir DIR with train/, train_labels/, "
                "val/, val_labels/ and class_dict.csv, as in the copy on Kaggle"
            )
        return load_camvid32(
            Path(config.data_dir), splits, config.classes, config.void_as_class
        )
    if config.dataset == "streets":
        if config.data_dir is not None:
            raise ValueError(
                "--dataset streets is rendered and has no --data-dir: leave it out, or "
                "name the data by --dataset camvid or --dataset folder"
            )
        name = streets.streets_config(
            config.num_images, config.image_size, _STREETS_SEED
        )
        return prepared_dataset(
            streets.Streets(config=name), streets.CLASS_MAP, config.image_size
        )
    source_dir = None
    if config.data_dir is not None:
        source_dir = Path(config.data_dir)
        camvid.verify(source_dir)
    return prepared_dataset(
        camvid.Camvid(source_dir=source_dir), camvid.CLASS_MAP, camvid.IMAGE_SIZE
    )
