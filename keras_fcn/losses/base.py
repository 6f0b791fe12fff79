"""The base class of the losses, and sums of losses."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_fcn.losses.label_maps import aligned_labels, check_ids
from keras_fcn.typing import Tensor

_SMALLEST = 1e-7  # probability whose logarithm is taken instead of that of 0


class SegmentationLoss(keras.losses.Loss):
    """Loss of label maps and logits, averaged over the pixels that are not void.

    Losses can be added and multiplied by numbers: `CrossEntropy() + 0.5 * Dice()`.

    Args:
        ignore_class: id of void, whose pixels are ignored; None if there is none.
        from_logits: whether `y_pred` are logits, as those of `keras_fcn.FCN`, or
            probabilities.
        name: the name of the loss.
    """

    def __init__(
        self,
        ignore_class: int | None = None,
        *,
        from_logits: bool = True,
        name: str | None = None,
    ):
        super().__init__(name=name, reduction="sum_over_batch_size", dtype="float32")
        if not isinstance(ignore_class, int | np.integer | None):
            raise ValueError(
                "`ignore_class` must be the id of void, an integer, or None. Received: "
                f"ignore_class={ignore_class!r}"
            )
        self.ignore_class = ignore_class
        self.from_logits = from_logits

    def __call__(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        """Check the labels and return the loss of a batch.

        Args:
            y_true: integer `(batch, height, width)` or `(batch, height, width, 1)`; ids
                in `[0, num_classes)` or `ignore_class`.
            y_pred: float `(batch, height, width, num_classes)`.
            sample_weight: weights of the images, `(batch,)`, or of the pixels, `(batch,
                height, width)`; the mean is weighted by them. None for 1.

        Returns:
            float32 scalar; 0 if every pixel is void. With several replicas of
            `tf.distribute` it is this replica's term: the sum of the terms is the loss
            of the whole batch.

        Raises:
            ValueError: if the shapes do not fit, or an id is out of range.
        """
        y_pred = ops.convert_to_tensor(y_pred)
        label_map = aligned_labels(y_true, y_pred)
        label_map, nan = check_ids(label_map, y_pred.shape[-1], self.ignore_class)
        return self.call(label_map, y_pred, sample_weight) + nan

    def call(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        """Return the loss of a batch without a check of the ids.

        Args:
            y_true: as for a call of the loss.
            y_pred: as for a call of the loss.
            sample_weight: as for a call of the loss.
        """
        logits = ops.convert_to_tensor(y_pred)
        label_map = aligned_labels(y_true, logits)
        logits = ops.cast(logits, "float32")  # bfloat16 has too few digits for a sum
        if not self.from_logits:
            logits = ops.log(ops.maximum(logits, _SMALLEST))
        weights = ops.ones_like(label_map, dtype="float32")  # (N, H, W)
        if self.ignore_class is not None:
            weights = ops.cast(label_map != self.ignore_class, "float32")
        label_map = ops.where(weights > 0, label_map, 0)  # the id of void has no logit
        if sample_weight is not None:
            given = ops.cast(sample_weight, "float32")
            missing = (1,) * (3 - len(given.shape))
            weights *= ops.reshape(given, (*ops.shape(given), *missing))
        return self.weighted_mean(label_map, logits, weights)

    def weighted_mean(
        self, label_map: Tensor, logits: Tensor, weights: Tensor
    ) -> Tensor:
        """Return the loss, float32 scalar.

        Args:
            label_map: int32 `(batch, height, width)`; 0 for void.
            logits: float32 `(batch, height, width, num_classes)`.
            weights: float32 `(batch, height, width)`; 0 for void.
        """
        raise NotImplementedError

    def __add__(self, other: "SegmentationLoss") -> "Sum":
        return Sum([self, other])

    def __rmul__(self, factor: float) -> "Sum":
        return Sum([self], [factor])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, for saved networks."""
        return {
            "ignore_class": self.ignore_class,
            "from_logits": self.from_logits,
            "name": self.name,
        }


@keras.saving.register_keras_serializable(package="keras_fcn")
class Sum(SegmentationLoss):
    """Weighted sum of losses.

    Args:
        losses: the losses.
        weights: factor of each loss; None for 1.
        name: the name of the sum.

    Raises:
        ValueError: if the numbers of losses and weights differ.
    """

    def __init__(
        self,
        losses: Sequence[SegmentationLoss],
        weights: Sequence[float] | None = None,
        name: str | None = "sum",
    ):
        super().__init__(name=name)
        self.losses = list(losses)
        self.weights = [1.0] * len(losses) if weights is None else list(weights)
        if len(self.losses) != len(self.weights):
            raise ValueError(
                f"`weights` must have a number for each of the {len(self.losses)} "
                f"losses. Received: {len(self.weights)} weights"
            )

    def __call__(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        """Return the sum of the losses, which are called as each alone."""
        return self._add(y_true, y_pred, sample_weight, [*self.losses])

    def call(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        """Return the sum without a check of the ids."""
        functions = [loss.call for loss in self.losses]
        return self._add(y_true, y_pred, sample_weight, functions)

    def _add(self, y_true, y_pred, sample_weight, functions):
        return sum(
            weight * function(y_true, y_pred, sample_weight)
            for weight, function in zip(self.weights, functions, strict=True)
        )

    def __add__(self, other: SegmentationLoss) -> "Sum":
        added = other if isinstance(other, Sum) else Sum([other])
        return Sum([*self.losses, *added.losses], [*self.weights, *added.weights])

    def __rmul__(self, factor: float) -> "Sum":
        return Sum(self.losses, [factor * weight for weight in self.weights])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, for saved networks."""
        losses = [keras.saving.serialize_keras_object(loss) for loss in self.losses]
        return {"losses": losses, "weights": self.weights, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Sum":
        """Return the loss of a configuration.

        Args:
            config: as returned by `get_config`.
        """
        make = keras.saving.deserialize_keras_object
        return cls(**{**config, "losses": [make(loss) for loss in config["losses"]]})
