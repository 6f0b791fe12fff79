"""Rules of the options of prediction."""

import logging
import pickle

import numpy as np
import pytest

from keras_fcn.prediction.options import PredictionOptions, resolve_size


def test_auto_is_the_training_size(caplog):
    assert resolve_size("auto", 360) == 360
    assert resolve_size("native", 360) is None
    assert resolve_size(512, 360) == 512
    assert resolve_size(np.int64(512), None) == 512
    assert not caplog.records


def test_auto_is_native_with_tiles():
    assert resolve_size("auto", 360, tile=(64, 64)) is None
    assert resolve_size(720, 360, tile=(64, 64)) == 720


def test_auto_without_a_known_training_size_is_native_with_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        assert resolve_size("auto", None) is None
    (record,) = caplog.records
    assert "training size of the network is unknown" in record.message


@pytest.mark.parametrize("size", [0, -3, 2.5, "360", "automatic", None, True])
def test_other_sizes_are_refused(size):
    with pytest.raises(
        ValueError, match="`size` must be auto, native or a positive number"
    ):
        resolve_size(size, 360)


def test_tiles_and_overlaps_out_of_range_are_refused():
    with pytest.raises(ValueError, match="`tile` must be at least 32x32.* 31x64"):
        PredictionOptions(tile=(31, 64))
    for overlap in (64, 65):
        message = f"below 64, .* Received: overlap={overlap}"
        with pytest.raises(ValueError, match=message):
            PredictionOptions(tile=(96, 64), overlap=overlap)
    with pytest.raises(ValueError, match="`overlap` must be .* Received: overlap=-1"):
        PredictionOptions(tile=(96, 64), overlap=-1)
    with pytest.raises(ValueError, match="`overlap` requires `tile`"):
        PredictionOptions(overlap=10)


@pytest.mark.parametrize(
    ("tile", "overlap", "expected"),
    [((96, 64), 63, 63), ((1024, 1024), None, 416), ((100, 64), None, 32)],
)
def test_the_default_overlap_is_416_or_half_of_a_smaller_tile(tile, overlap, expected):
    options = PredictionOptions(tile=tile, overlap=overlap)
    assert options.tile_overlap(tile) == expected


def test_options_can_be_pickled_for_other_processes():
    options = PredictionOptions(size=360, tile=(64, 96), temperature=1.5)
    assert pickle.loads(pickle.dumps(options)) == options
