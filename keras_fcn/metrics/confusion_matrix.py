"""Confusion matrix, and the scores of semantic segmentation that follow from it."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_fcn.losses.label_maps import aligned_labels, check_ids
from keras_fcn.models.replicas import sum_over_replicas
from keras_fcn.typing import Tensor

# Counts are stored in two int32 digits to this base: JAX has no int64 by default, and
# float32 is exact up to 2**24 only, 64 images of 512x512. Exact up to 2**60 pixels.
_BASE = 2**30
SCORES = ("pixel_accuracy", "mean_accuracy", "mean_iou", "frequency_weighted_iou")


@keras.saving.register_keras_serializable(package="keras_fcn")
class ConfusionMatrix(keras.metrics.Metric):
    """Confusion matrix of a whole set of images, `[true, predicted]`, and its scores.

    Void pixels are ignored. `result()` returns the scores of `segmentation_scores`
    without the per-class ones, as scalars for Keras's logs.

    Args:
        num_classes: number of classes, without void.
        ignore_class: id of void; None if there is none.
        name: the metric's name.
    """

    def __init__(
        self,
        num_classes: int,
        ignore_class: int | None = None,
        name: str = "confusion_matrix",
    ):
        super().__init__(name=name)
        self.num_classes = num_classes
        self.ignore_class = ignore_class
        self._low, self._high, self._fraction = (
            # Counts are summed over the replicas before they are added, so that all
            # replicas have the same value.
            self.add_variable(
                (num_classes, num_classes),
                "zeros",
                dtype=dtype,
                aggregation="only_first_replica",
                name=digit,
            )
            for digit, dtype in (
                ("low", "int32"),
                ("high", "int32"),
                ("fraction", "float32"),  # of weighted pixels, below 1
            )
        )

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> None:
        """Count a batch of fewer than 2**30 pixels.

        Args:
            y_true: integer `(batch, height, width)` or `(batch, height, width, 1)`; ids
                in `[0, num_classes)` or `ignore_class`.
            y_pred: float `(batch, height, width, num_classes)`, logits or
                probabilities.
            sample_weight: number that a pixel counts for, `(batch,)` or `(batch,
                height, width)`; None for 1.

        Raises:
            ValueError: if the shapes do not fit, or an id is out of range.
        """
        label_map = aligned_labels(y_true, y_pred)
        if y_pred.shape[-1] != self.num_classes:
            raise ValueError(
                f"`y_pred` must have {self.num_classes} channels, one for each class. "
                f"Received: y_pred.shape={tuple(y_pred.shape)}"
            )
        check_ids(label_map, self.num_classes, self.ignore_class)
        prediction = ops.argmax(y_pred, axis=-1)
        counts = count_on_device(
            label_map, prediction, self.num_classes, self.ignore_class, sample_weight
        )
        self.add(sum_over_replicas(counts))

    def add(self, counts: Tensor) -> None:
        """Add the matrix of a batch of fewer than 2**30 pixels.

        Args:
            counts: int32 or float32 `(num_classes, num_classes)`, `[true, predicted]`.
        """
        if keras.backend.standardize_dtype(counts.dtype) == "float32":
            total = self._fraction + counts
            self._fraction.assign(total % 1)
            counts = ops.cast(ops.floor(total), "int32")
        # The low digit and the counts of a batch are below 2**30: their sum fits int32.
        total = self._low + counts
        self._high.assign(self._high + total // _BASE)
        self._low.assign(total % _BASE)

    @property
    def digits(self) -> tuple[keras.Variable, keras.Variable]:
        """The variables of the counts of unweighted pixels."""
        return self._low, self._high

    def matrix(self) -> np.ndarray:
        """Return the counts so far, `(num_classes, num_classes)`.

        int64, or float64 if pixels were weighted.
        """
        low, high, fraction = (
            np.asarray(digit) for digit in (self._low, self._high, self._fraction)
        )
        matrix = high.astype("int64") * _BASE + low
        return matrix + fraction.astype("float64") if fraction.any() else matrix

    def result(self) -> dict[str, Tensor]:
        """Return the scores so far, float32 in [0, 1]; 0 if no pixel was counted."""
        scores = self.device_scores()
        return {name: scores[name] for name in SCORES}

    def device_scores(self) -> dict[str, Tensor]:
        """Return the scores of `segmentation_scores` as float32 tensors; 0 for NaN."""
        matrix = ops.cast(self._high, "float32") * _BASE + ops.cast(
            self._low, "float32"
        )
        matrix += self._fraction
        correct = ops.diagonal(matrix)
        true, predicted = ops.sum(matrix, axis=1), ops.sum(matrix, axis=0)
        union = true + predicted - correct
        accuracy = ops.divide_no_nan(correct, true)
        iou = ops.divide_no_nan(correct, union)
        return {
            "pixel_accuracy": ops.divide_no_nan(ops.sum(correct), ops.sum(true)),
            "mean_accuracy": _mean_where(true > 0, accuracy),
            "mean_iou": _mean_where(union > 0, iou),
            "frequency_weighted_iou": ops.divide_no_nan(
                ops.sum(true * iou), ops.sum(true)
            ),
            "per_class_accuracy": accuracy,
            "per_class_iou": iou,
        }

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, for saved networks."""
        return {
            "num_classes": self.num_classes,
            "ignore_class": self.ignore_class,
            "name": self.name,
        }


def _mean_where(mask, values):
    mask = ops.cast(mask, values.dtype)
    return ops.divide_no_nan(ops.sum(values * mask), ops.sum(mask))


def count_on_device(
    label_map: Tensor,
    prediction: Tensor,
    num_classes: int,
    ignore_class: int | None,
    weights: Tensor | None = None,
) -> Tensor:
    """Compute the confusion matrix of a batch on the device.

    Args:
        label_map: integer `(batch, height, width)`; ids in `[0, num_classes)` or
            `ignore_class`.
        prediction: integer `(batch, height, width)`; ids in `[0, num_classes)`.
        num_classes: number of classes.
        ignore_class: id of the pixels that are not counted; None if there are none.
        weights: `(batch,)` or `(batch, height, width)`, the number that a pixel counts
            for; None for 1.

    Returns:
        int32 `(num_classes, num_classes)`, `[true, predicted]`; float32 with weights.
    """
    if weights is not None:
        weights = ops.cast(weights, "float32")
        missing = (1,) * (len(label_map.shape) - len(weights.shape))
        weights = ops.reshape(weights, (*ops.shape(weights), *missing))
        weights = ops.reshape(ops.broadcast_to(weights, ops.shape(label_map)), [-1])
    label_map = ops.reshape(ops.cast(label_map, "int32"), [-1])  # (N * H * W,)
    prediction = ops.reshape(ops.cast(prediction, "int32"), [-1])
    num_cells = num_classes * num_classes
    # Void pixels get an additional cell, which is dropped: JAX compiles no operations
    # whose shape depends on values, such as selecting the labeled pixels.
    # So do other ids: TensorFlow would report them before `check_ids`.
    cell = label_map * num_classes + prediction
    cell = ops.where((cell < 0) | (cell > num_cells), num_cells, cell)
    if ignore_class is not None:
        cell = ops.where(label_map == ignore_class, num_cells, cell)
    values = ops.ones_like(cell) if weights is None else weights
    # Not `ops.bincount`, which does not compile on JAX.
    counts = ops.segment_sum(values, cell, num_segments=num_cells + 1)
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


def constant_mean_iou(confusion_matrix: np.ndarray) -> float:
    """Return the highest mean IoU of predicting one class for all pixels.

    Args:
        confusion_matrix: int `(num_classes, num_classes)`, `[true, predicted]`, of any
            prediction of the same labels.

    Returns:
        The share of the most frequent class, divided by the number of classes in the
        labels; 0 without labels.
    """
    pixels = np.asarray(confusion_matrix).sum(axis=1)
    if not pixels.any():
        return 0.0
    return float(pixels.max() / pixels.sum() / np.count_nonzero(pixels))


def _divide(numerator, denominator):
    """Divide; NaN where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    quotient = np.full(numerator.shape, np.nan)
    return np.divide(numerator, denominator, out=quotient, where=denominator > 0)


def _nanmean(values):
    present = values[~np.isnan(values)]
    return float(present.mean()) if len(present) else float("nan")
