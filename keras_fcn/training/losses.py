"""Cross-entropy over the pixels that are not void."""

from keras import ops

from keras_fcn.models.replicas import sum_over_replicas
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
        float32 scalar in nats; 0 if every pixel is void. Among several replicas it is
        the part of this one: their sum is the mean over the whole batch, and the sum of
        their gradients its gradient.

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
    whole_weight = sum_over_replicas(ops.sum(weights))
    return ops.divide_no_nan(ops.sum(cross_entropy * weights), whole_weight)
