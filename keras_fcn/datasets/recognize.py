"""Which data set a folder contains, by its layout and the names of its files."""

import re
from pathlib import Path

from keras_fcn.config import Dataset

# The four drives of CamVid.
_DRIVE = re.compile(r"(0001TP|0006R0|0016E5|Seq05VD)_")
# Suffix of the folders of labels, after the name of the split.
_LABELS: dict[Dataset, str] = {"camvid": "annot", "camvid32": "_labels"}


def check_folder(folder: Path) -> None:
    """Refuse a path that is not a folder.

    Args:
        folder: the data.

    Raises:
        FileNotFoundError: says what the path is.
    """
    if not folder.is_dir():
        raise FileNotFoundError(
            "`data_dir` must be a folder with images and labels. Received: "
            f"{folder}, {'a file' if folder.exists() else 'which does not exist'}"
        )


def recognize_dataset(folder: Path, trained: Dataset | None = None) -> Dataset:
    """Return the data set of a folder.

    Args:
        folder: the data.
        trained: data set of a network's training, for other data of that network.

    Returns:
        `trained` if the folder has its layout, which for `folder` is any; otherwise
        `camvid` or `camvid32` for a folder in the layout of their published copies
        whose images are named after CamVid's drives; `folder` for any other.
    """
    if trained == "folder" or (trained and _has_layout(folder, trained)):
        return trained
    images = (path.name for path in folder.glob("train/*"))
    if any(map(_DRIVE.match, images)):
        for dataset, suffix in _LABELS.items():
            if (folder / f"train{suffix}").is_dir():
                return dataset
    return "folder"


def _has_layout(folder, dataset):
    """Whether a folder has labels of some split, as a data set or its variants."""
    suffix = _LABELS.get(dataset.partition("-")[0])
    splits = ("train", "val", "test")
    return suffix and any((folder / f"{split}{suffix}").is_dir() for split in splits)
