import cv2
import keras
import numpy as np
import pytest
from keras import layers
from keras_fcn.models.initializers import BilinearUpsampling, bilinear_window


def upsampling_layer(stride, channels):
    return layers.Conv2DTranspose(
        channels,
        kernel_size=2 * stride,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer=BilinearUpsampling(),
    )


def test_window_of_size_4_is_the_hand_worked_one():
    # Factor 2, centre 1.5: weights 1 - |i - 1.5| / 2 = 1/4, 3/4, 3/4, 1/4.
    expected = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 16
    window = bilinear_window(4)
    assert window.dtype == np.float32
    np.testing.assert_array_equal(window, expected)


def test_window_of_odd_size_peaks_at_its_middle_pixel():
    # Size 3: factor 2, centre 1: weights 1/2, 1, 1/2.
    np.testing.assert_array_equal(
        bilinear_window(3), np.outer([0.5, 1, 0.5], [0.5, 1, 0.5])
    )
    np.testing.assert_array_equal(bilinear_window(1), [[1]])


@pytest.mark.parametrize("stride", [2, 8, 16, 32])
def test_every_phase_of_the_window_adds_up_to_one(stride):
    window = bilinear_window(2 * stride)
    phases = window.reshape(2, stride, 2, stride).sum(axis=(0, 2))
    np.testing.assert_allclose(phases, np.ones((stride, stride)), rtol=1e-6)


def test_weight_between_different_channels_is_zero():
    kernel = keras.ops.convert_to_numpy(BilinearUpsampling()((4, 4, 3, 3)))
    for output in range(3):
        for channel in range(3):
            expected = bilinear_window(4) if output == channel else np.zeros((4, 4))
            np.testing.assert_array_equal(kernel[:, :, output, channel], expected)


@pytest.mark.parametrize("stride", [2, 8, 16, 32])
def test_layer_enlarges_as_opencv_does_away_from_the_border(stride):
    scores = np.random.default_rng(stride).normal(size=(5, 7, 3)).astype("float32")
    enlarged = upsampling_layer(stride, 3)(scores[None])[0]
    height, width = 5 * stride, 7 * stride
    expected = cv2.resize(scores, (width, height), interpolation=cv2.INTER_LINEAR)
    assert enlarged.shape == expected.shape
    edge = stride // 2
    inner = np.s_[edge : height - edge, edge : width - edge]
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(enlarged)[inner], expected[inner], atol=1e-5
    )


def test_zeros_lie_beyond_the_border():
    enlarged = upsampling_layer(2, 1)(np.ones((1, 2, 2, 1), "float32"))
    # A row of ones between zeros: 3/4 at both ends, 1 inside.
    expected = np.outer([0.75, 1, 1, 0.75], [0.75, 1, 1, 0.75])
    np.testing.assert_allclose(enlarged[0, ..., 0], expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_kernel_has_the_asked_dtype(dtype):
    kernel = BilinearUpsampling()((4, 4, 2, 2), dtype=dtype)
    assert keras.backend.standardize_dtype(kernel.dtype) == dtype


@pytest.mark.parametrize("shape", [(4, 6, 2, 2), (4, 4, 2, 3)])
def test_oblong_windows_and_unequal_channels_are_refused(shape):
    with pytest.raises(ValueError, match=rf"Received: shape=\({shape[0]}, {shape[1]}"):
        BilinearUpsampling()(shape)


def test_initializer_survives_serialization():
    config = keras.initializers.serialize(BilinearUpsampling())
    assert config["registered_name"] == "keras_fcn>BilinearUpsampling"
    restored = keras.initializers.deserialize(config)
    assert isinstance(restored, BilinearUpsampling)
    np.testing.assert_array_equal(restored((4, 4, 1, 1))[..., 0, 0], bilinear_window(4))
