"""Find out which of the known layouts a folder has."""

from pathlib import Path

from keras_fcn.datasets.folder.layouts.chosen import (
    check_rivals,
    find_chosen,
    note_unused,
)
from keras_fcn.datasets.folder.layouts.cityscapes import find_cityscapes
from keras_fcn.datasets.folder.layouts.coco import find_coco
from keras_fcn.datasets.folder.layouts.label_studio import find_label_studio
from keras_fcn.datasets.folder.layouts.listing import is_hidden, split_of_folder
from keras_fcn.datasets.folder.layouts.pairs import KNOWN_FOLDERS, find_image_label_dirs
from keras_fcn.datasets.folder.layouts.side_by_side import find_side_by_side
from keras_fcn.datasets.folder.samples import Layout
from keras_fcn.datasets.recognize import check_folder
from keras_fcn.errors import summarize
from keras_fcn.images.reading import IMAGE_SUFFIXES

_LAYOUTS = (
    "images/ and labels/ (or masks/, annotations/), train/images/ and train/masks/, "
    "train/ and train_labels/, JPEGImages/ and SegmentationClass/, leftImg8bit/ and "
    "gtFine/, a COCO or Label Studio file, or labels next to the images, such as a.jpg "
    "with a_mask.png or a.json"
)


def find_layout(
    folder: Path,
    label_suffix: str | None = None,
    images_dir: str | None = None,
    labels_dir: str | None = None,
) -> Layout:
    """Find the layout of a folder, and its samples.

    Args:
        folder: the data; if it holds a single folder, that one is read.
        label_suffix: text that the labels' names have after the images' names; None to
            find it.
        images_dir: name of the folder of images; None to find it.
        labels_dir: name of the folder of labels; None to find it.

    Raises:
        FileNotFoundError: if the folder is missing, or no layout is found.
        ValueError: if two layouts fit.
    """
    folder = Path(folder)
    check_folder(folder)
    outer = []
    for _ in range(3):  # archives often have the data in a folder of their own
        inside = [path for path in folder.iterdir() if not is_hidden(path.name)]
        folders = [path for path in inside if path.is_dir()]
        has_images = any(path.suffix.lower() in IMAGE_SUFFIXES for path in inside)
        is_single = len(folders) == 1 and not has_images
        name = folders[0].name if folders else ""
        is_known = name.lower() in KNOWN_FOLDERS or split_of_folder(name)
        if not is_single or is_known or name in (images_dir, labels_dir):
            break
        outer.append(folder)
        folder = folders[0]
    if images_dir or labels_dir:
        chosen = find_chosen(folder, images_dir, labels_dir, label_suffix)
        note_unused(chosen)
        return chosen
    if cityscapes := find_cityscapes(folder):
        return cityscapes
    coco = find_coco(folder)
    # JSON files next to images/ are COCO's own, or labelme's.
    found = [coco, find_image_label_dirs(folder, label_suffix, with_json=not coco)]
    layouts = [layout for layout in found if layout]
    if not coco and (label_studio := find_label_studio(folder)):
        layouts = [label_studio]
    if len(layouts) > 1:
        raise ValueError(
            f"{folder} can be read as "
            f"{' or as '.join(layout.description for layout in layouts)}: remove or "
            "rename the folders or files that are not meant"
        )
    # Only without another layout: names such as a and a_mask occur in images/ too.
    layout = layouts[0] if layouts else find_side_by_side(folder, label_suffix)
    if layout is None:
        names = sorted(
            path.name + ("/" if path.is_dir() else "")
            for path in folder.iterdir()
            if not is_hidden(path.name)
        )
        raise FileNotFoundError(
            f"{folder} has no images with labels. Received: "
            f"{summarize(names, most=6) or 'an empty folder'}. If two of its folders "
            "have them, name them by `images_dir` and `labels_dir`; otherwise expected "
            f"{_LAYOUTS}"
        )
    layout.outer = outer
    check_rivals(layout)
    note_unused(layout)
    return layout
