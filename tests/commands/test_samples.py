"""`samples`: strips and animations of runs."""

import pytest
from PIL import Image

from keras_fcn.commands import samples
from tests.support.commands import outcome, refusal
from tests.support.runs import make_sampled_run


@pytest.fixture
def runs(tmp_path):
    return [
        make_sampled_run(tmp_path / "coarse", "32s", 3),
        make_sampled_run(tmp_path / "fine", "8s", 2),
    ]


@pytest.mark.parametrize(("name", "frames"), [("strip.png", 1), ("animation.gif", 5)])
def test_the_suffix_selects_strip_or_animation(runs, tmp_path, capsys, name, frames):
    path = tmp_path / name
    folders = [run.path for run in runs]
    status, out, _ = outcome(samples, capsys, *folders, "--output", path)
    assert (status, out) == (0, f"5 predictions: {path}\n")
    with Image.open(path) as picture:
        assert getattr(picture, "n_frames", 1) == frames


def test_a_missing_sample_is_one_line(runs, capsys):
    line = refusal(samples, capsys, runs[0].path, "--sample", 9)
    assert f"{runs[0].samples} has no prediction of sample 9" in line


def test_a_file_of_a_run_is_not_replaced(runs, capsys):
    sample = next(runs[0].samples.glob("*.png"))
    message = refusal(samples, capsys, runs[0].path, "--output", sample)
    assert f"would replace the input {sample}" in message


@pytest.mark.parametrize("name", ["samples.png", "samples.gif"])
def test_samples_replace_only_samples(runs, tmp_path, capsys, name):
    path = tmp_path / name
    for _ in range(2):
        assert outcome(samples, capsys, runs[0].path, "--output", path)[0] == 0
    Image.new("RGB", (8, 8)).save(path)
    before = path.read_bytes()
    message = refusal(samples, capsys, runs[0].path, "--output", path)
    assert f"{path} was not written by this command" in message
    assert path.read_bytes() == before
