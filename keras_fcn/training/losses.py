"""Cross-entropy over the pixels that are not void, and class weights for it."""

import numpy as np
from keras import ops

from keras_fcn.config import CLASS_WEIGHTS
from keras_fcn.errors import check_choice
from keras_fcn.typing import Tensor


def masked_cross_entropy(
    label_map: Tensor,
    logits: Tensor,
    ignore_class: int,
    class_weights: Tensor | None = None,
) -> Tensor:
    """Mean softmax cross-entropy over the pixels that are not void.

    Args:
        label_map: integer `(batch, height, width)`; ids in `[0, num_classes)` or
            `ignore_class`.
        logits: float `(batch, height, width, num_classes)`.
        ignore_class: id of the pixels that carry no loss.
        class_weights: float `(num_classes,)`, the weight of a pixel of each class, or
            None for 1. The mean is divided by the sum of the weights, so that its
            scale does not depend on them.

    Returns:
        float32 scalar in nats; 0 if every pixel is void.

    Raises:
        ValueError: if the heights or widths differ.

    Reference: Long, Shelhamer and Darrell, 2015, section 3.3.
    """
    sizes = zip(label_map.shape[1:3], logits.shape[1:3], strict=True)
    if any(None not in pair and pair[0] != pair[1] for pair in sizes):
        raise ValueError(
            "Label map and logits must be of one size. "
            f"Received: {tuple(label_map.shape)} and {tuple(logits.shape)}"
        )
    label_map = ops.cast(label_map, "int32")
    logits = ops.cast(logits, "float32")
    is_labelled = label_map != ignore_class
    target = ops.where(is_labelled, label_map, 0)  # void has an id of no logit
    # (N, H, W), nats
    cross_entropy = ops.sparse_categorical_crossentropy(
        target, logits, from_logits=True
    )
    weights = ops.cast(is_labelled, "float32")  # (N, H, W)
    if class_weights is not None:
        class_weights = ops.convert_to_tensor(class_weights, dtype="float32")
        weights = weights * ops.take(class_weights, target, axis=0)
    return ops.divide_no_nan(ops.sum(cross_entropy * weights), ops.sum(weights))


def class_weights_from_counts(
    method: str, pixels: np.ndarray, pixels_of_images_with_class: np.ndarray
) -> np.ndarray | None:
    """Weights that even out how often the classes occur.

    `median-frequency` is median(f) / f with f the share of a class among the labelled
    and void pixels of the images that show it; `sqrt-median-frequency` its root and
    `fourth-root-median-frequency` the root of that. The median is over the classes that
    occur; one that does not gets weight 1.

    Args:
        method: one of `config.CLASS_WEIGHTS`.
        pixels: integer `(num_classes,)`, pixels of each class in the training set.
        pixels_of_images_with_class: integer `(num_classes,)`, all pixels of the images
            in which the class occurs.

    Returns:
        float32 `(num_classes,)`, or None for "none".

    Raises:
        ValueError: if the method is unknown.

    Reference: Eigen and Fergus, "Predicting Depth, Surface Normals and Semantic
    Labels", 2015, section 6.3.2.
    """
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
