"""Labels next to their images, in one folder."""

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from keras_fcn.datasets.folder.layouts.listing import Listing, list_files, split_folders
from keras_fcn.datasets.folder.layouts.matching import add_split, find_suffix
from keras_fcn.datasets.folder.layouts.splits import split_by_lists
from keras_fcn.datasets.folder.samples import Layout, Problem, relative
from keras_fcn.images.reading import IMAGE_SUFFIXES

_LOSSY = (".jpg", ".jpeg", ".jpe", ".jfif")  # suffixes that label maps can't have
_OUTPUT = re.compile("_(?:labels|overlay|confidence)$")
# Words of the names of labels, next to images with another word.
_LABEL_WORDS = frozenset(
    "mask masks label labels lbl gt seg segmentation annotation groundtruth".split()
)
_LAST_WORD = re.compile(
    r"(?P<folder>(?:.*/)?)(?P<rest>[^/]+)[_\-. ](?P<word>[A-Za-z]+)"
)
_FIRST_WORD = re.compile(
    r"(?P<folder>(?:.*/)?)(?P<word>[A-Za-z]+)[_\-. ](?P<rest>[^/]+)"
)


def _split_by_suffix(listing):
    """Images and labels of one name: `a.jpg` and `a.png`."""
    images, labels = dict(listing.files), {}
    for name, doubles in listing.doubles.items():
        lossy = [whole for whole in doubles if whole.lower().endswith(_LOSSY)]
        if len(doubles) != 2 or len(lossy) != 1:
            listing.check_doubles()
        files = {whole: images.pop(whole) for whole in doubles}
        images[name] = files.pop(lossy[0])
        [labels[name]] = files.values()
    return images, labels


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
        # Outputs of `predict` may be next to the images.
        images = {
            name: path
            for name, path in images.items()
            if not (labels and _OUTPUT.sub("", name) in labels.keys() - {name})
        }
        rule, ending = "labelme files next to the images", ""
        if not labels and listing.doubles:
            images, labels = _split_by_suffix(listing)
            rule = "PNG labels next to JPEG images of the same names"
        elif not labels:
            ending = label_suffix or find_suffix(images, images, is_one_folder=True)
            is_label = re.compile(f".*{re.escape(ending)}([_\\-. ]?\\(?\\d+\\)?)?")
            labels = {
                n: p for n, p in images.items() if ending and is_label.fullmatch(n)
            }
            images = {name: path for name, path in images.items() if name not in labels}
            rule = f"labels next to the images, ending in {ending}"
        if not labels:
            images, labels, rule = _split_by_word(images)
        if labels:
            rules.add(rule)
            label_files = Listing(path, labels, [], [])
            images_only = listing._replace(files=images, doubles={})
            add_split(layout, split, images_only, label_files, ending)
        elif images and split != "all":
            message = f"{relative(path, folder)}/ has no labels and is not used"
            layout.problems.append(Problem("no-labels", False, message))
    if not any(layout.splits.values()):
        return None
    if set(layout.splits) == {"all"}:
        rules.add(split_by_lists(layout))
    else:
        rules.add(f"folders {', '.join(layout.splits)}")
    layout.description = ", ".join(sorted(rules - {""}, reverse=True))
    return layout


def _split_by_word(
    files: Mapping[str, str],
) -> tuple[dict[str, str], dict[str, str], str]:
    """Images and labels whose names have another word: `7_sat` and `7_mask`.

    Both by the name that they share; no labels if there are no such words.
    """
    for pattern in (_LAST_WORD, _FIRST_WORD):
        by_word: dict[str, dict[str, str]] = defaultdict(dict)
        for name, path in files.items():
            if match := pattern.fullmatch(name):
                rest = match["folder"] + match["rest"]
                by_word[match["word"].lower()][rest] = path
        of_labels = [word for word in by_word if word in _LABEL_WORDS]
        others = [word for word in by_word if word not in _LABEL_WORDS]
        pairs = [
            (image, label)
            for label in of_labels
            for image in others
            if not by_word[image].keys().isdisjoint(by_word[label])
        ]
        if len(pairs) == 1:
            [(image, label)] = pairs
            words = f"images are named {image}, their labels {label}"
            images, labels = by_word[image], by_word[label]
            used = {*images.values(), *labels.values()}
            rest = {name: path for name, path in files.items() if path not in used}
            return images | rest, labels, words
    return dict(files), {}, ""
