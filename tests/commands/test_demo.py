"""`demo`: what it says before it begins."""

import importlib.util
import socket

import pytest

from keras_fcn.commands import demo
from tests.support.commands import refusal


def test_without_gradio_one_line_says_what_to_install(capsys, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "gradio" else find_spec(name, *rest),
    )
    assert 'pip install ".[demo]"' in refusal(demo, capsys)


@pytest.mark.parametrize("port", ["0", "70000", "x"])
def test_a_port_that_is_none_is_refused(capsys, port):
    assert "expected a port, 1 to 65535" in refusal(demo, capsys, "--port", port)


def test_a_port_that_is_taken_is_one_line(capsys):
    pytest.importorskip("gradio")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        line = refusal(demo, capsys, "--port", port)
    assert f"--port must be a free port. Received: --port {port}" in line
