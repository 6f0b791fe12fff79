"""What the page shows of an image, as values that a browser reads."""

import base64

import cv2
import numpy as np

from keras_fcn.classes import ClassMap
from keras_fcn.drawing.overlays import overlay_palette
from keras_fcn.images.encoding import encode_jpeg
from keras_fcn.prediction.results import count_ids

_LARGEST_VIEW = 1600  # pixels, height and width; files to download keep their size


def describe_image(
    image: np.ndarray,
    label_map: np.ndarray,
    confidence: np.ndarray,
    class_map: ClassMap,
) -> dict:
    """Return what `viewer.js` draws.

    Args:
        image: uint8 RGB `(height, width, 3)`.
        label_map: uint8 `(height, width)`.
        confidence: float32 `(height, width)` in [0, 1], how sure each pixel's class is.
        class_map: names and colours.

    Returns:
        `image`, `labels` and `confidence` as data URLs of one size, at most 1600
        pixels, the latter two grey; `classes`, the largest first: dicts of `id`,
        `name`, `color` (None for void) and `share`, from 0 to 1.
    """
    height, width = label_map.shape
    factor = min(1.0, _LARGEST_VIEW / max(height, width))
    size = max(1, round(factor * width)), max(1, round(factor * height))
    levels = np.round(255 * confidence).astype("uint8")
    seen = cv2.resize(image, size, None, 0, 0, cv2.INTER_AREA)
    return {
        "image": _url("jpeg", encode_jpeg(seen)),
        "labels": _grey(cv2.resize(label_map, size, None, 0, 0, cv2.INTER_NEAREST)),
        "confidence": _grey(cv2.resize(levels, size, None, 0, 0, cv2.INTER_NEAREST)),
        "classes": _classes(label_map, class_map),
    }


def _classes(label_map, class_map):
    counts, palette = count_ids(label_map), overlay_palette(class_map)
    found = sorted(np.flatnonzero(counts).tolist(), key=lambda index: -counts[index])
    entries = []
    for index in found:
        is_void = index == class_map.void_id
        entries.append(
            {
                "id": index,
                "name": "void" if is_void else class_map.names[index],
                "color": None if is_void else palette[index].tolist(),
                "share": counts[index] / label_map.size,
            }
        )
    return entries


def _grey(values):
    return _url("png", cv2.imencode(".png", values)[1].tobytes())


def _url(kind, content):
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
