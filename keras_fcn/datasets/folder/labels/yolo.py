"""Polygons of YOLO's segmentation files, drawn as label maps."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_fcn.datasets.folder.labels.class_table import (
    WIDE_VOID,
    ClassEntry,
    ClassTable,
)
from keras_fcn.datasets.folder.labels.shapes import polygon_mask
from keras_fcn.images.opening import check_pixels
from keras_fcn.images.reading import read_size_and_orientation
from keras_fcn.storage.regular_files import check_is_regular

_BACKGROUND = "background"
_MOST_SHARE = 2.0  # points may be somewhat outside the image


class YoloLabel(NamedTuple):
    """The polygons of an image.

    Attributes:
        path: the text file: on each line the number of a class, and x and y of the
            points as shares of the image's width and height.
        image: path of the image, which has the size.
    """

    path: str
    image: str

    def __str__(self):
        return self.path


def yolo_classes(table: ClassTable | None) -> tuple[ClassTable, int]:
    """Return the classes of YOLO files, and the value of the background.

    Args:
        table: names of the classes; those without an id have their line's, from 0.

    Returns:
        The classes with their values; a class background comes first if there is none.

    Raises:
        ValueError: if there is no table.
    """
    if table is None:
        raise ValueError(
            "YOLO's label files have numbers of classes: add a data.yaml with `names`, "
            "or a classes.txt with a name on each line"
        )
    entries = [
        entry._replace(value=line if entry.value is None else entry.value, color=None)
        for line, entry in enumerate(table.entries)
    ]
    for entry in entries:
        if entry.name.lower() == _BACKGROUND and entry.value is not None:
            return ClassTable(entries, table.source), entry.value
    background = max((e.value for e in entries if e.value is not None), default=-1) + 1
    entries.insert(0, ClassEntry(_BACKGROUND, None, background, False))
    return ClassTable(entries, table.source, background), background


def draw_yolo(label: YoloLabel, background: int, max_pixels: int) -> np.ndarray:
    """Draw the polygons of an image, later ones over earlier ones.

    Args:
        label: the polygons.
        background: value of pixels outside all polygons.
        max_pixels: largest number of pixels that the image may have.

    Returns:
        int32 `(height, width)`, numbers of the classes and of the background.

    Raises:
        ValueError: if a line is damaged, or has a box instead of a polygon.
        OSError: if a file can't be read.
    """
    path = Path(label.path)
    check_is_regular(path)
    (height, width), _ = read_size_and_orientation(Path(label.image), max_pixels)
    check_pixels(label, (width, height), max_pixels)
    label_map = np.full((height, width), background, dtype="int32")
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        if not (cells := line.split()):
            continue
        try:
            class_id, points = int(cells[0]), np.array(cells[1:], dtype=float)
            if not 0 <= class_id < WIDE_VOID:
                raise ValueError("expected the number of a class")
            if len(points) == 4:
                raise ValueError("is a box: expected a polygon, x and y of its points")
            if len(points) % 2:
                raise ValueError("expected x and y of each point")
            if len(points) and points.max() > _MOST_SHARE:
                raise ValueError(
                    "expected x and y as shares of the image's width and height, 0 to "
                    f"1. Received: {points.max():g}"
                )
            # From shares of the image to pixels, (num_points, 2).
            polygon = points.reshape(-1, 2) * (width, height)
            mask = polygon_mask([polygon.ravel().tolist()], height, width)
        except Exception as error:  # of any class: pycocotools' C code checks nothing
            raise ValueError(f"line {number}: {error}") from error
        label_map[mask] = class_id
    return label_map
