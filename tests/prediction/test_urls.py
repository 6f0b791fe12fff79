"""Inputs given by URL, from servers on this machine."""

import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from keras_fcn.commands import predict
from keras_fcn.prediction import urls
from keras_fcn.prediction.jobs import download_jobs, job_of_url
from keras_fcn.prediction.outputs import Outputs, check_outputs
from keras_fcn.prediction.urls import is_stream, is_url, shown_url, stem_of_url
from tests.support.commands import outcome, refusal
from tests.support.image_files import make_png
from tests.support.ports import refusing_port


class _Handler(BaseHTTPRequestHandler):
    content = make_png(96, 64, 64 * (b"\0" + 48 * b"\x10\x80\xf0\xff\x00\x20"))

    def do_GET(self):
        kind, content = "image/png", self.content
        if self.path.startswith("/damaged"):
            content = content[:60]
        if self.path.startswith("/page"):
            kind, content = "text/html; charset=utf-8", b"<html>"
        if self.path.startswith("/camera"):
            kind = "multipart/x-mixed-replace; boundary=x"
        if self.path.startswith("/header"):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
            with suppress(OSError):
                for _ in range(100):
                    self.wfile.write(b"y")
                    time.sleep(0.02)
            return
        self.send_response(404 if self.path.startswith("/none") else 200)
        self.send_header("Content-Type", kind)
        if self.path.startswith("/short"):
            self.send_header("Content-Length", str(len(content) + 1))
        self.end_headers()
        while self.path.startswith("/slow"):
            try:
                self.wfile.write(b"\0")
            except OSError:
                return
            time.sleep(0.02)
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def server():
    """URL of a server that sends an image, unless the path names a fault."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_image_is_downloaded_and_predicted(scored_run, server, tmp_path, capsys):
    table = tmp_path / "table.csv"
    flags = ("--model", scored_run.path, "--output-dir", tmp_path / "out")
    url = f"{server}/street%20view.png?token=secret"
    status, out, err = outcome(predict, capsys, url, *flags, "--csv", table)
    assert status == 0, err
    assert out.startswith(f"[1/1] {server}/street%20view.png: ")
    assert "secret" not in out + err
    row = table.read_text().splitlines()[1]
    assert row.startswith(f"{server}/street%20view.png,,done,64,96,")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"street-view_labels.png", "street-view_overlay.png"}
    with Image.open(tmp_path / "out/street-view_labels.png") as labels:
        assert np.asarray(labels).shape == (64, 96)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/none.png", "/none.png can't be downloaded \\(HTTP status 404\\)"),
        ("/page", "/page is no image: the server sent text/html"),
        ("/camera", "no image: the server sent multipart/x-mixed-replace. Streams"),
    ],
)
def test_what_is_no_image_is_refused(server, tmp_path, path, message):
    with pytest.raises((OSError, ValueError), match=message):
        download_jobs([server + path], tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/slow.png", "no response in time"),
        ("/header.png", "no response in time"),
        ("/large.png", "it has more than 100 bytes"),
        ("/short.png", "IncompleteRead"),
    ],
)
def test_slow_large_and_incomplete_downloads_end(
    server, tmp_path, monkeypatch, path, message
):
    monkeypatch.setattr(urls, "_MAX_SECONDS", 0.3)
    monkeypatch.setattr(urls, "_MAX_BYTES", 100 if "large" in path else 2**20)
    with pytest.raises(OSError, match=f"{path} can't be downloaded .*{message}"):
        download_jobs([server + path], tmp_path, tmp_path)


def test_a_missing_server_and_an_unknown_scheme_are_one_line(scored_run, capsys):
    url = f"http://127.0.0.1:{refusing_port()}/a.png"
    flags = ("--model", scored_run.path)
    line = refusal(predict, capsys, url, *flags)
    assert f"{url} can't be downloaded (no connection to the server)" in line
    line = refusal(predict, capsys, "s3://bucket/a.png", *flags)
    assert "expected a URL of http, https, rtsp" in line


def test_a_damaged_image_is_reported_by_its_url(server, scored_run, tmp_path, capsys):
    table, url = tmp_path / "table.csv", f"{server}/damaged.png"
    flags = ("--model", scored_run.path, "--output-dir", tmp_path, "--csv", table)
    assert outcome(predict, capsys, url, *flags)[0] == 2
    assert table.read_text().splitlines()[1].startswith(f"{url},,failed,,,,{url} ")


@pytest.mark.parametrize(
    "urls",
    [
        ("http://host/one/a.png", "http://host/two/a.png"),
        ("http://host/a.png?size=1", "http://host/a.png?size=2"),
        ("http://host/a.png", "rtsp://host/a"),
    ],
)
def test_two_urls_with_one_output_are_refused(tmp_path, urls):
    jobs = [job_of_url(url, tmp_path) for url in urls]
    with pytest.raises(ValueError, match="/a(.png)? would both be written to .*/a_lab"):
        check_outputs(jobs, Outputs(), ())


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://127.0.0.1:1/a.png", "a_labels.png"),
        ("http://127.0.0.1:1/a.mp4", "a_overlay.mp4"),
        ("rtsp://127.0.0.1:1/a", "a_labels/000000.png"),
        ("rtsp://127.0.0.1:1/a", "a_overlay.mp4"),
        ("--camera=0", "camera-0_overlay.mp4"),
    ],
)
def test_outputs_of_urls_and_cameras_replace_no_file_of_the_user(
    scored_run, tmp_path, capsys, url, name
):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(_Handler.content)
    flags = ("--model", scored_run.path, "--output-dir", tmp_path)
    line = refusal(predict, capsys, url, *flags)
    assert f"{file} was not written by keras-fcn" in line
    line = refusal(predict, capsys, url, file, *flags)
    assert f"would replace the input {file}" in line
    assert file.read_bytes() == _Handler.content


def test_streams_are_recognized_by_scheme_and_suffix():
    assert is_stream("rtsp://camera/1") and is_stream("https://host/live/index.m3u8")
    assert is_stream("http://host/video.mp4?x=1") and not is_stream("http://host/a.jpg")
    assert is_url("rtsp://a") and not is_url("a://b"[1:]) and not is_url("c:\\a.png")


def test_passwords_and_queries_are_not_shown():
    assert shown_url("rtsp://me:word@camera:554/1?key=2") == "rtsp://camera:554/1"
    assert stem_of_url("rtsp://me:word@camera:554/") == "camera-554"
