"""Data sets that TFDS prepares once, as splits whose images are read at random."""

import contextlib
import io
import logging
import os
import struct
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_fcn.classes import ClassMap
from keras_fcn.datasets.dataset import Example, SegmentationDataset, Split
from keras_fcn.storage.atomic import atomic_folder, move_into_place
from keras_fcn.storage.locks import lock
from keras_fcn.typing import Size

logger = logging.getLogger(__name__)
MakeBuilder = Callable[..., tfds.core.DatasetBuilder]


def segmentation_info(
    builder: tfds.core.DatasetBuilder,
    description: str,
    size: Size | tuple[None, None],
    homepage: str | None = None,
) -> tfds.core.DatasetInfo:
    """Describe images with label maps to TFDS.

    Args:
        builder: yields `name`, `image` (uint8 RGB) and `label_map`, a PNG of ids.
        description: text about the data set.
        size: height and width of every image and label map, pixels; `(None, None)` if
            they differ.
        homepage: URL of the data set.
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


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Drop TFDS's warnings, such as of data that are not prepared yet."""
    absl = logging.getLogger("absl")
    level = absl.level
    absl.setLevel(logging.ERROR)
    try:
        yield
    finally:
        absl.setLevel(level)


@_without_warnings()
def prepared_dataset(
    make_builder: MakeBuilder,
    class_map: ClassMap,
    size: Size | Mapping[str, tuple[Size, ...]],
    check: Callable[[], None] = lambda: None,
) -> SegmentationDataset:
    """Prepare a builder's data if that has not been done, and return its splits.

    Prepared data are read once to check that they are complete.

    Args:
        make_builder: returns the builder, which yields `name`, `image` and `label_map`;
            takes TFDS's `data_dir`.
        class_map: the classes.
        size: height and width of every image, pixels; or those of each image of each
            split, in the order in which the builder yields them.
        check: called before the data are prepared; raises an error if they are not
            usable.

    Raises:
        OSError: if the data can't be downloaded or written.
        ValueError: if the data are not usable, or the prepared files are damaged; names
            their folder.
    """
    builder = _open(make_builder)
    if not builder.is_prepared():
        check()
        _prepare(make_builder, Path(builder.data_dir))
        builder = _open(make_builder)
    _check_is_whole(builder)
    splits = {
        split: Split(
            np.arange(info.num_examples),
            image_sizes=(
                size[split]
                if isinstance(size, Mapping)
                else (size,) * info.num_examples
            ),
            decode=_decoder(builder.info.features, _find_records(info.filepaths)),
        )
        for split, info in builder.info.splits.items()
    }
    return SegmentationDataset(builder.name, class_map, splits)


def _open(make_builder: MakeBuilder) -> tfds.core.DatasetBuilder:
    """Return the builder, which reads TFDS's description of prepared data."""
    try:
        return make_builder()
    except Exception as error:  # damaged files raise errors of protobuf, JSON, TFDS
        folder = _data_dir(make_builder)
        if folder is None or not folder.exists():
            raise
        raise _damaged(folder, error) from error


def _data_dir(make_builder: MakeBuilder) -> Path | None:
    """Return the folder of a builder's data without reading it; None if that fails."""
    nowhere = Path(os.devnull) / "none"
    with suppress(Exception):
        folder = Path(make_builder(data_dir=str(nowhere)).data_dir)
        return Path(tfds.core.constants.DATA_DIR) / folder.relative_to(nowhere)
    return None


def _prepare(make_builder: MakeBuilder, folder: Path) -> None:
    """Prepare data next to their folder, and rename it; other processes wait."""
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


def _check_is_whole(builder: tfds.core.DatasetBuilder) -> None:
    """Check the checksum of every record, and the number of records."""
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


def _damaged(folder: Path, reason: object) -> ValueError:
    text = textwrap.shorten(str(reason) or type(reason).__name__, 200)
    return ValueError(
        f"The prepared data in {folder} are damaged ({text}): remove that folder, and "
        "they are prepared again"
    )


def _find_records(paths: Iterable[os.PathLike]) -> list[tuple[str, int, int]]:
    """Return file, position and length of every record.

    tf.data reads these files from their start only: an epoch that needs a few hundred
    of 12,000 images would read gigabytes.
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


def _decoder(
    features: tfds.features.FeaturesDict, records: list[tuple[str, int, int]]
) -> Callable[[tf.Tensor], Example]:
    """Return a function that reads a record by its number and decodes its images."""

    def read(number: int) -> bytes:
        path, position, length = records[number]
        with open(path, "rb") as file:
            file.seek(position)
            return file.read(length)

    def example(number: tf.Tensor) -> Example:
        data = tf.numpy_function(read, [number], tf.string, stateful=False)
        decoded = features.deserialize_example(tf.ensure_shape(data, ()))
        label_map = tf.squeeze(decoded["label_map"], axis=-1)  # (H, W, 1) to (H, W)
        return {**decoded, "label_map": label_map}

    return example
