"""Which data set a folder contains, by its layout and the names of its files."""

import re
from pathlib import Path

from keras_fcn.config import Dataset

# The four drives of CamVid.
_DRIVE = re.compile(r"(0001TP|0006R0|0016E5|Seq05VD)_")
_LABELS: dict[Dataset, str] = {"camvid": "trainannot", "camvid32": "train_labels"}


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


def recognize_dataset(folder: Path) -> Dataset:
    """Return the data set of a folder.

    Args:
        folder: the data.

    Returns:
        `camvid` or `camvid32` for a folder in the layout of their published copies
        whose images are named after CamVid's drives; `folder` for any other.
    """
    images = (path.name for path in folder.glob("train/*"))
    if any(map(_DRIVE.match, images)):
        for dataset, labels in _LABELS.items():
            if (folder / labels).is_dir():
                return dataset
    return "folder"
