"""`folder`: the user's own images, read anew at each run."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_fcn.classes import ClassMap
from keras_fcn.datasets.dataset import LabelStatistics, SegmentationDataset, Split
from keras_fcn.datasets.folder.read import FolderData, FolderOptions, read_folder
from keras_fcn.datasets.folder.report import short_lines
from keras_fcn.datasets.folder.samples import Sample
from keras_fcn.datasets.folder.scan import ProgressLine, read_stored
from keras_fcn.errors import one_line
from keras_fcn.images.reading import read_image

logger = logging.getLogger(__name__)

Read = Callable[[int], tuple[np.ndarray, np.ndarray]]


def load_folder(
    folder: Path,
    splits: tuple[str, ...],
    class_map: ClassMap | None = None,
    options: FolderOptions | None = None,
) -> SegmentationDataset:
    """Find, check and describe the images of a folder; says what it found.

    Args:
        folder: images and label maps in one of the layouts of docs/your-data.md.
        splits: those that are needed; each must have images.
        class_map: classes to take where there is no table of classes; None numbers
            those that are found.
        options: what the user says of the folder.

    Returns:
        The data set with the needed splits. Void is id 255.

    Raises:
        FileNotFoundError: if a folder, a list or an image is missing.
        ValueError: if labels can't be read, or anything else forbids a training; names
            the files.
    """
    options = options or FolderOptions()
    logger.info("Reading %s", folder)
    progress = ProgressLine(logger.info)
    data = read_folder(folder, splits, options, class_map=class_map, progress=progress)
    data.refuse_problems()
    for line in short_lines(data):
        logger.info(line)
    for problem in data.problems:
        logger.warning("Note: %s", problem.message)
    return SegmentationDataset(
        "folder",
        data.reading.class_map,
        {split: _split(data, split, options.max_pixels) for split in splits},
        label_values=data.reading.kind,
    )


def _split(data: FolderData, name, max_pixels):
    samples = data.splits[name]
    sizes = tuple(fact.size for fact in data.facts[name])

    def read(index):
        sample = samples[index]
        image = read_image(Path(sample.image), max_pixels)
        stored = read_stored(sample, data.drawn, max_pixels)
        try:
            label_map = data.reading.decoder.decode(stored)
        except ValueError as error:
            raise ValueError(f"{sample.label} {error}") from error
        if not image.shape[:2] == label_map.shape == tuple(sizes[index]):
            raise ValueError(
                f"{sample.image} or its label map has changed since it was checked: "
                f"it was {sizes[index][1]}x{sizes[index][0]}"
            )
        return image, label_map

    numbers = tf.data.Dataset.range(len(samples))
    statistics = LabelStatistics(*data.count_classes(name))
    return Split(numbers, sizes, _decoder(samples, read), statistics)


def _decoder(samples: Sequence[Sample], read: Read) -> Callable:
    """A function that reads a sample's files, by its number."""

    def read_by_index(index):
        try:
            image, label_map = read(index)
        except (OSError, ValueError) as error:  # TensorFlow passes a line on
            raise ValueError(one_line(error)) from None
        return samples[index].name.encode(), image, label_map

    def example(index):
        name, image, label_map = tf.numpy_function(
            read_by_index, [index], (tf.string, tf.uint8, tf.uint8), stateful=False
        )
        return {
            "name": tf.ensure_shape(name, ()),
            "image": tf.ensure_shape(image, (None, None, 3)),
            "label_map": tf.ensure_shape(label_map, (None, None)),
        }

    return example
