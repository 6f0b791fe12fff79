"""Batches of a Ray data set, without a cluster."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from keras_fcn.ray import BatchPredictor


@pytest.fixture(scope="module")
def predictor(scored_run):
    return BatchPredictor(str(scored_run.path))


@pytest.fixture
def paths(tmp_path):
    """Three images, the second of another size."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for seed, width in enumerate((48, 40, 48)):
        pixels = np.random.default_rng(seed).integers(0, 256, (32, width, 3), "uint8")
        Image.fromarray(pixels).save(folder / f"{seed}.png")
    return sorted(folder.iterdir())


def decoded(content):
    return np.array(Image.open(io.BytesIO(content)))


def column(values):
    found = np.empty(len(values), object)
    found[:] = values
    return found


BATCHES = {
    "image": lambda path: np.array(Image.open(path)),
    "bytes": lambda path: path.read_bytes(),
    "path": str,
    "url": lambda path: f"local://{path}?auto_mkdir=0",
}


@pytest.mark.parametrize("kind", BATCHES)
def test_columns_are_predicted_as_by_a_segmenter(predictor, paths, kind):
    values = column([*map(BATCHES[kind], paths)])
    found = predictor({"path" if kind == "url" else kind: values})
    label_maps, confidence = predictor.segmenter.label_and_confidence(paths)
    for number, label_map in enumerate(label_maps):
        assert np.array_equal(decoded(found["label_map"][number]), label_map)
        size = (found["height"][number], found["width"][number])
        assert size == label_map.shape
        assert found["confidence"][number] == pytest.approx(confidence[number].mean())
        shares = [found[f"share_{n}"][number] for n in ("sky", "road", "tree", "void")]
        wanted = [(label_map == each).mean() for each in (0, 1, 2, 255)]
        assert shares == pytest.approx(wanted)
    assert [*found["error"]] == ["", "", ""]


def test_label_map_is_the_file_that_predict_writes(predictor, paths, tmp_path):
    predicted = predictor.segmenter.predict(paths[0])
    labels, *_ = predicted.save(tmp_path / "out")
    found = predictor({"path": [str(paths[0])]})["label_map"][0]
    assert decoded(found).tobytes() == np.array(Image.open(labels)).tobytes()
    assert Image.open(io.BytesIO(found)).getpalette() == Image.open(labels).getpalette()


def test_other_columns_are_kept(predictor, paths):
    batch = {
        "id": np.array([7]),
        "path": ["a.png"],
        "bytes": [paths[0].read_bytes()],
        "image": column([BATCHES["image"](paths[0])]),
    }
    found = predictor(batch)
    assert (found["id"][0], found["path"][0]) == (7, "a.png")
    assert not {"bytes", "image"} & found.keys()


def test_unreadable_image_has_an_error_and_the_types_of_the_others(predictor, paths):
    good, missing = str(paths[0]), str(paths[0].with_name("none.png"))
    paths[1].write_bytes(b"no image")
    found = predictor({"path": [str(paths[1]), good, missing]})
    first, second, third = found["error"]
    assert first.startswith(f"{paths[1]} is not an image") and second == ""
    assert third == f"There is no file '{missing}'"
    assert [*found["label_map"][[0, 2]]] == [b"", b""] and found["label_map"][1]
    assert [*found["height"]] == [0, 32, 0]
    assert np.isnan(found["share_sky"]).tolist() == [True, False, True]
    types = {name: values.dtype for name, values in found.items() if name != "path"}
    alone = predictor({"bytes": [b"no image"]})
    assert alone["error"][0].startswith("image 0 is not an image")
    assert types == {name: values.dtype for name, values in alone.items()}


def test_batch_without_images_is_refused(predictor):
    with pytest.raises(ValueError, match="column `image`, .*Received: item"):
        predictor({"item": [1]})


def test_options_of_load_are_applied(scored_run, paths):
    # Equal probabilities of all classes, which are below 0.5.
    network = str(scored_run.path)
    predictor = BatchPredictor(network, temperature=1000, unknown_below=0.5)
    assert predictor({"path": [str(paths[0])]})["share_void"] == [1]


def test_network_that_does_not_exist_is_refused():
    with pytest.raises(FileNotFoundError, match="none"):
        BatchPredictor("none")


def test_threads_of_tensorflow_are_the_cores_of_the_worker(scored_run, monkeypatch):
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)  # and after the test
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "1")
    BatchPredictor(str(scored_run.path))
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == "3"
    assert os.environ["TF_NUM_INTEROP_THREADS"] == "1"
