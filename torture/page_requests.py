"""Send hostile requests to the page of `demo`: none may return a file of the disk.

    python -m torture.page_requests --count 100

Each request combines a route, a Host, an Origin and a body at random; bodies name a
private image by paths of many forms. It is a fault if an answer contains the image, if
a request of another website is not refused, or if a prediction of an uploaded image
fails afterwards. The exit status is 1 then. Needs the extra `demo`.
"""

import argparse
import base64
import json
import socket
import sys
import tempfile
from pathlib import Path

import numpy as np
import requests

from keras_fcn.classes import ClassMap
from keras_fcn.demo.page import serving
from keras_fcn.images.encoding import encode_png

_CLASS_MAP = ClassMap(("a", "b"), ((200, 0, 0), (0, 0, 200)), 255)
_FOREIGN = ("evil.test", "evil.test:80", "127.0.0.1:1", "", "null")
_ROUTES = (
    "/gradio_api/queue/join", "/gradio_api/run/predict", "/gradio_api/call/predict",
    "/gradio_api/api/predict", "/gradio_api/file=", "/gradio_api/proxy=", "/config",
    "/gradio_api/info", "/gradio_api/process_recording", "/gradio_api/component_server",
    "/static/", "/assets/", "/file=",
)  # fmt: skip
_SECONDS = 30  # for an answer


class _StandIn:
    """Assigns class 0 to all pixels."""

    class_map = _CLASS_MAP
    value_range = "auto"

    def __call__(self, images):
        return np.zeros(images.shape[:-1], "uint8")

    def label_and_confidence(self, images):
        return self(images), np.ones(images.shape[:-1], "float32")


def main(argv: list[str] | None = None) -> int:
    """Send the requests and print the faults; return 1 if there are any."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100, help="number of requests")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    rng = np.random.default_rng(arguments.seed)
    faults = []
    with tempfile.TemporaryDirectory() as folder, socket.socket() as listener:
        private = Path(folder, "private.png")
        private.write_bytes(encode_png(rng.integers(0, 256, (40, 60, 3), "uint8")))
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        listener.close()
        with serving(_StandIn(), "torture", port) as url:
            uploaded = _upload(url, private)
            for _ in range(arguments.count):
                faults += _fault_of(url, _sample(url, private, uploaded, rng), private)
            if not _events(url, uploaded, "own")["success"]:
                faults.append("an uploaded image is not predicted any more")
    count = f"seed {arguments.seed}: {arguments.count} requests"
    print(f"{count}, {len(faults)} faults")
    print(*faults[:10], sep="\n", end="\n" if faults else "")
    return int(bool(faults))


def _sample(url, private, uploaded, rng):
    """Return a random request: route, headers, body; and whether it is foreign."""

    def choose(values):
        return values[rng.integers(len(values))]

    up = Path(uploaded["path"]).parent
    # Half of all requests are predictions, most of them in the form of the page's own.
    route = _ROUTES[0] if rng.random() < 0.5 else choose(_ROUTES)
    path = choose(
        (
            *[str(private)] * 4,
            f"file://{private}",
            f"{up}{'/..' * len(up.parts)}{private}",
            f"{up}/../{private.name}",
            private.name,
            f"//{private}",
            str(private).replace("/", "%2F"),
        )
    )
    data = {"path": path, **choose(({}, {"meta": {"_type": "gradio.FileData"}}))}
    data |= choose(({}, {"url": f"file://{private}"}, {"is_stream": True}))
    data = choose((*[data] * 6, {"video": data}, [data], path, {"value": data}))
    host = url.removeprefix("http://")
    headers = {}
    if rng.random() < 0.3:
        headers["Host"] = choose(_FOREIGN)
    if rng.random() < 0.3:
        headers["Origin"] = f"http://{choose(_FOREIGN)}"
    is_foreign = headers.get("Host", host) != host or "Origin" in headers
    body = {"data": [data], "fn_index": int(rng.integers(2)), "session_hash": "own"}
    return route, path, headers, body, is_foreign


def _fault_of(url, request, private):
    route, path, headers, body, is_foreign = request
    if route.endswith(("=", "/")):
        answer = requests.get(url + route + path, headers=headers, timeout=_SECONDS)
    else:
        answer = requests.post(
            url + route, json=body, headers=headers, timeout=_SECONDS
        )
    content = answer.content
    if route.endswith("join") and answer.ok:
        content = json.dumps(_last_event(url, "own")).encode()
    if is_foreign and answer.status_code not in (400, 403):
        return [f"{answer.status_code} for {request}"]
    image = private.read_bytes()
    # The page answers with JPEG: any image in an answer would be the private one.
    shown = (image, base64.b64encode(image)[:60], b"data:image")
    return [f"an image for {request}"] if any(one in content for one in shown) else []


def _upload(url, path):
    with path.open("rb") as file:
        answer = requests.post(
            f"{url}/gradio_api/upload", files={"files": file}, timeout=_SECONDS
        )
    return {"path": answer.json()[0], "meta": {"_type": "gradio.FileData"}}


def _events(url, data, session):
    body = {"data": [data], "fn_index": 0, "session_hash": session}
    requests.post(f"{url}/gradio_api/queue/join", json=body, timeout=_SECONDS)
    return _last_event(url, session)


def _last_event(url, session):
    """The message that ends an event."""
    queue = f"{url}/gradio_api/queue/data"
    parameters = {"session_hash": session}
    with requests.get(queue, parameters, stream=True, timeout=_SECONDS) as answer:
        for line in answer.iter_lines():
            message = json.loads(line.removeprefix(b"data: ") or "{}")
            if message.get("msg") in ("process_completed", "unexpected_error"):
                return message
    return {"success": False}


if __name__ == "__main__":
    sys.exit(main())
