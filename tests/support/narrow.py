"""VGG16 with few filters, for fast tests of code that uses the network.

It trains faster and has small files. Tests use it unless they have the marker `vgg16`
(for VGG16's weights and the bundled network). Other processes use VGG16 unless their
program enters `narrow_vgg16`.
"""

from contextlib import contextmanager
from functools import partial
from unittest import mock

import keras
from keras import layers

import keras_fcn.models.weights as weights_module

VGG16_CONVOLUTIONS = (2, 2, 3, 3, 3)  # of each block
NARROW = (4, 8, 16, 32, 32)  # filters of each block
MEDIUM = (16, 32, 64, 128, 256)  # the weights take most of the size of an export


@contextmanager
def narrow_vgg16(convolutions=(1, 1, 1, 1, 1), filters=NARROW):
    """Replace VGG16 in `FCN` by the narrow network inside the `with` block.

    Args:
        convolutions: number of convolutions of each block. One is the default, because
            the time of a training of a few steps is that of tracing its layers.
        filters: filters of each block.
    """
    names = [
        f"block{block}_conv{number}"
        for block, count in enumerate(convolutions, 1)
        for number in range(1, count + 1)
    ]
    vgg16 = partial(_narrow_vgg16, convolutions, filters)
    with (
        mock.patch.object(keras.applications, "VGG16", vgg16),
        mock.patch.object(weights_module, "_ENCODER_LAYERS", names),
    ):
        yield


def _narrow_vgg16(convolutions, filters, include_top, weights, input_tensor):
    assert not include_top and weights is None
    x = input_tensor
    for block, (count, width) in enumerate(zip(convolutions, filters, strict=True), 1):
        for number in range(1, count + 1):
            name = f"block{block}_conv{number}"
            x = layers.Conv2D(width, 3, padding="same", activation="relu", name=name)(x)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    return keras.Model(keras.utils.get_source_inputs(input_tensor), x, name="vgg16")
