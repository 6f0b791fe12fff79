"""Images to a scale, and scores back to the images' size."""

import logging

import numpy as np
import pytest
from keras import ops

from keras_fcn.images.scale import scaled_size
from keras_fcn.prediction import scaling
from keras_fcn.prediction.scaling import (
    resize_images,
    resized_strips,
    resolve_size,
    strips_of,
)


@pytest.mark.parametrize(
    ("image_size", "side", "expected"),
    [
        ((720, 960), 360, (360, 480)),
        ((960, 720), 360, (480, 360)),
        ((4000, 6000), 360, (360, 540)),
        ((360, 480), 360, (360, 480)),
        ((180, 240), 360, (360, 480)),
        ((361, 1000), 360, (360, 997)),
        ((123, 77), None, (123, 77)),
        ((1, 1), 360, (360, 360)),
        # A panorama: the longer side becomes eight times as much, not more.
        ((100, 1600), 50, (25, 400)),
        ((5000, 1), 360, (2880, 1)),
    ],
)
def test_the_shorter_side_becomes_the_size_and_the_aspect_stays(
    image_size, side, expected
):
    assert scaled_size(image_size, side) == expected


def test_auto_is_the_size_of_training(caplog):
    assert resolve_size("auto", 360) == 360
    assert resolve_size("native", 360) is None
    assert resolve_size(512, 360) == 512
    assert resolve_size(np.int64(512), None) == 512
    assert not caplog.records


def test_auto_leaves_images_as_they_are_where_tiles_are_given():
    assert resolve_size("auto", 360, tile=(64, 64)) is None
    assert resolve_size(720, 360, tile=(64, 64)) == 720


def test_where_the_size_of_training_is_not_known_a_line_says_so(caplog):
    with caplog.at_level(logging.WARNING):
        assert resolve_size("auto", None) is None
    (record,) = caplog.records
    assert "does not say at which size it was trained" in record.message


@pytest.mark.parametrize("size", [0, -3, 2.5, "360", "automatic", None, True])
def test_another_size_is_refused(size):
    with pytest.raises(ValueError, match="`size` must be auto, native or a whole"):
        resolve_size(size, 360)


def test_images_are_averaged_where_they_get_smaller():
    """A checkerboard of pixels is grey from afar; without averaging it is not."""
    rows, columns = np.mgrid[:64, :64]
    board = np.uint8(255 * ((rows + columns) % 2))[None, ..., None].repeat(3, axis=-1)
    smaller = resize_images(board, (16, 16))
    assert smaller.dtype == np.float32 and smaller.shape == (1, 16, 16, 3)
    assert np.abs(smaller - 127.5).max() < 6


def whole(scores, size):
    """The same by Keras, at once and without antialiasing."""
    resized = ops.image.resize(scores, size, interpolation="bilinear", antialias=False)
    return ops.convert_to_numpy(resized)


@pytest.mark.parametrize(
    "size", [(6, 10), (31, 17), (200, 301), (3, 4), (1, 1), (6, 300)]
)
def test_strips_are_the_scores_at_the_images_size(size, monkeypatch):
    monkeypatch.setattr(scaling, "_VALUES_A_STRIP", 4 * 7 * size[1])  # seven rows
    scores = np.random.default_rng(0).normal(size=(6, 10, 4)).astype("float32")
    strips = list(resized_strips(scores, size))
    assert len(strips) == -(-size[0] // 7)
    assert all(strip.shape[0] == 4 for strip in strips)
    found = np.moveaxis(np.concatenate(strips, axis=1), 0, -1)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, whole(scores, size), atol=1e-5)


def test_scores_of_the_images_size_are_cut_into_strips_that_may_be_overwritten(
    monkeypatch,
):
    monkeypatch.setattr(scaling, "_VALUES_A_STRIP", 30)
    scores = np.random.default_rng(0).normal(size=(6, 5, 3)).astype("float32")
    scores.flags.writeable = False
    strips = list(strips_of(scores))
    assert [strip.shape for strip in strips] == [(3, 2, 5)] * 3
    found = np.moveaxis(np.concatenate(strips, axis=1), 0, -1)
    np.testing.assert_array_equal(found, scores)
    for strip in [*strips, *strips_of(scores[..., :1])]:
        strip[:] = 0
