"""Weights of the classes in the loss, from their frequencies."""

from collections.abc import Sequence

import numpy as np

from keras_fcn.config import CLASS_WEIGHTS
from keras_fcn.errors import check_choice


def class_weights_from_counts(
    method: str | Sequence[float],
    pixels: np.ndarray,
    pixels_of_images_with_class: np.ndarray,
) -> np.ndarray | None:
    """Compute weights that balance the classes.

    `median-frequency` is median(f) / f, where f is the share of a class among all
    pixels, with void, of the images that contain it; `sqrt-median-frequency` is its
    square root and `fourth-root-median-frequency` its fourth root. The median is over
    the classes that occur; the others have weight 1.

    Args:
        method: "none", "median-frequency", "sqrt-median-frequency" or
            "fourth-root-median-frequency"; or a number for each class.
        pixels: integer `(num_classes,)`, pixels of each class in the training set.
        pixels_of_images_with_class: integer `(num_classes,)`, all pixels of the images
            in which the class occurs.

    Returns:
        float32 `(num_classes,)`, or None for "none".

    Raises:
        ValueError: if the method is unknown, or there are not as many numbers as
            classes.

    Reference: Eigen and Fergus, "Predicting Depth, Surface Normals and Semantic
    Labels", 2015, section 6.3.2.
    """
    if not isinstance(method, str):
        if len(method) != len(pixels):
            raise ValueError(
                "`class_weights` must have one number for each of the "
                f"{len(pixels)} classes. Received: {len(method)} numbers"
            )
        return np.asarray(method, dtype="float32")
    check_choice("method", method, CLASS_WEIGHTS)
    if method == "none":
        return None
    occurs = pixels > 0
    weights = np.ones(len(pixels))
    if not occurs.any():
        return weights.astype("float32")
    frequency = pixels[occurs] / pixels_of_images_with_class[occurs]
    power = {"sqrt-median-frequency": 1 / 2, "fourth-root-median-frequency": 1 / 4}
    weights[occurs] = (np.median(frequency) / frequency) ** power.get(method, 1)
    return weights.astype("float32")
