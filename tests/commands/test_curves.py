"""`curves`: learning curves of runs."""

import pytest
from PIL import Image

from keras_fcn.commands import curves
from tests.support.commands import outcome, refusal


def test_curves_of_runs_are_plotted(run, tmp_path, capsys):
    path = tmp_path / "curves.png"
    status, out, _ = outcome(curves, capsys, run.path, run.path, "--output", path)
    assert (status, out) == (0, f"Curves: {path}\n")
    with Image.open(path) as picture:
        assert picture.size == (1000, 650)


def test_a_run_without_history_is_one_line(run, tmp_path, capsys):
    path = tmp_path / "curves.png"
    assert "is not a run" in refusal(curves, capsys, tmp_path, "--output", path)
    (run.path / "history.csv").write_text("epoch,loss\n1,0.5\n")
    line = refusal(curves, capsys, run.path, "--output", path)
    assert f"The history of {run.path} has no column val_loss" in line
    (run.path / "history.csv").unlink()
    line = refusal(curves, capsys, run.path, "--output", path)
    assert "has no history.csv: no epoch is finished" in line
    assert not path.exists()


def test_a_missing_output_folder_is_one_line(run, tmp_path, capsys):
    line = refusal(curves, capsys, run.path, "--output", tmp_path / "no/curves.png")
    assert "--output must be a file in an existing folder" in line


def test_a_file_of_a_run_is_not_replaced(run, capsys):
    sample = next(run.samples.glob("*.png"))
    message = refusal(curves, capsys, run.path, "--output", sample)
    assert f"would replace the input {sample}" in message


@pytest.mark.parametrize("name", ["curves.png", "curves.svg"])
def test_curves_replace_only_curves(run, tmp_path, capsys, name):
    path = tmp_path / name
    for _ in range(2):
        assert outcome(curves, capsys, run.path, "--output", path)[0] == 0
    path.write_bytes(b"my photo")
    message = refusal(curves, capsys, run.path, "--output", path)
    assert f"{path} was not written by this command" in message
    assert path.read_bytes() == b"my photo"
