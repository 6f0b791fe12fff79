"""Cityscapes: leftImg8bit/ and gtFine/, its classes, and its two numberings.

Cordts et al., "The Cityscapes Dataset for Semantic Urban Scene Understanding", 2016;
the table is that of its scripts (`labels.py`).
"""

from pathlib import Path

from keras_fcn.datasets.folder.labels.class_table import ClassEntry, ClassTable
from keras_fcn.datasets.folder.layouts.listing import list_files, split_folders
from keras_fcn.datasets.folder.layouts.matching import add_split
from keras_fcn.datasets.folder.samples import Layout
from keras_fcn.images.reading import IMAGE_SUFFIXES

_IMAGES, _LABELS = "leftImg8bit", "gtFine"
# Name, color and id of the 19 classes that are scored, in the order of their trainIds.
_CLASSES = (
    ("road", (128, 64, 128), 7),
    ("sidewalk", (244, 35, 232), 8),
    ("building", (70, 70, 70), 11),
    ("wall", (102, 102, 156), 12),
    ("fence", (190, 153, 153), 13),
    ("pole", (153, 153, 153), 17),
    ("traffic light", (250, 170, 30), 19),
    ("traffic sign", (220, 220, 0), 20),
    ("vegetation", (107, 142, 35), 21),
    ("terrain", (152, 251, 152), 22),
    ("sky", (70, 130, 180), 23),
    ("person", (220, 20, 60), 24),
    ("rider", (255, 0, 0), 25),
    ("car", (0, 0, 142), 26),
    ("truck", (0, 0, 70), 27),
    ("bus", (0, 60, 100), 28),
    ("train", (0, 80, 100), 31),
    ("motorcycle", (0, 0, 230), 32),
    ("bicycle", (119, 11, 32), 33),
)
_LARGEST_ID = 33  # of all 34; those of no class are void


def find_cityscapes(folder: Path) -> Layout | None:
    """Find the folders of Cityscapes.

    `_labelIds` files are used if there are any, otherwise `_labelTrainIds`; both give
    the 19 classes that are scored, and void.

    Args:
        folder: holds leftImg8bit/ and gtFine/.

    Returns:
        The layout; None if the folder has another.

    Raises:
        FileNotFoundError: if gtFine/ has no label maps.
    """
    images_dir, labels_dir = folder / _IMAGES, folder / _LABELS
    if not (images_dir.is_dir() and labels_dir.is_dir()):
        return None
    for kind in ("labelIds", "labelTrainIds"):
        ending = f"_{_LABELS}_{kind}"
        if any(labels_dir.rglob(f"*{ending}.png")):
            break
    else:
        raise FileNotFoundError(
            f"{labels_dir} has no files *_{_LABELS}_labelIds.png or "
            f"*_labelTrainIds.png. For other files, set `images_dir` {_IMAGES} and "
            f"`labels_dir` {_LABELS}"
        )
    is_train_ids = kind == "labelTrainIds"
    entries = [
        ClassEntry(name, color, train_id if is_train_ids else value, False)
        for train_id, (name, color, value) in enumerate(_CLASSES)
    ]
    void_ids = set(range(_LARGEST_ID + 1)) - {entry.value for entry in entries}
    if not is_train_ids:
        entries += [ClassEntry(f"void {n}", None, n, True) for n in sorted(void_ids)]
    layout = Layout(
        folder,
        f"Cityscapes: {_IMAGES}/ and {_LABELS}/, *_{kind}.png",
        table=ClassTable(entries, f"Cityscapes' {kind}"),
    )
    image_endings = (
        *(f"_{_IMAGES}{suffix}".lower() for suffix in IMAGE_SUFFIXES),
        *IMAGE_SUFFIXES,
    )
    for split, path in split_folders(images_dir):
        images = list_files(path, image_endings)
        labels = list_files(labels_dir / path.name, (f"{ending}.png".lower(),))
        add_split(layout, split, images, labels, "")
    return layout
