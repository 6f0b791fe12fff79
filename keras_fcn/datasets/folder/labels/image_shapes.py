"""Annotation files of a single image: labelme, Supervisely, Cityscapes, Mapillary.

Shapes of all of them are drawn by labelme's rules.
"""

import base64
import io
import json
import math
import unicodedata
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from keras_fcn.classes import LONGEST_NAME
from keras_fcn.datasets.folder.labels.shapes import check_points
from keras_fcn.errors import shortened
from keras_fcn.images.opening import check_pixels, open_header
from keras_fcn.storage.regular_files import check_is_regular
from keras_fcn.typing import Size

BACKGROUND = "_background_"  # labelme's name of it
_MAX_SHAPES = 100_000
_MAX_BYTES = 2**26  # of a bitmap, before its pixels are counted
# Pixels, as in labelme's own exporter.
_LINE_WIDTH, _POINT_RADIUS = 10, 5


class Shape(NamedTuple):
    """A shape of an annotation file.

    Attributes:
        label: name of its class.
        kind: labelme's name of its type: "polygon", "rectangle", "line" ...
        points: x and y in pixels.
        holes: outlines of the holes of a polygon.
        png: content of a mask, whose upper left corner is the first point.
    """

    label: str
    kind: str
    points: list[tuple[float, float]]
    holes: tuple[list[tuple[float, float]], ...] = ()
    png: bytes = b""


class ImageShapes(NamedTuple):
    """The content of an annotation file.

    Attributes:
        size: height and width of the image, pixels.
        shapes: later ones are drawn over earlier ones.
    """

    size: Size
    shapes: list[Shape]


class DamagedShape(ValueError):
    """A shape that can't be drawn."""


def is_shapes_file(path: str) -> bool:
    """Return whether a label file has the shapes of an image, by its suffix."""
    return path.lower().endswith(".json")


def read_shapes(path: Path) -> ImageShapes:
    """Read the annotation file of an image.

    Args:
        path: a JSON file of labelme, Supervisely, Cityscapes or Mapillary Vistas.

    Raises:
        ValueError: if it is none of them.
    """
    check_is_regular(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        if "shapes" in content:
            size = content["imageHeight"], content["imageWidth"]
            shapes = [_converted(_of_labelme, one) for one in content["shapes"]]
        elif "size" in content:
            size = content["size"]["height"], content["size"]["width"]
            shapes = [_converted(_of_supervisely, one) for one in content["objects"]]
        else:
            names = "imgHeight imgWidth" if "imgHeight" in content else "height width"
            size = tuple(content[name] for name in names.split())
            shapes = [_converted(_of_cityscapes, one) for one in content["objects"]]
        height, width = map(int, size)
    except DamagedShape:
        raise
    except (
        *(ValueError, KeyError, TypeError, AttributeError, OverflowError),
        RecursionError,
    ) as error:
        raise ValueError(
            "is no labelme file, and none of Supervisely, Cityscapes or Mapillary "
            f"({type(error).__name__}: {error})"
        ) from error
    if min(height, width) < 1 or len(shapes) > _MAX_SHAPES:
        raise ValueError(f"is no labelme file (its image is {width}x{height})")
    return ImageShapes((height, width), shapes)


def _converted(convert, item):
    text = str(item["label" if "label" in item else "classTitle"])
    label = unicodedata.normalize("NFC", text)
    if not label:
        raise DamagedShape("has an empty label")
    if len(label) > LONGEST_NAME:
        raise DamagedShape(
            f"has a label of more than {LONGEST_NAME} characters: {shortened(label)}"
        )
    try:
        return convert(label, item)
    except (ValueError, KeyError, TypeError, AttributeError, zlib.error) as error:
        raise DamagedShape(f"has a shape {label} that can't be drawn ({error})") from (
            error
        )


def _points(values):
    return [(float(x), float(y)) for x, y in values]


def _of_labelme(label: str, shape: Mapping[str, Any]) -> Shape:
    kind = shape.get("shape_type") or "polygon"
    png = base64.b64decode(shape["mask"]) if kind == "mask" else b""
    return Shape(label, kind, _points(shape["points"]), (), png)


def _of_cityscapes(label: str, shape: Mapping[str, Any]) -> Shape:
    return Shape(label, "polygon", _points(shape["polygon"]))


def _of_supervisely(label: str, shape: Mapping[str, Any]) -> Shape:
    kind = str(shape["geometryType"])
    if kind == "bitmap":
        packed = base64.b64decode(shape["bitmap"]["data"])
        png = zlib.decompressobj().decompress(packed, _MAX_BYTES)
        corner = _points([shape["bitmap"]["origin"]])
        return Shape(label, "mask", corner * 2, (), png)
    kind = {"line": "linestrip", "polyline": "linestrip"}.get(kind, kind)
    points = shape["points"]
    holes = tuple(map(_points, points.get("interior") or ()))
    return Shape(label, kind, _points(points["exterior"]), holes)


def draw_shapes(path: Path, values: Mapping[str, int], max_pixels: int) -> np.ndarray:
    """Draw the shapes of a file, later ones over earlier ones.

    Args:
        path: the JSON file.
        values: value of each label; that of `_background_` is drawn where no shape is.
        max_pixels: largest number of pixels that the image may have.

    Returns:
        int32 `(height, width)`.

    Raises:
        ValueError: if the file is no annotation file, or a shape is damaged or has a
            label that is not in `values`.
    """
    size, shapes = read_shapes(path)
    check_pixels(path, size[::-1], max_pixels)
    label_map = np.full(size, values[BACKGROUND], dtype="int32")
    for shape in shapes:
        if shape.label not in values:
            raise ValueError(f"has the label {shape.label}, which is no class")
        try:
            label_map[_mask(shape, size)] = values[shape.label]
        except Exception as error:  # of any class: Pillow's, of numbers, of the JSON
            raise ValueError(
                f"has a {shape.kind} {shape.label} that can't be drawn ({error}): "
                "expected a polygon, rectangle, circle, line, point or mask"
            ) from error
    return label_map


def _mask(shape, size):
    """Boolean `(height, width)` of a shape."""
    mask = Image.new("1", (size[1], size[0]))
    draw = ImageDraw.Draw(mask)
    kind, points = shape.kind, shape.points
    for outline in (points, *shape.holes):
        check_points(outline, size)
    if kind == "polygon" and len(points) > 2:
        draw.polygon(points, fill=1, outline=1)
        for hole in shape.holes:
            draw.polygon(hole, fill=0, outline=1)
    elif kind == "rectangle" and len(points) == 2:
        xs, ys = zip(*points, strict=True)
        draw.rectangle((min(xs), min(ys), max(xs), max(ys)), fill=1, outline=1)
    elif kind == "circle" and len(points) == 2:
        _disk(draw, points[0], math.dist(*points))
    elif kind in ("line", "linestrip") and len(points) > 1:
        draw.line(points, fill=1, width=_LINE_WIDTH)
    elif kind in ("point", "points") and points:
        for point in points:
            _disk(draw, point, _POINT_RADIUS)
    elif kind == "mask" and len(points) == 2:
        # PNG only: Pillow would start Ghostscript for some other formats.
        with open_header(io.BytesIO(shape.png), ("PNG",)) as part:
            if part.width > size[1] or part.height > size[0]:
                raise ValueError(f"its mask is of {part.width}x{part.height} pixels")
            x, y = points[0]
            has_alpha = part.mode == "RGBA"  # of Supervisely
            gray = part.getchannel("A") if has_alpha else part.convert("L")
            mask.paste(gray.point(bool, "1"), (round(x), round(y)))
    else:
        raise ValueError("it has no area")
    return np.asarray(mask)


def _disk(draw, center, radius):
    x, y = center
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)
