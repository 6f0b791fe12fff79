"""From a network to predictions: by one look, by several, or by shifted images."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from keras_fcn.config import DENSE
from keras_fcn.errors import check_choice
from keras_fcn.models.fcn import prediction_model, probability_model
from keras_fcn.prediction.stitching import check_factor, make_stitcher

SCALES = (0.75, 1.0, 1.25, 1.5, 1.75)  # of test-time augmentation

Predict = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Predictor:
    """How a network looks at images.

    Attributes:
        label_maps: function of RGB images, uint8 or float in [0, 255], `(batch, height,
            width, 3)`, to uint8 `(batch, height, width)`.
        probabilities: function of the same to float32 `(batch, height, width,
            num_classes)`.
        description: for people.
    """

    label_maps: Predict
    probabilities: Predict
    description: str


def make_predictor(
    model: keras.Model,
    tta: bool = False,
    dense: str = "upsampling",
    stride_factor: int | None = None,
) -> Predictor:
    """Return the predictor of a network that looks as it is told.

    Args:
        model: a network of `FCN`.
        tta: test-time augmentation: average the probabilities over five enlargements,
            0.75 to 1.75, each as it is and mirrored; takes about 17 times as long.
        dense: "upsampling", the network's own; or "shift-and-stitch", scores of every
            pixel from shifted images.
        stride_factor: shifts along each axis, as for `shift_and_stitch`.

    Raises:
        ValueError: if the choices do not go together, or the factor is impossible.
    """
    check_choice("dense", dense, DENSE)
    if dense == "shift-and-stitch":
        if tta:
            raise ValueError("`dense` shift-and-stitch and `tta` do not go together")
        stitch = make_stitcher(model, stride_factor)
        factor = check_factor(model, stride_factor)
        return _by_probabilities(
            lambda images: np.stack([_softmax(stitch(image)) for image in images]),
            f"shift-and-stitch, {factor}x{factor} shifts",
        )
    if stride_factor is not None:
        raise ValueError("`stride_factor` is for `dense` shift-and-stitch")
    probabilities = probability_model(model)
    if tta:
        return _by_probabilities(
            lambda images: _mean_probabilities(probabilities, images),
            "test-time augmentation",
        )
    label_maps = prediction_model(model)  # takes the largest on the device
    return Predictor(
        lambda images: np.asarray(label_maps.predict_on_batch(images)).astype("uint8"),
        lambda images: np.asarray(probabilities.predict_on_batch(images)),
        "one look",
    )


def _by_probabilities(probabilities, description):
    def label_maps(images):
        return probabilities(images).argmax(axis=-1).astype("uint8")

    return Predictor(label_maps, probabilities, description)


def _softmax(logits):
    return ops.convert_to_numpy(ops.softmax(logits))


def _mean_probabilities(model, images):
    """Probabilities at the images' size, over all sizes and both directions."""
    size = images.shape[1:3]
    total = 0
    for scale in SCALES:
        scaled_size = tuple(max(1, round(scale * length)) for length in size)
        scaled = _resize(images, scaled_size)  # (N, scale * H, scale * W, 3)
        for step in (1, -1):  # -1 mirrors from left to right
            view = np.ascontiguousarray(scaled[:, :, ::step])
            probabilities = np.asarray(model.predict_on_batch(view))
            total = total + _resize(probabilities[:, :, ::step], size)  # (N, H, W, C)
    return total / (2 * len(SCALES))


def _resize(array, size):
    resized = ops.image.resize(
        ops.cast(array, "float32"), size, interpolation="bilinear", antialias=True
    )
    return ops.convert_to_numpy(resized)
