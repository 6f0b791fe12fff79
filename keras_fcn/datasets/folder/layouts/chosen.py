"""Folders of images and labels that the user names, and others that could be meant."""

import os
from pathlib import Path

from keras_fcn.datasets.folder.layouts.listing import (
    is_hidden,
    list_files,
    split_folders,
    subfolders,
)
from keras_fcn.datasets.folder.layouts.matching import add_split
from keras_fcn.datasets.folder.layouts.pairs import (
    IMAGE_WORDS,
    LABEL_SUFFIXES,
    LABEL_WORDS,
    DirPair,
    add_pairs,
)
from keras_fcn.datasets.folder.samples import Layout, Problem, Sample, relative
from keras_fcn.images.reading import IMAGE_SUFFIXES

_LOSSLESS = tuple(
    suffix for suffix in IMAGE_SUFFIXES if suffix not in (".jpg", ".jpeg", ".webp")
)
_IMAGE_DIRS = (*IMAGE_WORDS, "leftimg8bit")
# Parts of the names of folders that have no label maps.
_OTHERS = "colo viz visual overlay preview thumb depth dispar instance object panoptic"


def find_chosen(
    folder: Path,
    images_dir: str | None,
    labels_dir: str | None,
    label_suffix: str | None,
) -> Layout:
    """Find images and labels in folders that the user names.

    Args:
        folder: the data.
        images_dir: name of the folder of images, in the folder, in those of its splits
            or else in its other folders; None for the usual names.
        labels_dir: name of the folder of labels, next to it; None for the usual names.
        label_suffix: ending of the labels' names; None to find it.

    Raises:
        FileNotFoundError: if there are no such folders next to each other.
    """

    def chosen(places):
        for split, place, group in places:
            images = _first(place, [images_dir] if images_dir else _IMAGE_DIRS)
            labels = _first(place, [labels_dir] if labels_dir else LABEL_WORDS)
            if images is not None and labels is not None:
                yield DirPair(split, images, labels, True, group, LABEL_SUFFIXES)

    places = [*split_folders(folder), ("all", folder)]
    found = list(chosen((split, place, "") for split, place in places))
    if not found:  # the folders of regions, scenes or data sets
        groups = [
            (split, path, path.name)
            for split, place in places
            for path in subfolders(place).values()
        ]
        found = list(chosen(groups))
    if not found:
        raise FileNotFoundError(
            f"{folder} must have the folders of `images_dir` and `labels_dir`, next to "
            "each other, also in folders of splits or scenes. Received: "
            f"`images_dir` {images_dir or 'one of the usual names'}, "
            f"`labels_dir` {labels_dir or 'one of the usual names'}"
        )
    layout = Layout(folder)
    rules = add_pairs(layout, found, label_suffix)
    words = "; ".join(pair.describe(folder) for pair in found)
    layout.description = ", ".join([words, *rules])
    return layout


def _first(place, names) -> Path | None:
    folders = subfolders(place)
    found = (folders.get(name.lower()) or place / name for name in names)
    return next((path for path in found if path.is_dir()), None)


def check_rivals(layout: Layout) -> None:
    """Refuse a second folder that has a label for each image.

    Args:
        layout: one with folders of images and of labels.

    Raises:
        ValueError: names both folders.
    """
    pairs = {
        (Path(os.path.dirname(sample.image)), Path(os.path.dirname(sample.label)))
        for sample in _samples(layout)
        if isinstance(sample.label, str)
    }
    used = {
        folder for pair in pairs for path in pair for folder in (path, *path.parents)
    }
    for images, labels in sorted(pairs):
        parent = Path(os.path.commonpath([images, labels]))
        if parent in (images, labels):
            continue
        mine = parent / labels.relative_to(parent).parts[0]
        for name, rival in subfolders(parent).items():
            is_other = any(word in name for word in _OTHERS.split())
            # SegmentationClassPNG is SegmentationClass in another format.
            is_copy = name.startswith(mine.name.lower()) or is_other
            is_split = any(path == rival for _, path in split_folders(parent))
            if rival in used or is_copy or is_split or name in IMAGE_WORDS:
                continue
            other = rival / labels.relative_to(mine)
            if other.is_dir() and _labels_all(images, other):
                raise ValueError(
                    f"{layout.root} can be read as {relative(images, layout.root)}/ "
                    f"with {relative(labels, layout.root)}/ or with "
                    f"{relative(other, layout.root)}/: choose one by `labels_dir` "
                    f"{mine.name} or `labels_dir` {rival.name}"
                )


def _labels_all(images: Path, labels: Path) -> bool:
    """Whether a folder has a file for each image, of a kind that label maps have."""
    probe = Layout(labels)
    try:
        listing = list_files(images, IMAGE_SUFFIXES, is_recursive=False)
        found = list_files(labels, _LOSSLESS, is_recursive=False)
        if len(found.files) < len(listing.files):
            return False
        add_split(probe, "all", listing, found, None)
    except ValueError:  # several endings fit, or names are not unique
        return False
    return 0 < len(listing.files) == len(probe.splits["all"])


def note_unused(layout: Layout) -> None:
    """Add a note for each folder with images that are in no split.

    Args:
        layout: its folder and the folders in it are searched.
    """
    files = (path for one in _samples(layout) for path in (one.image, *one.label_files))
    places = {Path(place) for place in {os.path.dirname(path) for path in files}}
    used = {folder for path in places for folder in (path, *path.parents)}
    noted = " ".join(p.message for p in layout.problems if p.kind == "no-labels")
    parents = [layout.root, *(p for p in subfolders(layout.root).values() if p in used)]
    for place in parents:
        for path in subfolders(place).values():
            name = f"{relative(path, layout.root)}/"
            if path in used or name in noted:
                continue
            count = sum(  # without following links, which may lead to used folders
                file.lower().endswith(IMAGE_SUFFIXES) and not is_hidden(file)
                for _, _, files in os.walk(path)
                for file in files
            )
            if count:
                message = (
                    f"{count} files in {name} are in no split and are not used. "
                    "Folders of splits are named train, val or test"
                )
                layout.problems.append(
                    Problem("unused-folder", False, message, [name], count)
                )


def _samples(layout) -> list[Sample]:
    return [sample for part in layout.splits.values() for sample in part]
