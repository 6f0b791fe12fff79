"""Layouts of two folders, of images and of labels, for each split or for all."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from keras_fcn.datasets.folder.layouts.matching import (
    LABEL_SUFFIXES,
    is_hidden,
    list_files,
    match,
    tell_of_files,
    tell_of_matching,
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


class _Source(NamedTuple):
    """Two folders that belong together, with their subfolders or without."""

    split: str
    images: Path
    labels: Path
    is_deep: bool = True


def find_folder_pairs(folder: Path, label_suffix: str | None) -> Layout | None:
    """Find folders of images and labels that belong together.

    Args:
        folder: the data.
        label_suffix: as for `find_layout`.

    Returns:
        The layout, None where there are no such folders.

    Raises:
        ValueError: if a split has two of them.
    """
    sources = list(_find_sources(folder))
    if not sources:
        return None
    splits = [source.split for source in sources]
    if len(set(splits)) < len(splits) or ("all" in splits and len(splits) > 1):
        words = [_words(source, folder) for source in sources]
        raise ValueError(
            f"{folder} can be read as {' or as '.join(words)}: take away or rename "
            "what is not meant"
        )
    layout, rules = Layout("", {}), set()
    for source in sources:
        for part in _parts(source):
            rules.add(_read_pair(layout, folder, part, label_suffix))
    words = "; ".join(_words(source, folder) for source in sources)
    folders = [split for split in layout.splits if split != "all"]
    if splits == ["all"] and folders:
        words += f" with folders {', '.join(folders)}"
    if "all" in layout.splits:
        rules.add(split_by_lists(folder, layout) or "")
    layout.description = ", ".join([words, *sorted(rules - {""})])
    _tell_of_other_splits(layout, folder, sources)
    return layout


def _words(source, folder):
    return f"{relative(source.images, folder)}/ with {relative(source.labels, folder)}/"


def _find_sources(folder) -> Iterator[_Source]:
    folders = subfolders(folder)
    for split, path in split_folders(folder):
        yield from (_Source(split, *kinds) for kinds in _kinds(path))
        name = path.name.lower()
        for word in LABEL_WORDS:
            for sibling in (
                f"{name}_{word}",
                f"{name}-{word}",
                f"{name}{word}",
                f"{word}_{name}",
            ):
                if sibling in folders:
                    yield _Source(split, path, folders[sibling])
    yield from (_Source("all", *kinds) for kinds in _kinds(folder))


def _kinds(folder):
    """Folders of images and of labels side by side."""
    folders = subfolders(folder)
    for images in IMAGE_WORDS:
        for labels in LABEL_WORDS:
            if (
                images in folders
                and labels in folders
                and _has_labels(folders[labels])
                # VOC's boxes
                and not (labels == "annotations" and "segmentationclass" in folders)
            ):
                yield folders[images], folders[labels]


def _has_labels(folder):
    return any(
        name.lower().endswith(LABEL_SUFFIXES) and not is_hidden(name)
        for _, _, names in os.walk(folder, followlinks=True)
        for name in names
    )


def _parts(source):
    """The folders of the splits within images/ and labels/, or these as they are."""
    if source.split != "all":
        return [source]
    inside = subfolders(source.labels)
    parts = [
        _Source(split, path, inside[path.name.lower()])
        for split, path in split_folders(source.images)
        if path.name.lower() in inside
    ]
    flat = source._replace(is_deep=not parts)
    has_flat = any(
        path.suffix.lower() in IMAGE_SUFFIXES for path in source.images.iterdir()
    )
    if not parts or (has_flat and "train" not in [part.split for part in parts]):
        parts.append(flat)
    return parts


def _read_pair(layout, folder, source, label_suffix):
    """Add the samples of two folders to a layout; how their names differ."""
    images = list_files(source.images, IMAGE_SUFFIXES, source.is_deep)
    labels = list_files(source.labels, LABEL_SUFFIXES, source.is_deep)
    layout.problems += tell_of_files(
        images.hidden + labels.hidden, images.others + labels.others, folder
    )
    matching = match(images.files, labels.files, label_suffix)
    layout.problems += tell_of_matching(
        matching, images.files, folder, source.split, source.images, source.labels
    )
    layout.splits.setdefault(source.split, []).extend(matching.samples)
    return matching.rule


def _tell_of_other_splits(layout, folder, sources):
    """Tell of folders named as splits that have no labels, as test/ often is."""
    places = [folder, *(source.images for source in sources if source.split == "all")]
    for split, path in (pair for place in places for pair in split_folders(place)):
        if split not in layout.splits and "all" not in layout.splits:
            message = f"{relative(path, folder)}/ has no labels and is not used"
            layout.problems.append(Problem("no-labels", False, message))
