"""`folder`: the user's own images as a data set, read from their files in each run."""

import logging
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_fcn.classes import ClassMap
from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.dataset import LabelStatistics, SegmentationDataset, Split
from keras_fcn.datasets.folder.folder_data import FolderData
from keras_fcn.datasets.folder.read import read_folder
from keras_fcn.datasets.folder.report import short_lines
from keras_fcn.errors import one_line

logger = logging.getLogger(__name__)


def load_folder(
    folder: Path,
    splits: tuple[str, ...] | None,
    class_map: ClassMap | None = None,
    options: TrainingConfig | None = None,
) -> SegmentationDataset:
    """Find and check the images of a folder, and log what was found.

    Args:
        folder: images and label maps in one of the layouts of docs/your-data.md.
        splits: names of the splits that are needed; each must have images. None for
            those that have.
        class_map: classes to use if there is no class table; None numbers those
            that are found.
        options: the fields of `FOLDER_FIELDS` are read.

    Returns:
        The data set with these splits. Void is id 255.

    Raises:
        FileNotFoundError: if a folder, a list or an image is missing.
        ValueError: if labels can't be read, or there is another fatal problem; names
            the files.
    """
    logger.info("Reading %s", folder)
    # A new training reads all splits, so that it agrees with `inspect`.
    is_training = class_map is None and {"train", "val"} <= set(splits or ())
    data = read_folder(
        folder,
        None if is_training else splits,
        options,
        class_map=class_map,
        is_training=is_training,
    )
    data.refuse_problems()
    encoding = data.require_encoding()
    for line in short_lines(data):
        logger.info(line)
    for problem in data.problems:
        logger.warning("Note: %s", problem.message)
    return SegmentationDataset(
        "folder",
        encoding.class_map,
        {split: make_split(data, split) for split in splits or data.splits},
        label_values=encoding.kind,
        value_range=data.value_range,
    )


def make_split(data: FolderData, name: str) -> Split:
    """Return a split whose examples are read from their files.

    Args:
        data: a folder without fatal problems.
        name: name of the split.
    """
    samples = data.splits[name]
    sizes = tuple(fact.size for fact in data.facts[name] if fact.size)

    def read(index):
        sample, size = samples[index], tuple(sizes[index])
        try:
            image, label_map = data.read_sample(sample)
            # Batches and caches are planned with the sizes of the check.
            if not image.shape[:2] == label_map.shape == size:
                raise ValueError(
                    f"{sample.image} or its label map has changed since it was "
                    f"checked: expected {size[1]}x{size[0]}"
                )
        except (OSError, ValueError) as error:  # TensorFlow passes on a single line
            raise ValueError(one_line(error)) from None
        return sample.name.encode(), image, label_map

    def decode(index):
        name, image, label_map = tf.numpy_function(
            read, [index], (tf.string, tf.uint8, tf.uint8), stateful=False
        )
        return {
            # `numpy_function` returns tensors of unknown shape.
            "name": tf.ensure_shape(name, ()),
            "image": tf.ensure_shape(image, (None, None, 3)),
            "label_map": tf.ensure_shape(label_map, (None, None)),
        }

    statistics = LabelStatistics(*data.count_classes(name))
    return Split(np.arange(len(samples)), sizes, decode, statistics)
