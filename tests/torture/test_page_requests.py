"""Hostile requests to the page of `demo`."""

import pytest

from torture import page_requests


# Gradio leaves sockets and event loops to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_page_predicts_uploads_after_hostile_requests(capsys):
    pytest.importorskip("gradio")
    assert page_requests.main(["--count", "5"]) == 0
    assert "seed 0: 5 requests, 0 faults\n" in capsys.readouterr().out
