"""Requests to the demo page's server that a browser showing the page would not send."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image

from keras_fcn.classes import ClassMap
from keras_fcn.demo import page as demo_page
from tests.support.ports import unused_port
from tests.support.videos import write_video

# Gradio leaves sockets and event loops to the garbage collector.
pytestmark = [
    pytest.mark.skipif(find_spec("gradio") is None, reason="Gradio is not installed"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

NAMES = ("![x](http://evil.test/a.png)", "<form action=http://evil.test>")


class StandIn:
    """Assigns class 0 to all pixels."""

    class_map = ClassMap(NAMES, ((200, 0, 0), (0, 0, 200)), 255)
    value_range = None
    model = None

    def __call__(self, images):
        return np.zeros(images.shape[:-1], "uint8")

    def label_and_confidence(self, images):
        return self(images), np.ones(images.shape[:-1], "float32")


@pytest.fixture(scope="module")
def url():
    with demo_page.serving(StandIn(), "<b>name</b>", unused_port()) as url:
        yield url


@pytest.fixture
def private_image(tmp_path):
    Image.new("RGB", (64, 48)).save(tmp_path / "private.png")
    return tmp_path / "private.png"


def upload(url, path):
    with path.open("rb") as file:
        answer = requests.post(f"{url}/gradio_api/upload", files={"files": file})
    answer.raise_for_status()
    return {"path": answer.json()[0], "meta": {"_type": "gradio.FileData"}}


def predict(url, fn_index, data, **headers):
    """The last message of the queue about an event, as the page receives it."""
    body = {"data": [data], "fn_index": fn_index, "session_hash": "s"}
    joined = requests.post(f"{url}/gradio_api/queue/join", json=body, headers=headers)
    joined.raise_for_status()
    queue = f"{url}/gradio_api/queue/data"
    with requests.get(queue, {"session_hash": "s"}, stream=True) as answer:
        for line in answer.iter_lines():
            message = json.loads(line.removeprefix(b"data: ") or "{}")
            if message.get("msg") == "process_completed":
                return message
    raise AssertionError("the event was not completed")


def test_uploaded_image_is_predicted(url, private_image):
    message = predict(url, 0, upload(url, private_image))
    assert message["success"], message
    assert float(message["output"]["data"][0]["classes"][0]["share"]) == 1


@pytest.mark.parametrize("fn_index", [0, 1])
@pytest.mark.parametrize("meta", [{}, {"meta": {"_type": "gradio.FileData"}}])
def test_files_that_were_not_uploaded_are_not_opened(
    url, private_image, tmp_path, fn_index, meta
):
    private = (private_image, write_video(tmp_path / "private.mp4", [0, 100]))[fn_index]
    message = predict(url, fn_index, {"path": str(private), **meta})
    assert not message["success"]
    assert "base64" not in json.dumps(message)


def test_path_out_of_the_upload_folder_is_not_opened(url, private_image):
    inside = Path(upload(url, private_image)["path"]).parent
    outside = f"{inside}{'/..' * len(inside.parts)}{private_image}"
    assert not predict(url, 0, {"path": outside})["success"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.test"},
        {"Host": "127.0.0.1:1"},
        {"Origin": "http://evil.test"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
def test_requests_of_other_websites_are_refused(url, headers):
    for path in ("/", "/config", "/gradio_api/info"):
        answer = requests.get(url + path, headers=headers)
        assert answer.status_code == 403, path
    body = {"data": [None], "fn_index": 0, "session_hash": "s"}
    for path in ("/gradio_api/queue/join", "/gradio_api/upload"):
        assert requests.post(url + path, json=body, headers=headers).status_code == 403


def test_page_is_served_by_both_names_of_the_machine(url):
    for name in ("127.0.0.1", "localhost"):
        host = url.removeprefix("http://").replace("127.0.0.1", name)
        headers = {"Host": host, "Origin": f"http://{host}"}
        assert requests.get(url, headers=headers).status_code == 200


def test_no_function_is_a_public_endpoint(url):
    assert requests.get(f"{url}/gradio_api/info").json()["named_endpoints"] == {}
    for function in requests.get(f"{url}/config").json()["dependencies"]:
        body = {"data": [None], "fn_index": function["id"]}
        answer = requests.post(f"{url}/gradio_api/run/predict", json=body)
        # The end of an event, by the button to cancel it, calls no function.
        assert answer.status_code == (404 if function["backend_fn"] else 500)


def test_names_of_network_and_classes_are_shown_as_text(url):
    components = requests.get(f"{url}/config").json()["components"]
    values = [str(component["props"].get("value")) for component in components]
    heading = next(value for value in values if "Classes:" in value)
    assert "<form" not in heading and "&lt;form" in heading
    assert "<b>" not in heading and "&lt;b&gt;name" in heading
    assert not any(component["type"] == "markdown" for component in components)


def test_uploads_are_limited(url, private_image, monkeypatch):
    config = requests.get(f"{url}/config").json()
    assert config["max_file_size"] == 500 * 2**20


def test_videos_are_limited_by_their_frames(url, tmp_path, monkeypatch):
    monkeypatch.setattr(demo_page, "_MAX_FRAMES", 3)
    video = write_video(tmp_path / "a.mp4", [100 * n for n in range(6)])
    message = predict(url, 1, upload(url, video))
    assert not message["success"] and "3 frames" in message["output"]["error"]


def test_playlist_is_not_a_video(url, tmp_path):
    write_video(tmp_path / "b.mp4", [0, 100])
    (tmp_path / "a.mp4").write_text(f"ffconcat version 1.0\nfile {tmp_path}/b.mp4\n")
    message = predict(url, 1, upload(url, tmp_path / "a.mp4"))
    assert not message["success"] and "not a video" in message["output"]["error"]


def test_markup_in_the_name_of_a_file_is_escaped(url, tmp_path):
    path = tmp_path / "<img src=x>.png"
    path.write_bytes(b"no image")
    error = predict(url, 0, upload(url, path))["output"]["error"]
    assert "<img" not in error


def test_messages_contain_no_folder_of_the_server(url, private_image):
    private_image.write_bytes(b"no image")
    error = predict(url, 0, upload(url, private_image))["output"]["error"]
    assert error.startswith("private.png ")


def test_example_images_are_shown(url):
    components = requests.get(f"{url}/config").json()["components"]
    (gallery,) = (c for c in components if c["type"] == "gallery")
    names = [each["image"]["orig_name"] for each in gallery["props"]["value"]]
    assert names == ["street-1.png", "street-2.png", "street-3.png"]


def test_a_page_in_a_network_requires_a_login_and_its_own_origin(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # does not answer
    monkeypatch.setattr(demo_page, "write_examples", lambda folder: [])
    port = unused_port()
    host, users = "127.0.0.2", [("ann", "secret")]
    with demo_page.serving(StandIn(), "name", port, host, users) as url:
        session = requests.Session()
        assert session.get(f"{url}/config").status_code == 401
        login = {"username": "ann", "password": "secret"}
        assert session.post(f"{url}/login", data=login).status_code == 200
        assert session.get(f"{url}/config").status_code == 200
        named = {"Host": "server.example:80"}  # a name of the machine
        assert session.get(url, headers=named).status_code == 200
        other = {"Origin": "http://evil.test"}
        assert session.get(url, headers=other).status_code == 403
