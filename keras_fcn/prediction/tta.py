"""Test-time augmentation, compiled: nothing leaves the device between the looks.

A look enlarges the images, mirrors them or not, predicts, and adds the probabilities,
back in the images' size, to those of the looks before. On TensorFlow one graph serves
all looks and all sizes; JAX compiles one for each size. The looks are computed one
after the other, so that memory is that of the largest.
"""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from keras_fcn.typing import Tensor

SCALES = (0.75, 1.0, 1.25, 1.5, 1.75)


def make_mean_probabilities(model: keras.Model) -> Callable[[np.ndarray], Tensor]:
    """Return a function to the mean probabilities over all looks.

    Args:
        model: a network of `FCN`; its weights are shared, not copied.

    Returns:
        Function of RGB images, uint8 or float in [0, 255], `(batch, height, width, 3)`,
        to float32 `(batch, height, width, num_classes)`, on the device.
    """
    add_look = _compile(model)
    num_classes = model.output.shape[-1]

    def mean_probabilities(images):
        size = images.shape[1:3]
        images = ops.cast(ops.convert_to_tensor(images), "float32")
        total = ops.zeros((*images.shape[:3], num_classes), "float32")
        for scale in SCALES:
            scaled_size = tuple(max(1, round(scale * length)) for length in size)
            for step in (1, -1):  # -1 mirrors from left to right
                total = add_look(images, total, scaled_size, step)
        return total / (2 * len(SCALES))

    return mean_probabilities


def _compile(model):
    """The function `_add_look` of a network, compiled by Keras's backend."""
    if keras.backend.backend() == "jax":
        import jax

        def mirror(images, step):
            return images[:, :, ::step]

        def resize(images, size):
            return ops.image.resize(
                images, size, interpolation="bilinear", antialias=True
            )

        def add_look(variables, images, total, scaled_size, step):
            def predict(view):
                return model.stateless_call(*variables, view, training=False)[0]

            return _add_look(predict, mirror, resize, images, total, scaled_size, step)

        compiled = jax.jit(add_look, static_argnames=("scaled_size", "step"))

        def add_look_of_now(*args):
            groups = model.trainable_variables, model.non_trainable_variables
            variables = [[variable.value for variable in group] for group in groups]
            return compiled(variables, *args)

        return add_look_of_now
    import tensorflow as tf

    any_size = [None, None, None]

    def mirror(images, step):
        channels = images.shape[-1]  # which a step that is no constant hides
        return tf.ensure_shape(images[:, :, ::step], [*any_size, channels])

    def resize(images, size):
        # Keras's operation compares sizes in Python, which only the run knows here.
        return tf.image.resize(images, tf.stack(size), "bilinear", antialias=True)

    @tf.function(
        input_signature=[
            tf.TensorSpec([*any_size, 3]),
            tf.TensorSpec([*any_size, model.output.shape[-1]]),
            (tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.int32)),
            tf.TensorSpec([], tf.int32),
        ],
        autograph=False,
    )
    def add_look(images, total, scaled_size, step):
        def predict(view):
            return model(view, training=False)

        return _add_look(predict, mirror, resize, images, total, scaled_size, step)

    return add_look


def _add_look(predict, mirror, resize, images, total, scaled_size, step):
    """Add the probabilities of a look to those before."""
    view = mirror(resize(images, scaled_size), step)  # (N, scale * H, scale * W, 3)
    probabilities = mirror(ops.softmax(predict(view)), step)
    size = tuple(ops.shape(images)[1:3])
    return total + resize(probabilities, size)  # (N, H, W, C)
