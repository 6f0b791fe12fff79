"""`keras-fcn predict --server` with a stand-in for TensorFlow Serving."""

import io
import logging
import shutil
import ssl
import subprocess

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import predict
from keras_fcn.classes import ClassMap
from keras_fcn.images.reading import read_image
from keras_fcn.prediction.jobs import find_jobs
from keras_fcn.serving.client import connect, predict_images_by_server, with_retries
from keras_fcn.serving.errors import (
    RefusedRequest,
    ServerError,
    ServerUnavailable,
    shorten,
)
from keras_fcn.serving.export import export
from keras_fcn.serving.options import ExportOptions
from tests.support.commands import outcome, refusal
from tests.support.data import draw_blocks
from tests.support.fake_servers import encode_label_map, fake_model, label
from tests.support.narrow import narrow_vgg16
from tests.support.ports import refusing_port
from tests.support.serving_stand_in import QUEUE_IS_FULL, StandIn, Status

CLASS_MAP = ClassMap(("a", "b", "c"), ((255, 0, 0), (0, 255, 0), (0, 0, 255)), 255)
APIS = ("rest", "grpc")


@pytest.fixture
def server():
    with StandIn(fake_model) as stand_in:
        yield stand_in


@pytest.fixture
def run(tmp_path):
    """The files of a run that the client reads; there is no network among them."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").write_text('{"config": {}}')
    CLASS_MAP.save(tmp_path / "run/classes.json")
    return tmp_path / "run"


def save_image(path, size=(48, 64), seed=0, **options):
    """Write a PNG or JPEG of blocks, and return its path."""
    path.parent.mkdir(exist_ok=True)
    image, _ = draw_blocks(*size, 3, seed)
    Image.fromarray(image).save(path, **options)
    return path


def url_of(server, api):
    return server.grpc_url if api == "grpc" else server.rest_url


def predict_by_server(server, api, tmp_path, *paths, num_images=4, **limits):
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
def test_label_maps_of_images_of_several_sizes(server, api, tmp_path):
    paths = [
        save_image(tmp_path / f"in/{height}.png", (height, 70), seed=height)
        for height in (48, 33, 80)
    ]
    results = predict_by_server(server, api, tmp_path, *paths)
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
            assert both.size[1] > labels.size[1]  # with a legend


@pytest.mark.parametrize("api", APIS)
def test_requests_have_at_most_images_per_request(server, api, tmp_path):
    paths = [save_image(tmp_path / f"in/{index}.png") for index in range(5)]
    predict_by_server(server, api, tmp_path, *paths, num_images=2)
    assert [len(images) for images in server.requests] == [2, 2, 1]


def test_requests_have_at_most_request_bytes_except_for_single_files(server, tmp_path):
    paths = [save_image(tmp_path / f"in/{index}.png") for index in range(7)]
    large = save_image(tmp_path / "in/2.png", (200, 200))
    limit = 2 * paths[0].stat().st_size
    assert large.stat().st_size > limit
    predict_by_server(server, "rest", tmp_path, *paths, request_bytes=limit)
    assert [len(images) for images in server.requests] == [2, 1, 2, 2]


def test_trailing_zero_bytes_are_sent(server, tmp_path):
    path = save_image(tmp_path / "in/x.png")
    path.write_bytes(path.read_bytes() + b"\0\0")
    predict_by_server(server, "grpc", tmp_path, path)
    assert server.requests[0][0].endswith(b"\0\0")


def test_response_beyond_the_default_limit_of_grpc_is_received(server, tmp_path):
    server.predict = lambda images: [
        png + bytes(5 * 2**20) for png in fake_model(images)
    ]
    path = save_image(tmp_path / "in/x.png")
    path.write_bytes(path.read_bytes() + bytes(5 * 2**20))
    (result,) = predict_by_server(server, "grpc", tmp_path, path)
    assert result.status == "done"


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_label_maps_are_turned_by_exif_orientation(
    server, tmp_path, orientation, suffix
):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95, "subsampling": 0} if suffix == "jpg" else {}
    path = save_image(tmp_path / f"in/x.{suffix}", (48, 64), exif=exif, **options)
    predict_by_server(server, "rest", tmp_path, path)
    ids = read_ids(tmp_path / "out/x_labels.png")
    assert ids.shape == ((64, 48) if orientation >= 5 else (48, 64))
    assert np.array_equal(ids, label(read_image(path)))
    overlay = read_ids(tmp_path / "out/x_overlay.png")[: ids.shape[0], : ids.shape[1]]
    assert np.abs(overlay[ids == 2].mean(axis=0)[2] - 255) < 40  # class c is blue


@pytest.mark.parametrize("api", APIS)
def test_refused_image_is_skipped_and_the_others_are_written(
    server, api, tmp_path, caplog
):
    good = [save_image(tmp_path / f"in/{index}.png") for index in range(3)]
    bad = tmp_path / "in/bad.jpg"
    Image.new("CMYK", (20, 20)).save(bad)
    results = predict_by_server(server, api, tmp_path, good[0], bad, *good[1:])
    assert [bool(result.problem) for result in results] == [False, True, False, False]
    assert [len(images) for images in server.requests] == [4, 1, 1, 1, 1]
    assert "bad.jpg: refused by the server (Expected image" in caplog.text
    assert "node map" not in caplog.text
    assert not (tmp_path / "out/bad_labels.png").exists()


def test_files_of_other_formats_are_skipped_with_a_message(server, tmp_path, caplog):
    paths = [
        save_image(tmp_path / f"in/{suffix}.{suffix}")
        for suffix in ("webp", "tiff", "bmp", "png")
    ]
    (tmp_path / "in/empty.png").write_bytes(b"")
    (tmp_path / "in/text.jpg").write_text("words")
    paths += [tmp_path / "in/empty.png", tmp_path / "in/text.jpg"]
    results = predict_by_server(server, "rest", tmp_path, *paths)
    written = [result.path.name for result in results if not result.problem]
    assert written == ["png.png"]
    assert [len(images) for images in server.requests] == [1]
    assert caplog.text.count("is neither PNG nor JPEG") == 3
    assert "empty.png is an empty file" in caplog.text
    assert "text.jpg is not an image" in caplog.text


def test_no_request_is_sent_without_images(server, tmp_path):
    path = save_image(tmp_path / "in/x.webp")
    assert predict_by_server(server, "rest", tmp_path, path)[0].status == "failed"
    assert server.requests == []


def test_png_with_another_suffix_is_sent(server, tmp_path):
    path = save_image(tmp_path / "in/x.png").rename(tmp_path / "in/x.bmp")
    assert predict_by_server(server, "rest", tmp_path, path)[0].status == "done"


@pytest.mark.parametrize("api", APIS)
def test_request_is_retried_while_the_server_is_unavailable(server, api, tmp_path):
    waits = []
    path = save_image(tmp_path / "in/x.png")
    server.failures = [Status("UNAVAILABLE", QUEUE_IS_FULL)] * 2
    send = with_retries(connect(url_of(server, api), 20, 0), 2, waits.append, lambda: 0)
    assert len(send([path.read_bytes()])) == 1
    assert waits == [0.5, 1.0]
    assert len(server.requests) == 3
    server.failures = [Status("UNAVAILABLE", QUEUE_IS_FULL)] * 3
    with pytest.raises(ServerUnavailable, match=QUEUE_IS_FULL):
        send([path.read_bytes()])


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        (None, 0.5),
        ("7", 7.0),
        ("100000", 300.0),  # 5 minutes at most
        ("soon", 0.5),
        ("-1", 0.5),
        ("Mon, 21 Oct 2115 07:28:00 GMT", 300.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.5),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_limited_rate_is_retried_when_the_server_says(
    server, tmp_path, status, retry_after, wait
):
    waits = []
    content = save_image(tmp_path / "in/x.png").read_bytes()
    server.raw = (status, b"slow down", retry_after)

    def sleep(seconds):
        waits.append(seconds)
        server.raw = None

    send = with_retries(connect(server.rest_url, 20, 0), 1, sleep, lambda: 0)
    assert len(send([content])) == 1
    assert waits == [wait]


def test_a_limited_rate_over_grpc_is_retried(server, tmp_path):
    waits = []
    content = save_image(tmp_path / "in/x.png").read_bytes()
    server.failures = [Status("RESOURCE_EXHAUSTED", "quota of requests")]
    send = with_retries(connect(server.grpc_url, 20, 0), 1, waits.append, lambda: 0)
    assert len(send([content])) == 1 and waits == [0.5]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (413, b"Payload Too Large"),
        (413, b"at most 1 MB"),
        (429, b'{"error": "OOM when allocating tensor"}'),
    ],
)
def test_a_request_that_is_too_large_is_split(server, tmp_path, status, message):
    content = save_image(tmp_path / "in/x.png").read_bytes()
    server.raw = (status, message)
    with pytest.raises(RefusedRequest, match="too large for the server"):
        with_retries(connect(server.rest_url, 20, 0), 3, pytest.fail)([content])


def test_waits_double_up_to_eight_seconds_and_are_reduced_at_random():
    def busy(_):
        raise ServerUnavailable("busy")

    waits = []
    with pytest.raises(ServerUnavailable):
        with_retries(busy, 7, waits.append, lambda: 0)([b""])
    assert waits == [0.5, 1, 2, 4, 8, 8, 8]
    waits.clear()
    with pytest.raises(ServerUnavailable):
        with_retries(busy, 3, waits.append, lambda: 0.5)([b""])
    assert waits == [0.375, 0.75, 1.5]
    waits.clear()
    with pytest.raises(ServerUnavailable):
        with_retries(busy, 2000, waits.append, lambda: 0)([b""])
    assert waits[-1] == 8


def test_other_errors_are_not_retried():
    def broken(_):
        raise ServerError("broken")

    with pytest.raises(ServerError, match="broken"):
        with_retries(broken, 3, pytest.fail)([b""])


@pytest.mark.parametrize("api", APIS)
def test_timeout_is_a_one_line_error(server, api, run, capsys):
    server.predict = lambda images: server.stopped.wait(30) or images
    image = save_image(run.parent / "in/x.png")
    line = refusal(predict, capsys, *arguments(server, api, run, image, timeout=0.3))
    assert "did not answer in time (waited 0.3 s): raise --timeout" in line


def test_time_limit_of_the_server_is_a_one_line_error(server, run, capsys):
    server.failures = [Status("DEADLINE_EXCEEDED", "Timed out")]
    image = save_image(run.parent / "in/x.png")
    line = refusal(predict, capsys, *arguments(server, "rest", run, image))
    assert "did not answer in time (Timed out)" in line


@pytest.mark.parametrize("url", ["http://127.0.0.1:{}/v1/models/fcn",
                                 "grpc://127.0.0.1:{}/fcn"])  # fmt: skip
def test_missing_server_is_a_one_line_error_after_the_retries(
    url, run, capsys, monkeypatch, caplog
):
    caplog.set_level(logging.INFO, "keras_fcn")
    monkeypatch.setattr("keras_fcn.serving.client._FIRST_WAIT", 0.01)
    image, url = save_image(run.parent / "in/x.png"), url.format(refusing_port())
    line = refusal(
        predict, capsys, image, "--server", url, "--model", run, "--retries", 2
    )
    assert f"There is no server at {url}" in line and "refused" in line
    assert caplog.text.count("again in 0.0 s") == 2


@pytest.fixture
def https_server(tmp_path):
    """A stand-in with HTTPS, and its certificate file, which is for localhost."""
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
    with StandIn(fake_model, tls=tls) as stand_in:
        yield stand_in, certificate


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
@pytest.mark.parametrize(
    ("host", "variable", "reason"),
    [
        ("localhost", None, "self-signed certificate"),
        ("127.0.0.1", "SSL_CERT_FILE", "IP address mismatch"),
        ("localhost", "SSL_CERT_FILE", None),
        ("localhost", "REQUESTS_CA_BUNDLE", None),
    ],
)
def test_untrusted_certificate_is_a_one_line_error_and_not_retried(
    https_server, host, variable, reason, run, capsys, caplog, monkeypatch
):
    caplog.set_level(logging.INFO, "keras_fcn")
    server, certificate = https_server
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, str(certificate))
    url = server.rest_url.replace("http://127.0.0.1", f"https://{host}")
    image = save_image(run.parent / "in/x.png")
    flags = ("--server", url, "--model", run, "--output-dir", run.parent / "out")
    if reason is None:
        assert outcome(predict, capsys, image, *flags)[0] == 0
        return
    line = refusal(predict, capsys, image, *flags)
    assert f"{url}: no trusted connection (" in line and reason in line
    assert "again in" not in caplog.text and server.requests == []


def test_https_url_of_an_http_server_is_a_one_line_error(server, run, capsys, caplog):
    caplog.set_level(logging.INFO, "keras_fcn")
    image = save_image(run.parent / "in/x.png")
    url = server.rest_url.replace("http:", "https:")
    line = refusal(predict, capsys, image, "--server", url, "--model", run)
    assert f"{url}: no trusted connection (" in line
    assert "again in" not in caplog.text


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("version", ["", "/versions/7"])
def test_unknown_model_is_a_one_line_error(server, api, run, capsys, version):
    image = save_image(run.parent / "in/x.png")
    url = url_of(server, api)[:-3] + "other" + version
    line = refusal(predict, capsys, image, "--server", url, "--model", run)
    wanted = "Specific(other, 7)" if version else "Latest(other)"
    assert f"Servable not found for request: {wanted}" in line
    assert "give the name that the server was started with" in line


@pytest.mark.parametrize("api", APIS)
def test_versions_and_labels_are_requested(server, api, tmp_path):
    image = save_image(tmp_path / "in/x.png").read_bytes()
    for suffix in ("", "/versions/3", "/labels/stable"):
        connect(url_of(server, api) + suffix, 20, 0)([image])
    asked = [(name, str(version or ""), label or "") for name, version, label in
             server.specs]  # fmt: skip
    assert asked == [("fcn", "", ""), ("fcn", "3", ""), ("fcn", "", "stable")]


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("changed", ["input_name", "output_name"])
def test_other_signature_is_a_one_line_error(server, api, changed, run, capsys):
    setattr(server, changed, "probabilities")
    server.predict = lambda images: [[0.1] * 1000 for _ in images]
    images = [save_image(run.parent / f"in/{index}.png") for index in range(2)]
    line = refusal(predict, capsys, *arguments(server, api, run, *images))
    assert "has another signature: expected image_bytes to label_png_bytes" in line
    assert len(line) < 600
    assert len(server.requests) <= 1  # not one by one


def test_too_large_message_is_an_error_of_its_image(run, capsys, caplog):
    small = save_image(run.parent / "in/small.png")
    large = save_image(run.parent / "in/large.png")
    large.write_bytes(large.read_bytes() + bytes(200_000))
    with StandIn(fake_model, max_message_bytes=100_000) as server:
        flags = arguments(server, "grpc", run, small, large)
        status, out, _ = outcome(predict, capsys, *flags)
    assert status == 1 and "small_labels.png" in out
    assert "large.png: too large for the server" in caplog.text
    assert "larger than max" in caplog.text


def test_request_that_is_too_large_for_a_proxy_is_reported(server, run, capsys, caplog):
    server.raw = (413, b"<html><h1>413 Request Entity Too Large</h1></html>")
    image = save_image(run.parent / "in/x.png")
    status, out, _ = outcome(predict, capsys, *arguments(server, "rest", run, image))
    assert (status, out) == (2, "")
    assert "too large for the server (413 Request Entity Too Large)" in caplog.text


@pytest.mark.parametrize("body", [b"hello", b"[]", b'{"outputs": []}'])
def test_other_kind_of_server_is_a_one_line_error(server, run, capsys, body):
    server.raw = (200, body)
    image = save_image(run.parent / "in/x.png")
    line = refusal(predict, capsys, *arguments(server, "rest", run, image))
    assert "did not answer as TensorFlow Serving" in line


def test_port_of_the_other_protocol_is_a_one_line_error(server, run, capsys):
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
    ("respond", "expected"),
    [
        (lambda images: [], "a label map for each of 1 images. Received: 0"),
        (lambda images: [b"words"], "expected a gray 8-bit PNG"),
        (
            lambda images: [encode_label_map(np.zeros((4, 4, 3), "uint8"))],
            "a PNG of mode RGB",
        ),
        (
            lambda images: [encode_label_map(np.zeros((4, 4), "uint8"))],
            "got (4, 4)",
        ),
        (
            lambda images: [encode_label_map(np.full((48, 64), 3, "uint8"))],
            "name the exported run by --model",
        ),
    ],
)
@pytest.mark.parametrize("api", APIS)
def test_invalid_response_is_a_one_line_error(
    server, api, respond, expected, run, capsys
):
    server.predict = respond
    image = save_image(run.parent / "in/x.png")
    line = refusal(predict, capsys, *arguments(server, api, run, image))
    assert expected in line
    assert not list((run.parent / "out").glob("*_labels.png"))


def test_server_failure_is_a_one_line_error(server, run, capsys):
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
def test_invalid_server_address_is_a_one_line_error(url, run, capsys):
    image = save_image(run.parent / "in/x.png")
    line = refusal(predict, capsys, image, "--server", url, "--model", run)
    assert "--server must be" in line and f"Received: {url}" in line


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("--server", "grpc://h:1/fcn", "--tta"), "leave out --tta"),
        (("--server", "grpc://h:1/fcn", "--dense", "shift-and-stitch"), "--dense"),
        (("--timeout", "3"), "--timeout requires --server"),
        (("--server", "grpc://h:1/fcn", "--timeout", "0"), "seconds above 0"),
        (("--server", "grpc://h:1/fcn", "--timeout", "1e300"), "at most 86400"),
        (("--server", "grpc://h:1/fcn", "--timeout", "nan"), "seconds above 0"),
        (("--server", "grpc://h:1/fcn", "--retries", "-1"), "integer of at least 0"),
        (("--images-per-request", "0"), "a positive integer"),
    ],
)
def test_conflicting_flags_are_a_one_line_error(flags, expected, tmp_path, capsys):
    image = save_image(tmp_path / "in/x.png")
    assert expected in refusal(predict, capsys, image, *flags)


@pytest.mark.parametrize("api", APIS)
def test_exit_status_is_that_of_predicting_without_a_server(server, api, run, capsys):
    good = save_image(run.parent / "in/good.png")
    bad = run.parent / "in/bad.png"
    bad.write_bytes(b"")
    status, out, err = outcome(predict, capsys, *arguments(server, api, run, good))
    assert (status, err) == (0, "")
    assert out.startswith(f"[1/1] {good}: ") and f"Outputs: {run.parent}/out/" in out
    both = arguments(server, api, run, bad, good)
    status, out, _ = outcome(predict, capsys, *both)
    assert status == 1 and "Predicted 1 file, failed 1: " in out
    assert outcome(predict, capsys, *arguments(server, api, run, bad))[:2] == (2, "")


def test_class_names_are_those_of_the_bundled_network_by_default(
    server, tmp_path, capsys, caplog
):
    image = save_image(tmp_path / "in/x.png")
    flags = ("--server", server.rest_url, "--output-dir", tmp_path / "out")
    status, out, _ = outcome(predict, capsys, image, *flags)
    assert status == 0 and "sky" in out
    assert "names and colors are those of fcn8s-camvid" in caplog.text
    assert "name its run or packed network by `model`" in caplog.text


@pytest.fixture(scope="module")
def signature(packed_run, tmp_path_factory):
    """The signature for files of a SavedModel of `packed_run`."""
    options = ExportOptions(max_pixels=8192)
    with narrow_vgg16():
        version = export(packed_run, tmp_path_factory.mktemp("export"), options)
    return tf.saved_model.load(str(version)).signatures["serving_default"]


@pytest.mark.slow
@pytest.mark.parametrize("api", APIS)
def test_served_label_maps_are_those_of_predicting_without_a_server(
    api, packed_run, signature, tmp_path, capsys, caplog
):
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
    assert "large.png: refused by the server" in caplog.text
    out = ("--output-dir", tmp_path / "local")
    assert outcome(predict, capsys, folder, *model, *out)[0] == 0
    served = sorted((tmp_path / "served").glob("*_labels.png"))
    assert [path.name[0] for path in served] == ["a", "b", "c"]
    for path in served:
        same = read_ids(path) == read_ids(tmp_path / "local" / path.name)
        assert same.mean() > 0.999


def test_long_messages_are_shortened_in_the_middle():
    line = shorten("start\n" + "x" * 10_000 + " keys must be equal to: y")
    assert line.startswith("start x") and line.endswith("equal to: y")
    assert len(line) < 241
    assert shorten("x" * 240) == "x" * 240


def confidence_of(images):
    """The confidence of the fake model is the green channel."""
    decoded = (Image.open(io.BytesIO(content)).convert("RGB") for content in images)
    return [encode_label_map(np.asarray(picture)[..., 1]) for picture in decoded]


@pytest.mark.parametrize("api", APIS)
def test_confidence_of_the_server_is_written(server, api, run, tmp_path, capsys):
    server.predict_confidence = confidence_of
    stored = read_image(save_image(tmp_path / "in/street.png"))
    exif = Image.Exif()
    exif[0x0112] = 6  # displayed rotated by 90 degrees
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
def test_model_without_confidence_is_a_one_line_error(server, api, tmp_path):
    path = save_image(tmp_path / "in/street.png")
    send = connect(url_of(server, api), 20, 0, with_confidence=True)
    with pytest.raises(ServerError, match='"confidence" not found'):
        send([path.read_bytes()])


def test_image_with_too_many_pixels_is_not_sent(server, tmp_path, caplog):
    path = save_image(tmp_path / "in/x.png")
    results = predict_by_server(server, "rest", tmp_path, path, max_pixels=48 * 64 - 1)
    assert "at most 3071 pixels" in caplog.text
    assert len(results) == 1 and server.requests == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_addresses_bypass_the_proxy(
    host, server, run, tmp_path, capsys, monkeypatch
):
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{refusing_port()}")
    image = save_image(tmp_path / "in/x.png")
    url = server.rest_url.replace("127.0.0.1", host)
    flags = ("--server", url, "--model", run, "--output-dir", tmp_path / "out")
    assert outcome(predict, capsys, image, *flags, "--retries", 0)[0] == 0


def test_other_addresses_are_requested_from_the_proxy(
    server, run, tmp_path, capsys, monkeypatch, caplog
):
    image = save_image(tmp_path / "in/x.png")
    flags = ("--server", "http://serving.invalid:8501/v1/models/fcn", "--model", run)
    flags += ("--retries", 0)
    monkeypatch.setenv("http_proxy", server.rest_url.partition("/v1")[0])
    outcome(predict, capsys, image, *flags)
    # A proxy gets the whole URL in the request line, a server only the path.
    assert "POST http://serving.invalid:8501/v1/models/fcn:predict" in caplog.text
    monkeypatch.setenv("no_proxy", "serving.invalid")
    assert "There is no server at" in refusal(predict, capsys, image, *flags)
