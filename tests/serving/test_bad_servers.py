"""`keras-fcn predict --server` with broken and hostile servers."""

import threading
import time
import tracemalloc
from collections import Counter

import grpc
import numpy as np
import pytest
from PIL import Image

import predict
from keras_fcn.classes import ClassMap
from keras_fcn.serving.errors import ServerError
from keras_fcn.serving.grpc_client import GrpcClient
from keras_fcn.serving.responses import read_label_map
from keras_fcn.serving.rest_client import RestClient
from tests.support.bad_servers import (
    ANSWERS,
    DRIPPING,
    ENDLESS,
    ESCAPES,
    GOOD,
    RPC_ANSWERS,
    SIZE,
    answering,
    answering_by_grpc,
    grpc_response,
    listening,
    predictions,
    redirection,
    repeating,
    response,
)
from tests.support.commands import refusal
from tests.support.image_files import encode
from torture.mutations import mutate

CLASS_MAP = ClassMap(("a", "b", "c"), ((255, 0, 0), (0, 255, 0), (0, 0, 255)), 255)
SECONDS = 0.4  # --timeout for servers that never finish


@pytest.fixture
def refused_by(tmp_path, capsys):
    """Function from a URL to the one-line error of predicting by it."""
    run, image = tmp_path / "run", tmp_path / "image.png"
    run.mkdir()
    (run / "config.json").write_text('{"config": {}}')
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
def test_timeout_applies_to_the_whole_response(refused_by, time_limit, name):
    first, again = DRIPPING[name]
    with listening(repeating(first, again, SECONDS / 4)) as port:
        line = refused_by(rest_url(port), SECONDS)
    assert f"did not answer in time (waited {SECONDS} s)" in line


@pytest.mark.parametrize("name", ENDLESS)
def test_endless_response_is_read_up_to_a_limit(refused_by, time_limit, name):
    tracemalloc.start()
    with listening(repeating(*ENDLESS[name], 0)) as port:
        refused_by(rest_url(port))
        _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60 * 2**20


@pytest.mark.parametrize("name", ANSWERS)
def test_invalid_response_is_a_one_line_error(refused_by, name):
    # Errors about a label map name the image instead of the server.
    is_named = not name.startswith("answers")
    tracemalloc.start()
    with listening(answering(ANSWERS[name])) as port:
        refused_by(rest_url(port), is_named=is_named)
        _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60 * 2**20


@pytest.mark.parametrize("status", ["301 a", "302 a", "303 a", "307 a", "308 a"])
def test_redirects_are_not_followed(refused_by, status):
    asked = threading.Event()

    def handle(connection, _):
        asked.set()

    with listening(handle) as other:
        content = redirection(rest_url(other), status)
        with listening(answering(content)) as port:
            line = refused_by(rest_url(port))
    assert f"redirects to {rest_url(other)}; redirects are not followed" in line
    assert not asked.is_set()


def test_message_of_a_server_is_printed_escaped(refused_by):
    with listening(answering(ANSWERS["has escapes in its error"])) as port:
        line = refused_by(rest_url(port))
    assert r"\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp forged: line" in line
    assert ESCAPES[:4] not in line


@pytest.mark.parametrize("name", RPC_ANSWERS)
def test_invalid_grpc_response_is_a_one_line_error(refused_by, name, caplog):
    is_named = not name.startswith("answers") and name != "has no strings"
    with answering_by_grpc(RPC_ANSWERS[name]) as port:
        refused_by(grpc_url(port), is_named=is_named)
    assert "Traceback" not in caplog.text


def test_compressed_grpc_message_is_not_decompressed(refused_by):
    bomb = bytes(200 * 2**20)
    with answering_by_grpc(bomb, grpc.Compression.Gzip) as port:
        line = refused_by(grpc_url(port))
    assert "did not answer as TensorFlow Serving" in line


@pytest.mark.parametrize("call", ["silent", "dripping", "garbage", "closing"])
def test_server_without_grpc_is_a_one_line_error(refused_by, call):
    def handle(connection, stopped):
        connection.settimeout(5)
        connection.recv(1000)
        if call == "garbage":
            connection.sendall(bytes(range(256)) * 100)
        while call in ("silent", "dripping") and not stopped.wait(SECONDS / 4):
            connection.sendall(b"\0" if call == "dripping" else b"")

    with listening(handle) as port:
        refused_by(grpc_url(port), SECONDS)


def test_timeout_applies_to_a_silent_grpc_server(refused_by, time_limit):
    with answering_by_grpc(lambda *_: time.sleep(3 * SECONDS) or b"") as port:
        line = refused_by(grpc_url(port), SECONDS)
    assert f"did not answer in time (waited {SECONDS} s)" in line


@pytest.mark.parametrize("protocol", ["HTTP", "gRPC"])
def test_a_mutated_response_is_read_or_refused_in_one_line(protocol):
    """100 random mutations: of a response, of its body, and of a PNG in it."""
    rng, outcomes = np.random.default_rng(1), Counter()
    is_http = protocol == "HTTP"
    answer = predictions if is_http else grpc_response
    valid = content = answer(GOOD, GOOD)
    _, _, body = valid.partition(b"\r\n\r\n")

    def send(connection, stopped):
        answering(content)(connection, stopped)

    serving = listening(send) if is_http else answering_by_grpc(lambda *_: content)
    image = encode(np.zeros((*SIZE, 3), "uint8"))
    with serving as port:
        client = (
            RestClient(rest_url(port), 5) if is_http else GrpcClient(grpc_url(port), 5)
        )
        for number in range(100):
            content = (
                mutate([valid], rng),
                response(mutate([body], rng)) if is_http else valid,
                answer(GOOD, mutate([GOOD], rng)),
            )[number % 3]
            try:
                for (png,) in client([image, image]):
                    read_label_map(png, SIZE, "a.png")
                outcomes["read"] += 1
            except ServerError as error:
                assert str(error).isprintable() and len(str(error)) < 1000
                outcomes["refused"] += 1
    assert outcomes["read"] > 0 and outcomes["refused"] > 50


def test_there_are_a_hundred_bad_servers():  # as the documentation says
    others = 5 + 1 + 4 + 1  # redirects, compressed, without gRPC, silent
    assert len({**DRIPPING, **ENDLESS, **ANSWERS}) + len(RPC_ANSWERS) + others == 104


@pytest.mark.parametrize(
    "url", ["http://a..b/v1/models/fcn", "http://127.0.0.1:99999/v1/models/fcn",
            "http://127.0.0.1:1/v1/models/\x7fé"]
)  # fmt: skip
def test_invalid_host_or_port_is_a_one_line_error(refused_by, url):
    refused_by(url, is_named=False)
