"""COCO instances files: classes by category, shapes drawn in the order of the file."""

import json
import os
import unicodedata
from collections import defaultdict
from pathlib import Path, PureWindowsPath

from keras_fcn.classes import LONGEST_NAME
from keras_fcn.datasets.folder.labels.class_table import (
    VOID_NAMES,
    WIDE_VOID,
    ClassEntry,
    ClassTable,
)
from keras_fcn.datasets.folder.labels.shapes import CocoLabel
from keras_fcn.datasets.folder.layouts.listing import split_of_name, subfolders
from keras_fcn.datasets.folder.samples import Layout, Problem, Sample, listed, relative
from keras_fcn.errors import shown
from keras_fcn.images.reading import IMAGE_SUFFIXES
from keras_fcn.storage.regular_files import check_is_regular

BACKGROUND = "background"
# Errors that JSON of another structure than COCO's, or with bad numbers, raises.
_WRONG = (KeyError, TypeError, ValueError, AttributeError, OverflowError)
_KEYS = ("images", "annotations", "categories")
_IMAGE_FOLDERS = ("", "images", "image", "imgs", "data", "JPEGImages")


def find_coco(folder: Path) -> Layout | None:
    """Find COCO files of instances and their images.

    Pixels outside all shapes are of the class background.

    Args:
        folder: holds the JSON files directly, in annotations/ or in folders of splits.

    Returns:
        The layout; None if there is no such file.

    Raises:
        ValueError: if a file is damaged, or two files have different categories.
        FileNotFoundError: if images are missing.
    """
    layout = Layout(folder)
    categories: dict[int, str] | None = None
    paths: list[Path] = []
    for path in _json_files(folder):
        check_is_regular(path)
        try:
            content = json.loads(path.read_text(encoding="utf-8-sig"))
        except (ValueError, RecursionError) as error:
            if "shapes" in path.read_text(errors="replace")[:4096]:
                continue  # a labelme file, which is read later
            raise ValueError(f"{path} is not JSON: {error}") from error
        # Captions, keypoints and other JSON files lack one of the lists.
        if not isinstance(content, dict) or not all(key in content for key in _KEYS):
            continue
        paths.append(path)
        try:
            own, images = _parse(content)
        except _WRONG as error:
            reason = f"{type(error).__name__}: {error}"
            if isinstance(error, KeyError):
                reason = f"an entry lacks {error.args[0]}"
            raise ValueError(
                f"{path} is no COCO file of instances ({reason})"
            ) from error
        if categories is not None and own != categories:
            raise ValueError(f"{path} has other categories than {paths[0]}")
        categories = own
        split = split_of_name(path.stem)
        if split == "all" and path.parent != folder:
            split = split_of_name(path.parent.name)
        _add_samples(layout, split, path, images, background_of(own))
    if categories is None:
        return None
    used = {sample.image for part in layout.splits.values() for sample in part}
    unlisted = [
        relative(path, folder)
        for place in sorted({os.path.dirname(image) for image in used})
        for path in sorted(map(str, Path(place).iterdir()))
        if path.lower().endswith(IMAGE_SUFFIXES) and path not in used
    ]
    what = "images are in no COCO file and are not used"
    layout.problems += listed("unlisted", what, unlisted)
    names = ", ".join(relative(path, folder) for path in paths)
    layout.description = f"COCO instances in {names}"
    layout.table = category_table(categories, f"the categories of {names}")
    return layout


def _json_files(folder):
    """JSON files of a folder, its annotations/ and splits, that may be COCO files."""
    places = [folder] + [
        path
        for name, path in subfolders(folder).items()
        if name in ("annotations", "labels") or split_of_name(name) != "all"
    ]
    for place in places:
        files = sorted(place.glob("*.json"))
        likely = [
            path
            for path in files
            if any(word in path.name.lower() for word in ("instances", "coco"))
        ]
        # Other tools, such as labelme, write a JSON file for each image.
        yield from likely or (files if len(files) <= 3 else [])


def _parse(content):
    """Categories by id, and `(name, id, size, shapes)` of images."""
    # Roboflow lists the name of a project, which may be that of a class, as well.
    first: dict[str, int] = {}
    same = {
        int(item["id"]): first.setdefault(
            unicodedata.normalize("NFC", str(item["name"])), int(item["id"])
        )
        for item in content["categories"]
    }
    categories = {category_id: name for name, category_id in first.items()}
    if not all(0 <= category_id < WIDE_VOID for category_id in categories):
        raise ValueError(f"ids of categories must be 0 to {WIDE_VOID - 1}")
    if not all(0 < len(name) <= LONGEST_NAME for name in first):
        raise ValueError(
            f"names of categories must have 1 to {LONGEST_NAME} characters"
        )
    annotations = defaultdict(list)
    for item in content["annotations"]:
        if item["category_id"] not in same:
            raise ValueError(
                f"has annotations of category {item['category_id']}, which it does not "
                "list"
            )
        shape = [same[item["category_id"]], item.get("segmentation") or []]
        annotations[item["image_id"]].append(shape)
    images: dict = {}  # by id
    for item in content["images"]:
        # Outputs get this name as well, and must not be written outside their folder.
        name = Path(unicodedata.normalize("NFC", str(item["file_name"])))
        if "\\" in str(name):  # written on Windows
            name = Path(str(PureWindowsPath(name).as_posix()))
        if name.is_absolute() or ".." in name.parts or not name.name:
            raise ValueError(
                f"file_name {name} is not below the folder of images: expected names "
                f"such as images/{name.name or 'a.jpg'}"
            )
        size = int(item["height"]), int(item["width"])
        if min(size) < 1:
            raise ValueError(f"image {item['id']} is {size[1]}x{size[0]}")
        image_id = item["id"]
        if image_id in images:
            raise ValueError(
                f"{images[image_id][0]} and {name} have the same id {shown(image_id)}"
            )
        images[image_id] = (name, image_id, size, annotations.pop(image_id, []))
    if annotations:
        count, unlisted = sum(map(len, annotations.values())), next(iter(annotations))
        message = (
            f"{count} annotations have an image_id that is the id of no image, such as "
            f"{shown(unlisted)}"
        )
        alike = [image_id for image_id in images if str(image_id) == str(unlisted)]
        if alike:
            message += (
                f": an image has {shown(alike[0])}, but ids are compared with their "
                "types"
            )
        raise ValueError(message)
    return categories, list(images.values())


def category_table(categories: dict[int, str], source: str) -> ClassTable:
    """Return the classes of categories; background comes first if it is none of them.

    Args:
        categories: names by id.
        source: what defines them, for messages.
    """
    entries = [
        ClassEntry(name, None, category_id, name.lower() in VOID_NAMES)
        for category_id, name in sorted(categories.items())
    ]
    background = background_of(categories)
    if background not in categories:
        entries.insert(0, ClassEntry(BACKGROUND, None, background, False))
        return ClassTable(entries, source, background)
    return ClassTable(entries, source)


def background_of(categories: dict[int, str]) -> int:
    """Return the id that is drawn where no shape is: a category's, or a new one.

    Args:
        categories: names by id.
    """
    for category_id, name in categories.items():
        if name.lower() == BACKGROUND:
            return category_id
    return 0 if 0 not in categories else max(categories) + 1


def _add_samples(layout, split, path, images, background):
    """Add the images of a file to a layout, with their shapes."""
    folder = layout.root
    images_dir = _images_dir(path, folder, images[0][0]) if images else path.parent
    samples, missing, num_boxes = [], [], 0
    for name, image_id, size, shapes in images:
        image = _existing(images_dir / name)
        if image is None:
            image = images_dir / name
            missing.append(relative(image, folder))
            continue
        num_boxes += sum(not segmentation for _, segmentation in shapes)
        text = json.dumps([background, shapes], separators=(",", ":")).encode()
        label = CocoLabel(str(path), image_id, size, text)
        samples.append(Sample(str(name.with_suffix("")), str(image), label))
    # By name, as in the other layouts; files are in any order.
    samples.sort(key=lambda sample: sample.name)
    layout.splits.setdefault(split, []).extend(samples)
    file = relative(path, folder)
    what = f"images of {file} are missing"
    layout.problems += listed("missing", what, missing, is_fatal=True)
    if num_boxes:
        num_shapes = sum(len(shapes) for _, _, _, shapes in images)
        message = (
            f"{num_boxes} of {num_shapes} annotations of {file} have a box but no "
            "shape, which is not drawn: expected polygons or run lengths"
        )
        is_fatal = num_boxes == num_shapes
        layout.problems.append(Problem("no-shape", is_fatal, message, count=num_boxes))


def _images_dir(path, folder, first):
    """The folder of the images: the file's own, images/, or one named as the split."""
    words = path.stem.replace("instances_", ""), path.parent.name
    places = [
        root / below
        for root in (path.parent, folder, folder / "images")
        for below in (*words, *_IMAGE_FOLDERS)
    ]
    places += [
        below
        for root in (folder, folder / "images")
        if root.is_dir()
        for below in subfolders(root).values()
        if split_of_name(below.name) == split_of_name(path.stem)
    ]
    found = (place for place in places if _existing(place / first))
    return next(found, path.parent)


def _existing(path):
    """The file of a name, in whatever of Unicode's forms; None if there is none."""
    if path.is_file():
        return path
    if not str(path).isascii() and path.parent.is_dir():
        for name in os.listdir(path.parent):
            if unicodedata.normalize("NFC", name) == path.name:
                return path.parent / name
    return None
