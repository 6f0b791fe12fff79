"""A worker without Ray, with files and URLs."""

import threading

import fsspec
import numpy as np
import pytest
from PIL import Image as Picture

import keras_fcn
from keras_fcn.config import MAX_IMAGE_PIXELS
from keras_fcn.drawing.overlays import OverlayStyle
from keras_fcn.prediction.batch import predict_images
from keras_fcn.prediction.jobs import Job
from keras_fcn.prediction.options import PredictionOptions
from keras_fcn.prediction.outputs import Outputs
from keras_fcn.prediction.segmenter import load
from keras_fcn.ray_prediction.messages import Image, Settings
from keras_fcn.ray_prediction.worker import Worker

ALL = Outputs(confidence=True, style=OverlayStyle(legend=False))


def save_images(folder, count):
    folder.mkdir(parents=True)
    paths = [folder / f"{number}.png" for number in range(count)]
    for seed, path in enumerate(paths):
        pixels = np.random.default_rng(seed).integers(0, 256, (32, 48, 3))
        Picture.fromarray(pixels.astype("uint8")).save(path)
    return paths


@pytest.fixture
def start(scored_run, monkeypatch):
    """Starts a worker; all are stopped at the end."""
    workers = []
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        monkeypatch.setenv(name, "2")

    def start(output_dir, **changes):
        settings = {
            "model": str(scored_run.path), "outputs": ALL, "roots": {},
            "options": PredictionOptions(size="auto"),
            "max_pixels": MAX_IMAGE_PIXELS, "output_dir": str(output_dir), **changes,
        }  # fmt: skip
        worker = Worker(Settings(**settings))
        worker.ready = worker.start()
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        worker.stop()


def test_outputs_are_equal_to_those_without_ray(start, scored_run, tmp_path):
    paths = save_images(tmp_path / "in", 3)
    images = [Image(str(path), f"sub/{path.stem}") for path in paths]
    rows = start(tmp_path / "ray").predict(images)
    jobs = [Job(path, tmp_path / "plain/sub" / path.stem) for path in paths]
    plain = list(predict_images(load(scored_run.path), jobs, ALL))
    for row, result, path in zip(rows, plain, paths, strict=True):
        assert (row.path, row.height, row.width) == (str(path), *result.size)
        assert row.shares == tuple(result.counts[[0, 1, 2, 255]] / result.counts.sum())
        assert row.confidence == result.confidence > 0
        assert (tmp_path / "ray" / row.output).is_file()
    written = sorted((tmp_path / "plain").rglob("*.*"))
    assert len(written) == 9
    for path in written:
        other = tmp_path / "ray" / path.relative_to(tmp_path / "plain")
        assert path.read_bytes() == other.read_bytes()


def test_outputs_by_url_are_equal_to_those_on_a_disk(start, tmp_path):
    paths = save_images(tmp_path / "in", 2)
    memory = fsspec.filesystem("memory")
    memory.put(f"{tmp_path / 'in'}/", "/bucket/in/", recursive=True)
    memory.pipe("/bucket/in/bad.png", b"no image")
    roots = {"memory://bucket": "memory://bucket"}
    names = [*(path.stem for path in paths), "bad", "missing"]
    images = [Image(f"memory://bucket/in/{name}.png", name) for name in names]
    rows = start("memory://bucket/out", roots=roots).predict(images)
    on_disk = start(tmp_path / "out").predict([Image(str(p), p.stem) for p in paths])
    for row, other in zip(rows, on_disk, strict=False):
        assert row._replace(path="", seconds=0) == other._replace(path="", seconds=0)
        for end in ("labels", "overlay", "confidence"):
            name = row.output.replace("labels", end)
            content = (tmp_path / "out" / name).read_bytes()
            assert memory.cat(f"/bucket/out/{name}") == content
    assert [row.error and row.path for row in rows[2:]] == [
        i.source for i in images[2:]
    ]
    for row in rows[2:]:
        assert row.error.startswith(row.path) or row.path[8:] in row.error
        assert "keras-fcn-" not in row.error and "\n" not in row.error
    memory.rm("/bucket", recursive=True)


def test_output_that_cannot_be_stored_is_a_row_with_the_error(
    start, tmp_path, monkeypatch
):
    (path,) = save_images(tmp_path / "in", 1)
    worker = start("memory://full", roots={"memory://full": "memory://full"})

    def refuse(*_):
        raise OSError("no room")

    monkeypatch.setattr(worker.storage_of("memory://full"), "write", refuse)
    (row,) = worker.predict([Image(str(path), "x")])
    assert "can't be written (OSError: no room)" in row.error and row.output is None


def test_concurrent_calls_return_their_own_rows_in_order(start, tmp_path):
    paths = save_images(tmp_path / "in", 20)
    Picture.open(paths[3]).save(
        tmp_path / "in/pages.tif",
        save_all=True,
        append_images=[Picture.open(paths[4])],
    )
    paths.insert(7, tmp_path / "in/pages.tif")
    images = [Image(str(path), path.stem) for path in paths]
    worker, answers = start(tmp_path / "out", outputs=Outputs("none")), {}

    def call(first):
        answers[first] = worker.predict(images[first : first + 5])

    calls = [threading.Thread(target=call, args=(n,)) for n in range(0, 21, 5)]
    for thread in calls:
        thread.start()
    for thread in calls:
        thread.join(60)
    rows = [row for first in sorted(answers) for row in answers[first]]
    wanted = [(image.source, None) for image in images]
    wanted[7:8] = [(images[7].source, 0), (images[7].source, 1)]
    assert [(row.path, row.frame) for row in rows] == wanted
    assert all((tmp_path / "out" / row.output).is_file() for row in rows)


def test_start_returns_version_fingerprint_and_classes(start, scored_run, tmp_path):
    ready = start(tmp_path).ready
    assert ready.version == keras_fcn.__version__
    assert ready.fingerprint == scored_run.fingerprint()
    assert ready.class_names == scored_run.read_class_map().names


def test_machine_without_the_folder_or_the_network_is_named(start, tmp_path):
    lock = tmp_path / "lock"
    lock.write_text("of another process")
    for path, text in ((lock, "mine"), (tmp_path / "none", "mine")):
        with pytest.raises(FileNotFoundError, match="does not share `output_dir`"):
            start(tmp_path, lock=(str(path), text))
    with pytest.raises(FileNotFoundError, match="The network is missing on"):
        start(
            tmp_path, model=str(tmp_path / "no run"), lock=(str(lock), lock.read_text())
        )


def test_full_disk_fails_the_call_but_not_the_worker(start, tmp_path, monkeypatch):
    paths = save_images(tmp_path / "in", 2)
    worker = start(tmp_path / "out")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("keras_fcn.prediction.outputs.write_content", full)
    with pytest.raises(OSError, match="No space left"):
        worker.predict([Image(str(paths[0]), "x")])
    monkeypatch.undo()
    (row,) = worker.predict([Image(str(paths[1]), "y")])
    assert row.error is None
