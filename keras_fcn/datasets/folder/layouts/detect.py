"""Which of the usual layouts a folder has: found by looking."""

from pathlib import Path

from keras_fcn.datasets.folder.layouts.cityscapes import find_cityscapes
from keras_fcn.datasets.folder.layouts.coco import find_coco
from keras_fcn.datasets.folder.layouts.image_label_dirs import (
    IMAGE_WORDS,
    LABEL_WORDS,
    find_folder_pairs,
)
from keras_fcn.datasets.folder.layouts.matching import is_hidden
from keras_fcn.datasets.folder.layouts.side_by_side import find_beside
from keras_fcn.datasets.folder.layouts.splits import SPLIT_WORDS
from keras_fcn.datasets.folder.samples import Layout
from keras_fcn.errors import summarize
from keras_fcn.images.reading import IMAGE_SUFFIXES

_FORMS = (
    "images/ and labels/ (or masks/, annotations/), train/images/ and train/masks/, "
    "train/ and train_labels/, JPEGImages/ and SegmentationClass/, leftImg8bit/ and "
    "gtFine/, a COCO file, or labels beside the images, as a.jpg with a_mask.png or "
    "a.json"
)


def find_layout(folder: Path, label_suffix: str | None = None) -> Layout:
    """Find how a folder is laid out.

    Args:
        folder: the data; where it holds a single folder, that one is looked at.
        label_suffix: what the names of labels have more than their images'; None to
            find it.

    Raises:
        FileNotFoundError: if it is no layout that is known, or the folder is missing.
        ValueError: if it is two of them at once.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(
            "`data_dir` must be a folder with images and labels. Received: "
            f"{folder}, {'a file' if folder.exists() else 'which is not there'}"
        )
    folder = _enter(folder)
    cityscapes = find_cityscapes(folder)
    if cityscapes is not None:
        return cityscapes
    found = [
        layout
        for layout in (find_coco(folder), find_folder_pairs(folder, label_suffix))
        if layout is not None
    ] or [layout for layout in (find_beside(folder, label_suffix),) if layout]
    if len(found) > 1:
        raise ValueError(
            f"{folder} can be read as {' or as '.join(a.description for a in found)}: "
            "take away or rename what is not meant"
        )
    if not found:
        raise FileNotFoundError(
            f"{folder} holds no images with labels. Needed: {_FORMS}. Received: "
            f"{_contents(folder)}"
        )
    found[0].root = folder
    return found[0]


def _enter(folder):
    """The folder, or the single one within it, as archives have."""
    words = {*IMAGE_WORDS, *LABEL_WORDS, *sum(SPLIT_WORDS.values(), ())}
    for _ in range(3):
        inside = [path for path in folder.iterdir() if not is_hidden(path.name)]
        folders = [path for path in inside if path.is_dir()]
        has_images = any(path.suffix.lower() in IMAGE_SUFFIXES for path in inside)
        if len(folders) != 1 or folders[0].name.lower() in words or has_images:
            return folder
        folder = folders[0]
    return folder


def _contents(folder):
    names = sorted(
        path.name + ("/" if path.is_dir() else "")
        for path in folder.iterdir()
        if not is_hidden(path.name)
    )
    return summarize(names, most=6) or "an empty folder"
