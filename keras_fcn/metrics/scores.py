"""Keras metrics of semantic segmentation, computed from a confusion matrix."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_fcn.errors import check_positive
from keras_fcn.metrics.confusion_matrix import ConfusionMatrix, segmentation_scores
from keras_fcn.typing import Tensor


class SegmentationMetric(keras.metrics.Metric):
    """A score of the confusion matrix of all batches of an epoch or an evaluation.

    Void pixels are ignored. In `compile(weighted_metrics=...)` pixels count as often as
    their `sample_weight`.

    Args:
        num_classes: number of classes, without void.
        ignore_class: id of void; None if there is none.
        shared_with: another metric of this module, or a `ConfusionMatrix`, in the same
            list of metrics, whose confusion matrix is used: the pixels are counted
            once. `num_classes` and `ignore_class` are left out then.
        name: the metric's name; that of the score if None.

    Raises:
        ValueError: if neither `num_classes` nor `shared_with` is given.
    """

    _score: str  # of `segmentation_scores`

    def __init__(
        self,
        num_classes: int | None = None,
        ignore_class: int | None = None,
        *,
        shared_with: "SegmentationMetric | ConfusionMatrix | None" = None,
        name: str | None = None,
    ):
        super().__init__(name=name or self._score)
        owner: Any
        if shared_with is not None:
            owner = shared_with
            if isinstance(shared_with, SegmentationMetric):
                owner = shared_with.confusion_matrix
        elif num_classes is not None:
            check_positive("num_classes", num_classes)
            owner = ConfusionMatrix(num_classes, ignore_class)
            self._own = owner  # Keras finds its variables by this attribute
        else:
            raise ValueError("`num_classes` or `shared_with` is required")
        self._is_shared = shared_with is not None
        # Keras must not find shared variables twice: a function hides them.
        self._find_matrix = lambda: owner

    @property
    def confusion_matrix(self) -> ConfusionMatrix:
        """The matrix from which the score is computed."""
        return self._find_matrix()

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> None:
        """Count a batch, unless the metric with which the matrix is shared does.

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
        if not self._is_shared:
            self.confusion_matrix.update_state(y_true, y_pred, sample_weight)

    def result(self) -> Tensor:
        """Return the score so far, in [0, 1].

        float64, and NaN if it is not defined; float32, and 0 if it is not defined, in a
        compiled step.
        """
        try:
            matrix = self.confusion_matrix.matrix()
        except (TypeError, NotImplementedError):  # a compiled step has no values
            return self._select(self.confusion_matrix.device_scores())
        score = np.float64(self._select(segmentation_scores(matrix)))
        if keras.backend.backend() == "jax":  # has no float64 by default
            return score
        return ops.convert_to_tensor(score, dtype="float64")

    def _select(self, scores: dict[str, Any]) -> Tensor:
        """Return the metric's score of those of `segmentation_scores`."""
        return scores[self._score]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, for saved networks.

        A metric of a loaded network has a confusion matrix of its own.
        """
        return {**self.confusion_matrix.get_config(), "name": self.name}


@keras.saving.register_keras_serializable(package="keras_fcn")
class PixelAccuracy(SegmentationMetric):
    """Share of the labeled pixels that have the right class.

    Args:
        num_classes: number of classes, without void.
        ignore_class: id of void; None if there is none.
        shared_with: as for `SegmentationMetric`.
        name: the metric's name; `pixel_accuracy` if None.

    With 3 of 4 pixels right:

    Examples:
        >>> metric = keras_fcn.metrics.PixelAccuracy(2, ignore_class=255)
        >>> metric.update_state([[[0, 0, 1, 1, 255]]], one_hot([[[0, 1, 1, 1, 0]]], 2))
        >>> float(metric.result())
        0.75
    """

    _score = "pixel_accuracy"


@keras.saving.register_keras_serializable(package="keras_fcn")
class MeanAccuracy(SegmentationMetric):
    """Mean over the classes of the share of their pixels that have the right class.

    Classes without labeled pixels are left out.

    Args:
        num_classes: number of classes, without void.
        ignore_class: id of void; None if there is none.
        shared_with: as for `SegmentationMetric`.
        name: the metric's name; `mean_accuracy` if None.
    """

    _score = "mean_accuracy"


@keras.saving.register_keras_serializable(package="keras_fcn")
class MeanIoU(SegmentationMetric):
    """Mean over the classes of intersection over union.

    Classes in neither labels nor predictions are left out, where `keras.metrics.
    MeanIoU` takes logits as class ids and has no void outside the classes.

    Args:
        num_classes: number of classes, without void.
        ignore_class: id of void; None if there is none.
        shared_with: as for `SegmentationMetric`.
        name: the metric's name; `mean_iou` if None.
    """

    _score = "mean_iou"


@keras.saving.register_keras_serializable(package="keras_fcn")
class FrequencyWeightedIoU(SegmentationMetric):
    """Mean of the classes' intersection over union, weighted by their pixels.

    Args:
        num_classes: number of classes, without void.
        ignore_class: id of void; None if there is none.
        shared_with: as for `SegmentationMetric`.
        name: the metric's name; `frequency_weighted_iou` if None.
    """

    _score = "frequency_weighted_iou"


@keras.saving.register_keras_serializable(package="keras_fcn")
class ClassIoU(SegmentationMetric):
    """Intersection over union of one class; NaN if it does not occur.

    Args:
        class_id: id of the class.
        num_classes: number of classes, without void.
        ignore_class: id of void; None if there is none.
        shared_with: as for `SegmentationMetric`.
        name: the metric's name; `iou_ID` if None.

    Raises:
        ValueError: if `class_id` is not the id of a class.
    """

    def __init__(
        self,
        class_id: int,
        num_classes: int | None = None,
        ignore_class: int | None = None,
        *,
        shared_with: SegmentationMetric | ConfusionMatrix | None = None,
        name: str | None = None,
    ):
        super().__init__(
            num_classes,
            ignore_class,
            shared_with=shared_with,
            name=name or f"iou_{class_id}",
        )
        if not 0 <= class_id < self.confusion_matrix.num_classes:
            raise ValueError(
                "`class_id` must be an integer from 0 to "
                f"{self.confusion_matrix.num_classes - 1}. Received: "
                f"class_id={class_id}"
            )
        self.class_id = class_id

    def _select(self, scores):
        return scores["per_class_iou"][self.class_id]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, for saved networks."""
        return {**super().get_config(), "class_id": self.class_id}
