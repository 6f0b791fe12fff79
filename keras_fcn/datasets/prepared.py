"""Data sets that TFDS prepares once: from a builder to the project's splits."""

import contextlib
import io
import logging

import tensorflow as tf
import tensorflow_datasets as tfds

from keras_fcn.classes import ClassMap
from keras_fcn.datasets.dataset import SegmentationDataset, Split
from keras_fcn.typing import Size

logger = logging.getLogger(__name__)


def segmentation_info(
    builder: tfds.core.DatasetBuilder,
    description: str,
    size: Size,
    homepage: str | None = None,
) -> tfds.core.DatasetInfo:
    """Describe images with label maps of one size to TFDS.

    Args:
        builder: yields `name`, `image` (uint8 RGB) and `label_map`, a PNG of ids.
        description: for people.
        size: height and width of every image and label map, pixels.
        homepage: address of the data set.
    """
    return tfds.core.DatasetInfo(
        builder=builder,
        description=description,
        homepage=homepage,
        features=tfds.features.FeaturesDict(
            {
                "name": tfds.features.Text(),
                "image": tfds.features.Image(shape=(*size, 3), encoding_format="png"),
                "label_map": tfds.features.Image(
                    shape=(*size, 1), encoding_format="png"
                ),
            }
        ),
        supervised_keys=("image", "label_map"),
        disable_shuffling=True,
    )


def prepared_dataset(
    builder: tfds.core.DatasetBuilder, class_map: ClassMap, size: Size
) -> SegmentationDataset:
    """Prepare a builder's data where that has not been done, and return its splits.

    Args:
        builder: yields `name`, `image` and `label_map`.
        class_map: the classes.
        size: height and width of every image.

    Raises:
        OSError: if the data can't be fetched or written.
        ValueError: if they are not what the builder expects.
    """
    if not builder.is_prepared():
        logger.info("Preparing %s in %s", builder.name, builder.data_dir)
        tfds.disable_progress_bar()
        with contextlib.redirect_stdout(io.StringIO()):  # TFDS prints its own lines
            builder.download_and_prepare()
    # One file after the other, so that the order is that of writing.
    in_order = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
    splits = {
        split: Split(
            builder.as_dataset(split=split, read_config=in_order).map(
                _drop_channel, num_parallel_calls=tf.data.AUTOTUNE
            ),
            image_sizes=(size,) * info.num_examples,
        )
        for split, info in builder.info.splits.items()
    }
    return SegmentationDataset(builder.name, class_map, splits)


def _drop_channel(example):
    # (H, W, 1) to (H, W)
    return {**example, "label_map": tf.squeeze(example["label_map"], axis=-1)}
