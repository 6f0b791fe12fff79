"""Interlaced outputs of shifted images against the network without its strides."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.lib.stride_tricks import sliding_window_view

from keras_fcn.models.fcn import FCN
from keras_fcn.models.layers import MEAN_RGB
from keras_fcn.prediction import shift_and_stitch as shift_and_stitch_module
from keras_fcn.prediction.shift_and_stitch import (
    coarse_logits_model,
    coarse_stride,
    interlace,
    resolve_factor,
    shift_and_stitch,
)
from tests.support.narrow import narrow_vgg16


@pytest.fixture(scope="module", autouse=True)
def narrow():
    with narrow_vgg16():
        yield


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


KERNELS = [random(3, 3, 2, 4, seed=1), random(3, 3, 4, 5, seed=2), random(1, 1, 5, 3)]


def strided(image):
    """Convolution, pooling, convolution, pooling, logits: stride 4, "valid" borders."""
    for kernel in KERNELS[:2]:
        image = ops.relu(ops.conv(image, kernel, padding="valid"))
        image = ops.max_pool(image, 2, padding="valid")
    return ops.convert_to_numpy(ops.conv(image, KERNELS[2]))


def dilated(image):
    """The same layers without strides; filters and pooling are dilated instead."""
    dilation = 1
    for kernel in KERNELS[:2]:
        image = ops.relu(
            ops.conv(image, kernel, dilation_rate=dilation, padding="valid")
        )
        rows = ops.maximum(image[:, dilation:], image[:, :-dilation])
        image = ops.maximum(rows[:, :, dilation:], rows[:, :, :-dilation])
        dilation *= 2
    return ops.convert_to_numpy(ops.conv(image, KERNELS[2]))


def test_interlaced_outputs_are_those_of_dilated_filters():
    # With "valid" borders, 30 pixels give 6 cells of stride 4; 33 fit all four shifts.
    image = random(33, 37, 2, seed=3)
    dense = interlace(strided, image, stride=4, factor=4)
    expected = dilated(image[None])[0]
    height, width = dense.shape[:2]
    assert height >= 24 and width >= 28
    np.testing.assert_allclose(dense, expected[:height, :width], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_a_smaller_factor_gives_every_second_or_fourth_output(factor):
    image = random(33, 37, 2, seed=4)
    step = 4 // factor
    part = image[: 30 + 4 - step, : 34 + 4 - step]
    dense = interlace(strided, part, stride=4, factor=factor)
    expected = dilated(image[None])[0, ::step, ::step]
    height, width = dense.shape[:2]
    np.testing.assert_allclose(dense, expected[:height, :width], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_the_batch_size_does_not_change_the_outputs(batch_size):
    image = random(33, 37, 2, seed=5)
    np.testing.assert_allclose(
        interlace(strided, image, 4, 4, batch_size),
        interlace(strided, image, 4, 4),
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.fixture(scope="module", params=["32s", "16s", "8s", "4s"])
def network(request):
    keras.utils.set_random_seed(0)
    model = FCN(request.param, 3, "compact", None, head_filters=8)
    for layer in model.layers:
        if layer.name.startswith("score_"):
            layer.kernel.assign(0.1 * random(*layer.kernel.shape))
    return model


def test_logits_have_the_images_size(network):
    image = np.random.default_rng(0).integers(0, 256, (37, 50, 3)).astype("uint8")
    logits = shift_and_stitch(network, image, factor=2)
    assert logits.shape == (37, 50, 3) and logits.dtype == np.float32
    assert np.isfinite(logits).all()


def test_a_factor_of_one_interpolates_the_coarse_logits(network):
    """At the cells' centers these are the coarse logits."""
    stride = coarse_stride(network)
    image = np.random.default_rng(1).uniform(0, 255, (96, 128, 3)).astype("float32")
    logits = shift_and_stitch(network, image, factor=1)
    coarse = coarse_logits_model(network)
    canvas = np.empty((128, 160, 3), "float32")
    canvas[:] = (123.68, 116.779, 103.939)
    half = stride // 2
    canvas[half : half + 96, half : half + 128] = image
    coarse_logits = coarse.predict_on_batch(canvas[None])[0]
    # Pixel p lies at canvas row p + s/2; cell k's center at k s + s/2 - 1/2.
    between = logits[: 96 - stride : stride, : 128 - stride : stride]
    near = coarse_logits[: between.shape[0], : between.shape[1]]
    spread = (
        np.abs(np.diff(coarse_logits, axis=0)).max()
        + np.abs(np.diff(coarse_logits, axis=1)).max()
    )
    assert np.abs(between - near).max() <= 2 * spread / stride


def test_dense_logits_shift_with_the_image():
    """With the stride as factor, an image shifted by a pixel has shifted logits."""
    keras.utils.set_random_seed(0)
    model = FCN("8s", 2, "compact", None, head_filters=8)
    kernel = model.get_layer("score_pool3").kernel
    kernel.assign(0.01 * random(*kernel.shape))
    image = np.random.default_rng(2).uniform(0, 255, (161, 161, 3)).astype("float32")
    one = shift_and_stitch(model, image[:160, :160])
    other = shift_and_stitch(model, image[1:, 1:])
    inner = slice(56, -56)
    scale = np.abs(one).max()
    np.testing.assert_allclose(
        one[1:, 1:][inner, inner], other[:-1, :-1][inner, inner], atol=1e-3 * scale
    )


def test_mirrored_kernels_and_image_give_mirrored_logits():
    """Logits have no offset: mirroring would detect an offset of a single pixel."""
    keras.utils.set_random_seed(0)
    model = FCN("8s", 2, "compact", None, head_filters=8)
    kernel = model.get_layer("score_pool3").kernel
    kernel.assign(0.01 * random(*kernel.shape))
    for layer in model.layers:
        if layer.name.startswith("block") and "conv" in layer.name:
            kernel = ops.convert_to_numpy(layer.kernel)
            layer.kernel.assign((kernel + kernel[:, ::-1]) / 2)
    image = np.random.default_rng(3).uniform(0, 255, (96, 160, 3)).astype("float32")
    logits = shift_and_stitch(model, image)
    mirrored = shift_and_stitch(model, np.ascontiguousarray(image[:, ::-1]))[:, ::-1]
    rows, columns = slice(30, -30), slice(56, -56)
    tolerance = 1e-3 * np.abs(logits).max()
    np.testing.assert_allclose(
        logits[rows, columns], mirrored[rows, columns], atol=tolerance
    )
    aside = np.roll(mirrored, 1, axis=1)
    assert np.abs(logits - aside)[rows, columns].max() > 10 * tolerance


class CellMeans:
    """A stand-in network: the logits of a cell are its mean color."""

    def __init__(self, stride):
        self.stride = stride

    def predict_on_batch(self, views):
        batch, rows, columns, channels = views.shape
        assert rows % 32 == columns % 32 == 0
        cells = views.reshape(
            batch, rows // self.stride, self.stride, -1, self.stride, channels
        )
        return cells.mean(axis=(2, 4))


@pytest.fixture(params=[(32, 1), (32, 2), (16, 4), (8, 1), (8, 2), (8, 4), (8, 8)])
def cell_means(request, monkeypatch):
    """A network whose logits are `CellMeans`, its stride and a factor."""
    stride, factor = request.param
    monkeypatch.setattr(
        shift_and_stitch_module, "coarse_logits_model", lambda model: CellMeans(stride)
    )
    return SimpleNamespace(name=f"fcn{stride}s"), stride, factor


def test_the_logits_of_a_linear_image_are_the_image(cell_means):
    """The mean of a cell of a slope is its value at the cell's center.

    So this tests the position of the logits for every stride and factor.
    """
    model, stride, factor = cell_means
    rows, columns = np.mgrid[:100, :131].astype("float32")
    image = np.stack([rows, columns, 3 + 2 * rows - columns / 2], axis=-1)
    logits = shift_and_stitch(model, image, factor)
    assert logits.shape == (100, 131, 3) and logits.dtype == np.float32
    # Nearer to the border, cells contain padding.
    border = stride // 2 + stride // factor
    inner = np.s_[border : 100 - border, border : 131 - border]
    np.testing.assert_allclose(logits[inner], image[inner], atol=1e-3)


def interpolated_means(values, stride, step):
    """Means of cells `step` apart along the first axis, interpolated at its pixels."""
    length = len(values)
    padded = np.pad(values, ((stride // 2, 96), (0, 0), (0, 0)))
    means = sliding_window_view(padded, stride, axis=0).mean(axis=-1)[::step]
    count = -(-(length + stride // 2) // 32) * 32 // step  # the border of the canvas
    centers = -0.5 + step * np.arange(count)
    return np.apply_along_axis(
        lambda column: np.interp(np.arange(length), centers, column), 0, means[:count]
    )


def test_images_are_padded_with_the_mean_color(cell_means):
    model, stride, factor = cell_means
    image = np.random.default_rng(0).integers(0, 256, (37, 50, 3)).astype("uint8")
    expected = image - np.float64(MEAN_RGB)  # so that zeros are the mean color
    for _ in ("rows", "columns"):
        expected = interpolated_means(expected, stride, stride // factor)
        expected = expected.transpose(1, 0, 2)
    logits = shift_and_stitch(model, image, factor)
    np.testing.assert_allclose(logits, expected + MEAN_RGB, atol=1e-2)


def test_the_default_factor_is_the_stride(network):
    stride = coarse_stride(network)
    assert resolve_factor(network, None) == stride == int(network.name[3:-1])
    assert type(resolve_factor(network, np.int64(2))) is int


def test_coarse_logits_have_the_networks_stride(network):
    image = np.random.default_rng(0).uniform(0, 255, (1, 40, 70, 3))
    logits = coarse_logits_model(network).predict_on_batch(image)
    stride = coarse_stride(network)
    # The network pads 40 x 70 to 64 x 96.
    assert logits.shape == (1, 64 // stride, 96 // stride, 3)


def test_shifts_are_batched_up_to_the_number_of_pixels(network, monkeypatch):
    views = []
    predict_on_batch = keras.Model.predict_on_batch

    def record(self, batch):
        views.append(len(batch))
        return predict_on_batch(self, batch)

    monkeypatch.setattr(keras.Model, "predict_on_batch", record)
    # 40 pixels and half a stride of 32 or less: 64 on each side.
    monkeypatch.setattr(shift_and_stitch_module, "_PIXELS_PER_BATCH", 3 * 64 * 64)
    shift_and_stitch(network, np.zeros((40, 40, 3), "uint8"), factor=2)
    assert views == [3, 1]


@pytest.mark.parametrize("factor", [0, 3, 64, -2, 2.0])
def test_a_factor_that_does_not_divide_the_stride_is_refused(network, factor):
    with pytest.raises(ValueError, match=f"divides the stride.*Received: {factor}"):
        shift_and_stitch(network, np.zeros((32, 32, 3), "uint8"), factor)


@pytest.mark.parametrize("shape", [(32, 32), (32, 32, 4), (1, 32, 32, 3)])
def test_other_shapes_than_an_rgb_image_are_refused(network, shape):
    with pytest.raises(ValueError, match=r"requires an image of shape .* Received:"):
        shift_and_stitch(network, np.zeros(shape, "uint8"), 1)


def test_another_model_is_refused():
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(1, 1)], name="other"
    )
    with pytest.raises(ValueError, match="requires a network of FCN. Received: other"):
        shift_and_stitch(model, np.zeros((8, 8, 3), "uint8"))
