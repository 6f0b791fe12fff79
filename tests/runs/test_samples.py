"""Reading the sample predictions of runs."""

import pytest

from keras_fcn.images.opening import UnreadableImage
from keras_fcn.runs.samples import find_frames
from tests.support.runs import make_sampled_run


@pytest.fixture
def runs(tmp_path):
    return [
        make_sampled_run(tmp_path / "coarse", "32s", 3),
        make_sampled_run(tmp_path / "fine", "8s", 2),
    ]


def test_frames_are_in_the_order_of_runs_and_epochs(runs):
    frames = find_frames(runs, sample=1)
    assert [frame.title for frame in frames] == [
        "FCN-32s, epoch 1", "FCN-32s, epoch 2", "FCN-32s, epoch 3",
        "FCN-8s, epoch 1", "FCN-8s, epoch 2",
    ]  # fmt: skip
    assert (frames[0].draw()[-20:] == (0, 200, 0)).all()
    assert (frames[1].draw()[-20:] == (200, 0, 0)).all()


def test_a_missing_sample_is_refused(runs):
    with pytest.raises(ValueError, match="no prediction of sample 9: `num_samples`"):
        find_frames(runs, sample=9)


def test_samples_are_untrusted_images(runs):
    [path] = runs[1].samples.glob("epoch-0001-*")
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    with pytest.raises(UnreadableImage, match="is not an image in a supported format"):
        find_frames(runs, sample=1)


def test_images_of_different_sizes_are_refused(runs, tmp_path):
    other = make_sampled_run(tmp_path / "other", "8s", 1, size=(10, 12))
    with pytest.raises(ValueError, match="must have the same size.*12x10, 200x20"):
        find_frames([runs[0], other], sample=1)


def test_pixels_of_all_samples_are_limited(runs, monkeypatch):
    monkeypatch.setattr("keras_fcn.runs.samples._MAX_PIXELS", 5 * 20 * 200)
    assert len(find_frames(runs, sample=1)) == 5
    monkeypatch.setattr("keras_fcn.runs.samples._MAX_PIXELS", 5 * 20 * 200 - 1)
    with pytest.raises(ValueError, match="19999 pixels together.*5 images of 200x20"):
        find_frames(runs, sample=1)
