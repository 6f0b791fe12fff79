"""All files are read once, by threads or by processes, with the same result."""

import numpy as np
import pytest

from keras_fcn.datasets.folder.dataset import scan as survey_module
from keras_fcn.datasets.folder.layouts.detect import find_layout
from keras_fcn.datasets.folder.scan import ProgressLine, scan
from tests.support.folders import write_pairs


@pytest.fixture
def samples(tmp_path):
    names = [f"{number:02}" for number in range(20)]
    write_pairs(tmp_path / "images", tmp_path / "labels", names)
    (tmp_path / "images/07.png").write_bytes(b"")
    return find_layout(tmp_path).splits["all"]


def test_processes_give_what_threads_give(samples, monkeypatch):
    by_threads = scan(samples, {})
    monkeypatch.setattr(survey_module, "MANY_SAMPLES", 2)
    counts = []
    by_processes = scan(samples, {}, None, lambda *count: counts.append(count))
    assert counts[-1] == (20, 20)
    for one, other in zip(by_threads, by_processes, strict=True):
        assert one.size == other.size and one.errors == other.errors
        assert one.digest == other.digest
        np.testing.assert_array_equal(one.label.keys, other.label.keys)
        np.testing.assert_array_equal(one.label.counts, other.label.counts)
    assert [bool(one.errors) for one in by_processes] == [
        index == 7 for index in range(20)
    ]


def test_headers_alone_tell_the_sizes(samples):
    whole, headers = scan(samples, {}, True), scan(samples, {}, False)
    assert [one.size for one in whole] == [one.size for one in headers]
    assert all(one.color_sum is None for one in headers)


def test_progress_is_told_after_some_seconds_and_not_at_the_end():
    lines = []
    show = ProgressLine(lines.append, seconds=0)
    show(5, 20)
    show(20, 20)
    assert len(lines) == 1
    assert lines[0].startswith("read 5 of 20 images and labels, ")
