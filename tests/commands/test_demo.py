"""`demo`: errors before the page is served."""

import importlib.util
import socket

import pytest

from keras_fcn.commands import demo
from tests.support.commands import refusal


def test_without_gradio_the_error_names_the_extra(capsys, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "gradio" else find_spec(name, *rest),
    )
    assert 'pip install ".[demo]"' in refusal(demo, capsys)


@pytest.mark.parametrize("port", ["0", "70000", "x"])
def test_an_invalid_port_is_refused(capsys, port):
    assert "expected a port, 1 to 65535" in refusal(demo, capsys, "--port", port)


def test_a_port_in_use_is_one_line(capsys):
    pytest.importorskip("gradio")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        line = refusal(demo, capsys, "--port", port)
    assert (
        f"--port must be a free port of --host 127.0.0.1. Received: --port {port}"
        in line
    )


@pytest.mark.parametrize(
    ("text", "needed"),
    [("", "got an empty file"), ("ann:x\n\nbob\n", "line 3: expected USER:PASSWORD")],
)
def test_a_file_without_users_is_one_line(tmp_path, capsys, text, needed):
    pytest.importorskip("gradio")
    (tmp_path / "users.txt").write_text(text)
    assert needed in refusal(demo, capsys, "--auth", tmp_path / "users.txt")


def test_a_page_without_login_in_a_network_is_warned_of(capsys, caplog, monkeypatch):
    pytest.importorskip("gradio")
    line = refusal(demo, capsys, "--host", "192.0.2.1")  # of no machine
    assert "--port must be a free port of --host 192.0.2.1" in line.splitlines()[-1]
    assert "Everyone who can reach 192.0.2.1 can use the page" in caplog.text


def test_users_are_read_from_utf_8_text(tmp_path):
    file = tmp_path / "users.txt"
    file.write_text("\ufeffann:a:b\r\nbob:c\n", encoding="utf-8")  # Notepad's
    assert demo._read_users(file) == [("ann", "a:b"), ("bob", "c")]
    file.write_bytes(b"ann:\xff\n")
    with pytest.raises(ValueError, match="users.txt must be UTF-8 text"):
        demo._read_users(file)
