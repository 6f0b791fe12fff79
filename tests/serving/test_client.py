"""predict.py --server against a stand-in that speaks TensorFlow Serving's protocols."""

import io
import logging
import shutil
import socket
import ssl
import subprocess
import urllib.request

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import predict
from keras_fcn.classes import ClassMap
from keras_fcn.images.reading import read_image
from keras_fcn.prediction.jobs import find_jobs
from keras_fcn.serving.client import connect, predict_images_by_server, retrying
from keras_fcn.serving.errors import ServerError, ServerUnavailable, shorten
from keras_fcn.serving.export import export
from tests.support.commands import outcome, refusal
from tests.support.data import draw_blocks
from tests.support.fake_servers import encode_label_map, fake_model, label
from tests.support.serving_stand_in import QUEUE_IS_FULL, StandIn, Status

CLASS_MAP = ClassMap(("a", "b", "c"), ((255, 0, 0), (0, 255, 0), (0, 0, 255)), 255)
APIS = ("rest", "grpc")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server():
    with StandIn(fake_model) as stand_in:
        yield stand_in


@pytest.fixture
def run(tmp_path):
    """As much of a run as the client needs: it has no network."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").write_text("{}")
    CLASS_MAP.save(tmp_path / "run/classes.json")
    return tmp_path / "run"


def save_image(path, size=(48, 64), seed=0, **options):
    """A PNG or JPEG of blocks; gives its path."""
    path.parent.mkdir(exist_ok=True)
    image, _ = draw_blocks(*size, 3, seed)
    Image.fromarray(image).save(path, **options)
    return path


def url_of(server, api):
    return server.grpc_url if api == "grpc" else server.rest_url


def unused_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def predict_by(server, api, tmp_path, *paths, num_images=4, **limits):
    jobs = find_jobs([str(path) for path in paths], tmp_path / "out")
    send = connect(url_of(server, api), timeout=20, num_retries=0)
    return list(predict_images_by_server(send, CLASS_MAP, jobs, num_images, **limits))


def arguments(server, api, run, *images, **flags):
    flags = {"retries": 0, **flags}
    pairs = [part for name, value in flags.items() for part in (f"--{name}", value)]
    return [
        *images, "--server", url_of(server, api), "--model", run,
        "--output-dir", run.parent / "out", *pairs,
    ]  # fmt: skip


def read_ids(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.mark.parametrize("api", APIS)
def test_images_of_several_sizes_get_their_label_maps(server, api, tmp_path):
    paths = [
        save_image(tmp_path / f"in/{height}.png", (height, 70), seed=height)
        for height in (48, 33, 80)
    ]
    results = predict_by(server, api, tmp_path, *paths)
    assert [result.path for result in results] == paths
    assert server.requests == [[path.read_bytes() for path in paths]]
    for result, path in zip(results, paths, strict=True):
        labels_path = tmp_path / f"out/{path.stem}_labels.png"
        assert np.array_equal(read_ids(labels_path), label(read_image(path)))
        assert result.describe(CLASS_MAP).count("%") == 3
        with (
            Image.open(labels_path) as labels,
            Image.open(tmp_path / f"out/{path.stem}_overlay.png") as both,
        ):
            assert labels.mode == "P"
            assert labels.getpalette()[:9] == [255, 0, 0, 0, 255, 0, 0, 0, 255]
            assert both.size[1] > labels.size[1]  # the legend


@pytest.mark.parametrize("api", APIS)
def test_requests_hold_so_many_images(server, api, tmp_path):
    paths = [save_image(tmp_path / f"in/{index}.png") for index in range(5)]
    predict_by(server, api, tmp_path, *paths, num_images=2)
    assert [len(images) for images in server.requests] == [2, 2, 1]


def test_requests_hold_so_many_bytes_and_a_larger_file_goes_alone(server, tmp_path):
    paths = [save_image(tmp_path / f"in/{index}.png") for index in range(7)]
    large = save_image(tmp_path / "in/2.png", (200, 200))
    limit = 2 * paths[0].stat().st_size
    assert large.stat().st_size > limit
    predict_by(server, "rest", tmp_path, *paths, request_bytes=limit)
    assert [len(images) for images in server.requests] == [2, 1, 2, 2]


def test_bytes_that_end_in_zero_arrive(server, tmp_path):
    path = save_image(tmp_path / "in/x.png")
    path.write_bytes(path.read_bytes() + b"\0\0")
    predict_by(server, "grpc", tmp_path, path)
    assert server.requests[0][0].endswith(b"\0\0")


def test_an_answer_beyond_the_default_limit_of_grpc_arrives(server, tmp_path):
    server.predict = lambda images: [
        answer + bytes(5 * 2**20) for answer in fake_model(images)
    ]
    path = save_image(tmp_path / "in/x.png")
    path.write_bytes(path.read_bytes() + bytes(5 * 2**20))
    (result,) = predict_by(server, "grpc", tmp_path, path)
    assert result.status == "done"


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_label_maps_are_turned_as_the_image_is(server, tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95, "subsampling": 0} if suffix == "jpg" else {}
    path = save_image(tmp_path / f"in/x.{suffix}", (48, 64), exif=exif, **options)
    predict_by(server, "rest", tmp_path, path)
    ids = read_ids(tmp_path / "out/x_labels.png")
    assert ids.shape == ((64, 48) if orientation >= 5 else (48, 64))
    assert np.array_equal(ids, label(read_image(path)))
    overlay = read_ids(tmp_path / "out/x_overlay.png")[: ids.shape[0], : ids.shape[1]]
    assert np.abs(overlay[ids == 2].mean(axis=0)[2] - 255) < 40  # class c is blue


@pytest.mark.parametrize("api", APIS)
def test_a_bad_image_is_left_out_and_the_others_are_written(
    server, api, tmp_path, caplog
):
    good = [save_image(tmp_path / f"in/{index}.png") for index in range(3)]
    bad = tmp_path / "in/bad.jpg"
    Image.new("CMYK", (20, 20)).save(bad)
    results = predict_by(server, api, tmp_path, good[0], bad, *good[1:])
    assert [bool(result.problem) for result in results] == [False, True, False, False]
    assert [len(images) for images in server.requests] == [4, 1, 1, 1, 1]
    assert "bad.jpg: the server refused it (Expected image" in caplog.text
    assert "node map" not in caplog.text
    assert not (tmp_path / "out/bad_labels.png").exists()


def test_files_that_a_server_does_not_take_are_told_and_left_out(
    server, tmp_path, caplog
):
    paths = [
        save_image(tmp_path / f"in/{suffix}.{suffix}")
        for suffix in ("webp", "tiff", "bmp", "png")
    ]
    (tmp_path / "in/empty.png").write_bytes(b"")
    (tmp_path / "in/text.jpg").write_text("words")
    paths += [tmp_path / "in/empty.png", tmp_path / "in/text.jpg"]
    results = predict_by(server, "rest", tmp_path, *paths)
    written = [result.path.name for result in results if not result.problem]
    assert written == ["png.png"]
    assert [len(images) for images in server.requests] == [1]
    assert caplog.text.count("is neither PNG nor JPEG") == 3
    assert "empty.png is an empty file" in caplog.text
    assert "text.jpg is not an image" in caplog.text


def test_nothing_is_sent_when_nothing_can_be(server, tmp_path):
    path = save_image(tmp_path / "in/x.webp")
    assert predict_by(server, "rest", tmp_path, path)[0].status == "failed"
    assert server.requests == []


def test_a_png_by_another_name_is_sent(server, tmp_path):
    path = save_image(tmp_path / "in/x.png").rename(tmp_path / "in/x.bmp")
    assert predict_by(server, "rest", tmp_path, path)[0].status == "done"


@pytest.mark.parametrize("api", APIS)
def test_a_busy_server_is_asked_again(server, api, tmp_path):
    waits = []
    path = save_image(tmp_path / "in/x.png")
    server.failures = [Status("UNAVAILABLE", QUEUE_IS_FULL)] * 2
    send = retrying(connect(url_of(server, api), 20, 0), 2, waits.append, lambda: 0)
    assert len(send([path.read_bytes()])) == 1
    assert waits == [0.5, 1.0]
    assert len(server.requests) == 3
    server.failures = [Status("UNAVAILABLE", QUEUE_IS_FULL)] * 3
    with pytest.raises(ServerUnavailable, match=QUEUE_IS_FULL):
        send([path.read_bytes()])


def test_the_waits_double_up_to_eight_seconds_and_are_cut_at_random():
    def busy(_):
        raise ServerUnavailable("busy")

    waits = []
    with pytest.raises(ServerUnavailable):
        retrying(busy, 7, waits.append, lambda: 0)([b""])
    assert waits == [0.5, 1, 2, 4, 8, 8, 8]
    waits.clear()
    with pytest.raises(ServerUnavailable):
        retrying(busy, 3, waits.append, lambda: 0.5)([b""])
    assert waits == [0.375, 0.75, 1.5]
    waits.clear()
    with pytest.raises(ServerUnavailable):
        retrying(busy, 2000, waits.append, lambda: 0)([b""])
    assert waits[-1] == 8


def test_other_errors_are_not_tried_again():
    def broken(_):
        raise ServerError("broken")

    with pytest.raises(ServerError, match="broken"):
        retrying(broken, 3, pytest.fail)([b""])


@pytest.mark.parametrize("api", APIS)
def test_no_answer_in_time_is_one_line(server, api, run, capsys):
    server.predict = lambda images: server.stopped.wait(30) or images
    image = save_image(run.parent / "in/x.png")
    line = refusal(predict, capsys, *arguments(server, api, run, image, timeout=0.3))
    assert "gave no answer in time (waited 0.3 s): raise --timeout" in line


def test_the_servers_own_time_limit_is_one_line(server, run, capsys):
    server.failures = [Status("DEADLINE_EXCEEDED", "Timed out")]
    image = save_image(run.parent / "in/x.png")
    line = refusal(predict, capsys, *arguments(server, "rest", run, image))
    assert "gave no answer in time (Timed out)" in line


@pytest.mark.parametrize("url", ["http://127.0.0.1:{}/v1/models/fcn",
                                 "grpc://127.0.0.1:{}/fcn"])  # fmt: skip
def test_no_server_is_one_line_after_the_retries(url, run, capsys, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "keras_fcn")
    monkeypatch.setattr("keras_fcn.serving.client._FIRST_WAIT", 0.01)
    image, url = save_image(run.parent / "in/x.png"), url.format(unused_port())
    line = refusal(
        predict, capsys, image, "--server", url, "--model", run, "--retries", 2
    )
    assert f"There is no server at {url}" in line and "refused" in line
    assert caplog.text.count("again in 0.0 s") == 2


@pytest.fixture
def https_server(tmp_path, monkeypatch):
    """A stand-in by HTTPS, and the file of its certificate, which is for localhost."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        + ["-keyout", key, "-out", certificate, *names],
        check=True,
        capture_output=True,
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    monkeypatch.setattr(urllib.request, "_opener", None)  # which keeps certificates
    with StandIn(fake_model, tls=tls) as stand_in:
        yield stand_in, certificate
    urllib.request.install_opener(None)


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
@pytest.mark.parametrize(
    ("host", "is_known", "reason"),
    [
        ("localhost", False, "self-signed certificate"),
        ("127.0.0.1", True, "IP address mismatch"),
        ("localhost", True, None),
    ],
)
def test_a_server_that_is_not_trusted_is_one_line_and_not_asked_again(
    https_server, host, is_known, reason, run, capsys, caplog, monkeypatch
):
    caplog.set_level(logging.INFO, "keras_fcn")
    server, certificate = https_server
    if is_known:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    url = server.rest_url.replace("http://127.0.0.1", f"https://{host}")
    image = save_image(run.parent / "in/x.png")
    flags = ("--server", url, "--model", run, "--output-dir", run.parent / "out")
    if reason is None:
        assert outcome(predict, capsys, image, *flags)[0] == 0
        return
    line = refusal(predict, capsys, image, *flags)
    assert f"{url} gives no trusted connection (" in line and reason in line
    assert "again in" not in caplog.text and server.requests == []


def test_https_where_http_is_spoken_is_one_line(server, run, capsys, caplog):
    caplog.set_level(logging.INFO, "keras_fcn")
    image = save_image(run.parent / "in/x.png")
    url = server.rest_url.replace("http:", "https:")
    line = refusal(predict, capsys, image, "--server", url, "--model", run)
    assert f"{url} gives no trusted connection (" in line
    assert "again in" not in caplog.text


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("version", ["", "/versions/7"])
def test_no_such_model_is_one_line(server, api, run, capsys, version):
    image = save_image(run.parent / "in/x.png")
    url = url_of(server, api)[:-3] + "other" + version
    line = refusal(predict, capsys, image, "--server", url, "--model", run)
    wanted = "Specific(other, 7)" if version else "Latest(other)"
    assert f"Servable not found for request: {wanted}" in line
    assert "give the name that it was started with" in line


@pytest.mark.parametrize("api", APIS)
def test_versions_and_labels_are_asked_for(server, api, tmp_path):
    image = save_image(tmp_path / "in/x.png").read_bytes()
    for suffix in ("", "/versions/3", "/labels/stable"):
        connect(url_of(server, api) + suffix, 20, 0)([image])
    asked = [(name, str(version or ""), label or "") for name, version, label in
             server.specs]  # fmt: skip
    assert asked == [("fcn", "", ""), ("fcn", "3", ""), ("fcn", "", "stable")]


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("changed", ["input_name", "output_name"])
def test_another_signature_is_one_line(server, api, changed, run, capsys):
    setattr(server, changed, "probabilities")
    server.predict = lambda images: [[0.1] * 1000 for _ in images]
    images = [save_image(run.parent / f"in/{index}.png") for index in range(2)]
    line = refusal(predict, capsys, *arguments(server, api, run, *images))
    assert "has another signature: needed image_bytes to label_png_bytes" in line
    assert len(line) < 600
    assert len(server.requests) <= 1  # not tried image by image


def test_too_large_a_message_is_told_for_the_image_alone(run, capsys, caplog):
    small = save_image(run.parent / "in/small.png")
    large = save_image(run.parent / "in/large.png")
    large.write_bytes(large.read_bytes() + bytes(200_000))
    with StandIn(fake_model, max_message_bytes=100_000) as server:
        flags = arguments(server, "grpc", run, small, large)
        status, out, _ = outcome(predict, capsys, *flags)
    assert status == 1 and "small.png" in out
    assert "large.png: it is too large for the server" in caplog.text
    assert "larger than max" in caplog.text


def test_too_large_for_a_proxy_is_told(server, run, capsys, caplog):
    server.raw = (413, b"<html><h1>413 Request Entity Too Large</h1></html>")
    image = save_image(run.parent / "in/x.png")
    status, out, _ = outcome(predict, capsys, *arguments(server, "rest", run, image))
    assert (status, out) == (2, "")
    assert "too large for the server (413 Request Entity Too Large)" in caplog.text


@pytest.mark.parametrize("body", [b"hello", b"[]", b'{"outputs": []}'])
def test_a_server_of_another_kind_is_one_line(server, run, capsys, body):
    server.raw = (200, body)
    image = save_image(run.parent / "in/x.png")
    line = refusal(predict, capsys, *arguments(server, "rest", run, image))
    assert "did not answer as TensorFlow Serving" in line


def test_the_port_of_the_other_protocol_is_one_line(server, run, capsys):
    image = save_image(run.parent / "in/x.png")
    rest, grpc = server.rest_url, server.grpc_url
    crossed = grpc.split("/")[2], rest.split("/")[2]
    url = f"http://{crossed[0]}/v1/models/fcn"
    flags = ("--model", run, "--retries", 0, "--timeout", 5)
    line = refusal(predict, capsys, image, "--server", url, *flags)
    assert "does not answer in HTTP" in line or "There is no server" in line
    url = f"grpc://{crossed[1]}/fcn"
    line = refusal(predict, capsys, image, "--server", url, *flags)
    assert url in line


@pytest.mark.parametrize(
    ("answers", "needed"),
    [
        (lambda images: [], "a label map per image: 1. Received: 0"),
        (lambda images: [b"words"], "must be a grey 8-bit PNG"),
        (
            lambda images: [encode_label_map(np.zeros((4, 4, 3), "uint8"))],
            "a PNG of mode RGB",
        ),
        (
            lambda images: [encode_label_map(np.zeros((4, 4), "uint8"))],
            "Received: (4, 4)",
        ),
        (
            lambda images: [encode_label_map(np.full((48, 64), 9, "uint8"))],
            "say by --model",
        ),
    ],
)
@pytest.mark.parametrize("api", APIS)
def test_wrong_answers_are_one_line(server, api, answers, needed, run, capsys):
    server.predict = answers
    image = save_image(run.parent / "in/x.png")
    line = refusal(predict, capsys, *arguments(server, api, run, image))
    assert needed in line
    assert not list((run.parent / "out").glob("*_labels.png"))


def test_a_server_that_fails_is_one_line(server, run, capsys):
    image = save_image(run.parent / "in/x.png")
    for api in APIS:
        server.failures = [Status("INTERNAL", "broken")]
        line = refusal(predict, capsys, *arguments(server, api, run, image))
        assert "(broken)" in line


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8501", "http://localhost:8501", "http://localhost:8501/v1/models/",
        "http://localhost:port/v1/models/fcn", "grpc://localhost:8500",
        "grpc://localhost/fcn", "ftp://localhost/v1/models/fcn",
    ],
)  # fmt: skip
def test_addresses_of_another_form_are_one_line(url, run, capsys):
    image = save_image(run.parent / "in/x.png")
    line = refusal(predict, capsys, image, "--server", url, "--model", run)
    assert "--server needs" in line and f"Received: {url}" in line


@pytest.mark.parametrize(
    ("flags", "needed"),
    [
        (("--server", "grpc://h:1/fcn", "--tta"), "leave out --tta"),
        (("--server", "grpc://h:1/fcn", "--dense", "shift-and-stitch"), "--dense"),
        (("--timeout", "3"), "--timeout is for --server, which is missing"),
        (("--server", "grpc://h:1/fcn", "--timeout", "0"), "seconds above 0"),
        (("--server", "http://h:1/v1/models/fcn", "--timeout", "1e300"), "to 86400"),
        (("--server", "grpc://h:1/fcn", "--timeout", "nan"), "seconds above 0"),
        (("--server", "grpc://h:1/fcn", "--retries", "-1"), "from 0 on"),
        (("--images-per-request", "0"), "from 1 on"),
    ],
)
def test_flags_that_do_not_go_together_are_one_line(flags, needed, tmp_path, capsys):
    image = save_image(tmp_path / "in/x.png")
    assert needed in refusal(predict, capsys, image, *flags)


@pytest.mark.parametrize("api", APIS)
def test_status_is_that_of_predicting_without_a_server(server, api, run, capsys):
    good = save_image(run.parent / "in/good.png")
    bad = run.parent / "in/bad.png"
    bad.write_bytes(b"")
    status, out, err = outcome(predict, capsys, *arguments(server, api, run, good))
    assert (status, err) == (0, "")
    assert out.startswith(f"[1/1] {good}: ") and f"Pictures: {run.parent}/out/" in out
    both = arguments(server, api, run, bad, good)
    status, out, _ = outcome(predict, capsys, *both)
    assert status == 1 and "[2/2]" in out
    assert outcome(predict, capsys, *arguments(server, api, run, bad))[:2] == (2, "")


def test_the_network_that_comes_along_names_the_classes(server, tmp_path, capsys):
    image = save_image(tmp_path / "in/x.png")
    flags = ("--server", server.rest_url, "--output-dir", tmp_path / "out")
    status, out, _ = outcome(predict, capsys, image, *flags)
    assert status == 0 and "sky" in out


@pytest.mark.slow
@pytest.mark.parametrize("api", APIS)
def test_the_exported_model_gives_what_predicting_without_a_server_gives(
    api, packed_run, tmp_path, capsys, caplog
):
    version = export(packed_run, tmp_path / "export", max_pixels=8192)
    signature = tf.saved_model.load(str(version)).signatures["serving_default"]

    def saved_model(images):
        try:
            answers = signature(image_bytes=tf.constant(images))
        except tf.errors.InvalidArgumentError as error:
            raise Status("INVALID_ARGUMENT", error.message) from error
        return list(answers["label_png_bytes"].numpy())

    folder = tmp_path / "in"
    for name, size in (("a.png", (48, 64)), ("b.jpg", (33, 50)), ("c.png", (70, 41))):
        save_image(folder / name, size)
    save_image(folder / "large.png", (100, 100))
    model = ("--model", packed_run.path)
    with StandIn(saved_model) as server:
        flags = ("--server", url_of(server, api), "--retries", 0)
        out = ("--output-dir", tmp_path / "served")
        assert outcome(predict, capsys, folder, *model, *flags, *out)[0] == 1
    assert "large.png: the server refused it" in caplog.text
    out = ("--output-dir", tmp_path / "here")
    assert outcome(predict, capsys, folder, *model, *out)[0] == 0
    served = sorted((tmp_path / "served").glob("*_labels.png"))
    assert [path.name[0] for path in served] == ["a", "b", "c"]
    for path in served:
        same = read_ids(path) == read_ids(tmp_path / "here" / path.name)
        assert same.mean() > 0.999


def test_long_messages_lose_their_middle():
    line = shorten("start\n" + "x" * 10_000 + " keys must be equal to: y")
    assert line.startswith("start x") and line.endswith("equal to: y")
    assert len(line) < 241


def confidence_of(images):
    """The fake model is as sure as a pixel is green."""
    pictures = (Image.open(io.BytesIO(content)).convert("RGB") for content in images)
    return [encode_label_map(np.asarray(picture)[..., 1]) for picture in pictures]


@pytest.mark.parametrize("api", APIS)
def test_a_server_tells_how_sure_it_is(server, api, run, tmp_path, capsys):
    server.tell_confidence = confidence_of
    stored = read_image(save_image(tmp_path / "in/street.png"))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees
    path = tmp_path / "in/turned.png"
    Image.fromarray(stored).save(path, exif=exif)
    least = float(np.median(stored[..., 1])) / 255
    flags = arguments(server, api, run, path, **{"unknown-below": least})
    status, _, error = outcome(predict, capsys, *flags, "--confidence")
    assert status == 0, error
    upright = read_image(path)
    with Image.open(tmp_path / "out/turned_confidence.png") as picture:
        np.testing.assert_array_equal(picture, upright[..., 1])
    is_unknown = upright[..., 1] / np.float32(255) < least
    assert 0 < is_unknown.mean() < 1
    with Image.open(tmp_path / "out/turned_labels.png") as picture:
        expected = np.where(is_unknown, CLASS_MAP.void_id, label(upright))
        np.testing.assert_array_equal(picture, expected)


@pytest.mark.parametrize("api", APIS)
def test_a_model_that_tells_no_confidence_is_one_line(server, api, run, tmp_path):
    path = save_image(tmp_path / "in/street.png")
    send = connect(url_of(server, api), 20, 0, with_confidence=True)
    with pytest.raises(ServerError, match='"confidence" not found'):
        send([path.read_bytes()])


def test_an_image_of_too_many_pixels_is_not_sent(server, tmp_path, caplog):
    path = save_image(tmp_path / "in/x.png")
    results = predict_by(server, "rest", tmp_path, path, max_pixels=48 * 64 - 1)
    assert "at most 3071 pixels" in caplog.text
    assert len(results) == 1 and server.requests == []
