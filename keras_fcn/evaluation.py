"""Scores of a network over a whole split, each image at its label map's own size."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from keras_fcn.classes import ClassMap
from keras_fcn.datasets.dataset import SegmentationDataset, Split
from keras_fcn.metrics import count_pixels, segmentation_scores
from keras_fcn.models import prediction_model
from keras_fcn.pipeline import evaluation_batches, iterate

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImageResult:
    """A prediction beside its truth.

    Attributes:
        name: the image's name in the data set.
        image: uint8 RGB `(height, width, 3)`.
        label_map: uint8 `(height, width)`, the truth.
        prediction: uint8 `(height, width)`.
        confusion_matrix: int64 `(num_classes, num_classes)`, `[true, predicted]`.
    """

    name: str
    image: np.ndarray
    label_map: np.ndarray
    prediction: np.ndarray
    confusion_matrix: np.ndarray


def predict_split(
    model: keras.Model, split: Split, class_map: ClassMap, batch_size: int = 4
) -> Iterator[ImageResult]:
    """Predict the images of a split one after the other, in its order."""
    predict = prediction_model(model).predict_on_batch
    batches = evaluation_batches(split.examples, split, batch_size)
    for batch in batches.as_numpy_iterator():
        predictions = np.asarray(predict(batch["image"])).astype("uint8")
        rows = zip(
            batch["name"], batch["image"], batch["label_map"], predictions, strict=True
        )
        for name, image, label_map, prediction in rows:
            matrix = count_pixels(
                label_map, prediction, class_map.num_classes, class_map.void_id
            )
            yield ImageResult(
                name.decode(),
                image,
                label_map,
                prediction,
                keras.ops.convert_to_numpy(matrix).astype("int64"),
            )


def scores_report(
    matrix: np.ndarray, dataset: SegmentationDataset, split_name: str
) -> dict:
    """Describe scores so that they can be read alone: what of, over what, by what rule.

    Args:
        matrix: int64 `(num_classes, num_classes)`, `[true, predicted]`.
        dataset: what was scored.
        split_name: the split.

    Returns:
        dict for JSON; scores are shares in [0, 1], null where nothing was counted.
    """
    scores = segmentation_scores(matrix)
    split, names = dataset.split(split_name), dataset.class_map.names
    sizes = sorted(set(split.image_sizes))

    def by_class(values):
        return {
            name: _number_or_none(value)
            for name, value in zip(names, values, strict=True)
        }

    iou = scores["per_class_iou"]
    return {
        "dataset": dataset.name,
        "split": split_name,
        "num_images": split.num_images,
        "image_sizes": [f"{height}x{width}" for height, width in sizes],
        "num_classes": len(names),
        "num_classes_scored": int((~np.isnan(iou)).sum()),
        "void_rule": f"pixels labelled {dataset.class_map.void_id} count nowhere",
        "mean_rule": "over the classes in labels or predictions of the whole split",
        **{
            name: _number_or_none(scores[name])
            for name in (
                "pixel_accuracy",
                "mean_accuracy",
                "mean_iou",
                "frequency_weighted_iou",
            )
        },
        "per_class_iou": by_class(iou),
        "per_class_accuracy": by_class(scores["per_class_accuracy"]),
        "confusion_matrix": matrix.tolist(),
    }


def _number_or_none(value):
    return None if np.isnan(value) else float(value)
