"""Losses of single pixels: cross-entropy, focal loss, online hard example mining."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_fcn.losses.base import SegmentationLoss
from keras_fcn.models.replicas import sum_over_replicas
from keras_fcn.typing import Tensor


class _Pixelwise(SegmentationLoss):
    """Mean of a loss over the pixels, each weighted by its class."""

    def __init__(
        self,
        ignore_class: int | None = None,
        class_weights: Sequence[float] | np.ndarray | None = None,
        **kwargs: Any,
    ):
        super().__init__(ignore_class, **kwargs)
        self.class_weights = None
        if class_weights is not None:
            self.class_weights = [float(weight) for weight in class_weights]
            if not all(0 <= weight < math.inf for weight in self.class_weights):
                raise ValueError(
                    "`class_weights` must be numbers of at least 0. Received: "
                    f"class_weights={self.class_weights}"
                )

    def weighted_mean(
        self, label_map: Tensor, logits: Tensor, weights: Tensor
    ) -> Tensor:
        """Return the mean; see `SegmentationLoss.weighted_mean`.

        Raises:
            ValueError: if there are not as many `class_weights` as classes.
        """
        if self.class_weights is not None:
            if len(self.class_weights) != logits.shape[-1]:
                raise ValueError(
                    "`class_weights` must have one weight for each of the "
                    f"{logits.shape[-1]} classes. Received: "
                    f"{len(self.class_weights)} weights"
                )
            class_weights = ops.convert_to_tensor(self.class_weights, dtype="float32")
            weights = weights * ops.take(class_weights, label_map, axis=0)
        losses = self.pixel_losses(label_map, logits)  # (N, H, W)
        weights = self.selected(losses, weights)
        # Divided by the weight of the whole batch: replicas have different numbers of
        # labeled pixels, so the mean of their means is not the mean.
        whole_weight = sum_over_replicas(ops.sum(weights))
        return ops.divide_no_nan(ops.sum(losses * weights), whole_weight)

    def pixel_losses(self, label_map: Tensor, logits: Tensor) -> Tensor:
        """Return the cross-entropy of each pixel in nats, `(batch, height, width)`."""
        return ops.sparse_categorical_crossentropy(label_map, logits, from_logits=True)

    def selected(self, losses: Tensor, weights: Tensor) -> Tensor:
        """Return the weights, with 0 for pixels that are left out."""
        return weights

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, for saved networks."""
        return {**super().get_config(), "class_weights": self.class_weights}


@keras.saving.register_keras_serializable(package="keras_fcn")
class CrossEntropy(_Pixelwise):
    """Mean softmax cross-entropy over the pixels that are not void, in nats.

    With `w` the weight of a pixel's class `y`, and `s` the label smoothing, the loss is
    the sum over the pixels of `w * ((1 - s) * -log p[y] + s * mean(-log p))`, divided
    by the sum of `w`.

    Args:
        ignore_class: id of void, whose pixels are ignored; None if there is none.
        class_weights: `(num_classes,)`, the weight of a pixel of each class; only their
            ratios matter. None for equal weights.
        label_smoothing: share of the target probability that is spread evenly over all
            classes, in [0, 1).
        from_logits: whether `y_pred` are logits or probabilities.
        name: the name of the loss.

    Raises:
        ValueError: if `label_smoothing` is out of range.

    Reference: Long, Shelhamer and Darrell, 2015, section 3.3.
    """

    def __init__(
        self,
        ignore_class: int | None = None,
        class_weights: Sequence[float] | np.ndarray | None = None,
        label_smoothing: float = 0.0,
        *,
        from_logits: bool = True,
        name: str | None = "cross_entropy",
    ):
        super().__init__(
            ignore_class, class_weights, from_logits=from_logits, name=name
        )
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                "`label_smoothing` must be at least 0 and below 1. Received: "
                f"label_smoothing={label_smoothing}"
            )
        self.label_smoothing = label_smoothing

    def pixel_losses(self, label_map: Tensor, logits: Tensor) -> Tensor:
        """Return the smoothed cross-entropy of each pixel."""
        losses = super().pixel_losses(label_map, logits)
        if not self.label_smoothing:
            return losses
        uniform = -ops.mean(ops.log_softmax(logits, axis=-1), axis=-1)  # (N, H, W)
        return (1 - self.label_smoothing) * losses + self.label_smoothing * uniform

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, for saved networks."""
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable(package="keras_fcn")
class Focal(_Pixelwise):
    """Focal loss: cross-entropy times `(1 - p) ** gamma`, p of the true class.

    Args:
        ignore_class: id of void, whose pixels are ignored; None if there is none.
        class_weights: `(num_classes,)`, the weight of a pixel of each class, alpha in
            the paper; None for equal weights.
        gamma: focusing parameter, at least 0; 0 is cross-entropy.
        from_logits: whether `y_pred` are logits or probabilities.
        name: the name of the loss.

    Reference: Lin et al., "Focal Loss for Dense Object Detection", 2017.
    """

    def __init__(
        self,
        ignore_class: int | None = None,
        class_weights: Sequence[float] | np.ndarray | None = None,
        gamma: float = 2.0,
        *,
        from_logits: bool = True,
        name: str | None = "focal",
    ):
        super().__init__(
            ignore_class, class_weights, from_logits=from_logits, name=name
        )
        self.gamma = gamma

    def pixel_losses(self, label_map: Tensor, logits: Tensor) -> Tensor:
        """Return the focal loss of each pixel."""
        losses = super().pixel_losses(label_map, logits)
        # The gradient of 0 ** gamma is infinite for gamma below 1.
        wrong = ops.maximum(1 - ops.exp(-losses), keras.config.epsilon())
        return wrong**self.gamma * losses

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, for saved networks."""
        return {**super().get_config(), "gamma": self.gamma}


@keras.saving.register_keras_serializable(package="keras_fcn")
class HardExampleMining(_Pixelwise):
    """Cross-entropy of the hardest pixels of a batch (OHEM).

    Pixels count if the probability of their class is below `threshold`. If these are
    fewer than the share `min_kept` of the labeled pixels, those with the highest loss
    count. With several replicas, each selects among its own pixels.

    Args:
        ignore_class: id of void, whose pixels are ignored; None if there is none.
        class_weights: `(num_classes,)`, the weight of a pixel of each class; None for
            equal weights.
        threshold: probability in (0, 1].
        min_kept: share of the labeled pixels in [0, 1].
        from_logits: whether `y_pred` are logits or probabilities.
        name: the name of the loss.

    Reference: Shrivastava, Gupta and Girshick, "Training Region-based Object Detectors
    with Online Hard Example Mining", 2016; for pixels as in MMSegmentation.
    """

    def __init__(
        self,
        ignore_class: int | None = None,
        class_weights: Sequence[float] | np.ndarray | None = None,
        threshold: float = 0.7,
        min_kept: float = 0.0625,
        *,
        from_logits: bool = True,
        name: str | None = "hard_example_mining",
    ):
        super().__init__(
            ignore_class, class_weights, from_logits=from_logits, name=name
        )
        self.threshold = threshold
        self.min_kept = min_kept

    def selected(self, losses: Tensor, weights: Tensor) -> Tensor:
        """Return the weights of the hardest pixels, and 0 for the others."""
        losses = ops.stop_gradient(losses)
        is_labelled = weights > 0
        ranked = ops.flip(ops.sort(ops.reshape(ops.where(is_labelled, losses, -1), -1)))
        num_labelled = ops.sum(ops.cast(is_labelled, "float32"))
        last = ops.ceil(num_labelled * self.min_kept) - 1
        last = ops.maximum(ops.cast(last, "int32"), 0)
        bound = ops.minimum(
            -ops.log(ops.convert_to_tensor(self.threshold, "float32")),
            ops.take(ranked, last),
        )
        return ops.where(losses >= bound, weights, 0.0)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, for saved networks."""
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "min_kept": self.min_kept,
        }
