"""Hostile requests to the page of `demo`."""

import pytest

from torture import page_requests


# Gradio leaves sockets and event loops to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_page_predicts_uploads_after_hostile_requests(capsys):
    pytest.importorskip("gradio")
    # The first three of this seed contain one of another website, and one that names a
    # private image as the page names uploads.
    assert page_requests.main(["--count", "3", "--seed", "271"]) == 0
    assert "seed 271: 3 requests, 0 faults\n" in capsys.readouterr().out
