"""`predict --ray` as a user runs it: a cluster of this machine, and bad input."""

import json
import os
import socket
from dataclasses import asdict
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from keras_fcn.commands import predict
from keras_fcn.jobs import predict_on_ray
from keras_fcn.prediction.options import PredictionOptions
from keras_fcn.runs.bundled import find_network
from keras_fcn.storage.locks import lock
from tests.support.commands import call, outcome, refusal

fsspec = pytest.importorskip("fsspec")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray")


@pytest.fixture
def images(tmp_path):
    """Twelve images, of whose names each comes twice, and a file that is none."""
    folder = tmp_path / "in"
    for seed in range(12):
        path = folder / "ab"[seed % 2] / f"{seed // 2}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (32, 48, 3))
        Image.fromarray(pixels.astype("uint8")).save(path)
    (folder / "bad.png").write_bytes(b"no image")
    return folder


def files(folder):
    """When each file of a folder was written last."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in paths}


@needs_ray
@pytest.mark.slow(seconds=150)
def test_a_cluster_of_this_machine_predicts_what_one_process_does(
    images, wide_run, tmp_path, capsys, caplog
):
    import pandas

    output = tmp_path / "ray"
    flags = (images, "--model", wide_run.path, "--output-dir")

    def run(num_workers):
        ray = ("--ray", "local", "--workers", num_workers)
        return call("predict.py", *flags, output, *ray, check=False)

    status, *_ = outcome(predict, capsys, *flags, tmp_path / "plain")
    first = run(2)
    assert (status, first.returncode) == (1, 1), first.stderr
    skipped, end = first.stderr.splitlines()[-2:]
    assert skipped in caplog.messages and skipped.startswith("skipped: ")
    assert end.startswith("Predicted: 13 images, ")
    assert first.stdout == f"Outputs: {output}/, manifest: {output}/manifest.parquet\n"
    assert files(output).keys() == {*files(tmp_path / "plain"), "manifest.parquet"}
    for name in files(tmp_path / "plain"):
        content = (tmp_path / "plain" / name).read_bytes()
        assert (output / name).read_bytes() == content, name
    status = pandas.read_parquet(output / "manifest.parquet").status
    assert sorted(status) == ["done"] * 12 + ["error"]

    (output / "a/0_labels.png").unlink()
    (images / "bad.png").write_bytes((images / "a/0.png").read_bytes())
    before = files(output)
    again = run(1)
    assert again.returncode == 0 and "Skipped: 11 images that are done" in again.stderr
    changed = {name for name, time in files(output).items() if before.get(name) != time}
    stems = ("a/0", "bad")
    pictures = {
        f"{stem}_{kind}.png" for stem in stems for kind in ("labels", "overlay")
    }
    assert changed == {*pictures, "manifest.parquet"}
    status = pandas.read_parquet(output / "manifest.parquet").status
    assert list(status) == ["done"] * 13


def test_without_ray_a_line_says_what_to_install(images, capsys, monkeypatch):
    monkeypatch.setattr(predict_on_ray, "find_spec", lambda name: None)
    line = refusal(predict, capsys, images, "--ray", "local")
    assert (
        '--ray requires ray, which is not installed: pip install "keras-fcn[ray]"'
        in line
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--ray", "local", "--workers", "0"), "--workers: .*a positive integer"),
        (("--ray", "local", "--gpus-per-worker", "2"), "--gpus-per-worker: .*0 to 1"),
        (("--ray", "local", "--workers", "3:2"), "--workers: expected N or MIN:MAX"),
        (("--ray", "local", "--workers", "1:2:3"), "--workers: expected N or MIN:MAX"),
        (("--workers", "2"), "--workers requires --ray"),
        (("--gpus-per-worker", "1"), "--gpus-per-worker requires --ray"),
        (("--ray", "local", "--camera", "0"), "images only.* out --camera"),
        (("--ray", "local", "--csv", "x.csv"), "leave out --csv"),
        (("--ray", "local", "--tile", "8x8"), "--tile must be at least 32"),
        (("--output-dir", "s3://b/out"), "--output-dir must be a folder.*--ray"),
    ],
)
def test_flags_that_make_no_sense_are_refused(images, capsys, flags, message):
    import re

    line = refusal(predict, capsys, images, *flags)
    assert re.search(message, line), line


@needs_ray
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("none", "There is no image, folder or match of none"),
        ("empty", "There are no images or videos in the folder empty"),
        ("foo://bucket/in", "There is no file system for foo://"),
        ("local:///none", "There is no image, folder or match of local:///none"),
    ],
)
def test_inputs_that_mean_nothing_are_refused(
    tmp_path, capsys, monkeypatch, source, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert message in refusal(predict, capsys, source, "--ray", "local")
    assert "expects an image" in refusal(predict, capsys, "--ray", "local")


class Denied(fsspec.AbstractFileSystem):
    """A bucket without permissions."""

    def info(self, path, **_):
        raise PermissionError(f"AccessDenied: {path}\nRequest 7")

    def mkdir(self, path, create_parents=True):
        raise PermissionError(f"AccessDenied: {path}")


@pytest.fixture
def denied():
    fsspec.register_implementation("denied", Denied, clobber=True)
    return "denied://bucket"


@needs_ray
def test_bucket_that_cannot_be_read_or_written_is_refused(images, denied, capsys):
    line = refusal(predict, capsys, f"{denied}/in", "--ray", "local")
    assert "AccessDenied: bucket/in" in line
    flags = ("--ray", "local", "--output-dir", f"{denied}/out")
    assert "AccessDenied: bucket/out" in refusal(predict, capsys, images, *flags)


@needs_ray
def test_finished_prediction_starts_no_cluster(
    images, tmp_path, capsys, monkeypatch, caplog
):
    import keras_fcn.ray.predict
    from keras_fcn.ray.manifest import Manifest

    monkeypatch.setattr(Manifest, "resume", lambda _, sources: sources.clear() or 13)
    monkeypatch.delattr(keras_fcn.ray.predict, "connected")
    flags = ("--ray", "local", "--output-dir", tmp_path / "out")
    status, out, err = outcome(predict, capsys, images, *flags)
    assert (status, out[:8]) == (0, "Outputs:"), err
    assert caplog.messages == ["Skipped: 13 images that are done"]


@needs_ray
def test_a_word_that_is_no_address_is_refused(images, tmp_path, capsys):
    flags = ("--ray", "photographs/", "--output-dir", tmp_path / "out")
    line = refusal(predict, capsys, images, *flags)
    assert "--ray must be local, auto, HOST:PORT" in line
    assert "Received: photographs/; the inputs must precede --ray" in line


@needs_ray
def test_output_folder_of_another_process_is_refused(images, tmp_path, capsys):
    output = tmp_path / "out"
    output.mkdir()
    with lock(output / ".manifest.lock"):
        flags = ("--ray", "local", "--output-dir", output)
        line = refusal(predict, capsys, images, *flags)
    assert f"process {os.getpid()} on " in line
    assert f"is predicting into --output-dir {output}" in line


@needs_ray
def test_manifest_of_other_options_is_refused(images, tmp_path, capsys):
    flags = ("--ray", "local", "--output-dir", tmp_path)
    fingerprint = find_network("fcn8s-camvid").fingerprint()[:12]
    options = {
        **asdict(PredictionOptions(size="auto")),
        "overlay": "png",
        "confidence": False,
    }
    for settings, name in (
        ({"model": "another"}, "model"),
        ({"model": fingerprint, **options, "size": 240}, "size"),
    ):
        metadata = {"keras_fcn": json.dumps(settings), "keras_fcn_last_part": "0"}
        table = pa.table({}).replace_schema_metadata(metadata)
        pq.write_table(table, tmp_path / "manifest.parquet")
        line = refusal(predict, capsys, images, *flags)
        assert f"was predicted with another --{name} (" in line


@needs_ray
@pytest.mark.parametrize("is_listening", [True, False])
def test_an_address_that_answers_nothing_is_named_soon(
    images, tmp_path, capsys, monkeypatch, is_listening
):
    from keras_fcn.ray import cluster

    monkeypatch.setattr(cluster, "_CONNECT_TIMEOUT", 0.5)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if is_listening:
            server.listen()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        flags = ("--ray", address, "--output-dir", tmp_path / "out")
        line = refusal(predict, capsys, images, *flags)
    assert f"--ray {address} does not answer" in line
    assert "local for this machine" in line
