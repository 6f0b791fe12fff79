"""Upsampling methods: values, sizes, gradients, and networks that use them."""

import itertools

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from keras_fcn.config import UPSAMPLING
from keras_fcn.models.fcn import FCN
from keras_fcn.models.layers import MEAN_RGB
from keras_fcn.models.precision import use_precision
from keras_fcn.models.upsampling import (
    BedOfNails,
    BilinearInterpolation,
    BilinearUpsampling,
    ChannelSum,
    MaxUnpooling,
    bilinear_window,
    upsample,
)

# A worked example that is often published with errors in its four middle cells.
EXAMPLE_INPUT = np.array([[55, 52], [57, 50]])
EXAMPLE_KERNEL = np.array([[1, 2, 1], [2, 2, 2], [1, 1, 2]])
EXAMPLE_OUTPUT = np.array(
    [
        [55, 162, 159, 52],
        [167, 378, 371, 154],
        [169, 321, 376, 204],
        [57, 107, 164, 100],
    ]
)


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def test_the_worked_example_by_hand():
    output = np.zeros((4, 4), int)
    for row, column in itertools.product(range(2), range(2)):
        window = output[row : row + 3, column : column + 3]
        window += EXAMPLE_INPUT[row, column] * EXAMPLE_KERNEL
    np.testing.assert_array_equal(output, EXAMPLE_OUTPUT)


def test_the_worked_example_by_keras():
    output = ops.conv_transpose(
        EXAMPLE_INPUT[None, :, :, None].astype("float32"),
        EXAMPLE_KERNEL[:, :, None, None].astype("float32"),
        strides=1,
        padding="valid",
    )
    np.testing.assert_array_equal(np.asarray(output)[0, :, :, 0], EXAMPLE_OUTPUT)


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
    # Factor 2, center 1.5: weights 1 - |i - 1.5| / 2 = 1/4, 3/4, 3/4, 1/4.
    expected = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 16
    window = bilinear_window(4)
    assert window.dtype == np.float32
    np.testing.assert_array_equal(window, expected)


def test_window_of_odd_size_peaks_at_its_middle_pixel():
    # Size 3: factor 2, center 1: weights 1/2, 1, 1/2.
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
def test_layer_upsamples_like_opencv_away_from_the_border(stride):
    logits = np.random.default_rng(stride).normal(size=(5, 7, 3)).astype("float32")
    upsampled = upsampling_layer(stride, 3)(logits[None])[0]
    height, width = 5 * stride, 7 * stride
    expected = cv2.resize(logits, (width, height), interpolation=cv2.INTER_LINEAR)
    assert upsampled.shape == expected.shape
    edge = stride // 2
    inner = np.s_[edge : height - edge, edge : width - edge]
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(upsampled)[inner], expected[inner], atol=1e-5
    )


def test_the_input_is_padded_with_zeros():
    upsampled = upsampling_layer(2, 1)(np.ones((1, 2, 2, 1), "float32"))
    # A row of ones between zeros: 3/4 at both ends, 1 inside.
    expected = np.outer([0.75, 1, 1, 0.75], [0.75, 1, 1, 0.75])
    np.testing.assert_allclose(upsampled[0, ..., 0], expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_kernel_has_the_given_dtype(dtype):
    kernel = BilinearUpsampling()((4, 4, 2, 2), dtype=dtype)
    assert keras.backend.standardize_dtype(kernel.dtype) == dtype


@pytest.mark.parametrize("shape", [(4, 6, 2, 2), (4, 4, 2, 3)])
def test_non_square_kernels_and_unequal_channels_are_refused(shape):
    with pytest.raises(ValueError, match=rf"Received: shape=\({shape[0]}, {shape[1]}"):
        BilinearUpsampling()(shape)


def test_initializer_survives_serialization():
    config = keras.initializers.serialize(BilinearUpsampling())
    assert config["registered_name"] == "keras_fcn>BilinearUpsampling"
    restored = keras.initializers.deserialize(config)
    assert isinstance(restored, BilinearUpsampling)
    np.testing.assert_array_equal(restored((4, 4, 1, 1))[..., 0, 0], bilinear_window(4))


def test_bed_of_nails_puts_values_in_the_upper_left_corners():
    logits = random(2, 3, 4, 5)
    nails = ops.convert_to_numpy(BedOfNails(3)(logits))
    assert nails.shape == (2, 9, 12, 5)
    np.testing.assert_array_equal(nails[:, ::3, ::3], logits)
    assert np.count_nonzero(nails) == logits.size


@pytest.mark.parametrize("factor", [0, 1, 3])
def test_interpolation_requires_an_even_factor(factor):
    with pytest.raises(ValueError, match=f"Received: factor={factor}"):
        BilinearInterpolation(factor)


@pytest.mark.parametrize("stride", [2, 4, 16])
@pytest.mark.parametrize("size", [(1, 1), (1, 4), (5, 3)])
def test_interpolation_equals_keras(stride, size):
    logits = random(2, *size, 3)
    interpolated = BilinearInterpolation(stride)(logits)
    expected = layers.UpSampling2D(stride, interpolation="bilinear")(logits)
    np.testing.assert_allclose(
        ops.convert_to_numpy(interpolated), ops.convert_to_numpy(expected), atol=1e-5
    )


@pytest.mark.parametrize("stride", [2, 4])
def test_bed_of_nails_with_a_convolution_equals_a_transposed_one(stride):
    logits = random(1, 5, 4, 3)
    kernel = random(2 * stride, 2 * stride, 3, 3, seed=1)  # rows, columns, out, in
    transposed = ops.conv_transpose(logits, kernel, stride, padding="same")
    before, after = 3 * stride // 2 - 1, stride // 2
    padding = ((0, 0), (before, after), (before, after), (0, 0))
    nails = ops.pad(BedOfNails(stride)(logits), padding)
    mirrored = kernel[::-1, ::-1].transpose(0, 1, 3, 2)
    convolved = ops.conv(nails, mirrored, padding="valid")
    np.testing.assert_allclose(
        ops.convert_to_numpy(convolved), ops.convert_to_numpy(transposed), atol=1e-4
    )


def test_max_unpooling_puts_values_at_the_maximum():
    pooled = random(2, 6, 8, 5)
    values = ops.convert_to_numpy(ops.max_pool(pooled, 2))
    unpooled = ops.convert_to_numpy(MaxUnpooling()(values, pooled))
    np.testing.assert_array_equal(unpooled, np.where(unpooled == 0, 0, pooled))
    np.testing.assert_array_equal(ops.max_pool(np.abs(unpooled), 2), np.abs(values))
    assert np.count_nonzero(unpooled) == values.size


def test_the_first_of_equal_maxima_is_used():
    pooled = np.zeros((1, 4, 2, 1), "float32")
    pooled[0, 2:, :, 0] = [[0, 7], [7, 7]]
    unpooled = MaxUnpooling()(np.array([[[[3.0]], [[5.0]]]]), pooled)
    expected = [[3, 0], [0, 0], [0, 5], [0, 0]]
    np.testing.assert_array_equal(ops.convert_to_numpy(unpooled)[0, :, :, 0], expected)


def test_one_position_for_all_channels():
    pooled = np.zeros((1, 2, 2, 1), "float32")
    pooled[0, 1, 0] = 1
    unpooled = ops.convert_to_numpy(MaxUnpooling()(random(1, 1, 1, 4), pooled))
    assert (unpooled[0, 1, 0] != 0).all() and np.count_nonzero(unpooled) == 4


@pytest.mark.parametrize(
    "layer",
    [
        BedOfNails(2),
        layers.UpSampling2D(2, interpolation="nearest"),
        BilinearInterpolation(2),
        layers.Conv2DTranspose(
            2, 4, 2, padding="same", kernel_initializer=BilinearUpsampling()
        ),
        lambda logits: MaxUnpooling()(logits, random(1, 6, 4, 1, seed=3)),
    ],
)
def test_gradients_equal_finite_differences(layer):
    logits = random(1, 3, 2, 2)
    direction, weights = random(1, 3, 2, 2, seed=1), random(1, 6, 4, 2, seed=2)

    def value(logits):
        return float(ops.sum(layer(logits) * weights))

    variable = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        total = ops.sum(layer(variable) * weights)
    slope = float(np.sum(tape.gradient(total, variable) * direction))
    difference = value(logits + direction / 64) - value(logits - direction / 64)
    assert slope == pytest.approx(32 * difference, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize(
    "layer",
    [
        BedOfNails(2),
        BedOfNails(3),
        BilinearInterpolation(2),
        BilinearInterpolation(8),
        *(
            layers.Conv2DTranspose(3, 2 * stride, stride, padding="same")
            for stride in (2, 8, 16, 32)
        ),
        layers.UpSampling2D(4),
    ],
)
def test_compute_output_shape_matches_the_output(layer):
    for size in ((1, 1), (2, 3)):
        output = layer(random(2, *size, 3))
        expected_shape = layer.compute_output_shape((2, *size, 3))
        assert tuple(expected_shape) == tuple(output.shape)
        factor = output.shape[1] // size[0]
        assert output.shape == (2, factor * size[0], factor * size[1], 3)
    free = layer.compute_output_shape((None, None, 5, 3))
    assert tuple(free) == (None, None, factor * 5, 3)  # Keras's own are lists


def test_output_shapes_of_max_unpooling_and_channel_sum():
    values, pooled = random(2, 3, 5, 4), random(2, 6, 10, 7)
    strength = ChannelSum()(pooled)
    assert ChannelSum().compute_output_shape(pooled.shape) == strength.shape
    unpooled = MaxUnpooling()(values, strength)
    assert unpooled.shape == (2, 6, 10, 4)
    for shapes, expected_shape in (
        ((values.shape, strength.shape), unpooled.shape),
        (((None, None, 5, 4), (None, None, 10, 1)), (None, None, 10, 4)),
    ):
        assert MaxUnpooling().compute_output_shape(*shapes) == expected_shape


def test_channels_are_summed_in_float32():
    features = np.full((1, 2, 2, 512), 1000, "float16")
    summed = ChannelSum(dtype="float32")(features)
    np.testing.assert_array_equal(summed, np.full((1, 2, 2, 1), 512_000))


@pytest.fixture(scope="module", params=UPSAMPLING)
def method(request):
    return request.param


@pytest.mark.parametrize("variant", ["32s", "8s"])
def test_every_method_gives_logits_of_the_images_size(method, variant, tmp_path):
    keras.utils.set_random_seed(0)
    model = FCN(variant, 3, "compact", None, head_filters=8, upsampling=method)
    for layer in model.layers:
        if layer.name.startswith("score_"):
            layer.set_weights([random(*v.shape) for v in layer.get_weights()])
    image = np.random.default_rng(0).uniform(0, 255, (1, 45, 70, 3)).astype("float32")
    logits = ops.convert_to_numpy(model(image))
    assert logits.shape == (1, 45, 70, 3) and np.abs(logits).max() > 0
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(ops.convert_to_numpy(loaded(image)), logits, rtol=1e-5)


def test_every_method_keeps_constant_logits(method):
    """Interpolation kernels keep a constant away from the border."""
    model = FCN("32s", 2, "compact", None, head_filters=8, upsampling=method)
    model.get_layer("score_fr").bias.assign([3.0, -1.0])
    # The mean color makes every feature 0, so that all places of maxima are the first.
    image = np.full((1, 160, 160, 3), MEAN_RGB, "float32")
    inner = ops.convert_to_numpy(model(image))[0, 48:-48, 48:-48]
    np.testing.assert_allclose(inner, np.broadcast_to([3, -1], inner.shape), rtol=1e-4)


LAYERS = {
    "transposed": {"up": layers.Conv2DTranspose},
    "bilinear": {"up": BilinearInterpolation},
    "nearest": {"up": layers.UpSampling2D},
    "bed-of-nails": {
        "up_step1_nails": BedOfNails, "up_step1_padding": layers.ZeroPadding2D,
        "up_step1": layers.Conv2D,
        "up_step2_nails": BedOfNails, "up_step2_padding": layers.ZeroPadding2D,
        "up_step2": layers.Conv2D,
    },
    "max-unpooling": {
        "up_step1_strength": ChannelSum, "up_step1_unpooling": MaxUnpooling,
        "up_step1": layers.Conv2D,
        "up_step2_strength": ChannelSum, "up_step2_unpooling": MaxUnpooling,
        "up_step2": layers.Conv2D,
    },
}  # fmt: skip


@pytest.fixture
def upsampling_layers(method):
    """The layers of an upsampling by 4, built in mixed precision, by name."""
    logits = keras.Input((None, None, 3))
    pooled = [keras.Input((None, None, channels)) for channels in (5, 7)]
    with use_precision("bfloat16"):
        upsampled = upsample(logits, 4, method, "up", pooled)
    # Keras 3.12 refuses unused inputs.
    model = keras.Model([logits, *pooled * (method == "max-unpooling")], upsampled)
    return {
        layer.name: layer
        for layer in model.layers
        if not isinstance(layer, layers.InputLayer)
    }


def test_a_method_has_its_own_layers(method, upsampling_layers):
    assert {name: type(layer) for name, layer in upsampling_layers.items()} == LAYERS[
        method
    ]


def test_logits_are_upsampled_in_float32(upsampling_layers):
    assert {layer.compute_dtype for layer in upsampling_layers.values()} == {"float32"}


def test_kernels_are_learned_and_there_are_no_biases(upsampling_layers):
    learned = {
        name: [variable.name for variable in layer.trainable_variables]
        for name, layer in upsampling_layers.items()
        if layer.variables
    }
    convolutions = (layers.Conv2D, layers.Conv2DTranspose)
    assert learned == {
        name: ["kernel"]
        for name, layer in upsampling_layers.items()
        if isinstance(layer, convolutions)
    }


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="Received: upsampling='magic'"):
        FCN("32s", 3, "compact", None, upsampling="magic")
