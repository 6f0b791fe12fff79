"""Learning curves of runs as a picture."""

import pytest
from PIL import Image

from keras_fcn.classes import ClassMap
from keras_fcn.runs.checkpoints import write_history
from keras_fcn.runs.curves import draw_curves, read_history
from keras_fcn.runs.folder import RunFolder
from tests.support.data import tiny_config

COLUMNS = ("loss", "val_loss", "val_mean_iou", "val_pixel_accuracy")


@pytest.fixture
def run(tmp_path):
    """A run with the curves of three epochs and nothing else."""
    class_map = ClassMap(("a",), ((1, 2, 3),), 255)
    run = RunFolder.create(tmp_path / "run", tiny_config(tmp_path), class_map)
    write_history(
        run.path / "history.csv",
        [{"epoch": epoch, **dict.fromkeys(COLUMNS, 1 / epoch)} for epoch in (1, 2, 3)],
    )
    return run


def test_history_is_read_as_it_was_written(run):
    history = read_history(run)
    assert [row["epoch"] for row in history] == ["1", "2", "3"]
    assert float(history[1]["val_mean_iou"]) == 0.5


def test_curves_become_a_png_of_one_size(run, tmp_path):
    draw_curves([run, run], tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size == (1000, 650)


def test_curves_become_an_svg_with_a_line_for_each_run(run, tmp_path):
    draw_curves([run], tmp_path / "one.svg")
    draw_curves([run, run], tmp_path / "two.svg")
    one, two = ((tmp_path / f"{name}.svg").read_text() for name in ("one", "two"))
    assert "<svg" in one
    assert two.count(str(run.path)) == 2 * one.count(str(run.path)) > 0


def test_a_run_without_an_epoch_is_refused_and_nothing_is_left(run, tmp_path):
    (run.path / "history.csv").unlink()
    with pytest.raises(ValueError, match="its first epoch isn't over"):
        draw_curves([run], tmp_path / "curves.png")
    assert list(tmp_path.iterdir()) == [run.path]
