"""Metrics for semantic segmentation: `keras.metrics.Metric` of label maps and logits.

    >>> accuracy = keras_fcn.metrics.PixelAccuracy(num_classes=11, ignore_class=255)
    >>> mean_iou = keras_fcn.metrics.MeanIoU(shared_with=accuracy)
    >>> model.compile("adam", loss=loss, metrics=[accuracy, mean_iou])

All of them are computed from one confusion matrix of the whole split, as the scores of
`keras-fcn evaluate`, and not averaged over batches.
"""

from keras_fcn.metrics.confusion_matrix import ConfusionMatrix, segmentation_scores
from keras_fcn.metrics.scores import (
    ClassIoU,
    FrequencyWeightedIoU,
    MeanAccuracy,
    MeanIoU,
    PixelAccuracy,
    SegmentationMetric,
)

__all__ = [
    "ClassIoU",
    "ConfusionMatrix",
    "FrequencyWeightedIoU",
    "MeanAccuracy",
    "MeanIoU",
    "PixelAccuracy",
    "SegmentationMetric",
    "segmentation_scores",
]
