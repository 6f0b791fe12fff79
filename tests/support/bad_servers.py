"""Servers that do what no server should: by HTTP, by gRPC, and by neither."""

import base64
import json
import socket
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import numpy as np
from tensorflow_serving.apis.predict_pb2 import PredictResponse

from tests.support.fake_servers import encode_label_map
from tests.support.image_files import encode, make_png, png_chunk, smooth_image

SIZE = (48, 64)  # height and width of the image that is sent
ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp\r\nforged: line"
GOOD = encode_label_map(np.zeros(SIZE, "uint8"))
DEEP = "[" * 200_000


def answer(body, status="200 OK", *headers):
    """A whole HTTP answer with a right length."""
    body = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def predictions(*pngs):
    encoded = [{"b64": base64.b64encode(png).decode()} for png in pngs]
    return answer(json.dumps({"predictions": encoded}))


def instead(value):
    """An answer whose predictions are another value, as JSON text."""
    return answer(f'{{"predictions": {value}}}')


def redirection(location, status="307 Temporary Redirect"):
    return answer(b"", status, f"Location: {location}")


def start(*headers):
    return "\r\n".join(["HTTP/1.1 200 OK", *headers]).encode() + b"\r\n\r\n"


CHUNKED = start("Transfer-Encoding: chunked")


def with_text_bomb():
    text = b"Comment\0\0" + zlib.compress(bytes(100_000_000))
    return GOOD[:33] + png_chunk(b"zTXt", text) + GOOD[33:]


# What is sent, then what is sent again and again; each drop after a pause, or at once.
DRIPPING = {
    "drips its status": (b"", b"H"),
    "drips a header": (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
    "drips headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "drips a body": (start("Content-Length: 100000"), b" "),
    "drips a body without a length": (start(), b" "),
    "drips chunks": (CHUNKED, b"1\r\n \r\n"),
    "drips an error": (b"HTTP/1.1 500 x\r\nContent-Length: 99999\r\n\r\n", b" "),
    "goes on with 100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "is silent": (b"", b""),
    "is silent after its headers": (start("Content-Length: 9"), b""),
}
ENDLESS = {
    "has no end": (start(), b" " * 65_536),
    "has chunks without end": (CHUNKED, b"10000\r\n" + b" " * 65_536 + b"\r\n"),
    "has a length of a terabyte": (
        start("Content-Length: 1000000000000"),
        b" " * 65_536,
    ),
    "has an endless header": (b"HTTP/1.1 200 OK\r\nX: ", b"y" * 65_536),
    "has headers without end": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000),
    "has an endless error": (b"HTTP/1.1 500 x\r\n\r\n", b"y" * 65_536),
}
ANSWERS = {
    "closes at once": b"",
    "closes within its status": b"HTTP/1.1 20",
    "closes within its headers": b"HTTP/1.1 200 OK\r\nContent-Le",
    "closes within its body": start("Content-Length: 1000") + b'{"predictions": [',
    "has a chunk of no size": CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n",
    "has a chunk of negative size": CHUNKED + b"-5\r\nabc\r\n0\r\n\r\n",
    "has a chunk of a petabyte": CHUNKED + b"3ffffffffffff\r\nabc",
    "breaks off its chunks": CHUNKED + b"5\r\nab",
    "has a negative length": start("Content-Length: -1") + b"{}",
    "has a length that is no number": start("Content-Length: x") + b"{}",
    "has two lengths": start("Content-Length: 2", "Content-Length: 9") + b"{}",
    "speaks SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "speaks TLS": bytes([21, 3, 1, 0, 2, 2, 70]) * 9,
    "answers bytes": bytes(range(256)) * 10,
    "has a status that is none": b"HTTP/1.1 abc OK\r\n\r\n",
    "has status 999": answer(b"", "999 x"),
    "has no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "answers nothing": answer(b""),
    "redirects to a file": redirection("file:///etc/passwd"),
    "redirects by FTP": redirection("ftp://127.0.0.1/x", "302 Found"),
    "redirects to nowhere": answer(b"", "301 Moved"),
    "redirects with escapes": redirection("http://\x1b[2J/", "303 See Other"),
    "nests its answer": answer(DEEP),
    "nests its predictions": instead(DEEP),
    "nests its error": answer('{"error": ' + DEEP, "500 Error"),
    "answers in UTF-16": answer("﻿{}".encode("utf-16")),
    "answers what is no text": answer(b"\xff\xfe\xfa" * 50),
    "has a number of many digits": instead("9" * 100_000),
    "says escapes": answer(json.dumps({"error": ESCAPES}), "500 Error"),
    "has escapes in its reason": answer(b"", f"500 {ESCAPES[:12]}"),
    "answers a page": answer("<html><h1>Sign in</h1>" + "<p>x" * 9999, "401 Sign in"),
    "answers zipped": answer(zlib.compress(b"{}"), "200 OK", "Content-Encoding: gzip"),
    "has null for predictions": instead("null"),
    "has a number for predictions": instead("7"),
    "has a word for predictions": instead('"words"'),
    "has a null among predictions": instead("[null]"),
    "has lists among predictions": instead("[[[1]]]"),
    "has a number for base64": instead('[{"b64": 7}]'),
    "has base64 of other letters": instead('[{"b64": "é漢"}]'),
    "has base64 that is none": instead('[{"b64": "a"}]'),
    "answers no image": predictions(),
    "answers two images": predictions(GOOD, GOOD),
    "answers a thousand images": predictions(*[GOOD] * 1000),
    "answers an empty image": predictions(b""),
    "answers words": predictions(b"words"),
    "answers a JPEG": predictions(encode(np.zeros(SIZE, "uint8"), "JPEG")),
    "answers PostScript": predictions(b"%!PS-Adobe-3.0 EPSF-3.0\n"),
    "answers a PNG of colours": predictions(encode(smooth_image())),
    "answers another size": predictions(encode_label_map(np.zeros((4, 4), "uint8"))),
    "answers 50000x50000": predictions(make_png(50_000, 50_000, b"", 8, 0)),
    "answers a row": predictions(make_png(64, 48, bytes(65), 8, 0)),
    "answers half a PNG": predictions(GOOD[: len(GOOD) // 2]),
    "answers a bomb of text": predictions(with_text_bomb()),
    "answers other classes": predictions(encode_label_map(np.full(SIZE, 9, "uint8"))),
}


@contextmanager
def listening(handle):
    """A server of TCP that calls `handle(connection, stopped)`; gives its port."""
    stopped = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)

    def serve(connection):
        with connection:
            try:
                handle(connection, stopped)
            except OSError:  # the client has left
                pass

    def accept():
        while not stopped.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stopped.set()
        thread.join()
        listener.close()


def read_request(connection):
    """Read an HTTP request to its end."""
    file = connection.makefile("rb")
    length = 0
    while (line := file.readline()) not in (b"\r\n", b""):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    file.read(length)


def answering(content):
    """Answers with bytes and closes."""

    def handle(connection, _):
        read_request(connection)
        connection.sendall(content)

    return handle


def repeating(first, again, pause):
    """Answers with bytes, and then others until the client leaves."""

    def handle(connection, stopped):
        read_request(connection)
        connection.sendall(first)
        while not stopped.wait(pause):
            connection.sendall(again)

    return handle


def response(*label_maps, output="label_png_bytes"):
    message = PredictResponse()
    message.outputs[output].dtype = 7  # strings
    message.outputs[output].string_val.extend(label_maps)
    return message.SerializeToString()


def in_tensor_content(content):
    message = PredictResponse()
    message.outputs["label_png_bytes"].tensor_content = content
    return message.SerializeToString()


def abort(code, details):
    def predict(_, context):
        context.abort(code, details)

    return predict


# Functions from request and context to bytes, or those bytes.
RPC_ANSWERS = {
    "answers bytes": b"\xff\xff\xff\xff",
    "answers nothing": b"",
    "answers a nested message": b"\x0b" * 5000,
    "answers without end": bytes(20 * 2**20),
    "answers no image": response(),
    "answers two images": response(GOOD, GOOD),
    "answers words": response(b"words"),
    "answers a PNG of colours": response(encode(smooth_image())),
    "answers 50000x50000": response(make_png(50_000, 50_000, b"", 8, 0)),
    "answers a row": response(make_png(64, 48, bytes(65), 8, 0)),
    "answers other classes": response(encode_label_map(np.full(SIZE, 9, "uint8"))),
    "has another output": response(GOOD, output=ESCAPES[:4]),
    "has no strings": in_tensor_content(GOOD),
    "says escapes": abort(grpc.StatusCode.INTERNAL, ESCAPES),
    "is for others": abort(grpc.StatusCode.UNAUTHENTICATED, "sign in"),
    "fails without a word": abort(grpc.StatusCode.UNKNOWN, ""),
}


@contextmanager
def answering_by_grpc(predict, compression=None):
    """A gRPC server that answers every call with these bytes; gives its port."""

    class Handler(grpc.GenericRpcHandler):
        def service(self, details):
            call = predict if callable(predict) else lambda *_: predict
            return grpc.unary_unary_rpc_method_handler(call)

    server = grpc.server(
        ThreadPoolExecutor(2),
        [Handler()],
        options=[("grpc.max_send_message_length", -1)],
        compression=compression,
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()
