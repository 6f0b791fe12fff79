"""`Segmenter.predict`, its result, and segmenters in other processes and threads."""

import json
import multiprocessing
import os
import pickle
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import keras_fcn
from keras_fcn.classes import ClassMap
from keras_fcn.images.encoding import is_marked
from keras_fcn.prediction.segmentation_result import SegmentationResult
from keras_fcn.prediction.segmenter import Segmenter
from tests.support.data import draw_blocks

CLASS_MAP = ClassMap(
    ("sky", "road", "tree"), ((0, 0, 255), (90, 90, 90), (0, 90, 0)), 255
)


@pytest.fixture(scope="module")
def image():
    return draw_blocks(48, 64, 3, seed=3)[0]


@pytest.fixture
def result():
    """A ring of road around a pixel of void, in the sky."""
    label_map = np.zeros((4, 6), "uint8")
    label_map[:3, 1:4] = 1
    label_map[1, 2] = 255
    image = np.zeros((4, 6, 3), "uint8")
    confidence = np.full((4, 6), 0.75, "float32")
    return SegmentationResult("street.jpg", image, label_map, confidence, CLASS_MAP)


def test_predict_returns_the_results_of_the_other_methods(model, image, tmp_path):
    segmenter = Segmenter(model, CLASS_MAP)
    Image.fromarray(image).save(tmp_path / "street.png")
    for given, name in (
        (image, "image"),
        (tmp_path / "street.png", "street.png"),
        (Image.open(tmp_path / "street.png"), "street.png"),
    ):
        result = segmenter.predict(given)
        label_map, confidence = segmenter.label_and_confidence(image)
        np.testing.assert_array_equal(result.image, image)
        np.testing.assert_array_equal(result.label_map, label_map)
        np.testing.assert_array_equal(result.confidence, confidence)
        assert result.class_map == CLASS_MAP
        assert result.name == name


def test_shares_are_those_of_the_pixels(result):
    assert result.shares == {"sky": 15 / 24, "road": 8 / 24, "void": 1 / 24}
    assert list(result.shares) == ["sky", "road", "void"]


def test_polygons_follow_the_edges_of_the_pixels(result):
    ((outer, hole),) = result.polygons("road")
    assert {tuple(point) for point in outer} == {(1, 0), (4, 0), (4, 3), (1, 3)}
    assert {tuple(point) for point in hole} == {(2, 1), (3, 1), (3, 2), (2, 2)}
    assert len(result.polygons("void")) == 1
    assert result.polygons("tree") == []
    with pytest.raises(
        ValueError, match=r"Received: class_name=raod \(did you mean road"
    ):
        result.polygons("raod")


def test_annotations_name_the_image_and_the_classes(result):
    coco = result.to_coco()
    assert [image["file_name"] for image in coco["images"]] == ["street.jpg"]
    features = result.to_geojson()["features"]
    names = {one["properties"]["classification"]["name"] for one in features}
    assert names == {"sky", "road", "void"}
    json.dumps([coco, features])


def test_a_result_without_regions_of_classes_has_no_polygons(result):
    void = replace(result, label_map=np.full((4, 6), 255, "uint8"))
    assert void.polygons("road") == []
    assert void.shares == {"void": 1.0}
    assert void.overlay().dtype == np.uint8


def test_files_of_a_result(result, tmp_path):
    paths = result.save(tmp_path / "new/folder")
    names = ["labels.png", "confidence.png", "overlay.png"]
    expected = [*(f"street_{name}" for name in names), "street.geojson"]
    assert [path.name for path in paths] == expected
    with Image.open(paths[0]) as file:
        np.testing.assert_array_equal(np.asarray(file), result.label_map)
    written = {"generator": "keras-fcn"} | result.to_geojson()
    assert json.loads(paths[3].read_text()) == written
    assert all(is_marked(path) for path in paths)  # `predict` may replace them


def test_results_and_segmenters_describe_themselves(result, model):
    assert repr(result) == (
        "<result of street.jpg: 6x4 pixels, mean confidence 75%; sky 62%, road 33%, "
        "void 4%>"
    )
    assert 'src="data:image/jpeg;base64,' in result._repr_html_()
    html = Segmenter(model, CLASS_MAP)._repr_html_()
    assert all(f"</span> {name}</span>" in html for name in CLASS_MAP.names)
    assert repr(Segmenter(model, CLASS_MAP)) == (
        "<segmenter fcn32s: 3 classes (sky; road; tree), size native>"
    )


def test_a_pickled_segmenter_gives_equal_results(model, image):
    segmenter = Segmenter(model, CLASS_MAP, temperature=2.0, unknown_below=0.5)
    restored = pickle.loads(pickle.dumps(segmenter))
    assert restored.options == segmenter.options
    for one, other in zip(
        restored.label_and_confidence(image),
        segmenter.label_and_confidence(image),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_segmenter_is_sent_to_a_spawned_process(model, image):
    segmenter = Segmenter(model, CLASS_MAP)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        label_map = pool.submit(segmenter, image).result()
    np.testing.assert_array_equal(label_map, segmenter(image))


def test_a_fork_of_a_process_with_a_network_raises_one_clear_error(model, image):
    segmenter = Segmenter(model, CLASS_MAP)
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 warns of threads
        child = os.fork()
    if not child:
        lines = []
        for use in (lambda: segmenter(image), lambda: keras_fcn.load("fcn8s-camvid")):
            try:
                use()
            except BaseException as error:
                lines.append(f"{type(error).__name__}: {error}")
        os.write(write, "\n".join(lines).encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as file:
        lines = file.read().splitlines()
    assert len(lines) == 2
    for line in lines:
        assert line.startswith(f"RuntimeError: process {child} is a fork of process ")
        assert 'multiprocessing.get_context("spawn")' in line


def test_threads_give_equal_results(model, image):
    segmenter = Segmenter(model, CLASS_MAP)
    images = [np.roll(image, shift, axis=1) for shift in range(8)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(segmenter, images))
    for one, other in zip(found, images, strict=True):
        np.testing.assert_array_equal(one, segmenter(other))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": None}, "`name` must be a name or a path. Received: name=None"),
        ({"tile": 64}, "`tile` must be .height, width. in pixels.* Received: tile=64"),
        ({"size": "big"}, "`size` must be auto, native or .* Received: size='big'"),
    ],
)
def test_bad_arguments_of_load_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        keras_fcn.load(**arguments)
