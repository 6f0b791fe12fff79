"""Test-time augmentation: what a network says of several sizes and the mirror image."""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

SCALES = (0.75, 1.0, 1.25, 1.5, 1.75)


def tta_predictor(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from images to label maps, more exact and slower than one look.

    The probabilities of five enlargements from 0.75 to 1.75, each as it is and
    mirrored, are averaged; that takes about 17 times as long. The function takes RGB
    of uint8 or float in [0, 255], `(batch, height, width, 3)`, and gives integers
    `(batch, height, width)`.

    Args:
        model: a network of `FCN`.
    """
    predictor = keras.Model(model.input, ops.softmax(model.output))
    # XLA would compile anew for each size of image, and is slower on the CPU.
    predictor.compile(jit_compile=keras.backend.backend() == "jax")

    def predict(images):
        size = images.shape[1:3]
        total = 0
        for scale in SCALES:
            scaled_size = tuple(max(1, round(scale * length)) for length in size)
            scaled = _resize(images, scaled_size)
            for step in (1, -1):  # -1 mirrors from left to right
                view = np.ascontiguousarray(scaled[:, :, ::step])
                probabilities = np.asarray(predictor.predict_on_batch(view))
                total = total + _resize(probabilities[:, :, ::step], size)
        return total.argmax(axis=-1)

    return predict


def _resize(array, size):
    resized = ops.image.resize(
        ops.cast(array, "float32"), size, interpolation="bilinear", antialias=True
    )
    return ops.convert_to_numpy(resized)
