"""Several masks for one image: of its instances, or of single classes."""

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from keras_fcn.datasets.folder.labels.files import MaskSet, read_labels
from keras_fcn.datasets.folder.layouts.listing import Listing

_NUMBER = re.compile(r"[_\-. ]?\(?\d+\)?")
# After the name of an image: a separator, and the name of a class.
_CLASS = re.compile(r"[_\-.]+([^_\-.\d][^/]*)")
_PARTS_OF_IMAGES = 1.5  # masks with one name, from which it is that of a class


def find_masks(
    images: Listing, labels: Listing
) -> tuple[dict[str, MaskSet], str] | None:
    """Find images with several black and white masks.

    Masks of classes are in a folder for each class (`road/a.png`), end in its name
    (`a_road.png`), or have its name in a folder for each image (`a/road.png`). Masks in
    a folder for each image with other names are those of instances.

    Args:
        images: files of the images.
        labels: files of the masks.

    Returns:
        The masks of each image by its name, and their description for people; None if
        no image has several, or the first image's are not black and white.
    """
    parts = max(
        (
            find(images, labels.files)
            for find in (_in_class_folders, _in_image_folders, _with_endings)
        ),
        key=len,
    )
    several = next((found for found in parts.values() if len(found) > 1), None)
    if several is None or not all(map(_is_black_white, several.values())):
        return None
    names = sorted({part for found in parts.values() for part in found}, key=str.lower)
    num_masks = sum(map(len, parts.values()))
    if num_masks < _PARTS_OF_IMAGES * len(names) or all(map(str.isdigit, names)):
        sets = {name: MaskSet(tuple(found.values())) for name, found in parts.items()}
        return sets, "several masks for an image, which are joined"
    sets = {
        name: MaskSet(tuple(found.values()), tuple(found))
        for name, found in parts.items()
    }
    return sets, "a mask for each class"


def more_masks(labels: Listing, label_names: Mapping[str, str]) -> dict[str, MaskSet]:
    """Return the masks of images that have more than one, with numbers at their ends.

    Args:
        labels: files of the masks.
        label_names: name of the first mask of each image, such as `a_mask`; others are
            `a_mask_1` or `a_mask 2`.
    """
    image_of = {label: image for image, label in label_names.items()}
    found: dict[str, list[str]] = defaultdict(list)
    for name, path in labels.files.items():
        end = next(iter(re.findall(_NUMBER.pattern + "$", name)), "")
        image = image_of.get(name[: len(name) - len(end)]) if end else None
        if image is not None and name not in image_of:
            found[image].append(path)
    return {
        image: MaskSet((labels.files[label_names[image]], *paths))
        for image, paths in found.items()
        if label_names[image] in labels.files
    }


def _in_class_folders(images, labels):
    """Masks by class and image, of names such as `road/a`."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for name, path in labels.items():
        part, _, rest = name.partition("/")
        if rest in images.files:
            found[rest][part] = path
    return found


def _in_image_folders(images, labels):
    """Masks by class and image, of names such as `a/road`."""
    image_of = dict(zip(images.files, images.files, strict=True))
    name = images.folder.parent.name
    if list(images.files) == [name]:  # a/images/a.png, of the Data Science Bowl
        image_of[""] = name
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for name, path in labels.items():
        folder, _, part = name.rpartition("/")
        if folder in image_of:
            found[image_of[folder]][part] = path
    return found


def _with_endings(images, labels):
    """Masks by class and image, of names such as `a_road`."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for name, path in labels.items():
        # The longest beginning that is an image.
        for end in range(len(name) - 1, 0, -1):
            if name[:end] in images.files:
                if match := _CLASS.fullmatch(name[end:]):
                    found[name[:end]][match[1]] = path
                break
    return found


def _is_black_white(path):
    try:
        values = np.unique(read_labels(Path(path)).values)
    except (ValueError, OSError):
        return False
    return len(values) <= 2 and values[0] == 0
