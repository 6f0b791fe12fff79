"""How much arithmetic a network is."""

import keras
import pytest

from benchmarks.flops import count_flops
from keras_fcn.models.fcn import FCN


def test_convolutions_are_counted_by_their_cells_and_kernels():
    image = keras.Input((6, 8, 3))
    x = keras.layers.Conv2D(5, 3, padding="same", strides=2)(image)  # 3x4 cells
    x = keras.layers.Conv2DTranspose(2, 4, strides=2, padding="same")(x)  # of 3x4
    convolution, transposed = 3 * 4 * (3 * 3 * 3 * 5), 3 * 4 * (4 * 4 * 5 * 2)
    assert count_flops(keras.Model(image, x)) == 2 * (convolution + transposed)


def test_the_padding_is_counted():
    counts = [
        count_flops(FCN("32s", 3, "compact", None, head_filters=8, input_shape=shape))
        for shape in ((33, 33, 3), (64, 64, 3))
    ]
    assert counts[0] == counts[1] > 0


def test_a_network_for_any_size_has_no_count(model):
    with pytest.raises(ValueError, match="fixed `input_shape`"):
        count_flops(model)
