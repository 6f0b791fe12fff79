"""Loading of the data sets: `camvid`, `camvid32`, `streets` and `folder`."""

import dataclasses
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_fcn.classes import ClassMap
from keras_fcn.config import MAX_IMAGE_PIXELS, Dataset, TrainingConfig
from keras_fcn.datasets import camvid, streets
from keras_fcn.datasets.camvid32 import load_camvid32
from keras_fcn.datasets.dataset import SegmentationDataset, Split
from keras_fcn.datasets.folder.dataset import load_folder
from keras_fcn.datasets.mix import parse_mix
from keras_fcn.datasets.prepared import prepared_dataset
from keras_fcn.datasets.resized import resized
from keras_fcn.datasets.val_pattern import split_by_pattern
from keras_fcn.images.scale import scaled_size
from keras_fcn.typing import Size, ValueRange

_STREETS_SEED = 0  # not the training's, so that another seed renders nothing new


def load_dataset(
    config: TrainingConfig,
    splits: tuple[str, ...] | None,
    class_map: ClassMap | None = None,
) -> SegmentationDataset:
    """Return the data set of a configuration, prepared and checked.

    Args:
        config: the fields of `DATA_FIELDS` are read.
        splits: the splits that are needed; None for those that it has.
        class_map: classes for a folder that has no table of classes.

    Raises:
        OSError: if files are missing or can't be downloaded.
        ValueError: if files are not usable; names them.
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
            partial(streets.Streets, config=name), camvid.CLASS_MAP, config.image_size
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
        return load_folder(folder, splits, class_map, config)
    return load_camvid32(folder, splits or (), config.dataset)


def load(
    name: Dataset,
    data_dir: str | Path | None = None,
    *,
    size: int | None = None,
    val_pattern: str | None = None,
    images_dir: str | None = None,
    labels_dir: str | None = None,
    label_suffix: str | None = None,
    label_values: str = "auto",
    void: str | None = None,
    val_share: float = 0.2,
    group_by: str | None = None,
    accept: str | None = None,
    value_range: ValueRange = "auto",
    max_pixels: int = MAX_IMAGE_PIXELS,
    num_images: int = 400,
    image_size: Size = (360, 480),
) -> SegmentationDataset:
    """Load a data set, as `keras-fcn train` reads it.

    Examples:
        >>> data = keras_fcn.datasets.load("folder", data_dir="my_data")
        >>> data.train.batches(8, augment=keras_fcn.Augment(crop=(320, 416)))
        >>> data.num_classes, data.void_id, data.class_map.names

    Args:
        name: "camvid", "camvid32", "camvid32-with-void", "camvid32-merged", "streets"
            (rendered) or "folder" (your own images and labels).
        data_dir: folder of the data; None to download "camvid".
        size: resize images to this number of pixels on the shorter side; None for the
            images' own size.
        val_pattern: validate on the images of train and val whose names match, such as
            "0016E5*", and train on all others.
        images_dir: folder: name of the folder of images; None to detect it.
        labels_dir: folder: name of the folder of labels; None to detect it.
        label_suffix: folder: suffix of the label map names, such as "_mask"; None to
            detect it.
        label_values: folder: "auto", "ids", "colors" or "black-white".
        void: folder: classes to ignore, by name or id, separated by commas.
        val_share: folder: share of the images used for validation if there is no
            validation split.
        group_by: folder: regular expression for file names; images with the same
            matched text stay in one split.
        accept: folder: problems to ignore: duplicates, one-class, unlabelled.
        value_range: folder: the values of images that become 0 and 255, as in (0,
            4095); "auto" to find them, "dtype" for the whole range of a type.
        max_pixels: folder: maximum number of pixels of an image or label map.
        num_images: streets: number of training images; val and test have a quarter as
            many each.
        image_size: streets: height and width, pixels.

    Returns:
        The data set with `train`, `val`, `test` and `class_map`. A folder without a
        validation split gets one; there may be no `test`.

    Raises:
        OSError: if files are missing or can't be downloaded.
        ValueError: if an argument or the data are not usable; names the files.
    """
    arguments = dict(locals())
    config = TrainingConfig(dataset=arguments.pop("name"), **arguments)
    return as_in_training(load_dataset(config, None), config)


def load_mix(config: TrainingConfig, first: SegmentationDataset) -> Split | None:
    """Return the training images of the second data set; None without `mix`.

    Args:
        config: the training.
        first: its first data set, as returned by `load_dataset`.

    Returns:
        Training images at the training's size, with the first data set's void id.

    Raises:
        OSError: if files are missing or can't be downloaded.
        ValueError: if the option or the data are not usable, or the classes differ.
    """
    mix = parse_mix(config.mix)
    if mix is None:
        return None
    if mix.folder is None:  # before CamVid is downloaded, or streets are rendered
        _check_mix(config.mix, first.class_map, camvid.CLASS_MAP)
    if mix.name == "streets":
        config = dataclasses.replace(
            config,
            num_images=mix.num_images or config.num_images,
            image_size=_rendered_size(first.split("train"), config.size),
        )
    # These options describe the first folder; the second may be different.
    changes = {
        "dataset": mix.name,
        "data_dir": mix.folder,
        "images_dir": None,
        "labels_dir": None,
        "label_suffix": None,
        "label_values": "auto",
        "value_range": "auto",
        "group_by": None,
    }
    second = load_dataset(
        TrainingConfig(**{**dataclasses.asdict(config), **changes}),
        ("train",),
        first.class_map,
    )
    _check_mix(config.mix, first.class_map, second.class_map)
    split = second.split("train")
    num_images = mix.num_images or split.num_images
    if num_images > split.num_images:
        raise ValueError(
            f"`mix` expects at most {split.num_images} images, as many as are in "
            f"{mix.folder or mix.name}, got {num_images}"
        )
    if num_images < split.num_images:
        # Evenly spaced: the first images of a data set are often of one video.
        split = split.part(np.arange(num_images) * split.num_images // num_images)
    old, new = second.class_map.void_id, first.class_map.void_id

    def renumber_void(example):
        label_map = example["label_map"]
        label_map = tf.where(label_map == old, tf.cast(new, tf.uint8), label_map)
        return {**example, "label_map": label_map}

    second = dataclasses.replace(second, splits={"train": split.changed(renumber_void)})
    return as_in_training(second, dataclasses.replace(config, val_pattern=None)).split(
        "train"
    )


def _check_mix(mix, expected, received):
    """Refuse a second data set with other classes than the first."""
    classes = [", ".join(class_map.names) for class_map in (expected, received)]
    if classes[0] != classes[1]:
        raise ValueError(
            f"`mix` expects the classes of the training images ({classes[0]}), got "
            f"{mix} with {classes[1]}"
        )


def _rendered_size(train: Split, side: int | None) -> Size:
    """Return the most frequent size of the images, at most the training size."""
    size = Counter(train.image_sizes).most_common(1)[0][0]
    return size if side is None else min(size, scaled_size(size, side))


def as_in_training(
    dataset: SegmentationDataset, config: TrainingConfig
) -> SegmentationDataset:
    """Return a data set with the validation images and the image size of a training.

    Args:
        dataset: the data set; both "train" and "val" are needed for `val_pattern`.
        config: the training; `val_pattern` and `size` are read.

    Raises:
        ValueError: if `val_pattern` matches no image, or all.
    """
    if config.val_pattern is not None:
        dataset = split_by_pattern(dataset, config.val_pattern)
    return dataset if config.size is None else resized(dataset, config.size)
