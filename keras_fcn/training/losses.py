"""Cross-entropy over the pixels that are not void, of a batch and of an epoch."""

from typing import Any

import keras
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
        float32 scalar in nats; 0 if every pixel is void. With several replicas it is
        this replica's term: the sum of the terms is the mean over the whole batch, and
        the sum of their gradients is its gradient.

    Raises:
        ValueError: if the heights or widths differ.

    Reference: Long, Shelhamer and Darrell, 2015, section 3.3.
    """
    sizes = zip(label_map.shape[1:3], logits.shape[1:3], strict=True)
    if any(None not in pair and pair[0] != pair[1] for pair in sizes):
        raise ValueError(
            "Label map and logits must have the same height and width. "
            f"Received: {tuple(label_map.shape)} and {tuple(logits.shape)}"
        )
    label_map = ops.cast(label_map, "int32")
    logits = ops.cast(logits, "float32")  # bfloat16 has too few digits for a sum
    is_labelled = label_map != ignore_class  # (N, H, W)
    target = ops.where(is_labelled, label_map, 0)  # the id of void has no logit
    # (N, H, W), nats
    cross_entropy = ops.sparse_categorical_crossentropy(
        target, logits, from_logits=True
    )
    weights = ops.cast(is_labelled, "float32")  # (N, H, W)
    if class_weights is not None:
        class_weights = ops.convert_to_tensor(class_weights, dtype="float32")
        weights = weights * ops.take(class_weights, target, axis=0)
    # Divided by the weight of the whole batch: replicas have different numbers of
    # labeled pixels, so the mean of their means is not the mean.
    whole_weight = sum_over_replicas(ops.sum(weights))
    return ops.divide_no_nan(ops.sum(cross_entropy * weights), whole_weight)


class EpochLoss(keras.metrics.Metric):
    """Mean of the losses of an epoch's batches, each weighted by its labeled pixels.

    Images that fill up the last batch are void everywhere and have no weight. Without
    class weights it is the mean over all labeled pixels.

    The sum stays on the device: fetching the loss of each step would make the host wait
    for the device. A loss that is not finite makes the sum not finite, so that looking
    at it now and then is enough; `first_non_finite_step` returns the step.

    Args:
        name: the metric's name.
    """

    def __init__(self, name: str = "epoch_loss"):
        super().__init__(name=name)
        # Every replica adds the loss of the whole batch, so any copy can be read.
        self._total, self._weight, self._num_finite = (
            self.add_variable(
                (), "zeros", dtype, aggregation="only_first_replica", name=variable
            )
            for variable, dtype in (
                ("total", "float32"),
                ("weight", "float32"),
                ("finite", "int32"),
            )
        )

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Add the loss of a batch.

        Args:
            args: `loss`, float scalar, the mean over the batch's labeled pixels; and
                `num_labelled`, float scalar, the number of these.
            kwargs: none; void pixels have no weight.

        Raises:
            ValueError: if `sample_weight` is given.
        """
        if kwargs.get("sample_weight") is not None:
            raise ValueError("The loss of an epoch has no `sample_weight`")
        loss, num_labelled = args
        self._total.assign(self._total + ops.cast(loss, "float32") * num_labelled)
        self._weight.assign(self._weight + num_labelled)
        # Counts the steps up to the first loss that is not finite: the sum stays so.
        self._num_finite.assign(
            self._num_finite + ops.cast(ops.isfinite(self._total), "int32")
        )

    def result(self) -> Tensor:
        """Return the mean so far in nats, float32 scalar; 0 if nothing is labeled."""
        return self._total / ops.maximum(self._weight, 1.0)

    def first_non_finite_step(self) -> int:
        """Return the first step, counted from 1, whose loss was not finite.

        One more than the number of steps if all losses were finite.
        """
        return int(ops.convert_to_numpy(self._num_finite)) + 1
