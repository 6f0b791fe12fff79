import pytest

from benchmarks.compare_upsampling import Comparison, format_table
from keras_fcn import compare_upsampling


def test_a_table_has_a_row_for_each_comparison():
    row = Comparison("nearest", 1234, 56.4, 0.51, 0.92, 0.61, 0.33)
    lines = format_table([row]).splitlines()
    assert lines[2].split() == [
        "nearest", "1,234", "56", "51.0%", "92.0%", "61.0%", "33.0%"
    ]  # fmt: skip


def test_bad_arguments_are_one_line(capsys):
    assert compare_upsampling.main(["--epochs", "0"]) == 2
    assert "--epochs and --num-images must be 1 or more" in capsys.readouterr().err


@pytest.mark.slow
def test_each_method_is_trained_scored_and_timed(tmp_path, capsys, monkeypatch):
    methods = ("nearest", "max-unpooling")
    monkeypatch.setattr(compare_upsampling, "UPSAMPLING", methods)
    arguments = [
        "--variant", "16s", "--epochs", "1", "--num-images", "4",
        "--run-dir", str(tmp_path),
    ]  # fmt: skip
    assert compare_upsampling.main(arguments) == 0
    first = capsys.readouterr().out
    assert [line.split()[0] for line in first.splitlines()[2:-1]] == list(methods)
    trained = {path: path.stat().st_mtime for path in tmp_path.glob("*/best.keras")}
    assert len(trained) == 2
    assert compare_upsampling.main(arguments) == 0
    # What is finished is not trained again.
    assert trained == {path: path.stat().st_mtime for path in trained}
    arguments[arguments.index("--epochs") + 1] = "2"
    assert compare_upsampling.main(arguments) == 2
    assert "is a run with other settings" in capsys.readouterr().err
