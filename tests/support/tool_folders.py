"""Folders as annotation tools and public data sets lay them out."""

import base64
import io
import json
import zlib

import numpy as np
from PIL import Image

from tests.support.folders import write_image, write_labels

NAMES = "abcdef"
SIZE = (32, 40)  # height and width
SQUARE = [[4, 4], [20, 4], [20, 20], [4, 20]]


def write_text(path, content):
    """Write text, or a value as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")


def images(folder, names=NAMES, suffix=".png"):
    """Build images."""

    def build(root):
        for name in names:
            write_image(root / folder / f"{name}{suffix}", SIZE)

    return build


def labels(folder, names=NAMES, values=(0, 1, 2), suffix=".png", **options):
    """Build label maps."""

    def build(root):
        for name in names:
            write_labels(root / folder / f"{name}{suffix}", values, SIZE, **options)

    return build


def masks(folder, names=NAMES, suffix=".png"):
    """Build black and white masks."""
    return labels(folder, names, (0, 255), suffix)


def texts(**contents):
    """Build text files; `__` in a name stands for a slash, `_dot_` for a dot."""

    def build(root):
        for name, content in contents.items():
            path = name.replace("__", "/").replace("_dot_", ".")
            write_text(root / path, content)

    return build


def coco(path, file_names, segmentation=None, size=SIZE, crowd=0, categories=None):
    """Build a COCO file with a shape of each of two categories for each image."""
    categories = categories or {1: "road", 2: "car"}
    shapes = [
        [[x, 5, x + 12, 5, x + 12, 25, x, 25]] if segmentation is None else segmentation
        for x in (4, 22)
    ]
    content = {
        "images": [
            {"id": i, "file_name": name, "height": size[0], "width": size[1]}
            for i, name in enumerate(file_names)
        ],
        "annotations": [
            {
                "id": 10 * i + category,
                "image_id": i,
                "category_id": category,
                "segmentation": shape,
                "bbox": [4, 5, 12, 20],
                "iscrowd": crowd,
            }
            for i in range(len(file_names))
            for category, shape in zip(categories, shapes, strict=True)
        ],
        "categories": [{"id": i, "name": name} for i, name in categories.items()],
    }
    return lambda root: write_text(root / path, content)


def labelme(folder, *shapes, suffix=".json"):
    """Build a labelme file for each image."""
    content = {
        "shapes": [
            {"label": label, "shape_type": kind, "points": points}
            for label, kind, points in shapes
        ],
        "imagePath": "..\\photos\\a.png",
        "imageHeight": SIZE[0],
        "imageWidth": SIZE[1],
    }
    return lambda root: [
        write_text(root / folder / f"{name}{suffix}", content) for name in NAMES
    ]


def supervisely(folder):
    """Build Supervisely's annotations: a polygon with a hole, and a bitmap."""
    stored = io.BytesIO()
    Image.fromarray(np.full((6, 8), 255, "uint8")).save(stored, "PNG")
    bitmap = base64.b64encode(zlib.compress(stored.getvalue())).decode()
    hole = [[10, 10], [14, 10], [14, 14], [10, 14]]
    content = {
        "size": {"height": SIZE[0], "width": SIZE[1]},
        "objects": [
            {
                "classTitle": "road",
                "geometryType": "polygon",
                "points": {"exterior": SQUARE, "interior": [hole]},
            },
            {
                "classTitle": "car",
                "geometryType": "bitmap",
                "bitmap": {"data": bitmap, "origin": [28, 3]},
            },
        ],
    }
    return lambda root: [
        write_text(root / folder / f"{name}.png.json", content) for name in NAMES
    ]


def polygons(folder, height="imgHeight", width="imgWidth"):
    """Build the polygons of Cityscapes, or of Mapillary."""
    content = {
        height: SIZE[0],
        width: SIZE[1],
        "objects": [{"label": "road", "polygon": SQUARE}],
    }
    return lambda root: [
        write_text(root / folder / f"{name}.json", content) for name in NAMES
    ]


def _brush():
    """Label Studio's run lengths of a mask of the left half, one run for each row."""
    bits = f"{4 * SIZE[0] * SIZE[1]:032b}{7:05b}" + f"{15:04b}" * 4
    half = SIZE[1] * 4 // 2
    for _ in range(SIZE[0]):
        for value in (255, 0):
            bits += f"1{0:02b}{half - 1:016b}{value:08b}"
    bits += "0" * (-len(bits) % 8)
    return [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]


def label_studio(path, kind="polygonlabels", is_min=False):
    """Build a Label Studio export."""
    size = {"original_height": SIZE[0], "original_width": SIZE[1]}
    value = {
        "polygonlabels": {"points": [[10, 10], [60, 10], [60, 60], [10, 60]]},
        "rectanglelabels": {"x": 10, "y": 10, "width": 50, "height": 50, "rotation": 0},
        "brushlabels": {"format": "rle", "rle": _brush()},
    }[kind]
    value = {**value, kind: ["road"]}
    tasks = []
    for number, name in enumerate(NAMES):
        image = f"/data/upload/1/0123abcd-{name}.png"
        if is_min:
            region = {**value, **size}
            tasks.append({"image": image, "annotation_id": number, "label": [region]})
        else:
            region = {"type": kind, "value": value, **size}
            done = {"result": [region], "was_cancelled": False}
            tasks.append(
                {"id": number, "data": {"image": image}, "annotations": [done]}
            )
    return lambda root: write_text(root / path, tasks)


def yolo(folder, names=NAMES, line="0 0.1 0.1 0.5 0.1 0.5 0.6 0.1 0.6\n"):
    """Build YOLO's label files."""
    return lambda root: [
        write_text(root / folder / f"{name}.txt", line) for name in names
    ]
