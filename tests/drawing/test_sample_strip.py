"""Predictions over the epochs as a strip or an animation."""

import numpy as np
import pytest
from PIL import Image

from keras_fcn.drawing.sample_strip import Frame, write_animation, write_strip

COLORS = [(50 * index, 200, 7) for index in range(5)]


@pytest.fixture
def frames(tmp_path):
    for index, color in enumerate(COLORS):
        Image.new("RGB", (100, 20), color).save(tmp_path / f"{index}.png")
    return [Frame(str(index), tmp_path / f"{index}.png") for index in range(5)]


def test_an_animation_shows_its_last_frame_four_times_as_long(frames, tmp_path):
    write_animation(frames, tmp_path / "samples.gif", seconds=0.3)
    with Image.open(tmp_path / "samples.gif") as animation:
        durations = []
        for index in range(animation.n_frames):
            animation.seek(index)
            durations.append(animation.info["duration"])
    assert durations == [300, 300, 300, 300, 1200]


@pytest.mark.parametrize(
    ("num_frames", "shown"),
    [(1, [0]), (2, [0, 4]), (3, [0, 2, 4]), (9, [0, 1, 2, 3, 4])],
)
def test_a_strip_shows_evenly_spaced_frames(frames, tmp_path, num_frames, shown):
    write_strip(frames, tmp_path / "strip.png", num_frames)
    with Image.open(tmp_path / "strip.png") as strip:
        pixels = np.asarray(strip)
    found = [
        index
        for index, color in enumerate(COLORS)
        if (pixels == color).all(axis=-1).any()
    ]
    assert found == shown
