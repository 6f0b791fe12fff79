"""Test-time augmentation, compiled: nothing leaves the device between the views.

A view of an image is the image at one scale, mirrored or not. The probabilities of each
view are resized to the image's size, mirrored back and added to those of the views
before. On TensorFlow one graph serves all views and all sizes; JAX compiles one for
each size. The views are computed one after the other, so that memory is that of the
largest.
"""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from keras_fcn.typing import Tensor

SCALES = (0.75, 1.0, 1.25, 1.5, 1.75)


def make_mean_probabilities(model: keras.Model) -> Callable[[np.ndarray], Tensor]:
    """Return a function that averages the probabilities over all views.

    Args:
        model: a network of `FCN`; its weights are shared, not copied.

    Returns:
        Function of RGB images, uint8 or float in [0, 255], `(batch, height, width, 3)`,
        to float32 `(batch, height, width, num_classes)`, on the device.
    """
    is_jax = keras.backend.backend() == "jax"
    add_view = _compile_on_jax(model) if is_jax else _compile_on_tensorflow(model)
    num_classes = model.output.shape[-1]

    def mean_probabilities(images: np.ndarray) -> Tensor:
        images = ops.cast(ops.convert_to_tensor(images), "float32")
        size = images.shape[1:3]
        total = ops.zeros((*images.shape[:3], num_classes), "float32")
        for scale in SCALES:
            scaled_size = tuple(max(1, round(scale * length)) for length in size)
            for step in (1, -1):  # -1 mirrors from left to right
                total = add_view(images, total, scaled_size, step)
        # Probabilities, not logits, are averaged: a view counts as much as any other,
        # however large its logits are.
        return total / (2 * len(SCALES))

    return mean_probabilities


def _compile_on_jax(model):
    import jax

    def mirror(images, step):
        return images[:, :, ::step]

    def resize(images, size):
        return ops.image.resize(images, size, interpolation="bilinear", antialias=True)

    def add_view(variables, images, total, scaled_size, step):
        def predict(view):
            return model.stateless_call(*variables, view, training=False)[0]

        return _add_view(predict, mirror, resize, images, total, scaled_size, step)

    compiled = jax.jit(add_view, static_argnames=("scaled_size", "step"))

    def add_view_with_current_weights(*args):
        groups = model.trainable_variables, model.non_trainable_variables
        variables = [[variable.value for variable in group] for group in groups]
        return compiled(variables, *args)

    return add_view_with_current_weights


def _compile_on_tensorflow(model):
    import tensorflow as tf

    any_size = [None, None, None]

    def mirror(images, step):
        # With a step that is a tensor the number of channels is lost.
        return tf.ensure_shape(images[:, :, ::step], [*any_size, images.shape[-1]])

    def resize(images, size):
        # Keras's operation compares sizes in Python, but here they are tensors.
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
    def add_view(images, total, scaled_size, step):
        def predict(view):
            return model(view, training=False)

        return _add_view(predict, mirror, resize, images, total, scaled_size, step)

    return add_view


def _add_view(predict, mirror, resize, images, total, scaled_size, step):
    view = mirror(resize(images, scaled_size), step)  # (N, scale * H, scale * W, 3)
    probabilities = mirror(ops.softmax(predict(view)), step)
    size = tuple(ops.shape(images)[1:3])
    return total + resize(probabilities, size)  # (N, H, W, C)
