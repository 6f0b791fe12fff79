"""Folders of images with folders of labels."""

import os
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from keras_fcn.datasets.folder.layouts.listing import (
    SPLIT_WORDS,
    is_hidden,
    list_files,
    split_folders,
    subfolders,
)
from keras_fcn.datasets.folder.layouts.masks import find_masks
from keras_fcn.datasets.folder.layouts.matching import add_split, num_matches
from keras_fcn.datasets.folder.layouts.splits import split_by_folders, split_by_lists
from keras_fcn.datasets.folder.samples import Layout, Problem, relative
from keras_fcn.errors import summarize
from keras_fcn.images.reading import IMAGE_SUFFIXES
from keras_fcn.storage.regular_files import walk

IMAGE_WORDS = (
    "images image imgs img jpegimages rgb photos pictures inputs input"
).split()
LABEL_WORDS = (
    "labels label masks mask annotations annotation annots annot labelmaps label_maps "
    "segmentationclass segmentation segmentations gt ground_truth targets semantic ann "
    "sem_seg trimaps"
).split()
# After these words: `images_png`, `masks_png`, `image_2`.
_FORMAT = re.compile(r"[_\- ](?:png|jpe?g|tiff?|\d+)$")
# Folders of colored drawings of the label maps, or of labels of another kind.
_OTHER_LABELS = re.compile(
    r"(?:colou?r|rgb|visuali[sz]|overlay|instance|object|panoptic|depth)", re.I
)
# Names of folders that are part of a layout, not a folder that holds the data.
KNOWN_FOLDERS = {*IMAGE_WORDS, *LABEL_WORDS, *sum(SPLIT_WORDS.values(), ())}
LABEL_SUFFIXES = (*IMAGE_SUFFIXES, ".npy", ".json")
_MAX_FOLDERS = 32  # in which the files of a layout are searched
_YOLO = (".txt",)
# Folders of images and labels may be siblings, such as `train` with these.
_SIBLINGS = "{split}_{labels} {split}-{labels} {split}{labels} {labels}_{split}".split()


class DirPair(NamedTuple):
    """A folder of images and the folder of their labels."""

    split: str
    images: Path
    labels: Path
    is_recursive: bool = True
    group: str = ""
    suffixes: tuple[str, ...] = ()

    def describe(self, folder):
        """Return both folders as text."""
        return f"{relative(self.images, folder)}/ with {relative(self.labels, folder)}/"

    @property
    def has_flat_labels(self):
        """Whether the images have folders of splits, and the labels have none."""
        is_split = "train" in dict(split_folders(self.images))
        return self.split == "all" and is_split and not subfolders(self.labels)

    def narrowed(self, folder):
        """The pair, or that of the subfolders whose files have the same names.

        Archives have folders such as images/10k/ and labels/sem_seg/masks/.
        """
        if self.has_flat_labels:
            return self
        all_images = list_files(self.images, IMAGE_SUFFIXES)
        all_labels = list_files(self.labels, self.suffixes)
        image_dirs = list(islice(_folders_below(self.images, 1), _MAX_FOLDERS + 1))
        label_dirs = list(islice(_folders_below(self.labels, 3), _MAX_FOLDERS + 1))
        if (
            num_matches(all_images.files, all_labels.files)
            or max(len(image_dirs), len(label_dirs)) > _MAX_FOLDERS
            or find_masks(all_images, all_labels)
        ):
            return self
        image_listings = [all_images]
        image_listings += [list_files(place, IMAGE_SUFFIXES) for place in image_dirs]
        label_listings = [all_labels]
        label_listings += [list_files(place, self.suffixes) for place in label_dirs]
        counts = {
            (images.folder, labels.folder): num_matches(images.files, labels.files)
            for images in image_listings
            for labels in label_listings
        }
        most = max(counts.values())
        if most == 0:
            return self
        best = [places for places, count in counts.items() if count == most]
        # images/10k/ and images/ fit the labels of images/10k/ as well as each other.
        best = [
            (images, labels)
            for images, labels in best
            if not any(images in other.parents for other, _ in best)
            and not any(labels in other.parents for _, other in best)
        ]
        likely = [places for places in best if not _OTHER_LABELS.search(places[1].name)]
        found = likely or best
        if len(found) > 1:
            words = " or as ".join(
                f"{relative(images, folder)}/ with {relative(labels, folder)}/"
                for images, labels in found
            )
            choices = [(self.images, images, labels) for images, labels in found]
            raise ValueError(f"{folder} can be read as {words}: {_advice(choices)}")
        [(images, labels)] = found
        return self._replace(images=images, labels=labels)

    def parts(self):
        """The pairs of the splits' folders in images/ and labels/, or the pair."""
        label_dirs = subfolders(self.labels)
        if self.has_flat_labels:
            label_dirs = {
                path.name.lower(): self.labels for _, path in split_folders(self.images)
            }
        found = [
            self._replace(
                split=split, images=path, labels=label_dirs[path.name.lower()]
            )
            for split, path in split_folders(self.images)
            if self.split == "all" and path.name.lower() in label_dirs
        ]
        # images/ with val/ in it, and training images directly in images/.
        if found and "train" not in [part.split for part in found]:
            if any(
                path.suffix.lower() in IMAGE_SUFFIXES for path in self.images.iterdir()
            ):
                found.append(self._replace(is_recursive=False))
        return found or [self]


def find_image_label_dirs(
    folder: Path, label_suffix: str | None, with_json: bool = True
) -> Layout | None:
    """Find folders of images and folders of their labels.

    Args:
        folder: the data.
        label_suffix: ending of the labels' names; None to find it.
        with_json: whether labels may be JSON files.

    Returns:
        The layout; None if there are no such folders.

    Raises:
        ValueError: if a split has two of them.
    """
    pairs = [
        pair._replace(suffixes=suffixes).narrowed(folder)
        for pair in _find_pairs(folder)
        if (suffixes := _label_suffixes(pair.labels, with_json))
    ]
    if not pairs:
        return None
    found = [(pair.split, pair.group) for pair in pairs]
    words = [pair.describe(folder) for pair in pairs]
    splits = {pair.split for pair in pairs}
    if len(set(found)) < len(found) or ("all" in splits and len(splits) > 1):
        choices = [(pair.images, pair.images, pair.labels) for pair in pairs]
        raise ValueError(
            f"{folder} can be read as {' or as '.join(words)}: {_advice(choices)}"
        )
    layout = Layout(folder)
    rules = add_pairs(layout, pairs, label_suffix)
    description = summarize(words, 4)
    folders = [split for split in layout.splits if split != "all"]
    if splits == {"all"} and folders:
        description += f" with folders {', '.join(folders)}"
    layout.description = ", ".join([description, *rules])
    # Folders of splits without labels, as test/ often is.
    for place in (folder, *(pair.images for pair in pairs if pair.split == "all")):
        for split, path in split_folders(place):
            if split not in layout.splits and "all" not in layout.splits:
                message = f"{relative(path, folder)}/ has no labels and is not used"
                layout.problems.append(Problem("no-labels", False, message))
    return layout


def add_pairs(
    layout: Layout, pairs: Sequence[DirPair], label_suffix: str | None
) -> list[str]:
    """Add the images of folders to a layout.

    Args:
        layout: its splits and problems are extended.
        pairs: the folders.
        label_suffix: ending of the label names after the image names; None to find it.

    Returns:
        How images and labels were matched, and how splits were found, for people.
    """
    rules = set()
    for part in (part for pair in pairs for part in pair.parts()):
        images = list_files(part.images, IMAGE_SUFFIXES, part.is_recursive)
        labels = list_files(part.labels, part.suffixes, part.is_recursive)
        rules.add(
            add_split(layout, part.split, images, labels, label_suffix, part.group)
        )
    if any(pair.has_flat_labels for pair in pairs):  # labels of the other splits
        layout.problems = [one for one in layout.problems if one.kind != "left-over"]
    if "all" in layout.splits:
        rules.add(split_by_lists(layout) or split_by_folders(layout))
    return sorted(rules - {""})


def _advice(choices):
    """How to choose one of several folders of images, or of labels.

    For each choice: a folder next to which `images_dir` and `labels_dir` are, the
    images and the labels.
    """
    images_names, label_names = (
        sorted(
            {
                os.path.relpath(paths[at], paths[0].parent).replace(os.sep, "/")
                for paths in choices
            }
        )
        for at in (1, 2)
    )
    for argument, names in (("labels_dir", label_names), ("images_dir", images_names)):
        if len(names) > 1:
            return "choose one by " + " or ".join(f"`{argument}` {n}" for n in names)
    return "remove or rename the folders that are not meant"


def _find_pairs(folder) -> Iterator[DirPair]:
    folders = subfolders(folder)
    is_found = False
    for split, path in [*split_folders(folder), ("all", folder)]:
        pairs = _dirs_in(path, split)
        for labels in LABEL_WORDS if split != "all" else ():
            for form in _SIBLINGS:
                sibling = form.format(split=path.name.lower(), labels=labels)
                if sibling in folders:
                    pairs.append(DirPair(split, path, folders[sibling]))
        # Each of the folders in it may have both: of a region, a scene, an image.
        if not pairs and not (split == "all" and is_found):
            for group in subfolders(path).values():
                for pair in _dirs_in(group, split):
                    pairs.append(pair._replace(group=group.name))
        is_found |= bool(pairs)
        yield from pairs


def _label_suffixes(folder, with_json=True):
    """Suffixes of the labels in a folder; none if it has no labels."""
    found = {
        os.path.splitext(name.lower())[1]
        for _, _, names in walk(folder)
        for name in names
        if not is_hidden(name)
    }
    suffixes = LABEL_SUFFIXES if with_json else LABEL_SUFFIXES[:-1]
    if not found.isdisjoint(suffixes):
        return suffixes
    # YOLO's; in folders of other names, text files are lists.
    is_yolo = ".txt" in found and folder.name.lower() in ("labels", "label")
    return _YOLO if is_yolo else ()


def _folders_below(folder, depth) -> Iterator[Path]:
    """The folders in a folder, and those in them."""
    for path in subfolders(folder).values() if depth else ():
        yield path
        yield from _folders_below(path, depth - 1)


def _dirs_in(folder, split) -> list[DirPair]:
    """Folders of images and of labels that a folder has."""
    folders: dict[str, Path] = {}
    for name, path in subfolders(folder).items():
        folders.setdefault(_FORMAT.sub("", name), path)
    label_dirs = [(word, folders[word]) for word in LABEL_WORDS if word in folders]
    image_dirs = [folders[word] for word in IMAGE_WORDS if word in folders]
    if image_dirs and not label_dirs:  # Mapillary has training/v2.0/labels/
        label_dirs = [
            (name, path)
            for other in folders.values()
            for name, path in subfolders(other).items()
            if name in LABEL_WORDS and other not in image_dirs
        ]
    found = []
    for images in image_dirs:
        for word, labels in label_dirs:
            # Pascal VOC has bounding boxes in Annotations/.
            is_voc = word == "annotations" and "segmentationclass" in folders
            if not is_voc and _label_suffixes(labels):
                found.append(DirPair(split, images, labels))
    # YOLO's boxes may be next to masks.
    return [p for p in found if _label_suffixes(p.labels) != _YOLO] or found
