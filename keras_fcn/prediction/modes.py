"""Inference modes: functions from images to logits, label maps and confidence.

A mode runs at the size that the images have; `predictor.py` chooses that size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from keras_fcn.prediction.options import PredictionOptions
from keras_fcn.runs.exported import ExportedModel
from keras_fcn.typing import Size

if TYPE_CHECKING:
    import keras

Predict = Callable[[np.ndarray], np.ndarray]
PredictBoth = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class InferenceMode:
    """Functions of RGB images, uint8 or float in [0, 255], `(batch, H, W, 3)`.

    Attributes:
        logits: returns float32 `(batch, H, W, num_classes)`, whose softmax is the
            probabilities: the temperature is applied.
        description: name of the mode in reports.
        max_scale: largest factor by which the mode enlarges images along each axis;
            memory grows with its square.
        label_maps: returns the arg-max of the logits, uint8 `(batch, H, W)`, computed
            on the device; None if the host computes it.
        resized_label_maps: returns the arg-max of the logits, resized bilinearly to a
            size, uint8 `(batch, *size)`, computed on the device; None if the host
            computes it.
        label_maps_and_confidence: returns the label maps, and the probability of each
            pixel's class, float32 `(batch, H, W)`, computed on the device; None if the
            host computes them.
    """

    logits: Predict
    description: str
    max_scale: float = 1.0
    label_maps: Predict | None = None
    resized_label_maps: Callable[[np.ndarray, Size], np.ndarray] | None = None
    label_maps_and_confidence: PredictBoth | None = None


def make_mode(
    model: "keras.Model | ExportedModel", options: PredictionOptions
) -> InferenceMode:
    """Return the inference mode that the options select.

    Args:
        model: a network of `FCN`, or an exported network.
        options: `tta`, `dense`, `stride_factor`, `uncertainty` and `temperature` are
            used here.

    Raises:
        ValueError: if an exported network is to run in another mode than single-scale,
            the stride factor does not divide the network's stride, or Monte-Carlo
            dropout is to run without dropout.
    """
    temperature = options.temperature or 1.0
    if isinstance(model, ExportedModel):
        if options.special_modes:
            raise ValueError(
                "An exported network runs at a single scale: leave out `tta`, `dense`, "
                "`stride_factor` and `uncertainty`"
            )
        return InferenceMode(
            lambda images: model.logits(images) / temperature,
            model.description,
            label_maps=model.label_maps,
            resized_label_maps=(
                model.resized_label_maps if model.runtime.resizes_logits else None
            ),
        )
    if options.dense == "shift-and-stitch":
        from keras_fcn.prediction.shift_and_stitch import (
            make_shift_and_stitch,
            resolve_factor,
        )

        stitch = make_shift_and_stitch(model, options.stride_factor)
        factor = resolve_factor(model, options.stride_factor)
        return InferenceMode(
            lambda images: np.stack([stitch(image) for image in images]) / temperature,
            f"shift-and-stitch, {factor}x{factor} shifts",
        )
    if options.uncertainty:
        return _mode_from_probabilities(
            _monte_carlo_dropout(model, options.uncertainty),
            temperature,
            f"Monte-Carlo dropout, {options.uncertainty} passes",
        )
    if options.tta:
        from keras_fcn.prediction.tta import SCALES, make_mean_probabilities

        mean_probabilities = make_mean_probabilities(model)
        return _mode_from_probabilities(
            lambda images: np.asarray(mean_probabilities(images)),
            temperature,
            "test-time augmentation",
            max(SCALES),
        )
    return _single_scale(model, temperature)


def _mode_from_probabilities(
    probabilities, temperature, description, max_scale=1.0
) -> InferenceMode:
    # The logarithm is finite also where a probability is 0.
    smallest = np.finfo("float32").tiny
    return InferenceMode(
        lambda images: (
            np.log(np.maximum(probabilities(images), smallest)) / temperature
        ),
        description,
        max_scale,
    )


def _single_scale(model, temperature) -> InferenceMode:
    """One pass over the image; label maps and confidence are computed on the device."""
    from keras_fcn.models.inference import (
        confidence_model,
        logits_model,
        prediction_model,
    )

    logits = logits_model(model, temperature)
    label_maps = prediction_model(model)
    both = confidence_model(model, temperature)

    def label_maps_and_confidence(images):
        ids, confidence = both.predict_on_batch(images)
        return np.asarray(ids).astype("uint8"), np.asarray(confidence)

    return InferenceMode(
        lambda images: np.asarray(logits.predict_on_batch(images)),
        "single scale",
        label_maps=lambda images: np.asarray(
            label_maps.predict_on_batch(images)
        ).astype("uint8"),
        label_maps_and_confidence=label_maps_and_confidence,
    )


def _monte_carlo_dropout(model, num_passes) -> Predict:
    """Mean probabilities over passes with dropout (Gal and Ghahramani, 2016)."""
    from keras_fcn.models.inference import dropout_model
    from keras_fcn.models.layers import SeededDropout

    sampling = dropout_model(model)
    generators = [
        layer.seed_generator
        for layer in sampling.layers
        if isinstance(layer, SeededDropout) and layer.rate > 0
    ]
    if not generators:
        raise ValueError(
            "`uncertainty` requires a network with dropout: this one was trained "
            "without"
        )

    def probabilities(images: np.ndarray) -> np.ndarray:
        total = np.zeros((), "float32")
        for index in range(num_passes):
            # The same seeds for each batch: an image always gives the same result.
            for position, generator in enumerate(generators):
                generator.state.assign([position, 1000 * index])
            total = total + np.asarray(sampling.predict_on_batch(images))
        return total / num_passes  # (N, H, W, C)

    return probabilities
