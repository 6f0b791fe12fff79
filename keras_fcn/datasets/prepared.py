"""Data sets that TFDS prepares once: from a builder to the project's splits."""

import contextlib
import io
import logging
import os
import struct
import textwrap
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import tensorflow as tf
import tensorflow_datasets as tfds

from keras_fcn.classes import ClassMap
from keras_fcn.datasets.dataset import SegmentationDataset, Split
from keras_fcn.storage.atomic import atomic_folder, move_into_place
from keras_fcn.storage.locks import lock
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
    make_builder: Callable[..., tfds.core.DatasetBuilder],
    class_map: ClassMap,
    size: Size,
    check: Callable[[], None] = lambda: None,
) -> SegmentationDataset:
    """Prepare a builder's data where that has not been done, and return its splits.

    Data that have been prepared are read once, to see that they are whole.

    Args:
        make_builder: makes the builder, which yields `name`, `image` and `label_map`,
            for TFDS's own folder or another `data_dir`.
        class_map: the classes.
        size: height and width of every image.
        check: called before the data are prepared; raises what is wrong with them.

    Raises:
        OSError: if the data can't be fetched or written.
        ValueError: if they are not what the builder expects, or what was prepared is
            damaged; names its folder.
    """
    builder = _open(make_builder)
    if not builder.is_prepared():
        check()
        _prepare(make_builder, Path(builder.data_dir))
        builder = _open(make_builder)
    _check_is_whole(builder)
    splits = {
        split: Split(
            tf.data.Dataset.range(info.num_examples),
            image_sizes=(size,) * info.num_examples,
            decode=_decoder(builder.info.features, _find_records(info.filepaths)),
        )
        for split, info in builder.info.splits.items()
    }
    return SegmentationDataset(builder.name, class_map, splits)


def _open(make_builder):
    """The builder, which reads what TFDS wrote about its data."""
    try:
        return make_builder()
    except Exception as error:  # of protobuf, of JSON, of TFDS
        folder = _data_dir(make_builder)
        if folder is None or not folder.exists():
            raise
        raise _damaged(folder, error) from error


def _data_dir(make_builder):
    """Where a builder's data are, told by one that finds none; None where it fails."""
    nowhere = Path(os.devnull) / "none"
    with suppress(Exception):
        folder = Path(make_builder(data_dir=str(nowhere)).data_dir)
        return Path(tfds.core.constants.DATA_DIR) / folder.relative_to(nowhere)


def _prepare(make_builder, folder):
    """Prepare data beside their folder, while other processes wait for them."""
    name = folder.relative_to(folder.parents[1])
    folder.parent.mkdir(parents=True, exist_ok=True)
    with lock(folder.parent / "preparing.lock", waits=f"prepares {name}"):
        if folder.exists():
            return
        logger.info("Preparing %s in %s", name.parent, folder)
        tfds.disable_progress_bar()
        with atomic_folder(folder.parent) as part:
            builder = make_builder(data_dir=str(part))
            try:
                with contextlib.redirect_stdout(io.StringIO()):  # TFDS prints lines
                    builder.download_and_prepare()
            except tf.errors.OpError as error:  # TensorFlow writes the records
                raise OSError(f"{folder} can't be written: {error.message}") from error
            move_into_place(Path(builder.data_dir), folder)


def _check_is_whole(builder):
    """Read every record by its checksum, and count."""
    folder = Path(builder.data_dir)
    if not builder.info.splits:
        raise _damaged(folder, "it has no dataset_info.json")
    for name, info in builder.info.splits.items():
        try:
            files = [str(path) for path in info.filepaths]
            count = int(tf.data.TFRecordDataset(files).reduce(0, lambda n, _: n + 1))
        except (tf.errors.OpError, ValueError, OSError) as error:
            raise _damaged(folder, error) from error
        if count != info.num_examples:
            reason = f"{name} has {count} of {info.num_examples} images"
            raise _damaged(folder, reason)


def _damaged(folder, reason):
    text = textwrap.shorten(str(reason) or type(reason).__name__, 200)
    return ValueError(
        f"What was prepared in {folder} is damaged ({text}): remove that folder, and "
        "it is prepared anew"
    )


def _find_records(paths):
    """File, position and length of every record, so that any of them can be read.

    tf.data reads these files from their beginning only; a training that takes a few
    hundred of 12,000 images in an epoch would read gigabytes for them.
    """
    records = []
    for path in map(str, paths):
        with open(path, "rb") as file:
            # A length and its checksum, 12 bytes; the data; their checksum, 4 bytes.
            while header := file.read(12):
                (length,) = struct.unpack("<Q", header[:8])
                records.append((path, file.tell(), length))
                file.seek(length + 4, os.SEEK_CUR)
    return records


def _decoder(features, records):
    """A function that reads a record by its number and decodes its two PNGs."""

    def read(number):
        path, position, length = records[number]
        with open(path, "rb") as file:
            file.seek(position)
            return file.read(length)

    def example(number):
        data = tf.numpy_function(read, [number], tf.string, stateful=False)
        decoded = features.deserialize_example(tf.ensure_shape(data, ()))
        label_map = tf.squeeze(decoded["label_map"], axis=-1)  # (H, W, 1) to (H, W)
        return {**decoded, "label_map": label_map}

    return example
