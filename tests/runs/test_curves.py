import pytest
from PIL import Image

from keras_fcn import curves
from keras_fcn.classes import ClassMap
from keras_fcn.runs.folder import RunFolder
from tests.support.data import tiny_config

COLUMNS = ("loss", "val_loss", "val_mean_iou", "val_pixel_accuracy")


@pytest.fixture
def run(tmp_path):
    """A run with the curves of three epochs and nothing else."""
    class_map = ClassMap(("a",), ((1, 2, 3),), 255)
    run = RunFolder.create(tmp_path / "run", tiny_config(tmp_path), class_map)
    run.write_history(
        [{"epoch": epoch, **dict.fromkeys(COLUMNS, 1 / epoch)} for epoch in (1, 2, 3)]
    )
    return run


def test_history_is_read_as_it_was_written(run):
    history = curves.read_history(run)
    assert [row["epoch"] for row in history] == ["1", "2", "3"]
    assert float(history[1]["val_mean_iou"]) == 0.5


@pytest.mark.parametrize("name", ["curves.png", "curves.svg"])
def test_curves_become_a_picture(run, tmp_path, capsys, name):
    output = tmp_path / name
    assert curves.main([str(run.path), str(run.path), "--output", str(output)]) == 0
    assert capsys.readouterr().out == f"Curves: {output}\n"
    if name.endswith("svg"):
        assert "<svg" in output.read_text()
    else:
        with Image.open(output) as picture:
            assert picture.size == (1000, 650)


@pytest.mark.parametrize(
    ("output", "needed"),
    [
        ("curves.bmp", "needs a name in .png or .svg"),
        ("no/c.png", "There is no folder"),
    ],
)
def test_a_bad_output_is_one_line(run, tmp_path, capsys, output, needed):
    assert curves.main([str(run.path), "--output", str(tmp_path / output)]) == 2
    assert needed in capsys.readouterr().err


def test_a_run_without_an_epoch_is_one_line(run, tmp_path, capsys):
    (run.path / "history.csv").unlink()
    output = tmp_path / "curves.png"
    assert curves.main([str(run.path), "--output", str(output)]) == 2
    assert "its first epoch isn't over" in capsys.readouterr().err
    assert not output.exists()
