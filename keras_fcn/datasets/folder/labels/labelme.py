"""labelme files: shapes drawn in the order of the file, as labelme itself does."""

import base64
import io
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from keras_fcn.datasets.folder.labels.class_table import (
    VOID_NAMES,
    ClassEntry,
    ClassTable,
)
from keras_fcn.datasets.folder.labels.polygons import check_points
from keras_fcn.images.opening import check_pixels, open_header
from keras_fcn.storage.regular_files import check_is_regular

BACKGROUND = "_background_"
_MAX_SHAPES = 100_000


def read_labelme(path: Path) -> dict[str, Any]:
    """Read a labelme file.

    Args:
        path: the JSON file.

    Returns:
        Its content: `shapes`, `imageHeight`, `imageWidth` ...

    Raises:
        ValueError: if it is not JSON, or not a labelme file.
    """
    check_is_regular(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        for shape in content["shapes"]:
            str(shape["label"]), shape["points"]
        size = int(content["imageHeight"]), int(content["imageWidth"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(
            f"is no labelme file ({type(error).__name__}: {error})"
        ) from error
    if min(size) < 1 or len(content["shapes"]) > _MAX_SHAPES:
        raise ValueError(f"is no labelme file (its image is {size[1]}x{size[0]})")
    return content


def shape_names(path: Path) -> set[str]:
    """Return the labels of the shapes in a file.

    Args:
        path: the JSON file.
    """
    return {str(shape["label"]) for shape in read_labelme(path)["shapes"]}


def labelme_classes(
    paths: Iterable[str], table: ClassTable | None
) -> tuple[ClassTable, dict[str, int]]:
    """Return the classes of labelme files, and the value that is drawn for each label.

    Args:
        paths: the JSON files.
        table: a table of classes; None takes the labels of the shapes, by name.

    Returns:
        The classes with their values, and values by label; a class background is added
        if there is none.
    """
    if table is None:
        labels: set[str] = set()
        for path in paths:
            try:
                labels |= shape_names(Path(path))
            except (ValueError, OSError):
                continue  # an error of this file, which the scan adds
        entries = [
            ClassEntry(name, None, None, name.lower() in VOID_NAMES)
            for name in sorted(labels - {BACKGROUND}, key=str.lower)
        ]
        table = ClassTable(entries, "the labels of the shapes")
    entries = table.entries
    # labelme has no shape for the background, but some tables name it.
    names = [entry.name.lower() for entry in entries]
    if BACKGROUND not in names and "background" not in names:
        entries = [ClassEntry("background", None, None, False), *entries]
        names.insert(0, "background")
    values = {entry.name: value for value, entry in enumerate(entries)}
    values[BACKGROUND] = min(
        names.index(name) for name in (BACKGROUND, "background") if name in names
    )
    entries = [entry._replace(value=value) for value, entry in enumerate(entries)]
    return ClassTable(entries, table.source), values


def draw_labelme(path: Path, values: dict[str, int], max_pixels: int) -> np.ndarray:
    """Draw the shapes of a file, later ones over earlier ones.

    Args:
        path: the JSON file.
        values: value of each label; that of `_background_` is drawn where no shape is.
        max_pixels: largest number of pixels that the image may have.

    Returns:
        int32 `(height, width)`.

    Raises:
        ValueError: if the file is no labelme file, or a shape has no area or a label
            that is not in `values`.
    """
    content = read_labelme(path)
    size = int(content["imageHeight"]), int(content["imageWidth"])
    check_pixels(path, size[::-1], max_pixels)
    label_map = np.full(size, values[BACKGROUND], dtype="int32")
    for shape in content["shapes"]:
        label = str(shape["label"])
        if label not in values:
            raise ValueError(f"has the label {label}, which is no class")
        kind = shape.get("shape_type") or "polygon"
        try:
            label_map[_draw(shape, kind, size)] = values[label]
        except Exception as error:  # of any class: Pillow's, of numbers, of the JSON
            raise ValueError(
                f"has a {kind} {label} that can't be drawn ({error}): expected a "
                "polygon, rectangle, circle or mask"
            ) from error
    return label_map


def _draw(shape, kind, size):
    """Boolean `(height, width)` of a shape."""
    mask = Image.new("1", (size[1], size[0]))
    draw = ImageDraw.Draw(mask)
    points = [(float(x), float(y)) for x, y in shape["points"]]
    check_points(points, size)
    if kind == "polygon" and len(points) > 2:
        draw.polygon(points, fill=1, outline=1)
    elif kind == "rectangle" and len(points) == 2:
        xs, ys = zip(*points, strict=True)
        draw.rectangle((min(xs), min(ys), max(xs), max(ys)), fill=1, outline=1)
    elif kind == "circle" and len(points) == 2:
        (x, y), edge = points
        radius = math.dist((x, y), edge)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)
    elif kind == "mask" and len(points) == 2:
        stored = io.BytesIO(base64.b64decode(shape["mask"]))
        # PNG only: Pillow would start Ghostscript for some other formats.
        with open_header(stored, ("PNG",)) as part:
            if part.width > size[1] or part.height > size[0]:
                raise ValueError(f"its mask is of {part.width}x{part.height} pixels")
            x, y = points[0]
            mask.paste(part.convert("L").point(bool, "1"), (round(x), round(y)))
    else:
        raise ValueError("it has no area")
    return np.asarray(mask)
