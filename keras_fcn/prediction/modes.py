"""Ways for a network to look at an image: once, several times, or shifted.

Each gives scores at the size that the image has; `predictor.py` chooses that size.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from keras_fcn.config import DENSE
from keras_fcn.errors import check_choice
from keras_fcn.models.inference import (
    confidence_model,
    dropout_model,
    logits_model,
    prediction_model,
)
from keras_fcn.models.layers import SeededDropout
from keras_fcn.prediction.confidence import decide
from keras_fcn.prediction.shift_and_stitch import check_factor, make_shift_and_stitch
from keras_fcn.prediction.tta import SCALES, make_mean_probabilities
from keras_fcn.runs.exported import ExportedModel

Predict = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class InferenceMode:
    """A way of looking at images.

    Attributes:
        scores: function of RGB images, uint8 or float in [0, 255], `(batch, height,
            width, 3)`, to float32 `(batch, height, width, num_classes)`, whose softmax
            are the probabilities: logits divided by a temperature, say.
        label_maps: function of the same to uint8 `(batch, height, width)`: where the
            scores are largest.
        label_maps_and_confidence: function of the same to the label maps, and the
            probability of each pixel's class, float32 `(batch, height, width)`.
        description: for people.
        enlargement: greatest factor by which the images are enlarged within, along
            each axis; memory grows with its square.
    """

    scores: Predict
    label_maps: Predict
    label_maps_and_confidence: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    description: str
    enlargement: float = 1.0


def make_mode(
    model: keras.Model | ExportedModel,
    tta: bool = False,
    dense: str = "upsampling",
    stride_factor: int | None = None,
    uncertainty: int = 0,
    temperature: float = 1.0,
) -> InferenceMode:
    """Return the way of looking that was asked for.

    Args:
        model: a network of `FCN`, or an exported one.
        tta: test-time augmentation: average the probabilities over five enlargements,
            0.75 to 1.75, each as it is and mirrored; takes about 17 times as long.
        dense: "upsampling", the network's own; or "shift-and-stitch", scores of every
            pixel from shifted images.
        stride_factor: shifts along each axis, as for `shift_and_stitch`.
        uncertainty: Monte-Carlo dropout: average the probabilities over as many passes
            with dropout, which take as many times as long; 0 for none.
        temperature: by which logits, or logarithms of mean probabilities, are divided
            before they become probabilities; changes no label.

    Raises:
        ValueError: if the choices do not go together, or the factor is impossible.
    """
    check_choice("dense", dense, DENSE)
    if isinstance(model, ExportedModel):
        if tta or uncertainty or stride_factor is not None or dense != "upsampling":
            raise ValueError(
                "An exported network looks at an image once: leave out `tta`, `dense`, "
                "`stride_factor` and `uncertainty`"
            )
        return _exported(model, temperature)
    if uncertainty < 0:
        raise ValueError(
            f"`uncertainty` must be 0 passes or more. Received: {uncertainty}"
        )
    if uncertainty and (tta or dense != "upsampling"):
        other = "tta" if tta else "dense"
        raise ValueError(f"`uncertainty` and `{other}` do not go together")
    if dense == "shift-and-stitch":
        if tta:
            raise ValueError("`dense` shift-and-stitch and `tta` do not go together")
        stitch = make_shift_and_stitch(model, stride_factor)
        factor = check_factor(model, stride_factor)
        return by_scores(
            lambda images: np.stack([stitch(image) for image in images]) / temperature,
            f"shift-and-stitch, {factor}x{factor} shifts",
        )
    if stride_factor is not None:
        raise ValueError("`stride_factor` is for `dense` shift-and-stitch")
    if uncertainty:
        return _monte_carlo(model, uncertainty, temperature)
    if tta:
        return _test_time_augmentation(model, temperature)
    return _one_look(model, temperature)


def by_scores(
    scores: Predict, description: str, enlargement: float = 1.0
) -> InferenceMode:
    """Return a look that decides on the host, by its scores.

    Args:
        scores: as for `InferenceMode`; so are the others.
        description: likewise.
        enlargement: likewise.
    """

    def label_maps(images):
        return scores(images).argmax(axis=-1).astype("uint8")

    def label_maps_and_confidence(images):
        planes = (np.moveaxis(each, -1, 0).copy() for each in scores(images))
        label_maps, confidence = zip(*map(decide, planes), strict=True)
        return np.stack(label_maps), np.stack(confidence)

    return InferenceMode(
        scores, label_maps, label_maps_and_confidence, description, enlargement
    )


def log_probabilities(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities as scores of a `InferenceMode`.

    Args:
        probabilities: float32, in [0, 1].
        temperature: by which their logarithms are divided.

    Returns:
        float32 of their shape, finite also where they are 0.
    """
    smallest = np.finfo("float32").tiny
    return np.log(np.maximum(probabilities, smallest)) / temperature


def _one_look(model, temperature):
    """The network's own way, with all decisions on the device."""
    scores = logits_model(model, temperature)
    label_maps = prediction_model(model)
    both = confidence_model(model, temperature)

    def label_maps_and_confidence(images):
        ids, confidence = both.predict_on_batch(images)
        return np.asarray(ids).astype("uint8"), np.asarray(confidence)

    return InferenceMode(
        lambda images: np.asarray(scores.predict_on_batch(images)),
        lambda images: np.asarray(label_maps.predict_on_batch(images)).astype("uint8"),
        label_maps_and_confidence,
        "one look",
    )


def _exported(model, temperature):
    """That of another runtime, which decides on labels where it can."""
    look = by_scores(
        lambda images: log_probabilities(model.probabilities(images), temperature),
        model.description,
    )
    return dataclasses.replace(look, label_maps=model.label_maps)


def _test_time_augmentation(model, temperature):
    mean_probabilities = make_mean_probabilities(model)
    return by_scores(
        lambda images: log_probabilities(
            np.asarray(mean_probabilities(images)), temperature
        ),
        "test-time augmentation",
        max(SCALES),
    )


def _monte_carlo(model, num_passes, temperature):
    """Probabilities averaged over passes whose dropout is drawn anew.

    The draws begin anew with each batch, so that an image gives the same twice.
    """
    drawing = dropout_model(model)
    generators = [
        layer.seed_generator
        for layer in drawing.layers
        if isinstance(layer, SeededDropout) and layer.rate > 0
    ]
    if not generators:
        raise ValueError(
            "`uncertainty` needs a network with dropout: this one was trained with 0"
        )

    def scores(images):
        total = 0
        for index in range(num_passes):
            for position, generator in enumerate(generators):
                generator.state.assign([position, 1000 * index])
            total = total + np.asarray(drawing.predict_on_batch(images))
        return log_probabilities(total / num_passes, temperature)

    return by_scores(scores, f"Monte-Carlo dropout, {num_passes} passes")
