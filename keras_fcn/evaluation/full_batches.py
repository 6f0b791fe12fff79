"""Batches of one size alone: a network is traced anew for each other one."""

from collections.abc import Callable

import numpy as np

Arrays = np.ndarray | tuple[np.ndarray, ...]


def with_full_batches(
    predict: Callable[[np.ndarray], Arrays],
) -> Callable[[np.ndarray], Arrays]:
    """Return a function that fills up the last batch of a split.

    Tracing takes as long as the prediction of some ten images.

    Args:
        predict: function of images, `(batch, height, width, 3)`, to an array or a
            tuple of arrays, `(batch, ...)`.

    Returns:
        The same, which asks for batches of the first one's size, or larger ones.
    """
    size = 0

    def predict_filled(images):
        nonlocal size
        count = len(images)
        size = max(size, count)
        filled = np.pad(images, [(0, size - count), *[(0, 0)] * 3], mode="edge")
        answer = predict(filled)
        if isinstance(answer, tuple):
            return tuple(array[:count] for array in answer)
        return answer[:count]

    return predict_filled
