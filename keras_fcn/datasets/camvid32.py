"""CamVid with its 32 classes in the layout of the copy on Kaggle, at any image size.

    train/NAME.png  train_labels/NAME_L.png  val/  val_labels/  test/  test_labels/
    class_dict.csv  name,r,g,b

The copy on Kaggle has images of 960x720. Label maps are RGB images of the classes'
colors, decoded color by color and not resized. Void is one of the 32 names.

Brostow, Fauqueur and Cipolla, "Semantic object classes in video: A high-definition
ground truth database", 2009; for research use.
"""

import hashlib
import io
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_fcn.classes import ClassMap
from keras_fcn.datasets import camvid
from keras_fcn.datasets.dataset import Example, SegmentationDataset
from keras_fcn.datasets.folder.labels.class_table import VOID_NAMES, read_class_table
from keras_fcn.datasets.folder.labels.decoder import VOID_ID, LabelDecoder, pack
from keras_fcn.datasets.folder.labels.files import StoredLabels
from keras_fcn.datasets.folder.layouts.matching import Pair, pair_files
from keras_fcn.datasets.prepared import prepared_dataset, segmentation_info
from keras_fcn.errors import summarize
from keras_fcn.images.reading import UnreadableImage, read_size, read_stored_values

ClassDict = list[tuple[str, tuple[int, int, int]]]  # names and colors
SPLITS = ("train", "val", "test")

# CamVid's 11 classes as groups of the 32; the others are void. In SegNet's label files
# animals, archways, luggage and prams, children and other moving objects are void;
# other groupings assign them to a class. tests/datasets/test_camvid32.py compares with
# the files. Classes that no frame there contains (bridges, tunnels, trains) are grouped
# as by MathWorks.
MERGED = {
    "sky": ("Sky",),
    "building": ("Bridge", "Building", "Tunnel", "Wall"),
    "pole": ("Column_Pole", "TrafficCone"),
    "road": ("LaneMkgsDriv", "LaneMkgsNonDriv", "Road"),
    "pavement": ("ParkingBlock", "RoadShoulder", "Sidewalk"),
    "tree": ("Tree", "VegetationMisc"),
    "sign": ("Misc_Text", "SignSymbol", "TrafficLight"),
    "fence": ("Fence",),
    "car": ("Car", "SUVPickupTruck", "Train", "Truck_Bus"),
    "pedestrian": ("Pedestrian",),
    "bicyclist": ("Bicyclist", "MotorcycleScooter"),
}


@dataclass
class Camvid32Config(tfds.core.BuilderConfig):
    """A copy of the data; its name contains a digest of the labels."""

    source_dir: str | None = None


class Camvid32(tfds.core.GeneratorBasedBuilder):
    """TFDS builder of `camvid32`; label maps hold line numbers of `class_dict.csv`."""

    VERSION = tfds.core.Version("1.1.0")  # 1.0.0: only images of 960x720

    def _info(self):
        return segmentation_info(self, __doc__, (None, None))

    def _split_generators(self, dl_manager):
        folder = Path(self.builder_config.source_dir)
        decoder = _decoder(_read_class_dict(folder / "class_dict.csv"))
        return {
            split: self._generate_examples(find_pairs(folder, split), decoder)
            for split in _present(folder)
        }

    def _generate_examples(self, pairs, decoder):
        for key, (image, label_path) in enumerate(pairs):
            label_map = _decode(decoder, label_path)
            _, encoded = cv2.imencode(".png", label_map)
            yield (
                key,
                {
                    "name": image.stem,
                    "image": str(image),
                    "label_map": io.BytesIO(encoded.tobytes()),
                },
            )


def load_camvid32(
    folder: Path, splits: tuple[str, ...], name: str = "camvid32"
) -> SegmentationDataset:
    """Check, prepare and describe CamVid in the Kaggle layout.

    Args:
        folder: contains `class_dict.csv`, `train/` with `train_labels/` and so on.
        splits: the splits that are needed.
        name: "camvid32" for the classes of `class_dict.csv` without Void;
            "camvid32-with-void" with Void as a class, to compare scores with others
            who count it; or "camvid32-merged" for the 11 classes of SegNet's authors.

    Returns:
        The data set with the splits that the folder has. Void is id 255.

    Raises:
        FileNotFoundError: if a file or a folder is missing.
        ValueError: if sizes, names or colors are wrong; names files, colors and
            numbers of pixels.
    """
    folder = Path(folder)
    path = folder / "class_dict.csv"
    if not path.is_file():
        raise FileNotFoundError(
            f"camvid32 needs {path} (name,r,g,b), and train/, train_labels/, val/ and "
            "val_labels/ next to it"
        )
    class_dict = _read_class_dict(path)
    class_map, ids = _number(class_dict, name)
    for split in splits:
        find_pairs(folder, split)
    present = _present(folder) or ["train"]
    split_pairs = {split: find_pairs(folder, split) for split in present}
    pairs = [pair for split in split_pairs.values() for pair in split]
    try:
        sizes = {
            split: tuple(read_size(image) for image, _ in split_pairs[split])
            for split in split_pairs
        }
    except UnreadableImage as error:
        raise UnreadableImage(_unusable(1, str(error))) from error
    config = Camvid32Config(
        name=f"labels_{_digest(pairs, path)}", source_dir=str(folder)
    )
    prepared = prepared_dataset(
        partial(Camvid32, config=config),
        class_map,
        sizes,
        check=lambda: _check(pairs, class_dict),
    )
    table = tf.constant(ids, dtype=tf.uint8)

    def renumber(example: Example) -> Example:
        label_map = tf.gather(table, tf.cast(example["label_map"], tf.int32))
        return {**example, "label_map": label_map}

    return SegmentationDataset(
        name,
        class_map,
        {
            split_name: split.changed(renumber)
            for split_name, split in prepared.splits.items()
        },
    )


def _number(class_dict: ClassDict, dataset_name: str) -> tuple[ClassMap, np.ndarray]:
    """Return the classes, and the ids of the lines of `class_dict.csv`, `(256,)`."""
    names = [name for name, _ in class_dict]
    ids = np.full(256, VOID_ID, dtype="uint8")
    if dataset_name != "camvid32-merged":
        kept = [
            index
            for index, name in enumerate(names)
            if dataset_name == "camvid32-with-void" or name.lower() not in VOID_NAMES
        ]
        ids[kept] = np.arange(len(kept))
        entries = [class_dict[index] for index in kept]
        kept_names, colors = zip(*entries, strict=True)
        return ClassMap(kept_names, colors, VOID_ID), ids
    for class_id, name in enumerate(camvid.CLASS_MAP.names):
        missing = [part for part in MERGED[name] if part not in names]
        if missing:
            raise ValueError(
                f"class_dict.csv must list CamVid's 32 classes to merge them into 11. "
                f"It lacks: {summarize(missing)}"
            )
        ids[[names.index(part) for part in MERGED[name]]] = class_id
    return ClassMap(camvid.CLASS_MAP.names, camvid.CLASS_MAP.colors, VOID_ID), ids


def find_pairs(folder: Path, split: str) -> list[Pair]:
    """Return the images of a split with their label files, by name.

    Args:
        folder: the Kaggle layout.
        split: "train", "val" or "test".

    Raises:
        FileNotFoundError: if a folder or a file is missing.
        ValueError: if a label file has no image.
    """
    layout = "camvid32 needs train/, train_labels/, val/ and val_labels/ with PNG files"
    return pair_files(
        split,
        folder / split,
        folder / f"{split}_labels",
        layout,
        label_suffix="_L",
    )


def _present(folder: Path) -> list[str]:
    """Return the splits that have images and labels."""
    return [
        split
        for split in SPLITS
        if all(
            any((folder / name).glob("*.png")) for name in (split, f"{split}_labels")
        )
    ]


def _read_class_dict(path: Path) -> ClassDict:
    """Return names and colors of the classes, including Void."""
    class_dict = []
    for entry in read_class_table(path):
        if entry.color is None:
            raise ValueError(f"{path} must have the columns name,r,g,b")
        class_dict.append((entry.name, entry.color))
    return class_dict


def _decoder(class_dict: ClassDict) -> LabelDecoder:
    """Return the decoder from colors to line numbers of `class_dict.csv`."""
    colors = {int(pack(color)): line for line, (_, color) in enumerate(class_dict)}
    return LabelDecoder(colors, uses_colors=True)


def _decode(decoder: LabelDecoder, path: Path) -> np.ndarray:
    """Return line numbers of `class_dict.csv`, uint8 `(height, width)`."""
    stored = read_stored_values(path)
    if stored.ndim == 2:
        # Their values could be line numbers of class_dict.csv in another order.
        raise ValueError("is gray or has a palette; labels of camvid32 are RGB images")
    return decoder.decode(StoredLabels(stored))


def _check(pairs: list[Pair], class_dict: ClassDict) -> None:
    """Check sizes and colors of every file, and report all problems at once."""
    decoder = _decoder(class_dict)
    wrong = []
    for image, label_path in pairs:
        try:
            (height, width), label_size = read_size(image), read_size(label_path)
            if label_size != (height, width):
                wrong.append(
                    f"{label_path} is {label_size[1]}x{label_size[0]}, but its image "
                    f"is {width}x{height}"
                )
            _decode(decoder, label_path)
        except UnreadableImage as error:
            wrong.append(str(error))
        except ValueError as error:
            wrong.append(f"{label_path} {error}")
    if wrong:
        raise ValueError(_unusable(len(wrong), summarize(wrong)))


def _unusable(count: int, files: str) -> str:
    return (
        f"camvid32 expects PNG images and label maps of the same size with the colors "
        f"of class_dict.csv. Received {count} others: {files}. Copy them again, or "
        "remove these images and their label maps"
    )


def _digest(pairs: list[Pair], class_dict_path: Path) -> str:
    """Return 12 hexadecimal digits that identify a copy of the data."""
    sha = hashlib.sha256(class_dict_path.read_bytes())
    for image, label_path in pairs:
        sha.update(f"{image.parent.name}/{image.name} {image.stat().st_size}".encode())
        sha.update(label_path.read_bytes())
    return sha.hexdigest()[:12]
