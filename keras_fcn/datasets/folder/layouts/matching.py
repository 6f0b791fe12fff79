"""Images and label maps, matched by their file names."""

import os
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from keras_fcn.datasets.folder.labels.yolo import YoloLabel
from keras_fcn.datasets.folder.layouts.listing import Listing, list_files
from keras_fcn.datasets.folder.layouts.masks import find_masks, more_masks
from keras_fcn.datasets.folder.samples import Layout, Problem, Sample, listed, relative
from keras_fcn.errors import summarize
from keras_fcn.images.reading import IMAGE_SUFFIXES

# Files next to images that are expected and need no note: boxes, tables, lists,
# descriptions, and label files of another kind.
_EXPECTED = (
    *IMAGE_SUFFIXES,
    *(".xml", ".json", ".csv", ".txt", ".md", ".yaml", ".yml"),
)
# An ending begins with a letter: in `1` and `10`, the 0 is no ending.
_ENDING = re.compile(r"[_\-. ]?[A-Za-z][A-Za-z_\-. ]*$")

# Names of the masks that Label Studio exports.
_LABEL_STUDIO = re.compile(r"task-\d+-annotation-\d+")

Pair = tuple[Path, Path]  # an image and its label map


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
    found = list_files(images_dir, IMAGE_SUFFIXES, is_recursive=False)
    found.check_doubles()
    images = found.files
    endings = tuple(label_suffix.lower() + suffix for suffix in IMAGE_SUFFIXES)
    labels = list_files(labels_dir, endings, is_recursive=False).files
    for what, folder, files in (
        ("images", images_dir, images),
        ("label maps", labels_dir, labels),
    ):
        if not files:
            raise FileNotFoundError(f"There are no {what} in {folder}: {needed}")
    missing = [name + label_suffix for name in images if name not in labels]
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of {len(images)} label maps of {split} are missing in "
            f"{labels_dir}: {summarize(missing)}"
        )
    unused = [os.path.basename(labels[name]) for name in labels if name not in images]
    if unused:
        raise ValueError(
            f"{len(unused)} label maps in {labels_dir} have no image in {images_dir}: "
            f"{summarize(unused)}"
        )
    return [(Path(path), Path(labels[name])) for name, path in images.items()]


def add_split(
    layout: Layout,
    split: str,
    images: Listing,
    labels: Listing,
    label_suffix: str | None,
    group: str = "",
) -> str:
    """Match images with labels, and add the samples and problems to a layout.

    The names are the same, or all labels have one ending more, or the suffix of their
    image too (`a.jpg.png`), or images and labels have each their own beginning and
    ending (`image_7.jpg`, `mask_7.png`). An image may have several masks, which
    `find_masks` describes.

    Args:
        layout: `splits` and `problems` are extended.
        split: name of the split, or "all".
        images: files of the images.
        labels: files of the labels.
        label_suffix: ending of the labels' names; None to find it.
        group: folder of the images and labels, which is added to their names.

    Returns:
        How the names differ, for people; "" where they do not.

    Raises:
        ValueError: if two endings fit.
    """
    others = [
        path
        for path in images.others + labels.others
        if not path.lower().endswith(_EXPECTED)
    ]
    matched, rule = _match(images, labels, label_suffix)
    samples = []
    for name, path in images.files.items():
        if (label := matched.get(name)) is not None:
            if isinstance(label, str) and label.lower().endswith(".txt"):
                label = YoloLabel(label, path)
            samples.append(Sample(f"{group}/{name}" if group else name, path, label))
    images.check_doubles(images.files.keys() - matched.keys())
    layout.splits.setdefault(split, []).extend(samples)
    of_split = "" if split == "all" else f" of {split}"
    if not images.files:
        message = f"There are no images{of_split} in {images.folder}"
        layout.problems.append(Problem("no-images", True, message))
    used = {path for sample in samples for path in (sample.image, *sample.label_files)}
    hidden, others, unlabelled, unused = (
        [relative(path, layout.root) for path in paths if path not in used]
        for paths in (
            images.hidden + labels.hidden,
            others,
            images.files.values(),
            labels.files.values(),
        )
    )
    advice = (
        ". A label needs the name of its image; `accept` unlabelled leaves these "
        "images out"
    )
    if unused and not samples:
        advice += f". Labels in this folder: {summarize(unused, 2)}"
        if any(_LABEL_STUDIO.search(name) for name in unused):
            advice += (
                ". Label Studio's masks have numbers of tasks instead of the images' "
                "names: export JSON or COCO"
            )
    what = f"of {len(images.files)} images{of_split} have no label in {labels.folder}"
    layout.problems += [
        *listed("hidden-files", "hidden files are ignored", hidden),
        *listed(
            "other-files",
            "files have no suffix of an image in a supported format and are ignored",
            others,
        ),
        *listed("unlabelled", what, unlabelled, advice, is_fatal=True),
    ]
    if samples:
        what = f"labels{of_split} have no image"
        layout.problems += listed("left-over", what, unused)
    return rule if samples else ""


def _match(images, labels, label_suffix):
    """Label of each image that has one, and how the names differ."""
    files = labels.files
    all_doubles = {name for doubles in images.doubles.values() for name in doubles}
    whole = {
        name: name if name in all_doubles else name + Path(path).suffix
        for name, path in images.files.items()
    }
    if label_suffix is None and files.keys().isdisjoint(images.files):
        if not files.keys().isdisjoint(whole.values()):
            names, rule = whole, "labels have the whole names of the images"
            return {n: files[key] for n, key in names.items() if key in files}, rule
        if masks := find_masks(images, labels):
            return masks
    if label_suffix is None:
        label_suffix = find_suffix(images.files, files)
    rule = f"labels end in {label_suffix}" if label_suffix else ""
    label_names = {name: name + label_suffix for name in images.files}
    # Only if nothing else fits: common beginnings may be a coincidence.
    if files.keys().isdisjoint(label_names.values()):
        label_names, rule = _rename_frames(images.files, files)
    found = {n: files[key] for n, key in label_names.items() if key in files}
    return found | more_masks(labels, label_names), rule


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


def num_matches(images: Collection[str], labels: Collection[str]) -> int:
    """Return the number of images that have a label by its name, with any ending.

    Args:
        images: names.
        labels: names.
    """
    try:
        ending = find_suffix(images, labels)
    except ValueError:  # several endings
        return 0
    return sum(name + ending in labels for name in images)


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
