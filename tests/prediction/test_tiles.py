"""Tiles against the whole image."""

import sys
from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from keras_fcn.config import VARIANTS
from keras_fcn.models.fcn import FCN
from keras_fcn.models.layers import MEAN_RGB
from keras_fcn.prediction import tiles
from keras_fcn.prediction.predictor import make_predictor
from keras_fcn.prediction.tiles import tiled_logits
from keras_fcn.progress import Progress
from tests.support.data import draw_blocks
from tests.support.narrow import VGG16_CONVOLUTIONS, narrow_vgg16


def red(images):
    """Logits of each pixel from the pixel alone: its red, and the negative of it."""
    return images[..., [0, 0]] * np.float32([1, -1])


def tiled(compute_logits, image, tile, overlap):
    return np.concatenate(list(tiled_logits(compute_logits, image, tile, overlap)))


@pytest.mark.parametrize("size", [(1, 1), (32, 32), (33, 95), (100, 257), (300, 40)])
@pytest.mark.parametrize(
    ("tile", "overlap"),
    [((32, 32), 0), ((64, 96), 31), ((96, 64), 63), ((70, 100), 0), ((512, 512), 404)],
)
def test_each_pixel_has_its_logits_once_and_in_its_place(size, tile, overlap):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype="uint8")
    logits = tiled(red, image, tile, overlap)
    assert logits.shape == (*size, 2) and logits.dtype == np.float32
    np.testing.assert_allclose(logits, red(np.float32(image)), rtol=1e-5)


def test_windows_are_tiles_with_64_pixels_of_context_on_the_networks_grid():
    windows = []

    def compute_logits(images):
        windows.append(images)
        return images[..., :1]

    # 299 rows are padded to 320, with 10 before them; so are columns.
    image = np.random.default_rng(0).integers(0, 256, (299, 299, 3), dtype="uint8")
    canvas = np.empty((320, 320, 3), dtype="float32")
    canvas[:] = MEAN_RGB
    canvas[10:309, 10:309] = image
    tiled(compute_logits, image, (64, 96), 32)
    # Tiles begin every 32 rows and 64 columns; all windows have one size.
    tops = [0, 0, 0, 32, 64, 96, 128, 128, 128]
    lefts = [0, 0, 64, 96, 96]
    expected = [(top, left) for top in tops for left in lefts]
    assert len(windows) == len(expected)
    for images, (top, left) in zip(windows, expected, strict=True):
        assert images.shape == (1, 192, 224, 3)
        np.testing.assert_array_equal(
            images[0], canvas[top : top + 192, left : left + 224]
        )


def test_tiles_are_blended_linearly_over_their_overlap():
    """Each tile has one constant as logits; in the overlap they form a ramp."""
    numbers = iter([0.0, 1.0])

    def compute_logits(images):
        return np.full((*images.shape[:3], 1), next(numbers), dtype="float32")

    logits = tiled(compute_logits, np.zeros((64, 160, 3), "uint8"), (64, 96), 32)[
        ..., 0
    ]
    np.testing.assert_array_equal(logits[:, :64], 0)
    np.testing.assert_array_equal(logits[:, 96:], 1)
    ramp = (np.arange(32) + 0.5) / 32
    np.testing.assert_allclose(logits[:, 64:96], np.tile(ramp, (64, 1)), rtol=1e-5)


def test_bands_are_no_higher_than_a_tile():
    image = np.zeros((1000, 64, 3), "uint8")
    bands = list(tiled_logits(red, image, (64, 64), 32))
    assert max(len(band) for band in bands) <= 64
    assert sum(len(band) for band in bands) == 1000


@pytest.fixture(scope="module")
def networks():
    """A narrow network of each stride, with random weights in its score layers."""
    keras.utils.set_random_seed(0)
    made = {}
    for variant in VARIANTS:
        with narrow_vgg16(VGG16_CONVOLUTIONS):  # with VGG16's receptive field
            model = FCN(variant, 3, "compact", None, head_filters=8)
        rng = np.random.default_rng(0)
        for layer in model.layers:
            if layer.name.startswith("score_"):
                kernel, bias = layer.get_weights()
                layer.set_weights([rng.normal(size=kernel.shape), bias])
        made[variant] = model
    return made


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_overlap_of_the_receptive_field_gives_the_logits_of_the_whole_image(
    networks, variant
):
    image = draw_blocks(51, 700, 3, seed=0)[0]
    model = networks[variant]
    whole = ops.convert_to_numpy(model(image[None], training=False))[0]
    compute_logits = make_predictor(model).mode.logits
    logits = tiled(compute_logits, image, (448, 448), 404)
    difference = np.abs(logits - whole).max()
    assert difference < 1e-5 * np.abs(whole).max()
    without = tiled(compute_logits, image, (448, 448), 0)
    assert np.abs(without - whole).max() > 20 * difference


def test_progress_counts_tiles_on_a_terminal(monkeypatch, capsys):
    image = np.zeros((64, 32, 3), "uint8")
    tiled(red, image, (32, 32), 0)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(tiles, "Progress", partial(Progress, leave=True))
    tiled(red, image, (32, 32), 0)
    assert "Tiles: 2/2 tiles" in capsys.readouterr().err
