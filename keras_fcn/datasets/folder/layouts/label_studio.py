"""Label Studio's JSON exports: polygons, rectangles, ellipses and brush strokes."""

import json
import os
import re
from collections import defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from pycocotools import mask as coco_masks

from keras_fcn.config import MAX_IMAGE_PIXELS
from keras_fcn.datasets.folder.labels.shapes import CocoLabel
from keras_fcn.datasets.folder.layouts.coco import background_of, category_table
from keras_fcn.datasets.folder.layouts.listing import list_files
from keras_fcn.datasets.folder.samples import Layout, Sample, listed, relative
from keras_fcn.images.opening import check_pixels
from keras_fcn.images.reading import IMAGE_SUFFIXES, read_size_and_orientation
from keras_fcn.storage.regular_files import check_is_regular

_KINDS = ("polygonlabels", "rectanglelabels", "ellipselabels", "brushlabels")
_WRONG = (KeyError, TypeError, ValueError, AttributeError, OverflowError, IndexError)
_UPLOAD = re.compile(r"[0-9a-f]{8}-")  # before the names of uploaded files


def find_label_studio(folder: Path) -> Layout | None:
    """Find a JSON or JSON-MIN export of Label Studio, and its images.

    Pixels outside all regions are of the class background. Of several annotations of an
    image, the first is read that was not canceled.

    Args:
        folder: holds the JSON file, and the images in it or in folders.

    Returns:
        The layout; None if there is no such file.

    Raises:
        ValueError: if the file is damaged.
    """
    for path in sorted(folder.glob("*.json")):
        check_is_regular(path)
        try:
            tasks = json.loads(path.read_text(encoding="utf-8-sig"))
        except (ValueError, RecursionError):
            continue
        if isinstance(tasks, list) and any(_is_task(one) for one in tasks):
            return _read(folder, path, tasks)
    return None


def _is_task(item):
    if not isinstance(item, dict):
        return False
    has_data = isinstance(item.get("data"), dict) and "annotations" in item
    return has_data or "annotation_id" in item


def _read(folder, path, tasks):
    file = relative(path, folder)
    layout = Layout(folder, f"Label Studio's tasks in {file}")
    names: set[str] = set()
    regions_of: dict[str, list[dict[str, Any]]] = {}
    unlabelled = []
    for task in tasks:
        try:
            image, regions = _regions(task)
        except _WRONG as error:
            raise ValueError(
                f"{path}, task {task.get('id')}: is no task of Label Studio "
                f"({type(error).__name__}: {error})"
            ) from error
        if regions is None:
            unlabelled.append(image)
            continue
        regions_of[image] = regions
        names.update(region["label"] for region in regions)
    ids = {name: value for value, name in enumerate(sorted(names, key=str.lower), 1)}
    categories = {value: name for name, value in ids.items()}
    layout.table = category_table(categories, f"the labels in {file}")
    files: dict[str, list[str]] = defaultdict(list)
    for image in list_files(folder, IMAGE_SUFFIXES).files.values():
        files[os.path.basename(image)].append(image)
    samples, missing = [], []
    for name, regions in regions_of.items():
        found = files.get(name) or files.get(_UPLOAD.sub("", name, count=1)) or []
        if len(found) != 1:
            missing.append(name)
            continue
        try:
            size, shapes = _shapes(regions, ids, found[0])
        except _WRONG as error:
            raise ValueError(
                f"{path}: the regions of {name} are damaged ({error})"
            ) from (error)
        text = json.dumps([background_of(categories), shapes], separators=(",", ":"))
        label = CocoLabel(str(path), name, size, text.encode())
        stem = os.path.splitext(relative(found[0], folder))[0]
        samples.append(Sample(stem, found[0], label))
    layout.splits["all"] = sorted(samples, key=lambda sample: sample.name)
    what = f"images of {file} are missing, or there are several of the name"
    layout.problems += listed("missing", what, missing, is_fatal=True)
    advice = "; `accept` unlabelled leaves them out"
    what = f"images of {file} have no annotation"
    layout.problems += listed("unlabelled", what, unlabelled, advice, is_fatal=True)
    return layout


def _regions(task):
    """Name of the image, and its regions; None if it has no annotation."""
    if "data" in task:
        images = [v for v in task["data"].values() if _is_image_url(v)]
        done = [one for one in task["annotations"] if not one.get("was_cancelled")]
        results = done[0]["result"] if done else None
    else:  # JSON-MIN has one key for the image, and one for each control
        images = [value for value in task.values() if _is_image_url(value)]
        lists = [value for value in task.values() if isinstance(value, list)]
        results = [
            {"value": one, "type": kind, **one}
            for values in lists
            for one in values
            if isinstance(one, dict)
            for kind in _KINDS
            if kind in one
        ]
    name = unquote(os.path.basename(images[0].replace("\\", "/")))
    if results is None:
        return name, None
    regions = [
        {
            "label": str(one["value"][one["type"]][0]),
            "kind": one["type"],
            "size": (int(one["original_height"]), int(one["original_width"])),
            "value": one["value"],
        }
        for one in results
        if one.get("type") in _KINDS
    ]
    return name, regions


def _is_image_url(value):
    text = value.lower() if isinstance(value, str) else ""
    return text.partition("?d=")[2].endswith(IMAGE_SUFFIXES) or text.endswith(
        IMAGE_SUFFIXES
    )


def _shapes(regions, ids, image):
    """Size of an image, and its regions as category ids and shapes of COCO."""
    size = read_size_and_orientation(Path(image), MAX_IMAGE_PIXELS)[0]
    shapes = []
    for region in regions:
        height, width = size = region["size"]
        check_pixels(image, (width, height), MAX_IMAGE_PIXELS)
        value, kind = region["value"], region["kind"]
        scale = np.array([width, height]) / 100  # coordinates are percentages
        if kind == "brushlabels":
            mask = decode_brush(value["rle"], size)
            coded = coco_masks.encode(np.asfortranarray(mask.astype("uint8")))
            runs = {"size": coded["size"], "counts": coded["counts"].decode()}
            shapes.append([ids[region["label"]], runs])
            continue
        if kind == "polygonlabels":
            points = np.array(value["points"], dtype=float) * scale
        else:
            points = _outline(value, kind, scale)
        polygon = points.round(3).ravel().tolist()
        shapes.append([ids[region["label"]], [polygon]])
    return size, shapes


def _outline(value, kind, scale):
    """Points of a rectangle or an ellipse, which may be rotated around its origin."""
    origin = np.array([value["x"], value["y"]], dtype=float) * scale
    if kind == "rectanglelabels":
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
        points = corners * (np.array([value["width"], value["height"]]) * scale)
    else:
        angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        circle = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        points = circle * (np.array([value["radiusX"], value["radiusY"]]) * scale)
    turn = np.deg2rad(value.get("rotation") or 0)
    matrix = [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
    return points @ np.array(matrix) + origin


def decode_brush(rle: list[int], size: tuple[int, int]) -> np.ndarray:
    """Decode the brush strokes of a region.

    Args:
        rle: bytes of Label Studio's run lengths of an RGBA image: 32 bits with its
            number of values, 5 bits with the length of a value minus 1, four times 4
            bits with the lengths of counts minus 1, and runs: a bit that is 1 for equal
            values, 2 bits with the index of the count's length, the count minus 1, and
            the value or values.
        size: height and width of the image, pixels.

    Returns:
        Boolean `(height, width)`.

    Raises:
        ValueError: if they do not fill the image.
    """
    bits = "".join(f"{byte:08b}" for byte in bytes(rle))
    position = 0

    def read(count):
        nonlocal position
        position += count
        if position > len(bits):
            raise ValueError("its brush strokes are cut off")
        return int(bits[position - count : position], 2)

    num_values, length = read(32), read(5) + 1
    if num_values != 4 * size[0] * size[1]:
        raise ValueError(f"its brush strokes are not of {size[1]}x{size[0]} pixels")
    count_lengths = [read(4) + 1 for _ in range(4)]
    values = np.zeros(num_values, dtype="uint8")
    at = 0
    while at < num_values:
        is_run = read(1)
        end = at + 1 + read(count_lengths[read(2)])
        if is_run:
            values[at:end] = read(length)
        else:
            for index in range(at, min(end, num_values)):
                values[index] = read(length)
        at = end
    return values.reshape(*size, 4)[..., 3] > 0
