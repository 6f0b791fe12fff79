"""Tiles against the whole image."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_fcn.config import VARIANTS
from keras_fcn.models.fcn import FCN
from keras_fcn.models.layers import MEAN_RGB
from keras_fcn.prediction import tiles
from keras_fcn.prediction.options import resolve_overlap
from keras_fcn.prediction.predictor import make_predictor
from keras_fcn.prediction.tiles import tiled_scores
from tests.support.data import draw_blocks


def red(images):
    """A look that sees a pixel alone: its red, twice."""
    return images[..., [0, 0]] * np.float32([1, -1])


def tiled(look, image, tile, overlap=None):
    bands = list(tiled_scores(look, image, tile, overlap))
    return np.concatenate(bands)


@pytest.mark.parametrize("size", [(1, 1), (32, 32), (33, 95), (100, 257), (300, 40)])
@pytest.mark.parametrize(
    ("tile", "overlap"),
    [((32, 32), 0), ((64, 96), 31), ((96, 64), 63), ((70, 100), 0), ((512, 512), 404)],
)
def test_each_pixel_comes_out_once_in_its_place(size, tile, overlap):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype="uint8")
    scores = tiled(red, image, tile, overlap)
    assert scores.shape == (*size, 2) and scores.dtype == np.float32
    np.testing.assert_allclose(scores, red(np.float32(image)), rtol=1e-5)


def test_a_tile_is_seen_with_64_pixels_around_it_on_the_networks_grid():
    seen = []

    def look(images):
        seen.append(images)
        return images[..., :1]

    # 300 rows are padded to 320, with 10 before them; so are columns.
    image = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype="uint8")
    canvas = np.empty((320, 320, 3), dtype="float32")
    canvas[:] = MEAN_RGB
    canvas[10:310, 10:310] = image
    tiled(look, image, (64, 96), 32)
    # Tiles begin every 32 rows and 64 columns; all see as much.
    tops = [0, 0, 0, 32, 64, 96, 128, 128, 128]
    lefts = [0, 0, 64, 96, 96]
    expected = [(top, left) for top in tops for left in lefts]
    assert len(seen) == len(expected)
    for images, (top, left) in zip(seen, expected, strict=True):
        assert images.shape == (1, 192, 224, 3)
        np.testing.assert_array_equal(
            images[0], canvas[top : top + 192, left : left + 224]
        )


def test_tiles_are_blended_over_what_they_share():
    """Each look gives its own number; between two of them scores go over in a ramp."""
    numbers = iter([0.0, 1.0])

    def look(images):
        return np.full((*images.shape[:3], 1), next(numbers), dtype="float32")

    scores = tiled(look, np.zeros((64, 160, 3), "uint8"), (64, 96), 32)[..., 0]
    np.testing.assert_array_equal(scores[:, :64], 0)
    np.testing.assert_array_equal(scores[:, 96:], 1)
    ramp = (np.arange(32) + 0.5) / 32
    np.testing.assert_allclose(scores[:, 64:96], np.tile(ramp, (64, 1)), rtol=1e-5)


def test_memory_is_that_of_a_row_of_tiles():
    image = np.zeros((1000, 64, 3), "uint8")
    bands = list(tiled_scores(red, image, (64, 64), 32))
    assert max(len(band) for band in bands) <= 64
    assert sum(len(band) for band in bands) == 1000


@pytest.fixture(scope="module")
def networks():
    """Each stride, narrow, with scores of random weights at each pool."""
    keras.utils.set_random_seed(0)
    made = {}
    for variant in VARIANTS:
        model = FCN(variant, 3, "compact", None, head_filters=8)
        rng = np.random.default_rng(0)
        for layer in model.layers:
            if layer.name.startswith("score_"):
                kernel, bias = layer.get_weights()
                layer.set_weights([rng.normal(size=kernel.shape), bias])
        made[variant] = model
    return made


@pytest.mark.parametrize("variant", VARIANTS)
def test_with_the_receptive_field_as_overlap_tiles_give_the_whole_images_scores(
    networks, variant
):
    image = draw_blocks(50, 700, 3, seed=0)[0]
    model = networks[variant]
    whole = ops.convert_to_numpy(model(image[None], training=False))[0]
    look = make_predictor(model).look
    scores = tiled(look.scores, image, (448, 448), 404)
    difference = np.abs(scores - whole).max()
    assert difference < 1e-5 * np.abs(whole).max()
    without = tiled(look.scores, image, (448, 448), 0)
    assert np.abs(without - whole).max() > 20 * difference


def test_a_tile_and_an_overlap_that_are_impossible_are_refused():
    with pytest.raises(ValueError, match="`tile` must be at least 32x32.* 31x64"):
        resolve_overlap((31, 64), None)
    for overlap in (64, 65, -1):
        with pytest.raises(ValueError, match=f"below 64, .* Received: {overlap}"):
            resolve_overlap((96, 64), overlap)
    assert resolve_overlap((96, 64), 63) == 63
    assert resolve_overlap((1024, 1024), None) == 416
    assert resolve_overlap((100, 64), None) == 32


def test_progress_is_shown_on_a_terminal_alone(monkeypatch, capsys):
    image = np.zeros((64, 32, 3), "uint8")
    tiled(red, image, (32, 32), 0)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(tiles.sys.stderr, "isatty", lambda: True, raising=False)
    tiled(red, image, (32, 32), 0)
    shown = capsys.readouterr().err
    assert "tile 1/2" in shown and shown.endswith("\r\x1b[K")
