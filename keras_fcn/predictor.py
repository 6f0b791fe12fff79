"""From a network to label maps: by one look, by several, or by shifted images."""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from keras_fcn.models import prediction_model
from keras_fcn.stitching import make_stitcher

SCALES = (0.75, 1.0, 1.25, 1.5, 1.75)


def label_map_predictor(
    model: keras.Model,
    tta: bool = False,
    dense: str = "upsampling",
    stride_factor: int | None = None,
) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from images to label maps of their size.

    Args:
        model: a network of `FCN`.
        tta: average the probabilities over five enlargements, 0.75 to 1.75, each as it
            is and mirrored; takes about 17 times as long.
        dense: "upsampling", the network's own; or "shift-and-stitch", scores of every
            pixel from shifted images.
        stride_factor: shifts along each axis, as for `shift_and_stitch`.

    Returns:
        Function of RGB images, uint8 or float in [0, 255], `(batch, height, width, 3)`,
        to uint8 `(batch, height, width)`.

    Raises:
        ValueError: if the choices do not go together, or the factor is impossible.
    """
    if dense == "shift-and-stitch":
        if tta:
            raise ValueError("--dense shift-and-stitch and --tta do not go together")
        stitch = make_stitcher(model, stride_factor)
        return lambda images: np.stack(
            [stitch(image).argmax(axis=-1) for image in images]
        ).astype("uint8")
    if stride_factor is not None:
        raise ValueError("--stride-factor is for --dense shift-and-stitch")
    if not tta:
        predict = prediction_model(model).predict_on_batch
        return lambda images: np.asarray(predict(images)).astype("uint8")
    predictor = keras.Model(model.input, ops.softmax(model.output))
    # XLA would compile anew for each size of image, and is slower on the CPU.
    predictor.compile(jit_compile=keras.backend.backend() == "jax")
    return lambda images: (
        _mean_probabilities(predictor, images).argmax(axis=-1).astype("uint8")
    )


def _mean_probabilities(predictor, images):
    """Probabilities at the images' size, over all sizes and both directions."""
    size = images.shape[1:3]
    total = 0
    for scale in SCALES:
        scaled_size = tuple(max(1, round(scale * length)) for length in size)
        scaled = _resize(images, scaled_size)
        for step in (1, -1):  # -1 mirrors from left to right
            view = np.ascontiguousarray(scaled[:, :, ::step])
            probabilities = np.asarray(predictor.predict_on_batch(view))
            total = total + _resize(probabilities[:, :, ::step], size)
    return total / (2 * len(SCALES))


def _resize(array, size):
    resized = ops.image.resize(
        ops.cast(array, "float32"), size, interpolation="bilinear", antialias=True
    )
    return ops.convert_to_numpy(resized)
