"""Confusion matrix, and the scores of semantic segmentation that follow from it."""

import cv2
import keras
import numpy as np
from keras import ops

from keras_fcn.typing import Tensor

# Counts are stored in two int32 digits to this base: JAX has no int64 by default, and
# float32 is exact up to 2**24 only, 64 images of 512x512. Exact up to 2**60 pixels.
_BASE = 2**30


class ConfusionMatrix(keras.metrics.Metric):
    """Confusion matrix of a whole set of images, `[true, predicted]`, and its scores.

    Void pixels are ignored. `result()` returns the scores of `segmentation_scores`
    without the per-class ones, as scalars for Keras's logs.

    Args:
        num_classes: number of classes, without void.
        ignore_class: id of void.
        name: the metric's name.
    """

    def __init__(
        self, num_classes: int, ignore_class: int, name: str = "confusion_matrix"
    ):
        super().__init__(name=name)
        self.num_classes = num_classes
        self.ignore_class = ignore_class
        self._low, self._high = (
            # The trainer sums counts over the replicas before it adds them, so that all
            # replicas have the same value.
            self.add_variable(
                (num_classes, num_classes),
                "zeros",
                dtype="int32",
                aggregation="only_first_replica",
                name=digit,
            )
            for digit in ("low", "high")
        )

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: None = None
    ) -> None:
        """Count a batch of fewer than 2**30 pixels.

        Args:
            y_true: integer `(batch, height, width)`; ids in `[0, num_classes)` or
                `ignore_class`.
            y_pred: float `(batch, height, width, num_classes)`, logits.
            sample_weight: must be None; label pixels as void to ignore them.

        Raises:
            ValueError: if `sample_weight` is given.
        """
        if sample_weight is not None:
            raise ValueError("A confusion matrix takes no `sample_weight`")
        prediction = ops.argmax(y_pred, axis=-1)
        self.add(
            count_on_device(y_true, prediction, self.num_classes, self.ignore_class)
        )

    def add(self, counts: Tensor) -> None:
        """Add the matrix of a batch of fewer than 2**30 pixels.

        Args:
            counts: int32 `(num_classes, num_classes)`, `[true, predicted]`.
        """
        # The low digit and the counts of a batch are below 2**30: their sum fits int32.
        total = self._low + counts
        self._high.assign(self._high + total // _BASE)
        self._low.assign(total % _BASE)

    def matrix(self) -> np.ndarray:
        """Return the counts so far, int64 `(num_classes, num_classes)`."""
        low, high = (np.asarray(digit) for digit in (self._low, self._high))
        return high.astype("int64") * _BASE + low

    def result(self) -> dict[str, Tensor]:
        """Return the scores so far, float32 in [0, 1]; 0 if no pixel was counted."""
        matrix = ops.cast(self._high, "float32") * _BASE + ops.cast(
            self._low, "float32"
        )
        correct = ops.diagonal(matrix)
        true, predicted = ops.sum(matrix, axis=1), ops.sum(matrix, axis=0)
        union = true + predicted - correct
        iou = ops.divide_no_nan(correct, union)
        return {
            "pixel_accuracy": ops.divide_no_nan(ops.sum(correct), ops.sum(true)),
            "mean_accuracy": _mean_where(true > 0, ops.divide_no_nan(correct, true)),
            "mean_iou": _mean_where(union > 0, iou),
            "frequency_weighted_iou": ops.divide_no_nan(
                ops.sum(true * iou), ops.sum(true)
            ),
        }


def _mean_where(mask, values):
    mask = ops.cast(mask, values.dtype)
    return ops.divide_no_nan(ops.sum(values * mask), ops.sum(mask))


def count_on_device(
    label_map: Tensor, prediction: Tensor, num_classes: int, ignore_class: int
) -> Tensor:
    """Compute the confusion matrix of a batch on the device.

    Args:
        label_map: integer `(batch, height, width)`; ids in `[0, num_classes)` or
            `ignore_class`.
        prediction: integer `(batch, height, width)`; ids in `[0, num_classes)`.
        num_classes: number of classes.
        ignore_class: id of the pixels that are not counted.

    Returns:
        int32 `(num_classes, num_classes)`, `[true, predicted]`.
    """
    label_map = ops.reshape(ops.cast(label_map, "int32"), [-1])  # (N * H * W,)
    prediction = ops.reshape(ops.cast(prediction, "int32"), [-1])
    num_cells = num_classes * num_classes
    # Void pixels get an additional cell, which is dropped: JAX compiles no operations
    # whose shape depends on values, such as selecting the labeled pixels.
    cell = ops.where(
        label_map == ignore_class, num_cells, label_map * num_classes + prediction
    )
    # Not `ops.bincount`, which does not compile on JAX.
    counts = ops.segment_sum(ops.ones_like(cell), cell, num_segments=num_cells + 1)
    return ops.reshape(counts[:num_cells], (num_classes, num_classes))


def confusion_matrix_of(
    label_map: np.ndarray, prediction: np.ndarray, num_classes: int, ignore_class: int
) -> np.ndarray:
    """Compute the confusion matrix of one prediction on the host, in NumPy.

    Args:
        label_map: integer `(height, width)`; ids in `[0, num_classes)` or
            `ignore_class`.
        prediction: integer `(height, width)`; ids in `[0, num_classes)`.
        num_classes: number of classes.
        ignore_class: id of the pixels that are not counted.

    Returns:
        int64 `(num_classes, num_classes)`, `[true, predicted]`.
    """
    is_labelled = label_map != ignore_class
    true = label_map[is_labelled].astype("int64")
    counts = np.bincount(
        true * num_classes + prediction[is_labelled], minlength=num_classes**2
    )
    return counts.reshape(num_classes, num_classes)


def segmentation_scores(confusion_matrix: np.ndarray) -> dict:
    """Compute the scores of a confusion matrix, summed over a whole split.

    With n the matrix, t its row sums (true) and p its column sums (predicted):

    - `pixel_accuracy` = sum n_ii / sum t_i
    - `mean_accuracy` = mean over the classes in the labels of n_ii / t_i
    - `per_class_iou` = n_ii / (t_i + p_i - n_ii)
    - `mean_iou` = mean of `per_class_iou` over the classes in labels or predictions
    - `frequency_weighted_iou` = sum t_i iou_i / sum t_i

    Args:
        confusion_matrix: integer `(num_classes, num_classes)`, `[true, predicted]`.

    Returns:
        dict of floats in [0, 1], and of float64 `(num_classes,)` for
        `per_class_accuracy` and `per_class_iou`; NaN if no pixel was counted.

    Reference: Long, Shelhamer and Darrell, 2015, section 5.
    """
    matrix = np.asarray(confusion_matrix, dtype="float64")
    correct, true, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    accuracy = _divide(correct, true)
    iou = _divide(correct, true + predicted - correct)
    in_labels = true > 0
    return {
        "pixel_accuracy": float(_divide(correct.sum(), true.sum())),
        "mean_accuracy": _nanmean(accuracy),
        "mean_iou": _nanmean(iou),
        "frequency_weighted_iou": float(
            _divide((true[in_labels] * iou[in_labels]).sum(), true.sum())
        ),
        "per_class_accuracy": accuracy,
        "per_class_iou": iou,
    }


def trimap(label_map: np.ndarray, ignore_class: int, width: int) -> np.ndarray:
    """Compute a mask of the pixels near an edge between two classes.

    Scores over these pixels measure the quality of edges, and thus of upsampling. Large
    uniform regions, which most networks label correctly, do not contribute.

    Args:
        label_map: integer `(height, width)`, the ground truth.
        ignore_class: id of void. The mask contains no void pixels, and borders between
            a class and void are not edges.
        width: maximum distance from the edge, pixels, at least 1; 1 selects the two
            adjacent pixels of each edge.

    Returns:
        bool `(height, width)`.

    Reference: Kohli, Ladicky and Torr, "Robust higher order potentials for enforcing
    label consistency", 2009, section 5.2.
    """
    is_labelled = label_map != ignore_class
    is_edge = np.zeros(label_map.shape, dtype=bool)
    for one, other in (
        (np.s_[1:, :], np.s_[:-1, :]),
        (np.s_[:, 1:], np.s_[:, :-1]),
    ):
        differs = label_map[one] != label_map[other]
        differs &= is_labelled[one] & is_labelled[other]
        is_edge[one] |= differs
        is_edge[other] |= differs
    if not is_edge.any():
        return is_edge
    distance = cv2.distanceTransform(
        (~is_edge).astype("uint8"), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    )
    return (distance <= width - 1) & is_labelled


def _divide(numerator, denominator):
    """Divide; NaN where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    quotient = np.full(numerator.shape, np.nan)
    return np.divide(numerator, denominator, out=quotient, where=denominator > 0)


def _nanmean(values):
    present = values[~np.isnan(values)]
    return float(present.mean()) if len(present) else float("nan")
