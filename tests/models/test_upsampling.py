"""Ways to enlarge scores: values, sizes, gradients, and the networks they make."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from keras_fcn.models.initializers import BilinearUpsampling

from keras_fcn.config import UPSAMPLING
from keras_fcn.models.fcn import FCN, VGGPreprocessing
from keras_fcn.models.upsampling import (
    BedOfNails,
    BilinearInterpolation,
    ChannelSum,
    MaxUnpooling,
    transposed_output_size,
)

# A worked example that is often printed with four wrong cells, the middle ones.
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
    assert transposed_output_size(2, 3, 1) == 4


@pytest.mark.parametrize("input_size", [1, 2, 5])
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_the_output_size_is_kerass(input_size, kernel_size, stride):
    def keras_size(**options):
        layer = layers.Conv2DTranspose(1, kernel_size, strides=stride, **options)
        return layer(np.zeros((1, input_size, 1, 1), "float32")).shape[1]

    # Keras makes "valid" outputs at least a stride wide for each input.
    grown = max(0, stride - kernel_size)
    size = transposed_output_size(input_size, kernel_size, stride, 0, 0)
    assert keras_size(padding="valid") == size + grown
    for extra in range(stride):
        if kernel_size % 2:
            half = (kernel_size - 1) // 2
            size = (input_size - 1) * stride - 2 * half + kernel_size + extra
            if size >= 1:
                assert size == transposed_output_size(
                    input_size, kernel_size, stride, half, extra
                )
                assert size == keras_size(padding="same", output_padding=extra)


@pytest.mark.parametrize("stride", [2, 8, 16, 32])
def test_the_decoders_setting_enlarges_by_the_stride(stride):
    kernel_size, padding = np.int64(2 * stride), stride // 2
    size = transposed_output_size(5, kernel_size, stride, padding)
    layer = layers.Conv2DTranspose(1, int(kernel_size), stride, padding="same")
    assert size == 5 * stride == layer(np.zeros((1, 5, 1, 1), "float32")).shape[1]


@pytest.mark.parametrize(
    ("values", "size"),
    [
        # Settings of common networks in PyTorch, with the sizes that its formula gives.
        ((16, 4, 2, 1, 0), 32),
        ((7, 3, 2, 1, 1), 14),
        ((12, 16, 8, 4, 0), 96),
        ((1, 64, 32, 0, 0), 64),
        ((5, 3, 3, 0, 2), 17),
    ],
)
def test_the_output_size_of_known_settings(values, size):
    assert transposed_output_size(*values) == size


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0, 3, 1), "`input_size` must be a whole number from 1 on. Received: .*=0"),
        ((2, 0, 1), "`kernel_size` must be"),
        ((2, 3, 0), "`stride` must be"),
        ((2, 3, 1, -1), "`padding` must be .* from 0 on. Received: padding=-1"),
        ((2, 3, 1, 0, -1), "`output_padding` must be"),
        ((2, 3, 2, 0, 2), "`output_padding` must be less than `stride`, 2"),
        ((2.0, 3, 1), r"Received: input_size=2.0"),
        ((True, 3, 1), "Received: input_size=True"),
        ((1, 3, 1, 2), "`padding` 2 leaves nothing of an output of 3 cells"),
    ],
)
def test_impossible_sizes_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        transposed_output_size(*values)


def test_nails_stand_in_the_upper_left_corners():
    scores = random(2, 3, 4, 5)
    nails = ops.convert_to_numpy(BedOfNails(3)(scores))
    assert nails.shape == (2, 9, 12, 5)
    np.testing.assert_array_equal(nails[:, ::3, ::3], scores)
    assert np.count_nonzero(nails) == scores.size


@pytest.mark.parametrize("factor", [0, 1, 3])
def test_interpolation_needs_an_even_factor(factor):
    with pytest.raises(ValueError, match=f"Received: factor={factor}"):
        BilinearInterpolation(factor)


@pytest.mark.parametrize("stride", [2, 4, 16])
@pytest.mark.parametrize("size", [(1, 1), (1, 4), (5, 3)])
def test_interpolation_is_kerass(stride, size):
    scores = random(2, *size, 3)
    interpolated = BilinearInterpolation(stride)(scores)
    expected = layers.UpSampling2D(stride, interpolation="bilinear")(scores)
    np.testing.assert_allclose(
        ops.convert_to_numpy(interpolated), ops.convert_to_numpy(expected), atol=1e-5
    )


@pytest.mark.parametrize("stride", [2, 4])
def test_nails_and_a_convolution_are_a_transposed_convolution(stride):
    scores = random(1, 5, 4, 3)
    kernel = random(2 * stride, 2 * stride, 3, 3, seed=1)  # rows, columns, out, in
    transposed = ops.conv_transpose(scores, kernel, stride, padding="same")
    before, after = 3 * stride // 2 - 1, stride // 2
    padding = ((0, 0), (before, after), (before, after), (0, 0))
    nails = ops.pad(BedOfNails(stride)(scores), padding)
    mirrored = kernel[::-1, ::-1].transpose(0, 1, 3, 2)
    convolved = ops.conv(nails, mirrored, padding="valid")
    np.testing.assert_allclose(
        ops.convert_to_numpy(convolved), ops.convert_to_numpy(transposed), atol=1e-4
    )


def test_values_go_back_to_where_the_maximum_was():
    pooled = random(2, 6, 8, 5)
    values = ops.convert_to_numpy(ops.max_pool(pooled, 2))
    unpooled = ops.convert_to_numpy(MaxUnpooling()(values, pooled))
    np.testing.assert_array_equal(unpooled, np.where(unpooled == 0, 0, pooled))
    np.testing.assert_array_equal(ops.max_pool(np.abs(unpooled), 2), np.abs(values))
    assert np.count_nonzero(unpooled) == values.size


def test_of_equal_values_the_first_counts():
    pooled = np.zeros((1, 4, 2, 1), "float32")
    pooled[0, 2:, :, 0] = [[0, 7], [7, 7]]
    unpooled = MaxUnpooling()(np.array([[[[3.0]], [[5.0]]]]), pooled)
    expected = [[3, 0], [0, 0], [0, 5], [0, 0]]
    np.testing.assert_array_equal(ops.convert_to_numpy(unpooled)[0, :, :, 0], expected)


def test_one_place_for_all_channels():
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
        lambda scores: MaxUnpooling()(scores, random(1, 6, 4, 1, seed=3)),
    ],
)
def test_gradients_are_those_of_differences(layer):
    scores = random(1, 3, 2, 2)
    direction, weights = random(1, 3, 2, 2, seed=1), random(1, 6, 4, 2, seed=2)

    def value(scores):
        return float(ops.sum(layer(scores) * weights))

    variable = tf.constant(scores)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        total = ops.sum(layer(variable) * weights)
    slope = float(np.sum(tape.gradient(total, variable) * direction))
    difference = value(scores + direction / 64) - value(scores - direction / 64)
    assert slope == pytest.approx(32 * difference, rel=1e-3, abs=1e-4)


def test_channels_are_summed_in_float32():
    features = np.full((1, 2, 2, 512), 1000, "float16")
    summed = ChannelSum(dtype="float32")(features)
    np.testing.assert_array_equal(summed, np.full((1, 2, 2, 1), 512_000))


@pytest.fixture(scope="module", params=UPSAMPLING)
def method(request):
    return request.param


@pytest.mark.parametrize("variant", ["32s", "8s"])
def test_every_method_makes_a_network_of_the_images_size(method, variant, tmp_path):
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


def test_every_method_keeps_a_constant_score(method):
    """Away from the border, what starts as interpolation changes no constant."""
    model = FCN("32s", 2, "compact", None, head_filters=8, upsampling=method)
    model.get_layer("score_fr").bias.assign([3.0, -1.0])
    # The mean colour makes every feature 0, so that all places of maxima are the first.
    image = np.full((1, 160, 160, 3), VGGPreprocessing.MEAN_BGR[::-1], "float32")
    inner = ops.convert_to_numpy(model(image))[0, 48:-48, 48:-48]
    np.testing.assert_allclose(inner, np.broadcast_to([3, -1], inner.shape), rtol=1e-4)


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="Received: upsampling=magic"):
        FCN("32s", 3, "compact", None, upsampling="magic")
