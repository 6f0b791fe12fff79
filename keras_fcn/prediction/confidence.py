"""Label maps, probabilities and confidence from logits.

Logits come in strips of rows, float32 `(num_classes, rows, width)`.
"""

import numpy as np

from keras_fcn.classes import ClassMap
from keras_fcn.images.encoding import encode_png


def decide(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the most probable class of each pixel, and its probability.

    Args:
        logits: float32 `(num_classes, rows, width)`; overwritten.

    Returns:
        Class ids as in `label_map_of`, uint8 `(rows, width)`; and their softmax
        probability, float32 `(rows, width)`.
    """
    label_map, largest = _argmax_and_max(logits)
    return label_map, 1 / _exponentials(logits, largest).sum(axis=0)


def label_map_of(logits: np.ndarray) -> np.ndarray:
    """Return the class of each pixel: the first of those with the largest logit.

    Args:
        logits: float32 `(num_classes, rows, width)`.

    Returns:
        Class ids, uint8 `(rows, width)`.
    """
    return _argmax_and_max(logits)[0]


def probabilities_of(logits: np.ndarray) -> np.ndarray:
    """Return the softmax of logits.

    Args:
        logits: float32 `(num_classes, rows, width)`; overwritten.

    Returns:
        float32 `(rows, width, num_classes)`.
    """
    exponentials = _exponentials(logits, logits.max(axis=0))
    return np.moveaxis(exponentials / exponentials.sum(axis=0), 0, -1)


def mark_unknown(
    label_map: np.ndarray,
    confidence: np.ndarray,
    unknown_below: float,
    class_map: ClassMap,
) -> np.ndarray:
    """Label the pixels void whose confidence is below a threshold.

    Args:
        label_map: uint8 `(height, width)`.
        confidence: float32 `(height, width)`, in [0, 1].
        unknown_below: probability from which a pixel keeps its label.
        class_map: defines the id of void.

    Returns:
        uint8 `(height, width)`.
    """
    return np.where(confidence < unknown_below, np.uint8(class_map.void_id), label_map)


def encode_confidence(confidence: np.ndarray) -> bytes:
    """Encode confidence as a gray PNG, 255 for a probability of 1.

    Args:
        confidence: float32 `(height, width)`, in [0, 1].
    """
    return encode_png(np.rint(255 * confidence).astype("uint8"))


def _argmax_and_max(logits):
    # np.argmax would take 8 bytes a pixel, for its int64 ids.
    label_map = np.zeros(logits.shape[1:], dtype="uint8")
    largest = logits[0].copy()
    for class_id, plane in enumerate(logits[1:], start=1):
        is_larger = plane > largest
        np.copyto(label_map, np.uint8(class_id), where=is_larger)
        np.copyto(largest, plane, where=is_larger)
    return label_map, largest


def _exponentials(logits, largest):
    # The largest becomes exp(0): no logit overflows.
    logits -= largest
    return np.exp(logits, out=logits)
