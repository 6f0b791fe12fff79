"""Learning curves as a figure."""

import pytest
from PIL import Image

from keras_fcn.drawing.curves import plot_curves
from keras_fcn.drawing.text import font_files

COLUMNS = ("loss", "val_loss", "val_mean_iou", "val_pixel_accuracy")
HISTORY = [
    {"epoch": str(epoch), **dict.fromkeys(COLUMNS, str(1 / epoch))}
    for epoch in (1, 2, 3)
]


def test_a_png_has_a_fixed_size(tmp_path):
    plot_curves([("one", HISTORY), ("two", HISTORY)], tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as image:
        assert image.size == (1000, 650)


def test_an_svg_has_a_line_for_each_run(tmp_path):
    plot_curves([("runs/a", HISTORY)], tmp_path / "one.svg")
    histories = [("runs/a", HISTORY), ("runs/a", HISTORY)]
    plot_curves(histories, tmp_path / "two.svg")
    one, two = ((tmp_path / f"{name}.svg").read_text() for name in ("one", "two"))
    assert "<svg" in one
    assert two.count("runs/a") == 2 * one.count("runs/a") > 0


def test_names_of_runs_are_not_formulas(tmp_path):
    plot_curves([("runs/$a_1$", HISTORY)], tmp_path / "curves.svg")
    assert "<!-- runs/$a_1$ -->" in (tmp_path / "curves.svg").read_text()


def test_names_of_runs_may_be_chinese(tmp_path):
    if font_files(["道路"])[0].endswith("DejaVuSans.ttf"):
        pytest.skip("this machine has no font with Chinese letters")
    # Matplotlib warns of letters that its fonts lack, and warnings are errors.
    plot_curves([("runs/道路", HISTORY)], tmp_path / "curves.png")
