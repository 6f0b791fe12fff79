"""Images resized to the inference size, and logits to the images' size."""

import numpy as np
import pytest
from keras import ops

from keras_fcn.images.scale import scaled_size
from keras_fcn.prediction import scaling
from keras_fcn.prediction.scaling import (
    resize_images,
    resize_logits,
    split_logits,
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
        ((480, 641), 360, (360, 481)),
        ((123, 77), None, (123, 77)),
        ((1, 1), 360, (360, 360)),
        # A panorama: the longer side is limited to eight times the size.
        ((100, 1600), 50, (25, 400)),
        ((5000, 1), 360, (2880, 1)),
    ],
)
def test_the_shorter_side_becomes_the_size_and_the_aspect_ratio_is_kept(
    image_size, side, expected
):
    assert scaled_size(image_size, side) == expected


def test_images_are_antialiased_where_they_become_smaller():
    """A checkerboard of pixels becomes gray; without antialiasing it does not."""
    rows, columns = np.mgrid[:64, :64]
    board = np.uint8(255 * ((rows + columns) % 2))[None, ..., None].repeat(3, axis=-1)
    smaller = resize_images(board, (16, 16))
    assert smaller.dtype == np.float32 and smaller.shape == (1, 16, 16, 3)
    assert np.abs(smaller - 127.5).max() < 6


def whole(logits, size):
    """The same by Keras, of the whole image and without antialiasing."""
    resized = ops.image.resize(logits, size, interpolation="bilinear", antialias=False)
    return ops.convert_to_numpy(resized)


@pytest.mark.parametrize(
    "size", [(6, 10), (31, 17), (200, 301), (3, 4), (1, 1), (6, 300)]
)
def test_strips_are_the_logits_at_the_images_size(size, monkeypatch):
    monkeypatch.setattr(scaling, "_VALUES_PER_STRIP", 4 * 7 * size[1])  # seven rows
    logits = np.random.default_rng(0).normal(size=(6, 10, 4)).astype("float32")
    strips = list(resize_logits(logits, size))
    assert len(strips) == -(-size[0] // 7)
    assert all(strip.shape[0] == 4 for strip in strips)
    found = np.moveaxis(np.concatenate(strips, axis=1), 0, -1)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, whole(logits, size), atol=1e-5)


def test_logits_of_the_images_size_are_split_into_writable_strips(
    monkeypatch,
):
    monkeypatch.setattr(scaling, "_VALUES_PER_STRIP", 30)
    logits = np.random.default_rng(0).normal(size=(6, 5, 3)).astype("float32")
    logits.flags.writeable = False
    strips = list(split_logits(logits))
    assert [strip.shape for strip in strips] == [(3, 2, 5)] * 3
    found = np.moveaxis(np.concatenate(strips, axis=1), 0, -1)
    np.testing.assert_array_equal(found, logits)
    for strip in [*strips, *split_logits(logits[..., :1])]:
        strip[:] = 0
