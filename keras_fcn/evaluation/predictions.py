"""Predictions for the images of a split, each at its own size."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_fcn.classes import ClassMap
from keras_fcn.datasets.dataset import Split
from keras_fcn.datasets.pipeline import evaluation_batches
from keras_fcn.images.prefetch import prefetch, threads
from keras_fcn.metrics.confusion_matrix import confusion_matrix_of

# `Predictor.label_maps_and_confidence`.
Predict = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class ImageResult:
    """A prediction and its ground truth.

    Attributes:
        name: the image's name in the data set.
        image: uint8 RGB `(height, width, 3)`.
        label_map: uint8 `(height, width)`, the ground truth.
        prediction: uint8 `(height, width)`.
        confidence: float32 `(height, width)`, probability of the predicted class.
        confusion_matrix: int64 `(num_classes, num_classes)`, `[true, predicted]`.
    """

    name: str
    image: np.ndarray
    label_map: np.ndarray
    prediction: np.ndarray
    confidence: np.ndarray
    confusion_matrix: np.ndarray


def predict_batches(
    predict: Callable[[np.ndarray], Any], split: Split, batch_size: int
) -> Iterator[tuple[dict[str, np.ndarray], Any]]:
    """Predict a split batch by batch, in its order.

    A thread predicts the next batch while the caller processes the current one.

    Args:
        predict: function of images, uint8 `(batch, height, width, 3)`, to an array or a
            tuple of arrays `(batch, ...)`.
        split: the images.
        batch_size: number of images in a batch; 1 if the images differ in size.

    Yields:
        The batch, as from `evaluation_batches`, and the result of `predict` for it.
    """
    size = 0

    def predict_padded(images):
        # Backends trace a network again for each new shape, which takes as long as
        # predicting ten images. So the last batch is padded to the size of the others.
        nonlocal size
        count = len(images)
        size = max(size, count)
        padded = np.pad(images, [(0, size - count), *[(0, 0)] * 3], mode="edge")
        return keras.tree.map_structure(lambda array: array[:count], predict(padded))

    batches = evaluation_batches(split.examples, split, batch_size)
    predicted = (
        (batch, predict_padded(batch["image"])) for batch in batches.as_numpy_iterator()
    )
    with threads(1) as executor:
        yield from prefetch(executor, predicted, ahead=1)


def predict_split(
    predict: Predict, split: Split, class_map: ClassMap, batch_size: int = 4
) -> Iterator[ImageResult]:
    """Predict the images of a split one by one, in its order.

    Args:
        predict: `Predictor.label_maps_and_confidence` of a network for the classes of
            `class_map`.
        split: the images.
        class_map: the classes of its label maps.
        batch_size: number of images in a batch; 1 if the images differ in size.
    """
    for batch, predictions in predict_batches(predict, split, batch_size):
        columns = (batch["name"], batch["image"], batch["label_map"], *predictions)
        for name, image, label_map, prediction, confidence in zip(
            *columns, strict=True
        ):
            matrix = confusion_matrix_of(
                label_map, prediction, class_map.num_classes, class_map.void_id
            )
            yield ImageResult(
                name.decode(), image, label_map, prediction, confidence, matrix
            )
