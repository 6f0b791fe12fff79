"""COCO instances files: classes by category, shapes drawn in the order of the file."""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_masks

from keras_fcn.datasets.folder.labels.class_table import VOID_NAMES, ClassEntry
from keras_fcn.datasets.folder.labels.files import WIDE_VOID
from keras_fcn.datasets.folder.labels.polygons import check_points, decode_run_lengths
from keras_fcn.datasets.folder.layouts.splits import split_of_name, subfolders
from keras_fcn.datasets.folder.samples import (
    CocoLabel,
    Layout,
    Problem,
    Sample,
    relative,
)
from keras_fcn.errors import summarize
from keras_fcn.images.opening import check_pixels
from keras_fcn.storage.regular_files import check_is_regular

BACKGROUND = "background"
# What JSON of another shape than COCO's, and numbers that are none, raise.
_WRONG = (KeyError, TypeError, ValueError, AttributeError, OverflowError)
_KEYS = ("images", "annotations", "categories")
_IMAGE_FOLDERS = ("", "images", "image", "imgs", "data", "JPEGImages")


def find_coco(folder: Path) -> Layout | None:
    """Find COCO files of instances and the images that they name.

    Args:
        folder: holds the JSON files itself, in annotations/ or in folders of splits.

    Returns:
        The layout; None where there is no such file. What no shape covers is the
        class background.

    Raises:
        ValueError: if a file is damaged, or two files have other categories.
        FileNotFoundError: if images are missing.
    """
    files = [
        (path, content) for path in _candidates(folder) if (content := _read(path))
    ]
    if not files:
        return None
    layout = Layout("", {}, root=folder)
    categories = None
    for path, content in files:
        own = _categories(path, content)
        if categories is not None and own != categories:
            raise ValueError(f"{path} has other categories than {files[0][0]}")
        categories = own
        split = split_of_name(path.stem)
        if split == "all" and path.parent != folder:
            split = split_of_name(path.parent.name)
        samples = _samples(path, content, folder, layout)
        layout.splits.setdefault(split, []).extend(samples)
    names = ", ".join(relative(path, folder) for path, _ in files)
    layout.description = f"COCO instances in {names}"
    layout.source = f"the categories of {names}"
    layout.entries = _entries(categories)
    return layout


def _candidates(folder):
    """JSON files of a folder, its annotations/ and its splits that may be COCO's."""
    places = [folder] + [
        path
        for name, path in subfolders(folder).items()
        if name in ("annotations", "labels") or split_of_name(name) != "all"
    ]
    found = []
    for place in places:
        files = sorted(place.glob("*.json"))
        likely = [
            path
            for path in files
            if any(word in path.name.lower() for word in ("instances", "coco"))
        ]
        # Of others, such as labelme's, there is one beside each image.
        found += likely or (files if len(files) <= 3 else [])
    return found


def _read(path):
    """What a COCO file holds; None where it is another one."""
    check_is_regular(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        if "shapes" in path.read_text(errors="replace")[:4096]:
            return None
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict) or not all(key in content for key in _KEYS):
        return None
    return content


def _categories(path, content):
    """Names of a file's categories by id."""
    try:
        names = {int(item["id"]): str(item["name"]) for item in content["categories"]}
        if not all(0 <= category_id < WIDE_VOID for category_id in names):
            raise ValueError(f"ids of categories must be 0 to {WIDE_VOID - 1}")
        return names
    except _WRONG as error:
        raise _no_coco_file(path, error) from error


def _no_coco_file(path, error):
    return ValueError(
        f"{path} is no COCO file of instances ({type(error).__name__}: {error})"
    )


def _entries(categories):
    """Classes of the categories in the order of their ids, after the background."""
    entries = []
    if BACKGROUND not in [name.lower() for name in categories.values()]:
        entries.append(
            ClassEntry(BACKGROUND, None, background_value(categories), False)
        )
    return entries + [
        ClassEntry(name, None, category_id, name.lower() in VOID_NAMES)
        for category_id, name in sorted(categories.items())
    ]


def background_value(categories: dict[int, str]) -> int:
    """Return the value that is drawn where no shape is.

    Args:
        categories: names by id.
    """
    for category_id, name in categories.items():
        if name.lower() == BACKGROUND:
            return category_id
    return 0 if 0 not in categories else max(categories) + 1


def _samples(path, content, folder, layout):
    """The images of a file with their annotations."""
    try:
        shapes = defaultdict(list)
        for annotation in content["annotations"]:
            shape = [annotation["category_id"], annotation.get("segmentation") or []]
            shapes[annotation["image_id"]].append(shape)
        categories = _categories(path, content)
        unknown = {shape[0] for of_image in shapes.values() for shape in of_image}
        if unknown - categories.keys():
            raise ValueError(
                f"has annotations of category {min(unknown - categories.keys())}, "
                "which it does not list"
            )
        background = background_value(categories)
        images = [
            (_file_name(item), item["id"], _size(item)) for item in content["images"]
        ]
    except _WRONG as error:
        raise _no_coco_file(path, error) from error
    images_dir = _images_dir(path, folder, [name for name, *_ in images])
    samples, missing, empty = [], [], 0
    for name, image_id, size in images:
        image = images_dir / name
        if not image.is_file():
            missing.append(relative(image, folder))
            continue
        of_image = shapes[image_id]
        empty += sum(not shape for _, shape in of_image)
        text = json.dumps([background, of_image], separators=(",", ":")).encode()
        label = CocoLabel(str(path), image_id, size, text)
        samples.append(Sample(str(Path(name).with_suffix("")), str(image), label))
    for kind, is_fatal, count, what, examples in (
        ("missing", True, len(missing), "images are not there", missing),
        ("no-shape", False, empty, "annotations have boxes and no shape", []),
    ):
        if count:
            message = f"{count} {what} of {relative(path, folder)}"
            message += f": {summarize(examples)}" if examples else ""
            layout.problems.append(Problem(kind, is_fatal, message, examples, count))
    return sorted(samples, key=lambda sample: sample.name)


def _file_name(item):
    """Name of an image below the folder of images: pictures of it get it too."""
    name = str(item["file_name"])
    if Path(name).is_absolute() or ".." in Path(name).parts or not Path(name).name:
        raise ValueError(f"file_name {name} leaves its folder")
    return name


def _size(item):
    height, width = int(item["height"]), int(item["width"])
    if min(height, width) < 1:
        raise ValueError(f"image {item['id']} is {width}x{height}")
    return height, width


def _images_dir(path, folder, names):
    """Where the images are: beside the file, in images/, or in the split's folder."""
    words = path.stem.replace("instances_", ""), path.parent.name
    places = [path.parent / below for below in _IMAGE_FOLDERS]
    for root in (folder, folder / "images"):
        places += [root / below for below in (*words, *_IMAGE_FOLDERS)]
        places += (
            [
                below
                for below in subfolders(root).values()
                if root.is_dir()
                and split_of_name(below.name) == split_of_name(path.stem)
            ]
            if root.is_dir()
            else []
        )
    for place in places:
        if names and (place / names[0]).is_file():
            return place
    return path.parent


def draw_coco(label: CocoLabel, max_pixels: int) -> np.ndarray:
    """Draw the shapes of an image, later ones over earlier ones, as COCO's tools do.

    Args:
        label: what the file holds.
        max_pixels: pixels that the image may have.

    Returns:
        int32 `(height, width)`, ids of the categories and of the background.

    Raises:
        ValueError: if a shape is damaged.
    """
    height, width = label.size
    check_pixels(label, (width, height), max_pixels)
    background, shapes = json.loads(label.annotations)
    label_map = np.full((height, width), background, dtype="int32")
    for category_id, segmentation in shapes:
        if not segmentation:
            continue
        try:
            label_map[_decode(segmentation, height, width)] = category_id
        except Exception as error:  # of any kind: pycocotools' C code checks nothing
            raise ValueError(
                f"has a shape of category {category_id} that can't be drawn ({error})"
            ) from error
    return label_map


def _decode(segmentation, height, width):
    """Boolean `(height, width)` of polygons or run lengths, in the standard's way."""
    if isinstance(segmentation, dict):
        if list(segmentation["size"]) != [height, width]:
            raise ValueError(f"its run lengths are of size {segmentation['size']}")
        counts = segmentation["counts"]
        if not isinstance(counts, list):
            counts = decode_run_lengths(counts)
        if sum(counts) != height * width:
            raise ValueError("its run lengths do not fill the image")
        runs = {"size": [height, width], "counts": counts}
        return coco_masks.decode(coco_masks.frPyObjects(runs, height, width)) > 0
    polygons = [[float(value) for value in polygon] for polygon in segmentation]
    if any(len(polygon) < 6 or len(polygon) % 2 for polygon in polygons):
        raise ValueError("a polygon needs three points or more, x and y of each")
    for polygon in polygons:
        points = list(zip(polygon[::2], polygon[1::2], strict=True))
        check_points(points, (height, width))
    coded = coco_masks.frPyObjects(polygons, height, width)
    return coco_masks.decode(coco_masks.merge(coded)).astype(bool)
