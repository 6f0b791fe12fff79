import pytest

from benchmarks import image_sizes
from tests.support.commands import outcome, refusal


@pytest.mark.vgg16
def test_each_size_has_a_row(tiny_camvid, capsys):
    flags = ["--data-dir", tiny_camvid, "--num-images", 2, "--columns", 64, 128]
    status, out, _ = outcome(image_sizes, capsys, *flags, "--size", "auto")
    assert status == 0
    rows = [line.split(" | ") for line in out.splitlines()[2:]]
    assert [row[0] for row in rows] == ["| 64", "| 128"]
    assert all(row[1] == "auto" and row[2].endswith("%") for row in rows)


@pytest.mark.parametrize("flag", ["--columns", "--num-images"])
def test_bad_arguments_are_one_line(capsys, flag):
    line = refusal(image_sizes, capsys, "--data-dir", "x", flag, 0)
    assert f"argument {flag}: expected a positive integer, got 0" in line
