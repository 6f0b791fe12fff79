"""Losses of whole regions: Dice, Tversky and Lovasz-softmax.

Each class that occurs in the labels of a batch counts equally, whatever its size.
"""

from typing import Any

import keras
from keras import ops

from keras_fcn.losses.base import SegmentationLoss
from keras_fcn.models.replicas import num_replicas, sum_over_replicas
from keras_fcn.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_fcn")
class Tversky(SegmentationLoss):
    """1 minus the mean Tversky index of the classes in the labels of a batch.

    The index of a class is `TP / (TP + alpha * FP + beta * FN)`, with the sums of the
    probabilities over all pixels of the batch as counts: TP over pixels of the class,
    FP over the others, and FN of 1 minus the probability over pixels of the class.

    Args:
        ignore_class: id of void, whose pixels are ignored; None if there is none.
        alpha: weight of false positives.
        beta: weight of false negatives; with 0.5 for both, the index is Dice's.
        from_logits: whether `y_pred` are logits or probabilities.
        name: the name of the loss.

    Reference: Salehi, Erdogmus and Gholipour, "Tversky loss function for image
    segmentation using 3D fully convolutional deep networks", 2017.
    """

    def __init__(
        self,
        ignore_class: int | None = None,
        alpha: float = 0.3,
        beta: float = 0.7,
        *,
        from_logits: bool = True,
        name: str | None = "tversky",
    ):
        super().__init__(ignore_class, from_logits=from_logits, name=name)
        self.alpha = alpha
        self.beta = beta

    def weighted_mean(
        self, label_map: Tensor, logits: Tensor, weights: Tensor
    ) -> Tensor:
        """Return the loss; see `SegmentationLoss.weighted_mean`."""
        target = ops.one_hot(label_map, logits.shape[-1]) * weights[..., None]
        probabilities = ops.softmax(logits, axis=-1)  # (N, H, W, C)
        true, predicted, both = (
            sum_over_replicas(ops.sum(pixels, axis=(0, 1, 2)))  # (C,)
            for pixels in (
                target,
                probabilities * weights[..., None],
                probabilities * target,
            )
        )
        weighted = self.alpha * (predicted - both) + self.beta * (true - both)
        return _mean_loss(1 - ops.divide_no_nan(both, both + weighted), true)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, for saved networks."""
        return {**super().get_config(), "alpha": self.alpha, "beta": self.beta}


@keras.saving.register_keras_serializable(package="keras_fcn")
class Dice(Tversky):
    """1 minus the mean Dice coefficient of the classes in the labels of a batch.

    The coefficient of a class is `2 * TP / (2 * TP + FP + FN)`, with sums of
    probabilities as counts, as in `Tversky`.

    Args:
        ignore_class: id of void, whose pixels are ignored; None if there is none.
        from_logits: whether `y_pred` are logits or probabilities.
        name: the name of the loss.

    Reference: Milletari, Navab and Ahmadi, "V-Net", 2016, without squares.
    """

    def __init__(
        self,
        ignore_class: int | None = None,
        *,
        from_logits: bool = True,
        name: str | None = "dice",
    ):
        super().__init__(ignore_class, 0.5, 0.5, from_logits=from_logits, name=name)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, for saved networks."""
        return SegmentationLoss.get_config(self)


@keras.saving.register_keras_serializable(package="keras_fcn")
class Lovasz(SegmentationLoss):
    """Lovasz-softmax: a convex surrogate of 1 minus the mean IoU of a batch.

    The mean is over the classes in the labels. With several replicas, it is the mean of
    the losses of their parts. Usually it is added to the cross-entropy.

    Args:
        ignore_class: id of void, whose pixels are ignored; None if there is none.
        from_logits: whether `y_pred` are logits or probabilities.
        name: the name of the loss.

    Reference: Berman, Triki and Blaschko, "The Lovasz-Softmax loss", 2018.
    """

    def __init__(
        self,
        ignore_class: int | None = None,
        *,
        from_logits: bool = True,
        name: str | None = "lovasz",
    ):
        super().__init__(ignore_class, from_logits=from_logits, name=name)

    def weighted_mean(
        self, label_map: Tensor, logits: Tensor, weights: Tensor
    ) -> Tensor:
        """Return the loss; see `SegmentationLoss.weighted_mean`."""
        num_classes = logits.shape[-1]
        # (N * H * W, C)
        target = ops.reshape(ops.one_hot(label_map, num_classes), (-1, num_classes))
        probabilities = ops.reshape(ops.softmax(logits, axis=-1), (-1, num_classes))
        weights = ops.reshape(weights, (-1, 1))
        errors = ops.absolute(target - probabilities)
        order = ops.stop_gradient(ops.argsort(-errors, axis=0))
        errors = ops.take_along_axis(errors, order, axis=0)
        true = ops.take_along_axis(target * weights, order, axis=0)
        other = ops.take_along_axis((1 - target) * weights, order, axis=0)
        whole = ops.sum(true, axis=0)  # (C,)
        # Jaccard loss if the pixels with the largest errors, up to each, were wrong.
        intersection = whole - ops.cumsum(true, axis=0)
        union = whole + ops.cumsum(other, axis=0)
        jaccard = 1 - ops.divide_no_nan(intersection, union)
        before = ops.pad(jaccard[:-1], ((1, 0), (0, 0)))
        return _mean_loss(ops.sum(errors * (jaccard - before), axis=0), whole)


def _mean_loss(losses: Tensor, true: Tensor) -> Tensor:
    """Return this replica's term of the mean over classes with labeled pixels."""
    occurs = ops.cast(true > 0, "float32")
    mean = ops.divide_no_nan(ops.sum(losses * occurs), ops.sum(occurs))
    return mean / num_replicas()
