"""predict.py --server against servers that are broken, hostile, or something else."""

import threading
import time
import tracemalloc

import grpc
import numpy as np
import pytest
from PIL import Image

import predict
from keras_fcn.classes import ClassMap
from tests.support.bad_servers import (
    ANSWERS,
    DRIPPING,
    ENDLESS,
    ESCAPES,
    RPC_ANSWERS,
    SIZE,
    answering,
    answering_by_grpc,
    listening,
    redirection,
    repeating,
)
from tests.support.commands import refusal

CLASS_MAP = ClassMap(("a", "b", "c"), ((255, 0, 0), (0, 255, 0), (0, 0, 255)), 255)
SECONDS = 0.4  # the deadline of what never ends


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def refused_by(tmp_path, capsys):
    """Function from an address to the line that tells what is wrong with it."""
    run, image = tmp_path / "run", tmp_path / "image.png"
    run.mkdir()
    (run / "config.json").write_text("{}")
    CLASS_MAP.save(run / "classes.json")
    Image.fromarray(np.zeros((*SIZE, 3), "uint8")).save(image)
    output = tmp_path / "out"

    def refused(url, timeout=20, is_named=True):
        flags = ("--model", run, "--output-dir", output, "--retries", 0)
        flags += ("--server", url, "--timeout", timeout)
        line = refusal(predict, capsys, image, *flags)
        assert url in line or not is_named
        assert line.rstrip("\n").isprintable()
        assert len(line) < 1000
        assert not list(output.glob("*"))
        return line

    return refused


def rest_url(port):
    return f"http://127.0.0.1:{port}/v1/models/fcn"


def grpc_url(port):
    return f"grpc://127.0.0.1:{port}/fcn"


@pytest.mark.parametrize("name", DRIPPING)
def test_one_deadline_is_for_the_whole_answer(refused_by, name):
    first, again = DRIPPING[name]
    with listening(repeating(first, again, SECONDS / 4)) as port:
        line = refused_by(rest_url(port), SECONDS)
    assert f"gave no answer in time (waited {SECONDS} s)" in line


@pytest.mark.parametrize("name", ENDLESS)
def test_an_answer_without_end_is_left_at_what_the_request_can_need(refused_by, name):
    tracemalloc.start()
    with listening(repeating(*ENDLESS[name], 0)) as port:
        refused_by(rest_url(port))
        _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60 * 2**20


@pytest.mark.parametrize("name", ANSWERS)
def test_a_wrong_answer_is_one_line(refused_by, name):
    # What is wrong with a label map names the image: the server answered in form.
    is_named = not name.startswith("answers")
    tracemalloc.start()
    with listening(answering(ANSWERS[name])) as port:
        refused_by(rest_url(port), is_named=is_named)
        _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60 * 2**20


@pytest.mark.parametrize("status", ["301 a", "302 a", "303 a", "307 a", "308 a"])
def test_no_redirection_is_followed(refused_by, status):
    asked = threading.Event()

    def handle(connection, _):
        asked.set()

    with listening(handle) as other:
        content = redirection(rest_url(other), status)
        with listening(answering(content)) as port:
            line = refused_by(rest_url(port))
    assert f"redirects to {rest_url(other)}, which is not followed" in line
    assert not asked.is_set()


def test_what_a_server_says_is_shown_escaped(refused_by):
    with listening(answering(ANSWERS["says escapes"])) as port:
        line = refused_by(rest_url(port))
    assert r"\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp forged: line" in line
    assert ESCAPES[:4] not in line


@pytest.mark.parametrize("name", RPC_ANSWERS)
def test_a_wrong_answer_by_grpc_is_one_line(refused_by, name, caplog):
    is_named = not name.startswith("answers") and name != "has no strings"
    with answering_by_grpc(RPC_ANSWERS[name]) as port:
        refused_by(grpc_url(port), is_named=is_named)
    assert "Traceback" not in caplog.text


def test_a_zipped_bomb_by_grpc_is_refused(refused_by):
    bomb = bytes(200 * 2**20)
    with answering_by_grpc(bomb, grpc.Compression.Gzip) as port:
        line = refused_by(grpc_url(port))
    assert "did not answer as TensorFlow Serving" in line


@pytest.mark.parametrize("call", ["silent", "dripping", "garbage", "closing"])
def test_what_speaks_no_grpc_is_one_line(refused_by, call):
    def handle(connection, stopped):
        connection.settimeout(5)
        connection.recv(1000)
        if call == "garbage":
            connection.sendall(bytes(range(256)) * 100)
        while call in ("silent", "dripping") and not stopped.wait(SECONDS / 4):
            connection.sendall(b"\0" if call == "dripping" else b"")

    with listening(handle) as port:
        refused_by(grpc_url(port), SECONDS)


def test_a_silent_model_by_grpc_is_left_in_time(refused_by):
    with answering_by_grpc(lambda *_: time.sleep(3 * SECONDS) or b"") as port:
        line = refused_by(grpc_url(port), SECONDS)
    assert f"gave no answer in time (waited {SECONDS} s)" in line


def test_there_are_sixty_bad_servers():
    assert len({**DRIPPING, **ENDLESS, **ANSWERS}) + len(RPC_ANSWERS) + 6 >= 60


@pytest.mark.parametrize(
    "url", ["http://a..b/v1/models/fcn", "http://127.0.0.1:99999/v1/models/fcn",
            "http://127.0.0.1:1/v1/models/\x7fé"]
)  # fmt: skip
def test_addresses_that_no_connection_takes_are_one_line(refused_by, url):
    refused_by(url, is_named=False)
