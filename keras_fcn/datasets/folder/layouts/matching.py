"""Files of a folder, and images matched with their labels by name."""

import os
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from keras_fcn.datasets.folder.samples import Problem, Sample, relative
from keras_fcn.errors import summarize
from keras_fcn.images.reading import IMAGE_SUFFIXES

LABEL_SUFFIXES = (*IMAGE_SUFFIXES, ".npy", ".json")
_BESIDE = (".xml", ".json", ".csv", ".txt", ".md", ".yaml", ".yml")
_HIDDEN = ("thumbs.db", "desktop.ini", "__macosx")
_SUFFIX = re.compile(r"[_\-. ]?[A-Za-z][A-Za-z_\-. ]*$")  # no number's last digit


@dataclass
class Listing:
    """Files below a folder.

    Attributes:
        files: paths by name: the path below the folder, without suffix.
        hidden: hidden files of the system, which are passed over.
        others: files of other kinds.
    """

    files: dict[str, str] = field(default_factory=dict)
    hidden: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def list_files(
    folder: Path, suffixes: tuple[str, ...], is_deep: bool = True
) -> Listing:
    """List the files of a folder by name.

    Args:
        folder: the folder.
        suffixes: of the files that are wanted, in lower case.
        is_deep: whether to look into its subfolders.

    Raises:
        ValueError: if two files differ in their suffix alone.
    """
    listing, seen = Listing(), set()
    for root, folders, names in os.walk(folder, followlinks=True):
        # A link to a folder above it would lead on without end.
        seen.add(os.path.realpath(root))
        folders[:] = [
            name
            for name in folders
            if os.path.realpath(os.path.join(root, name)) not in seen
        ]
        hidden = [name for name in folders if is_hidden(name)]
        listing.hidden += [os.path.join(root, name) for name in hidden]
        folders[:] = sorted(set(folders) - set(hidden)) if is_deep else []
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
                    f"{listing.files[key]} and {path} have one stem: images and label "
                    "maps are matched by it"
                )
            else:
                listing.files[key] = path
    return listing


def is_hidden(name: str) -> bool:
    """Say whether a file or folder is one that systems leave behind.

    Args:
        name: its name.
    """
    return name.startswith(".") or name.lower() in _HIDDEN


def tell_of_files(hidden: list[str], others: list[str], folder: Path) -> list[Problem]:
    """Tell of files that were passed over.

    Args:
        hidden: paths of hidden files.
        others: paths of files that are neither images nor labels; tables, boxes and
            lists among them are not told of.
        folder: the data folder.
    """
    others = [path for path in others if not path.lower().endswith(_BESIDE)]
    problems = []
    for kind, what, paths in (
        ("hidden-files", "hidden files were passed over", hidden),
        ("other-files", "files are no images and were passed over", others),
    ):
        if paths:
            names = [relative(path, folder) for path in paths]
            message = f"{len(names)} {what}: {summarize(names)}"
            problems.append(Problem(kind, False, message, names, len(names)))
    return problems


@dataclass
class Matching:
    """Images with their labels.

    Attributes:
        samples: those that have both, by name.
        rule: how the names differ, for people; "" where they are the same.
        unlabelled: names of the images without a label.
        left_over: paths of labels without an image.
    """

    samples: list[Sample]
    rule: str
    unlabelled: list[str]
    left_over: list[str]


def match(
    images: Mapping[str, str], labels: Mapping[str, str], label_suffix: str | None
) -> Matching:
    """Match images with labels.

    Names are the same, or the labels' have one ending more throughout, or both differ
    in one beginning and one ending throughout (`image_7.jpg`, `mask_7.png`).

    Args:
        images: paths by name.
        labels: paths by name.
        label_suffix: ending of the labels' names; None to find it.

    Raises:
        ValueError: if two endings would do.
    """
    rule = ""
    if label_suffix is None:
        label_suffix = find_suffix(images, labels)
    if label_suffix:
        rule = f"labels end in {label_suffix}"
    found = {name: labels.get(name + label_suffix) for name in images}
    if images and labels and not any(found.values()):
        renamed, rule = _match_frames(images, labels)
        found = {name: labels.get(renamed.get(name)) for name in images}
    samples = [
        Sample(name, images[name], label) for name, label in found.items() if label
    ]
    used = {sample.label for sample in samples}
    return Matching(
        samples,
        rule if samples else "",
        [name for name, label in found.items() if not label],
        [path for path in labels.values() if path not in used],
    )


def find_suffix(
    images: Iterable[str], labels: Iterable[str], is_within: bool = False
) -> str:
    """Return the ending that the labels' names have more than the images'.

    Args:
        images: names.
        labels: names.
        is_within: they lie in one folder: the ending can't be "".

    Returns:
        The ending that gives most images a label; "" for the images' own names.

    Raises:
        ValueError: if two endings give as many.
    """
    images, ordered = list(images), sorted(labels)
    names = set(ordered)
    if not is_within and all(name in names for name in images):
        return ""
    counts = Counter()
    for name in images:
        at = bisect_left(ordered, name)
        while at < len(ordered) and ordered[at].startswith(name):
            ending = ordered[at][len(name) :]
            if _SUFFIX.match(ending) or not (ending or is_within):
                counts[ending] += 1
            at += 1
    most = max(counts.values(), default=0)
    best = sorted(ending for ending, count in counts.items() if count == most)
    if len(best) > 1 and "" not in best:
        raise ValueError(
            "Labels of the same images end in "
            f"{' and in '.join(best[:4])}: say which by `label_suffix`"
        )
    return best[0] if best else ""


def tell_of_matching(
    matching: Matching,
    images: Mapping[str, str],
    folder: Path,
    split: str,
    images_dir: Path,
    labels_dir: Path,
) -> list[Problem]:
    """Tell of images without a label and of labels without an image.

    Args:
        matching: what `match` gave.
        images: paths by name.
        folder: the data folder.
        split: what they are of.
        images_dir: folder of the images.
        labels_dir: folder of the labels.
    """
    of_split = "" if split == "all" else f" of {split}"
    problems = []
    if not images:
        message = f"There are no images{of_split} in {images_dir}"
        problems.append(Problem("no-images", True, message))
    if matching.unlabelled:
        names = [relative(images[name], folder) for name in matching.unlabelled]
        message = (
            f"{len(names)} of {len(images)} images{of_split} have no label in "
            f"{labels_dir}: {summarize(names)}. A label has its image's stem; `accept` "
            "unlabelled leaves these images out"
        )
        if matching.left_over and not matching.samples:
            message += f". Labels there are {summarize(matching.left_over, 2)}"
        problems.append(Problem("unlabelled", True, message, names, len(names)))
    if matching.left_over and matching.samples:
        names = [relative(path, folder) for path in matching.left_over]
        message = f"{len(names)} labels{of_split} have no image: {summarize(names)}"
        problems.append(Problem("left-over", False, message, names, len(names)))
    return problems


def suffix_within(names: Iterable[str]) -> str:
    """Return the ending that tells labels from images in one folder; "" for none.

    Args:
        names: of images and labels, as in `a` and `a_mask`.

    Raises:
        ValueError: if two endings would do.
    """
    return find_suffix(names, names, is_within=True)


def _match_frames(images, labels):
    """Names of labels by images', where one beginning and ending differ; and a rule."""

    def frame(names):
        names = [name.rpartition("/")[2] for name in names]
        start = os.path.commonprefix(names)
        end = os.path.commonprefix([name[len(start) :][::-1] for name in names])[::-1]
        return start.rstrip("0123456789"), end.lstrip("0123456789")

    if len(images) < 2 or len(labels) < 2:
        return {}, ""
    (start, end), (label_start, label_end) = frame(images), frame(labels)

    def rename(name):
        folder, slash, base = name.rpartition("/")
        core = base[len(start) : len(base) - len(end)]
        return f"{folder}{slash}{label_start}{core}{label_end}"

    return {name: rename(name) for name in images}, (
        f"{start}*{end} is labelled by {label_start}*{label_end}"
    )
