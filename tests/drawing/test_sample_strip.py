"""Predictions over the epochs as a strip or an animation."""

import numpy as np
import pytest
from PIL import Image

from keras_fcn.drawing.sample_strip import Frame, write_animation, write_strip

FRAMES = [
    Frame(str(index), np.full((20, 100, 3), (50 * index, 200, 7), "uint8"))
    for index in range(5)
]


def test_an_animation_shows_its_last_frame_four_times_as_long(tmp_path):
    write_animation(FRAMES, tmp_path / "samples.gif", seconds=0.3)
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
def test_a_strip_shows_evenly_spaced_frames(tmp_path, num_frames, shown):
    write_strip(FRAMES, tmp_path / "strip.png", num_frames)
    with Image.open(tmp_path / "strip.png") as strip:
        pixels = np.asarray(strip)
    found = [
        index
        for index, frame in enumerate(FRAMES)
        if (pixels == frame.image[0, 0]).all(axis=-1).any()
    ]
    assert found == shown
