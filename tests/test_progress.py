"""Progress of long operations: a bar on a terminal, log lines elsewhere."""

from itertools import count

import pytest

from keras_fcn.progress import Progress


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """A clock that advances by a second whenever tqdm reads it."""
    monkeypatch.setattr("tqdm.std.time", count().__next__)


@pytest.fixture
def lines(caplog):
    caplog.set_level("INFO", "keras_fcn")
    return lambda: caplog.messages


def test_lines_are_logged_where_there_is_no_terminal(lines, capsys):
    with Progress(description="Reading", total=4, seconds=0) as progress:
        for _ in range(3):
            progress.update()
    assert lines()[-1].startswith("Reading: 3/4 images, ")
    assert lines()[-1].endswith(" left")
    assert capsys.readouterr().err == ""


def test_a_slow_rate_is_items_a_second_too(lines):
    with Progress(description="Training", total=4, unit="steps", seconds=0) as progress:
        progress.update()
    assert " steps/s, " in lines()[-1]


def test_an_operation_shorter_than_the_interval_logs_nothing(lines):
    assert list(Progress(range(5), description="Reading", seconds=60)) == [*range(5)]
    assert lines() == []


def test_a_bar_is_drawn_on_a_terminal_and_removed_at_the_end(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert [*Progress(range(3), description="Reading", unit="tiles")] == [0, 1, 2]
    text = capsys.readouterr().err
    assert "Reading: 2/3 tiles |" in text
    assert text.split("\r")[-1].strip() == ""


def test_the_number_of_items_may_be_unknown(lines):
    progress = Progress(description="video.mp4", unit="frames", seconds=0)
    progress.update(2)
    progress.close()
    assert lines()[-1].startswith("video.mp4: 2 frames, ")
    assert progress.rate > 0
