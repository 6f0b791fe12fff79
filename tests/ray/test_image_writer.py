"""A worker without a cluster, with files and URLs."""

import fsspec
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image as Picture

from keras_fcn.config import MAX_IMAGE_PIXELS
from keras_fcn.drawing.overlays import OverlayStyle
from keras_fcn.prediction.batch import predict_images
from keras_fcn.prediction.jobs import Job
from keras_fcn.prediction.options import PredictionOptions
from keras_fcn.prediction.outputs import Outputs
from keras_fcn.prediction.segmenter import load
from keras_fcn.ray import image_writer
from keras_fcn.ray.image_writer import Attempts, ImageWriter, Settings, check_machine

ALL = Outputs(confidence=True, style=OverlayStyle(legend=False))
SHARES = ("share_sky", "share_road", "share_tree", "share_void")


class Killed(BaseException):
    """Stands for the end of a worker's process."""


class FakeRay:
    """Calls methods of an actor in this process."""

    @staticmethod
    def get(call):
        return call()


class Actor(Attempts):
    """Attempts with `method.remote(names)`."""

    def __getattribute__(self, name):
        method = super().__getattribute__(name)
        if name.startswith("_"):
            return method
        remote = staticmethod(lambda names: lambda: method(names))
        return type("Method", (), {"remote": remote})


def save_images(folder, count):
    folder.mkdir(parents=True)
    paths = [folder / f"{number}.png" for number in range(count)]
    for seed, path in enumerate(paths):
        pixels = np.random.default_rng(seed).integers(0, 256, (32, 48, 3))
        Picture.fromarray(pixels.astype("uint8")).save(path)
    return paths


@pytest.fixture
def settings(scored_run):
    def make(output_dir, **changes):
        values = {
            "model": str(scored_run.path), "fingerprint": scored_run.fingerprint(),
            "options": PredictionOptions(size="auto"), "outputs": ALL,
            "max_pixels": MAX_IMAGE_PIXELS, "output_dir": str(output_dir),
            "num_workers": 1, "lock": None, **changes,
        }  # fmt: skip
        return Settings(**values)

    return make


@pytest.fixture
def predict(settings, monkeypatch):
    """Predicts files by their stems with a worker, and returns the rows."""
    monkeypatch.setattr(image_writer, "ray", FakeRay)
    writers = {}

    def predict(output_dir, images, attempts=None, **changes):
        key = (str(output_dir), id(attempts), *map(str, changes.items()))
        if key not in writers:
            attempts = attempts or Actor()
            writers[key] = ImageWriter(settings(output_dir, **changes), attempts)
        columns = [[*map(str, images)], [*images.values()]]
        encoded = [[text.encode() for text in column] for column in columns]
        return writers[key](pa.table(encoded, ["source", "stem"])).to_pylist()

    return predict


def test_outputs_are_equal_to_those_without_ray(predict, scored_run, tmp_path):
    paths = save_images(tmp_path / "in", 3)
    rows = predict(tmp_path / "ray", {path: f"sub/{path.stem}" for path in paths})
    jobs = [Job(path, tmp_path / "plain/sub" / path.stem) for path in paths]
    plain = list(predict_images(load(scored_run.path), jobs, ALL))
    for row, result, path in zip(rows, plain, paths, strict=True):
        assert (row["path"], row["height"], row["width"]) == (str(path), *result.size)
        shares = result.counts[[0, 1, 2, 255]] / result.counts.sum()
        assert [row[name] for name in SHARES] == pytest.approx(list(shares))
        assert row["confidence"] == pytest.approx(result.confidence)
        assert (row["status"], row["error"]) == ("done", None)
        assert (tmp_path / "ray" / row["output"]).is_file()
    written = sorted((tmp_path / "plain").rglob("*.*"))
    assert len(written) == 9
    for path in written:
        other = tmp_path / "ray" / path.relative_to(tmp_path / "plain")
        assert path.read_bytes() == other.read_bytes()


def test_outputs_by_url_are_equal_to_those_on_a_disk(predict, tmp_path):
    paths = save_images(tmp_path / "in", 2)
    memory = fsspec.filesystem("memory")
    memory.put(f"{tmp_path / 'in'}/", "/bucket/in/", recursive=True)
    memory.pipe("/bucket/in/bad.png", b"no image")
    names = [*(path.stem for path in paths), "bad", "missing"]
    images = {f"memory://bucket/in/{name}.png": name for name in names}
    rows = predict("memory://bucket/out", images)
    on_disk = predict(tmp_path / "out", {path: path.stem for path in paths})
    for row, other in zip(rows, on_disk, strict=False):
        assert {**row, "path": "", "seconds": 0} == {**other, "path": "", "seconds": 0}
        for end in ("labels", "overlay", "confidence"):
            name = row["output"].replace("labels", end)
            content = (tmp_path / "out" / name).read_bytes()
            assert memory.cat(f"/bucket/out/{name}") == content
    assert [row["path"] for row in rows if row["status"] == "error"] == [*images][2:]
    for row in rows[2:]:
        assert row["path"][8:] in row["error"] and row["output"] is None
        assert "keras-fcn-" not in row["error"] and "\n" not in row["error"]
    memory.rm("/bucket", recursive=True)


def test_downloaded_images_are_deleted_when_they_are_read(
    predict, tmp_path, monkeypatch
):
    paths, counts = save_images(tmp_path / "in", 6), []
    read = image_writer.read_images

    def read_images(job, *arguments):
        counts.append(len([*job.path.parent.glob("*.png")]))
        return read(job, *arguments)

    monkeypatch.setattr(image_writer, "read_images", read_images)
    monkeypatch.setattr(image_writer, "_AHEAD", 1)
    images = {f"local://{path}": path.stem for path in paths}
    rows = predict(tmp_path / "out", images)
    assert [row["error"] for row in rows] == [None] * 6
    assert len(counts) == 6 and max(counts) <= 3


def test_output_that_cannot_be_stored_is_a_row_with_the_error(
    predict, tmp_path, monkeypatch
):
    (path,) = save_images(tmp_path / "in", 1)

    def refuse(*_):
        raise OSError("no room")

    monkeypatch.setattr(image_writer, "write", refuse)
    (row,) = predict("memory://full", {path: "x"})
    assert "can't be written (OSError: no room)" in row["error"]
    assert row["output"] is None


def test_each_frame_of_a_file_has_a_row(predict, tmp_path):
    first, second = save_images(tmp_path / "in", 2)
    pages = tmp_path / "in/pages.tif"
    with Picture.open(first) as page, Picture.open(second) as other:
        page.save(pages, save_all=True, append_images=[other])
    rows = predict(tmp_path / "out", {first: "0", pages: "pages", second: "1"})
    assert [(row["path"], row["frame"]) for row in rows] == [
        (str(first), None), (str(pages), 0), (str(pages), 1), (str(second), None),
    ]  # fmt: skip
    assert rows[2]["output"] == "pages_labels/000001.png"
    assert all((tmp_path / "out" / row["output"]).is_file() for row in rows)


def test_image_that_kills_its_worker_is_the_only_error(predict, tmp_path, monkeypatch):
    paths, killer = save_images(tmp_path / "in", 4), "2.png"
    images, attempts, begun = {path: path.stem for path in paths}, Actor(), []
    read = image_writer.read_images

    def read_images(job, *arguments):
        begun.append(job.path.name)
        if job.path.name == killer:
            raise Killed
        return read(job, *arguments)

    monkeypatch.setattr(image_writer, "read_images", read_images)
    for _ in range(3):  # the batch is repeated by new workers
        with pytest.raises(Killed):
            predict(tmp_path / "out", images, attempts)
    rows = predict(tmp_path / "out", images, attempts)
    assert [row["status"] for row in rows] == ["done", "done", "error", "done"]
    assert "2.png can't be predicted: its worker ended 3 times" in rows[2]["error"]
    assert begun.count(killer) == 3
    # The next batch is predicted together again.
    assert len(predict(tmp_path / "out", {paths[0]: "0"}, attempts)) == 1
    assert Attempts.counts.__get__(attempts)(["0.png", str(paths[2])]) == [0, 3]


def test_workers_that_die_while_they_load_the_network_end_the_prediction(
    settings, tmp_path, monkeypatch
):
    monkeypatch.setattr(image_writer, "ray", FakeRay)

    def die(*_, **__):
        raise Killed

    attempts = Actor()
    with monkeypatch.context() as patch:
        patch.setattr(image_writer, "BatchPredictor", die)
        for _ in range(3):
            with pytest.raises(Killed):
                ImageWriter(settings(tmp_path), attempts)
    with pytest.raises(ChildProcessError, match="die while they load .*`workers`"):
        ImageWriter(settings(tmp_path), attempts)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": "0.0.1"}, "same keras-fcn: .* the driver 0.0.1"),
        ({"fingerprint": "abc"}, "same network: .* differs from the driver's"),
    ],
)
def test_machine_with_another_version_or_network_is_refused(
    settings, tmp_path, changes, message
):
    check_machine(settings(tmp_path))
    with pytest.raises(ValueError, match=message):
        check_machine(settings(tmp_path, **changes))


def test_machine_without_the_folder_or_the_network_is_named(settings, tmp_path):
    lock = tmp_path / "lock"
    lock.write_text("of another process")
    for path, text in ((lock, "mine"), (tmp_path / "none", "mine")):
        with pytest.raises(FileNotFoundError, match="does not share `output_dir`"):
            check_machine(settings(tmp_path, lock=(str(path), text)))
    missing = {"model": str(tmp_path / "no run")}
    with pytest.raises(FileNotFoundError, match="The network is missing on"):
        check_machine(settings(tmp_path, lock=(str(lock), lock.read_text()), **missing))


def test_full_disk_fails_the_batch_but_not_the_worker(predict, tmp_path, monkeypatch):
    paths = save_images(tmp_path / "in", 2)
    predict(tmp_path / "out", {})

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("keras_fcn.prediction.outputs.write_content", full)
        with pytest.raises(OSError, match="No space left"):
            predict(tmp_path / "out", {paths[0]: "x"})
    (row,) = predict(tmp_path / "out", {paths[1]: "y"})
    assert row["error"] is None
