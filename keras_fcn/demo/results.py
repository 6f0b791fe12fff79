"""The result of an image as values for `viewer.js`."""

import base64

import cv2
import numpy as np

from keras_fcn.classes import ClassMap
from keras_fcn.drawing.overlays import overlay_palette, untinted_ids
from keras_fcn.images.encoding import encode_jpeg
from keras_fcn.prediction.results import count_ids

_MAX_LENGTH = 1600  # pixels, of the displayed image; downloads keep their size


def describe_image(
    image: np.ndarray,
    label_map: np.ndarray,
    confidence: np.ndarray,
    class_map: ClassMap,
) -> dict:
    """Return what `viewer.js` displays.

    Args:
        image: uint8 RGB `(height, width, 3)`.
        label_map: uint8 `(height, width)`.
        confidence: float32 `(height, width)` in [0, 1].
        class_map: names and colors.

    Returns:
        `image`, `labels` and `confidence`: data URLs of images of one size, at most
        1600 pixels high and wide; the latter two are gray. `classes`: dicts of `id`,
        `name`, `color` (None for void and a background class) and `share` in [0, 1],
        the largest share first.
    """
    height, width = label_map.shape
    factor = min(1.0, _MAX_LENGTH / max(height, width))
    size = max(1, round(factor * width)), max(1, round(factor * height))  # of OpenCV
    levels = np.round(255 * confidence).astype("uint8")
    counts, palette = count_ids(label_map), overlay_palette(class_map)
    untinted = untinted_ids(class_map)
    by_share = sorted(np.flatnonzero(counts).tolist(), key=lambda id_: -counts[id_])
    return {
        "image": _data_url(
            "jpeg", encode_jpeg(cv2.resize(image, size, None, 0, 0, cv2.INTER_AREA))
        ),
        "labels": _grey_url(label_map, size),
        "confidence": _grey_url(levels, size),
        "classes": [
            {
                "id": id_,
                "name": "void" if id_ == class_map.void_id else class_map.names[id_],
                "color": None if id_ in untinted else palette[id_].tolist(),
                "share": counts[id_] / label_map.size,
            }
            for id_ in by_share
        ],
    }


def _grey_url(values, size):
    # Nearest: a blend of two class ids is another class.
    resized = cv2.resize(values, size, None, 0, 0, cv2.INTER_NEAREST)
    return _data_url("png", cv2.imencode(".png", resized)[1].tobytes())


def _data_url(kind, content):
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
