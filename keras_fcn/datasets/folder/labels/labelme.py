"""labelme files: shapes drawn in the order of the file, as labelme itself does."""

import base64
import io
import json
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from keras_fcn.datasets.folder.labels.polygons import check_points
from keras_fcn.images.opening import check_pixels, open_header
from keras_fcn.storage.regular_files import check_is_regular

BACKGROUND = "_background_"


def read_labelme(path: Path) -> dict:
    """Read a labelme file.

    Args:
        path: the JSON file.

    Returns:
        What it holds: `shapes`, `imageHeight`, `imageWidth` ...

    Raises:
        ValueError: if it is no JSON, or not labelme's.
    """
    check_is_regular(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        shapes = [(str(shape["label"]), shape["points"]) for shape in content["shapes"]]
        size = int(content["imageHeight"]), int(content["imageWidth"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(
            f"is no labelme file ({type(error).__name__}: {error})"
        ) from error
    if min(size) < 1 or len(shapes) > 100_000:
        raise ValueError(f"is no labelme file (its image is {size[1]}x{size[0]})")
    return content


def shape_names(path: Path) -> set[str]:
    """Return the labels that the shapes of a file have.

    Args:
        path: the JSON file.
    """
    return {str(shape["label"]) for shape in read_labelme(path)["shapes"]}


def draw_labelme(path: Path, values: dict[str, int], max_pixels: int) -> np.ndarray:
    """Draw the shapes of a file, later ones over earlier ones.

    Args:
        path: the JSON file.
        values: what is drawn for a label; that of `_background_` where no shape is.
        max_pixels: pixels that the image may have.

    Returns:
        int32 `(height, width)`.

    Raises:
        ValueError: if the file is no labelme file, or a shape is no area or has a label
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
        label_map[_draw(shape, size)] = values[label]
    return label_map


def _draw(shape, size):
    """Boolean `(height, width)` of a shape."""
    kind = shape.get("shape_type") or "polygon"
    picture = Image.new("1", (size[1], size[0]))
    draw = ImageDraw.Draw(picture)
    try:
        points = [(float(x), float(y)) for x, y in shape["points"]]
        check_points(points, size)
        if kind == "polygon" and len(points) > 2:
            draw.polygon(points, fill=1, outline=1)
        elif kind == "rectangle" and len(points) == 2:
            xs, ys = zip(*points, strict=True)
            draw.rectangle((min(xs), min(ys), max(xs), max(ys)), fill=1, outline=1)
        elif kind == "circle" and len(points) == 2:
            (x, y), edge = points[0], points[1]
            radius = math.dist((x, y), edge)
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)
        elif kind == "mask" and len(points) == 2:
            part = _open_mask(base64.b64decode(shape["mask"]), size)
            picture.paste(part, tuple(round(value) for value in points[0]))
        else:
            raise ValueError("it is no area")
    except Exception as error:  # of any kind: Pillow's, of numbers, of the JSON
        raise ValueError(
            f"has a {kind} {shape['label']} that can't be drawn ({error}): needed a "
            "polygon, rectangle, circle or mask"
        ) from error
    return np.asarray(picture)


def _open_mask(content, size):
    """The picture of a shape of the kind mask, a PNG that is not larger than the image.

    Its format is fixed: Pillow would start Ghostscript for others.
    """
    with open_header(io.BytesIO(content), ("PNG",)) as part:
        if part.width > size[1] or part.height > size[0]:
            raise ValueError(f"its mask is of {part.width}x{part.height} pixels")
        return part.convert("L").point(bool, "1")
