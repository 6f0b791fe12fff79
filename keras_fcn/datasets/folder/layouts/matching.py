"""Images and label maps, matched by their file names."""

import os
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from keras_fcn.datasets.folder.samples import Layout, Problem, Sample, relative
from keras_fcn.errors import summarize
from keras_fcn.images.reading import IMAGE_SUFFIXES

LABEL_SUFFIXES = (*IMAGE_SUFFIXES, ".npy", ".json")
# Files next to images that are expected: boxes, tables, lists, descriptions.
_EXPECTED = (".xml", ".json", ".csv", ".txt", ".md", ".yaml", ".yml")
_HIDDEN = ("thumbs.db", "desktop.ini", "__macosx")
# An ending begins with a letter: in `1` and `10`, the 0 is no ending.
_ENDING = re.compile(r"[_\-. ]?[A-Za-z][A-Za-z_\-. ]*$")

Pair = tuple[Path, Path]  # an image and its label map


class Listing(NamedTuple):
    """Files below a folder.

    Attributes:
        files: paths by name: the path below the folder, without suffix.
        hidden: paths of the operating system's hidden files.
        others: paths of files with another suffix.
    """

    files: dict[str, str]
    hidden: list[str]
    others: list[str]


def list_files(
    folder: Path, suffixes: tuple[str, ...], is_recursive: bool = True
) -> Listing:
    """List the files of a folder by name.

    Args:
        folder: the folder.
        suffixes: suffixes of the wanted files, in lower case.
        is_recursive: include subfolders.

    Raises:
        ValueError: if two names differ in their suffix only.
    """
    listing = Listing({}, [], [])
    visited = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        # A link to a parent folder would otherwise be followed forever.
        visited.add(os.path.realpath(root))
        hidden = [name for name in folders if is_hidden(name)]
        listing.hidden.extend(os.path.join(root, name) for name in hidden)
        folders[:] = [
            name
            for name in sorted(set(folders) - set(hidden))
            if is_recursive
            and os.path.realpath(os.path.join(root, name)) not in visited
        ]
        below = os.path.relpath(root, folder)
        prefix = "" if below == "." else below.replace(os.sep, "/") + "/"
        for name in sorted(names):
            path = os.path.join(root, name)
            stem, suffix = os.path.splitext(name)
            if is_hidden(name):
                listing.hidden.append(path)
            elif suffix.lower() not in suffixes:
                listing.others.append(path)
            elif (key := prefix + stem) in listing.files:
                raise ValueError(
                    f"{listing.files[key]} and {path} have the same name without "
                    "suffix, by which images and label maps are matched: rename or "
                    "remove one"
                )
            else:
                listing.files[key] = path
    return listing


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is a hidden one of the operating system.

    Args:
        name: its name, without folder.
    """
    return name.startswith(".") or name.lower() in _HIDDEN


def pair_files(
    split: str, images_dir: Path, labels_dir: Path, needed: str, label_suffix: str = ""
) -> list[Pair]:
    """Match the images of a folder with the label maps of another, without exception.

    Args:
        split: name of the split, for messages.
        images_dir: folder of the images; subfolders are ignored.
        labels_dir: folder of the label maps.
        needed: folders and files that the data set needs; ends the message about an
            empty folder.
        label_suffix: text at the end of a label map's name, after its image's name.

    Returns:
        `(image, label map)` of each image, by name.

    Raises:
        FileNotFoundError: if a folder has no images, or an image has no label map.
        ValueError: if a label map has no image, or two files have one name.
    """
    images, labels = (
        list_files(folder, IMAGE_SUFFIXES, is_recursive=False).files
        for folder in (images_dir, labels_dir)
    )
    labels = {
        name: path for name, path in labels.items() if name.endswith(label_suffix)
    }
    for what, folder, files in (
        ("images", images_dir, images),
        ("label maps", labels_dir, labels),
    ):
        if not files:
            raise FileNotFoundError(f"There are no {what} in {folder}: {needed}")
    samples, unlabelled, unused = _match_names(
        images, labels, {name: name + label_suffix for name in images}
    )
    if unlabelled:
        missing = [name + label_suffix for name in unlabelled]
        raise FileNotFoundError(
            f"{len(missing)} of {len(images)} label maps of {split} are missing in "
            f"{labels_dir}: {summarize(missing)}"
        )
    if unused:
        names = [os.path.basename(path) for path in unused]
        raise ValueError(
            f"{len(names)} label maps in {labels_dir} have no image in {images_dir}: "
            f"{summarize(names)}"
        )
    return [(Path(sample.image), Path(str(sample.label))) for sample in samples]


def add_split(
    layout: Layout,
    split: str,
    images: Mapping[str, str],
    labels: Mapping[str, str],
    label_suffix: str | None,
    dirs: tuple[Path, Path],
) -> str:
    """Match images with labels, and add the samples and problems to a layout.

    The names are the same, or all labels have one ending more, or images and labels
    have each their own beginning and ending (`image_7.jpg`, `mask_7.png`).

    Args:
        layout: `splits` and `problems` are extended.
        split: name of the split, or "all".
        images: paths by name.
        labels: paths by name.
        label_suffix: ending of the labels' names; None to find it.
        dirs: folder of the images and folder of the labels, for messages.

    Returns:
        How the names differ, for people; "" where they do not.

    Raises:
        ValueError: if two endings fit.
    """
    rule = ""
    if label_suffix is None:
        label_suffix = find_suffix(images, labels)
    if label_suffix:
        rule = f"labels end in {label_suffix}"
    matched = _match_names(images, labels, {n: n + label_suffix for n in images})
    # Only if nothing else fits: common beginnings may be a coincidence.
    if images and labels and not matched[0]:
        renamed, rule = _rename_frames(images, labels)
        matched = _match_names(images, labels, renamed)
    samples, unlabelled, unused = matched
    layout.splits.setdefault(split, []).extend(samples)
    of_split = "" if split == "all" else f" of {split}"
    if not images:
        message = f"There are no images{of_split} in {dirs[0]}"
        layout.problems.append(Problem("no-images", True, message))
    if unlabelled:
        names = [relative(images[name], layout.root) for name in unlabelled]
        message = (
            f"{len(names)} of {len(images)} images{of_split} have no label in "
            f"{dirs[1]}: {summarize(names)}. A label needs the name of its image; "
            "`accept` unlabelled leaves these images out"
        )
        if unused and not samples:
            message += f". Labels in this folder: {summarize(unused, 2)}"
        layout.problems.append(Problem("unlabelled", True, message, names))
    if unused and samples:
        names = [relative(path, layout.root) for path in unused]
        message = f"{len(names)} labels{of_split} have no image: {summarize(names)}"
        layout.problems.append(Problem("left-over", False, message, names))
    return rule if samples else ""


def add_ignored(
    layout: Layout, hidden: Sequence[str], others: Sequence[str] = ()
) -> None:
    """Add notes about files that are not used to a layout.

    Args:
        layout: `problems` is extended.
        hidden: paths of hidden files.
        others: paths of files that are neither images nor labels; tables, boxes and
            lists among them need no note.
    """
    others = [path for path in others if not path.lower().endswith(_EXPECTED)]
    for kind, what, paths in (
        ("hidden-files", "hidden files are ignored", hidden),
        ("other-files", "files are not images and are ignored", others),
    ):
        if paths:
            names = [relative(path, layout.root) for path in paths]
            message = f"{len(names)} {what}: {summarize(names)}"
            layout.problems.append(Problem(kind, False, message, names))


def find_suffix(
    images: Collection[str], labels: Collection[str], is_one_folder: bool = False
) -> str:
    """Return the ending that labels have after the names of their images.

    Args:
        images: names.
        labels: names.
        is_one_folder: images and labels are in one folder, and `labels` names both:
            the ending can't be "".

    Returns:
        The ending that gives most images a label; "" if the names are the same, or if
        there is none.

    Raises:
        ValueError: if two endings fit as many images.
    """
    ordered = sorted(labels)
    names = set(ordered)
    if not is_one_folder and names.issuperset(images):
        return ""
    counts: Counter[str] = Counter()
    for name in images:
        # Names that begin with this one follow it in the sorted list.
        for at in range(bisect_left(ordered, name), len(ordered)):
            if not ordered[at].startswith(name):
                break
            ending = ordered[at][len(name) :]
            if _ENDING.match(ending) or not (ending or is_one_folder):
                counts[ending] += 1
    most = max(counts.values(), default=0)
    best = sorted(ending for ending, count in counts.items() if count == most)
    if len(best) > 1 and "" not in best:
        raise ValueError(
            "Each image has several labels, with names that end in "
            f"{' and in '.join(best[:4])}: set `label_suffix` to one of them"
        )
    return best[0] if best else ""


def _match_names(images, labels, label_names):
    """Samples, images without a label, and paths of labels without an image."""
    found = {name: labels.get(label_names.get(name)) for name in images}
    samples = [
        Sample(name, images[name], label) for name, label in found.items() if label
    ]
    unlabelled = [name for name, label in found.items() if not label]
    used = set(found.values())
    return samples, unlabelled, [path for path in labels.values() if path not in used]


def _rename_frames(images, labels):
    """Names of labels by names of images, for `image_*.jpg` and `mask_*.png`."""

    def frame(names):
        names = [name.rpartition("/")[2] for name in names]
        start = os.path.commonprefix(names)
        end = os.path.commonprefix([name[len(start) :][::-1] for name in names])[::-1]
        # Digits that all names share belong to the numbers: 10, 11, 12.
        return start.rstrip("0123456789"), end.lstrip("0123456789")

    if len(images) < 2 or len(labels) < 2:
        return {}, ""
    (start, end), (label_start, label_end) = frame(images), frame(labels)
    renamed = {}
    for name in images:
        folder, slash, base = name.rpartition("/")
        core = base[len(start) : len(base) - len(end)]
        renamed[name] = f"{folder}{slash}{label_start}{core}{label_end}"
    return renamed, f"the labels of {start}*{end} are named {label_start}*{label_end}"
