"""A folder of images and a folder of labels, for each split or for all."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from keras_fcn.datasets.folder.layouts.matching import (
    LABEL_SUFFIXES,
    add_ignored,
    add_split,
    is_hidden,
    list_files,
)
from keras_fcn.datasets.folder.layouts.splits import (
    split_by_lists,
    split_folders,
    subfolders,
)
from keras_fcn.datasets.folder.samples import Layout, Problem, relative
from keras_fcn.images.reading import IMAGE_SUFFIXES

IMAGE_WORDS = (
    "images image imgs img jpegimages rgb photos pictures inputs input"
).split()
LABEL_WORDS = (
    "labels label masks mask annotations annotation annots annot labelmaps label_maps "
    "segmentationclass segmentation segmentations gt ground_truth targets"
).split()


class _DirPair(NamedTuple):
    """A folder of images and the folder of their labels."""

    split: str
    images: Path
    labels: Path
    is_recursive: bool = True

    def describe(self, folder):
        return f"{relative(self.images, folder)}/ with {relative(self.labels, folder)}/"


def find_image_label_dirs(folder: Path, label_suffix: str | None) -> Layout | None:
    """Find folders of images and folders of their labels.

    Args:
        folder: the data.
        label_suffix: ending of the labels' names; None to find it.

    Returns:
        The layout; None if there are no such folders.

    Raises:
        ValueError: if a split has two of them.
    """
    pairs = list(_find_pairs(folder))
    if not pairs:
        return None
    found = [pair.split for pair in pairs]
    words = [pair.describe(folder) for pair in pairs]
    if len(set(found)) < len(found) or ("all" in found and len(found) > 1):
        raise ValueError(
            f"{folder} can be read as {' or as '.join(words)}: remove or rename the "
            "folders that are not meant"
        )
    layout, rules = Layout(folder), set()
    for pair in pairs:
        for part in _split_pair(pair):
            images = list_files(part.images, IMAGE_SUFFIXES, part.is_recursive)
            labels = list_files(part.labels, LABEL_SUFFIXES, part.is_recursive)
            add_ignored(
                layout, images.hidden + labels.hidden, images.others + labels.others
            )
            rules.add(
                add_split(
                    layout,
                    part.split,
                    images.files,
                    labels.files,
                    label_suffix,
                    (part.images, part.labels),
                )
            )
    description = "; ".join(words)
    folders = [split for split in layout.splits if split != "all"]
    if found == ["all"] and folders:
        description += f" with folders {', '.join(folders)}"
    if "all" in layout.splits:
        rules.add(split_by_lists(layout) or "")
    layout.description = ", ".join([description, *sorted(rules - {""})])
    # Folders of splits without labels, as test/ often is.
    for place in (folder, *(pair.images for pair in pairs if pair.split == "all")):
        for split, path in split_folders(place):
            if split not in layout.splits and "all" not in layout.splits:
                message = f"{relative(path, folder)}/ has no labels and is not used"
                layout.problems.append(Problem("no-labels", False, message))
    return layout


def _find_pairs(folder) -> Iterator[_DirPair]:
    folders = subfolders(folder)
    for split, path in split_folders(folder):
        yield from (_DirPair(split, *dirs) for dirs in _find_dirs(path))
        name = path.name.lower()
        for word in LABEL_WORDS:
            for sibling in (
                f"{name}_{word}",
                f"{name}-{word}",
                f"{name}{word}",
                f"{word}_{name}",
            ):
                if sibling in folders:
                    yield _DirPair(split, path, folders[sibling])
    yield from (_DirPair("all", *dirs) for dirs in _find_dirs(folder))


def _find_dirs(folder):
    """Folders of images and of labels that a folder has."""
    folders = subfolders(folder)
    for images in IMAGE_WORDS:
        for labels in LABEL_WORDS:
            if images not in folders or labels not in folders:
                continue
            # Pascal VOC has bounding boxes in Annotations/.
            is_voc = labels == "annotations" and "segmentationclass" in folders
            has_labels = any(
                name.lower().endswith(LABEL_SUFFIXES) and not is_hidden(name)
                for _, _, names in os.walk(folders[labels], followlinks=True)
                for name in names
            )
            if has_labels and not is_voc:
                yield folders[images], folders[labels]


def _split_pair(pair):
    """The pairs of the splits' folders in images/ and labels/, or the pair itself."""
    if pair.split != "all":
        return [pair]
    label_dirs = subfolders(pair.labels)
    parts = [
        _DirPair(split, path, label_dirs[path.name.lower()])
        for split, path in split_folders(pair.images)
        if path.name.lower() in label_dirs
    ]
    if not parts:
        return [pair]
    has_files = any(
        path.suffix.lower() in IMAGE_SUFFIXES for path in pair.images.iterdir()
    )
    # images/ with val/ in it, and training images directly in images/.
    if has_files and "train" not in [part.split for part in parts]:
        parts.append(pair._replace(is_recursive=False))
    return parts
