"""Broken and hostile servers for HTTP, gRPC and other protocols."""

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

SIZE = (48, 64)  # height and width of the image in the request
ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp\r\nforged: line"
GOOD = encode_label_map(np.zeros(SIZE, "uint8"))
DEEP = "[" * 200_000


def response(body, status="200 OK", *headers):
    """A complete HTTP response with a correct length."""
    body = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def predictions(*pngs):
    encoded = [{"b64": base64.b64encode(png).decode()} for png in pngs]
    return response(json.dumps({"predictions": encoded}))


def predictions_json(value):
    """A response whose predictions are this JSON text."""
    return response(f'{{"predictions": {value}}}')


def redirection(location, status="307 Temporary Redirect"):
    return response(b"", status, f"Location: {location}")


def start(*headers):
    return "\r\n".join(["HTTP/1.1 200 OK", *headers]).encode() + b"\r\n\r\n"


CHUNKED = start("Transfer-Encoding: chunked")


def png_with_bomb():
    text = b"Comment\0\0" + zlib.compress(bytes(100_000_000))
    return GOOD[:33] + png_chunk(b"zTXt", text) + GOOD[33:]


# First bytes, then bytes repeated with a pause between them (DRIPPING) or without.
DRIPPING = {
    "drips a header": (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
    "drips headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "drips a body": (start("Content-Length: 100000"), b" "),
    "drips a body without a length": (start(), b" "),
    "drips chunks": (CHUNKED, b"1\r\n \r\n"),
    "drips a chunk": (CHUNKED + b"ffff\r\n", b" "),
    "drips an error": (b"HTTP/1.1 500 x\r\nContent-Length: 99999\r\n\r\n", b" "),
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
    "redirects without end": (
        b"HTTP/1.1 307 x\r\nLocation: http://127.0.0.1/\r\n\r\n",
        b"y" * 65_536,
    ),
}
ANSWERS = {
    "closes at once": b"",
    "closes during its status": b"HTTP/1.1 20",
    "closes during its headers": b"HTTP/1.1 200 OK\r\nContent-Le",
    "closes during its body": start("Content-Length: 1000") + b'{"predictions": [',
    "has a chunk of no size": CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n",
    "has a chunk of negative size": CHUNKED + b"-5\r\nabc\r\n0\r\n\r\n",
    "has a chunk of a petabyte": CHUNKED + b"3ffffffffffff\r\nabc",
    "ends within a chunk": CHUNKED + b"5\r\nab",
    "has a negative length": start("Content-Length: -1") + b"{}",
    "has a length that is not a number": start("Content-Length: x") + b"{}",
    "has two lengths": start("Content-Length: 2", "Content-Length: 9") + b"{}",
    "speaks SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "speaks TLS": bytes([21, 3, 1, 0, 2, 2, 70]) * 9,
    "answers bytes": bytes(range(256)) * 10,
    "speaks HTTP/2": b"\0\0\x12\4\0\0\0\0\0\0\3\0\0\0\x80",
    "has a status line of 100 kB": b"HTTP/1.1 200 " + b"x" * 100_000 + b"\r\n\r\n",
    "only says continue": b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
    "has 200 headers": start(*(f"X-{n}: y" for n in range(200))) + b"{}",
    "has a header without a name": start(": x", "Content-Length: 2") + b"{}",
    "has an invalid status": b"HTTP/1.1 abc OK\r\n\r\n",
    "has status 999": response(b"", "999 x"),
    "has no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "has an empty body": response(b""),
    "redirects to a file": redirection("file:///etc/passwd"),
    "redirects by FTP": redirection("ftp://127.0.0.1/x", "302 Found"),
    "redirects without a location": response(b"", "301 Moved"),
    "redirects with escapes": redirection("http://\x1b[2J/", "303 See Other"),
    "nests its body": response(DEEP),
    "nests its predictions": predictions_json(DEEP),
    "nests its error": response('{"error": ' + DEEP, "500 Error"),
    "answers in UTF-16": response("﻿{}".encode("utf-16")),
    "answers bytes that are not UTF-8": response(b"\xff\xfe\xfa" * 50),
    "has a number of many digits": predictions_json("9" * 100_000),
    "has escapes in its error": response(json.dumps({"error": ESCAPES}), "500 Error"),
    "has escapes in its reason": response(b"", f"500 {ESCAPES[:12]}"),
    "answers a web page": response(
        "<html><h1>Sign in</h1>" + "<p>x" * 9999, "401 Sign in"
    ),
    "answers compressed": response(
        zlib.compress(b"{}"), "200 OK", "Content-Encoding: gzip"
    ),
    "has NaN for predictions": predictions_json("NaN"),
    "has null for predictions": predictions_json("null"),
    "has a number for predictions": predictions_json("7"),
    "has a string for predictions": predictions_json('"words"'),
    "has a null among predictions": predictions_json("[null]"),
    "has lists among predictions": predictions_json("[[[1]]]"),
    "has a number for base64": predictions_json('[{"b64": 7}]'),
    "has base64 with other characters": predictions_json('[{"b64": "é漢"}]'),
    "has invalid base64": predictions_json('[{"b64": "a"}]'),
    "answers no image": predictions(),
    "answers two images": predictions(GOOD, GOOD),
    "answers a thousand images": predictions(*[GOOD] * 1000),
    "answers an empty image": predictions(b""),
    "answers words": predictions(b"words"),
    "answers a PNG of 16 bits": predictions(encode(np.zeros(SIZE, "uint16"))),
    "answers a JPEG": predictions(encode(np.zeros(SIZE, "uint8"), "JPEG")),
    "answers PostScript": predictions(b"%!PS-Adobe-3.0 EPSF-3.0\n"),
    "answers an RGB PNG": predictions(encode(smooth_image())),
    "answers another size": predictions(encode_label_map(np.zeros((4, 4), "uint8"))),
    "answers 50000x50000": predictions(make_png(50_000, 50_000, b"", 8, 0)),
    "answers one row": predictions(make_png(64, 48, bytes(65), 8, 0)),
    "answers half a PNG": predictions(GOOD[: len(GOOD) // 2]),
    "answers a decompression bomb": predictions(png_with_bomb()),
    "answers other classes": predictions(encode_label_map(np.full(SIZE, 9, "uint8"))),
}


@contextmanager
def listening(handle):
    """A TCP server that calls `handle(connection, stopped)`; yields its port."""
    stopped = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)

    def serve(connection):
        with connection:
            try:
                handle(connection, stopped)
            except OSError:  # the client has closed the connection
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
    """Handler that sends bytes and closes the connection."""

    def handle(connection, _):
        read_request(connection)
        connection.sendall(content)

    return handle


def repeating(first, again, pause):
    """Handler that sends `first`, then `again` until the client closes."""

    def handle(connection, stopped):
        read_request(connection)
        connection.sendall(first)
        while not stopped.wait(pause):
            connection.sendall(again)

    return handle


def grpc_response(*label_maps, output="label_png_bytes"):
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


# Serialized responses, or functions from request and context to one.
RPC_ANSWERS = {
    "answers bytes": b"\xff\xff\xff\xff",
    "answers no bytes": b"",
    "answers a nested message": b"\x0b" * 5000,
    "answers without end": bytes(20 * 2**20),
    "answers no image": grpc_response(),
    "answers two images": grpc_response(GOOD, GOOD),
    "answers words": grpc_response(b"words"),
    "answers an RGB PNG": grpc_response(encode(smooth_image())),
    "answers 50000x50000": grpc_response(make_png(50_000, 50_000, b"", 8, 0)),
    "answers one row": grpc_response(make_png(64, 48, bytes(65), 8, 0)),
    "answers other classes": grpc_response(encode_label_map(np.full(SIZE, 9, "uint8"))),
    "has another output": grpc_response(GOOD, output=ESCAPES[:4]),
    "has no strings": in_tensor_content(GOOD),
    "has escapes in its error": abort(grpc.StatusCode.INTERNAL, ESCAPES),
    "requires authentication": abort(grpc.StatusCode.UNAUTHENTICATED, "sign in"),
    "fails without a message": abort(grpc.StatusCode.UNKNOWN, ""),
}


@contextmanager
def answering_by_grpc(predict, compression=None):
    """A gRPC server that answers every call by `predict`; yields its port."""

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
