"""From scores to class ids, probabilities, and how sure they are.

Scores come in strips, float32 `(num_classes, rows, width)`.
"""

import numpy as np

from keras_fcn.classes import ClassMap


def decide(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the class of each pixel, and its probability.

    Args:
        scores: float32 `(num_classes, rows, width)`; they are overwritten.

    Returns:
        Class ids, uint8 `(rows, width)`, as `label_of`; and float32 `(rows, width)`.
    """
    label_map, largest = _label_and_score(scores)
    return label_map, 1 / _exponentials(scores, largest).sum(axis=0)


def label_of(scores: np.ndarray) -> np.ndarray:
    """Return the class of each pixel: the first of those with the largest score.

    Args:
        scores: float32 `(num_classes, rows, width)`.

    Returns:
        Class ids, uint8 `(rows, width)`.
    """
    return _label_and_score(scores)[0]


def probabilities_of(scores: np.ndarray) -> np.ndarray:
    """Return the softmax of scores.

    Args:
        scores: float32 `(num_classes, rows, width)`; they are overwritten.

    Returns:
        float32 `(rows, width, num_classes)`.
    """
    exponentials = _exponentials(scores, scores.max(axis=0))
    return np.moveaxis(exponentials / exponentials.sum(axis=0), 0, -1)


def mark_unknown(
    label_map: np.ndarray, confidence: np.ndarray, least: float, class_map: ClassMap
) -> np.ndarray:
    """Label the pixels that are less sure than `least` void.

    Args:
        label_map: uint8 `(height, width)`.
        confidence: float32 `(height, width)`, in [0, 1].
        least: probability from which on a pixel keeps its label.
        class_map: says which id is void.

    Returns:
        uint8 `(height, width)`.
    """
    return np.where(confidence < least, np.uint8(class_map.void_id), label_map)


def confidence_picture(confidence: np.ndarray) -> np.ndarray:
    """Return confidence as 8 bits, 255 for certain.

    Args:
        confidence: float32 in [0, 1].

    Returns:
        uint8 of its shape, rounded to the nearest.
    """
    return np.rint(255 * confidence).astype("uint8")


def _label_and_score(scores):
    label_map = np.zeros(scores.shape[1:], dtype="uint8")
    largest = scores[0].copy()
    for class_id, plane in enumerate(scores[1:], start=1):
        is_larger = plane > largest
        np.copyto(label_map, np.uint8(class_id), where=is_larger)
        np.copyto(largest, plane, where=is_larger)
    return label_map, largest


def _exponentials(scores, largest):
    scores -= largest
    return np.exp(scores, out=scores)
