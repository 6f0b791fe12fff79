import pytest

from benchmarks import compare_upsampling
from benchmarks.compare_upsampling import Comparison, format_table
from keras_fcn.runs.folder import RunFolder
from tests.support.commands import outcome, refusal


def test_a_table_has_a_row_for_each_comparison():
    row = Comparison("nearest", 1234, 56.4, 0.51, 0.92, 0.61, 0.33)
    lines = format_table([row]).splitlines()
    assert lines[2].split() == [
        "nearest", "1,234", "56", "51.0%", "92.0%", "61.0%", "33.0%"
    ]  # fmt: skip


@pytest.mark.parametrize("flag", ["--epochs", "--num-images"])
def test_bad_arguments_are_one_line(capsys, flag):
    line = refusal(compare_upsampling, capsys, flag, 0)
    assert f"argument {flag}: expected a positive integer, got 0" in line


@pytest.mark.slow
def test_each_method_is_trained_scored_and_timed(
    scored_run, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(compare_upsampling, "start_name", lambda _: scored_run.path)
    methods = ("nearest", "max-unpooling")
    monkeypatch.setattr(compare_upsampling, "UPSAMPLING", methods)
    arguments = ["--variant", "16s", "--num-images", "4", "--run-dir", tmp_path]
    status, out, _ = outcome(compare_upsampling, capsys, *arguments, "--epochs", 1)
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()[2:-1]] == list(methods)
    trained = {path: path.stat().st_mtime for path in tmp_path.glob("*/best.keras")}
    assert len(trained) == 2
    status, _, _ = outcome(compare_upsampling, capsys, *arguments, "--epochs", 1)
    assert status == 0
    # Finished runs are not trained again.
    assert trained == {path: path.stat().st_mtime for path in trained}
    line = refusal(compare_upsampling, capsys, *arguments, "--epochs", 2)
    assert "is a run with other settings: give another --run-dir" in line
    config = RunFolder.open(tmp_path / "nearest").read_config()
    assert (config.upsampling, config.variant) == ("nearest", "16s")
    assert (config.head, config.skip_scales) == ("compact", "batch-norm")
