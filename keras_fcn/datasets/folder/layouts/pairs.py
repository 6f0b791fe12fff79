"""Folders of images with folders of labels, and labels next to their images."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from keras_fcn.datasets.folder.layouts.listing import (
    SPLIT_WORDS,
    Listing,
    is_hidden,
    list_files,
    split_folders,
    subfolders,
)
from keras_fcn.datasets.folder.layouts.matching import add_split, find_suffix
from keras_fcn.datasets.folder.layouts.splits import split_by_lists
from keras_fcn.datasets.folder.samples import Layout, Problem, relative
from keras_fcn.images.reading import IMAGE_SUFFIXES

IMAGE_WORDS = (
    "images image imgs img jpegimages rgb photos pictures inputs input"
).split()
LABEL_WORDS = (
    "labels label masks mask annotations annotation annots annot labelmaps label_maps "
    "segmentationclass segmentation segmentations gt ground_truth targets"
).split()
# Names of folders that are part of a layout, not a folder that holds the data.
KNOWN_FOLDERS = {*IMAGE_WORDS, *LABEL_WORDS, *sum(SPLIT_WORDS.values(), ())}
_LABEL_SUFFIXES = (*IMAGE_SUFFIXES, ".npy", ".json")
# Folders of images and labels may be siblings, such as `train` with these.
_SIBLINGS = "{split}_{labels} {split}-{labels} {split}{labels} {labels}_{split}".split()


class _DirPair(NamedTuple):
    """A folder of images and the folder of their labels."""

    split: str
    images: Path
    labels: Path
    is_recursive: bool = True

    def describe(self, folder):
        return f"{relative(self.images, folder)}/ with {relative(self.labels, folder)}/"

    def parts(self):
        """The pairs of the splits' folders in images/ and labels/, or the pair."""
        label_dirs = subfolders(self.labels)
        found = [
            _DirPair(split, path, label_dirs[path.name.lower()])
            for split, path in split_folders(self.images)
            if self.split == "all" and path.name.lower() in label_dirs
        ]
        # images/ with val/ in it, and training images directly in images/.
        if found and "train" not in [part.split for part in found]:
            if any(p.suffix.lower() in IMAGE_SUFFIXES for p in self.images.iterdir()):
                found.append(self._replace(is_recursive=False))
        return found or [self]


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
    for part in (part for pair in pairs for part in pair.parts()):
        images = list_files(part.images, IMAGE_SUFFIXES, part.is_recursive)
        labels = list_files(part.labels, _LABEL_SUFFIXES, part.is_recursive)
        rules.add(add_split(layout, part.split, images, labels, label_suffix))
    description = "; ".join(words)
    folders = [split for split in layout.splits if split != "all"]
    if found == ["all"] and folders:
        description += f" with folders {', '.join(folders)}"
    if "all" in layout.splits:
        rules.add(split_by_lists(layout))
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
        yield from _dirs_in(path, split)
        for labels in LABEL_WORDS:
            for form in _SIBLINGS:
                sibling = form.format(split=path.name.lower(), labels=labels)
                if sibling in folders:
                    yield _DirPair(split, path, folders[sibling])
    yield from _dirs_in(folder, "all")


def _dirs_in(folder, split) -> Iterator[_DirPair]:
    """Folders of images and of labels that a folder has."""
    folders = subfolders(folder)
    for images in (word for word in IMAGE_WORDS if word in folders):
        for labels in (word for word in LABEL_WORDS if word in folders):
            # Pascal VOC has bounding boxes in Annotations/.
            is_voc = labels == "annotations" and "segmentationclass" in folders
            has_labels = any(
                name.lower().endswith(_LABEL_SUFFIXES) and not is_hidden(name)
                for _, _, names in os.walk(folders[labels], followlinks=True)
                for name in names
            )
            if has_labels and not is_voc:
                yield _DirPair(split, folders[images], folders[labels])


def find_side_by_side(folder: Path, label_suffix: str | None) -> Layout | None:
    """Find labels next to their images: a.jpg with a_mask.png, or with a.json.

    Args:
        folder: the data, or folders of splits.
        label_suffix: ending of the labels' names; None to find it.

    Returns:
        The layout; None if no image has a label next to it.
    """
    layout, rules = Layout(folder), set()
    for split, path in list(split_folders(folder)) or [("all", folder)]:
        listing = list_files(path, IMAGE_SUFFIXES)
        images = listing.files
        labelme = list_files(path, (".json",)).files
        labels = {name: labelme[name] for name in images if name in labelme}
        rule, ending = "labelme files next to the images", ""
        if not labels:
            ending = label_suffix or find_suffix(images, images, is_one_folder=True)
            labels = {n: p for n, p in images.items() if ending and n.endswith(ending)}
            images = {name: path for name, path in images.items() if name not in labels}
            rule = f"labels next to the images, ending in {ending}"
        if labels:
            rules.add(rule)
            label_files = Listing(path, labels, [], [])
            images_only = listing._replace(files=images)
            add_split(layout, split, images_only, label_files, ending)
    if not any(layout.splits.values()):
        return None
    if set(layout.splits) == {"all"}:
        rules.add(split_by_lists(layout))
    else:
        rules.add(f"folders {', '.join(layout.splits)}")
    layout.description = ", ".join(sorted(rules - {""}, reverse=True))
    return layout
