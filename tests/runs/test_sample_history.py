"""How a prediction sharpens: frames, strips and films."""

import numpy as np
import pytest
from PIL import Image

from keras_fcn.runs.sample_history import Frame, read_frames, write_strip, write_video
from tests.support.runs import make_sampled_run


@pytest.fixture
def runs(tmp_path):
    return [
        make_sampled_run(tmp_path / "coarse", "32s", 3),
        make_sampled_run(tmp_path / "fine", "8s", 2),
    ]


def test_frames_come_in_the_order_of_runs_and_epochs(runs):
    frames = read_frames(runs, sample=1)
    assert [frame.title for frame in frames] == [
        "FCN-32s, epoch 1", "FCN-32s, epoch 2", "FCN-32s, epoch 3",
        "FCN-8s, epoch 1", "FCN-8s, epoch 2",
    ]  # fmt: skip
    assert (frames[0].picture == (0, 200, 0)).all()
    assert (frames[1].picture == (200, 0, 0)).all()


def test_a_sample_that_no_training_has_drawn_is_refused(runs):
    with pytest.raises(ValueError, match="no prediction of sample 9: `num_samples`"):
        read_frames(runs, sample=9)


def test_runs_with_other_images_are_refused(runs, tmp_path):
    other = make_sampled_run(tmp_path / "other", "8s", 1, size=(10, 12))
    with pytest.raises(ValueError, match="share their sample.*10x12, 20x200"):
        read_frames([runs[0], other], sample=1)


def test_a_film_stays_four_times_as_long_with_its_last_frame(runs, tmp_path):
    write_video(read_frames(runs, sample=1), tmp_path / "film.gif", seconds=0.3)
    with Image.open(tmp_path / "film.gif") as film:
        durations = []
        for index in range(film.n_frames):
            film.seek(index)
            durations.append(film.info["duration"])
    assert durations == [300, 300, 300, 300, 1200]


@pytest.mark.parametrize(
    ("num_frames", "shown"),
    [(1, [0]), (2, [0, 4]), (3, [0, 2, 4]), (9, [0, 1, 2, 3, 4])],
)
def test_a_strip_shows_frames_that_are_spread_evenly(tmp_path, num_frames, shown):
    frames = [
        Frame(str(index), np.full((20, 100, 3), (50 * index, 200, 7), "uint8"))
        for index in range(5)
    ]
    write_strip(frames, tmp_path / "strip.png", num_frames)
    with Image.open(tmp_path / "strip.png") as strip:
        pixels = np.asarray(strip)
    found = [
        index
        for index, frame in enumerate(frames)
        if (pixels == frame.picture[0, 0]).all(axis=-1).any()
    ]
    assert found == shown
