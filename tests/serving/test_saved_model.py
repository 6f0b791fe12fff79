"""The exported SavedModel in TensorFlow, compared with the Keras model."""

import json
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.config_pb2 import CallableOptions
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from keras_fcn.classes import ClassMap
from keras_fcn.images.reading import read_image
from keras_fcn.prediction.segmenter import load
from keras_fcn.runs.folder import RunFolder
from keras_fcn.serving import inference_size
from keras_fcn.serving.export import export
from keras_fcn.serving.options import ExportOptions
from tests.support.data import draw_blocks
from tests.support.image_files import BAD_FILES, FILES, GOOD, encode, make_png
from tests.support.narrow import narrow_vgg16
from tests.support.saved_models import label_pngs_of, read_png

SIZES = [(1, 1), (32, 64), (33, 47), (70, 90)]


@pytest.fixture(scope="module")
def signatures(saved_model):
    # The functions are valid as long as the loaded object exists.
    loaded = tf.saved_model.load(str(saved_model))
    yield loaded.signatures


def images_of(*size, count=1):
    blocks = [draw_blocks(*size, 3, seed)[0] for seed in range(count)]
    return np.stack(blocks)


def probabilities_of(model, images):
    logits = model(images, training=False)
    return keras.ops.convert_to_numpy(keras.ops.softmax(logits))


def check_labels(received, probabilities):
    """Compare label maps where rounding does not change the class."""
    second, first = np.sort(probabilities, axis=-1)[..., -2:].T
    is_clear = (first - second).T > 1e-3
    assert is_clear.mean() > 0.9
    expected = probabilities.argmax(axis=-1)
    np.testing.assert_array_equal(received[is_clear], expected[is_clear])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", [1, 3])
def test_outputs_for_arrays_equal_those_of_keras(signatures, model, size, count):
    images = images_of(*size, count=count)
    expected = probabilities_of(model, images)
    answer = signatures["probabilities"](image=tf.constant(images))
    received = answer["probabilities"].numpy()
    assert received.dtype == np.float32
    np.testing.assert_allclose(received, expected, atol=1e-4)
    label_map = signatures["label_map"](image=tf.constant(images))["label_map"].numpy()
    assert label_map.dtype == np.uint8 and label_map.shape == images.shape[:3]
    check_labels(label_map, expected)


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_label_pngs_have_the_sizes_of_the_files(signatures, model, format, tmp_path):
    files = [encode(images_of(*size)[0], format) for size in SIZES]
    label_pngs = label_pngs_of(signatures, *files)
    for size, file, label_png in zip(SIZES, files, label_pngs, strict=True):
        path = tmp_path / "image"
        path.write_bytes(file)
        label_map = read_png(label_png)
        assert label_map.shape == size
        check_labels(label_map, probabilities_of(model, read_image(path)[None])[0])


def test_files_of_all_kinds_are_predicted_in_one_batch(signatures, model, tmp_path):
    label_pngs = label_pngs_of(signatures, *FILES.values())
    for file, label_png in zip(FILES.values(), label_pngs, strict=True):
        path = tmp_path / "image"
        path.write_bytes(file)
        expected = probabilities_of(model, read_image(path)[None])[0]
        check_labels(read_png(label_png), expected)


def error_of(function, **inputs):
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        function(**inputs)
    return caught.value.message


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_image_is_an_invalid_argument_and_the_next_request_succeeds(
    signatures, kind
):
    files = tf.constant([GOOD, BAD_FILES[kind][0], GOOD])
    message = error_of(signatures["serving_default"], image_bytes=files)
    assert "refused 1 of 3 images: image_bytes[1] " in message
    assert len(label_pngs_of(signatures, GOOD)) == 1


def test_empty_batch_is_an_invalid_argument(signatures):
    none = tf.constant([], tf.string)
    message = error_of(signatures["serving_default"], image_bytes=none)
    assert "image_bytes must have at least one image" in message
    none = tf.zeros((0, 8, 8, 3), tf.uint8)
    message = error_of(signatures["label_map"], image=none)
    assert "(batch, height, width, 3), with at least one image" in message
    assert "Received: (0, 8, 8, 3)" in message


@pytest.mark.parametrize("name", ["label_map", "probabilities"])
def test_arrays_with_no_or_too_many_pixels_are_an_invalid_argument(signatures, name):
    for size in ((0, 8), (8, 0), (201, 201)):
        image = tf.zeros((1, *size, 3), tf.uint8)
        message = error_of(signatures[name], image=image)
        assert f"image has {size[0]} rows and {size[1]} columns" in message


@pytest.mark.parametrize(
    ("signature", "value", "expected"),
    [
        ("label_map", np.zeros((1, 8, 8, 4), "uint8"), "Received: (1, 8, 8, 4)"),
        ("label_map", np.zeros((1, 8, 8, 1), "uint8"), "Received: (1, 8, 8, 1)"),
        ("label_map", np.zeros((8, 8, 3), "uint8"), "image must have rank 4"),
        ("label_map", np.zeros((1, 8, 8, 3), "float32"), "float vs. expect uint8"),
        ("probabilities", np.zeros((1, 8, 8, 4), "uint8"), "(1, 8, 8, 4)"),
        ("probabilities", np.uint8(3), "image must have rank 4"),
        ("serving_default", np.array([[GOOD]]), "image_bytes must have rank 1"),
        ("serving_default", np.array(GOOD), "image_bytes must have rank 1"),
        ("serving_default", np.zeros(1, "uint8"), "uint8 vs. expect string"),
    ],
)
def test_array_of_another_rank_is_an_invalid_argument(
    saved_model, signature, value, expected
):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta = tf.compat.v1.saved_model.load(session, ["serve"], str(saved_model))
        definition = meta.signature_def[signature]
        (fed,), (fetched,) = definition.inputs.values(), definition.outputs.values()
        options = CallableOptions(feed=[fed.name], fetch=[fetched.name])
        # A callable feeds values unchecked, as a server does; `run` would check them.
        run = session._make_callable_from_options(options)
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            run(value)
        assert expected in caught.value.message


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has another unit")
def test_header_of_900_million_pixels_takes_no_memory(signatures):
    import resource

    label_pngs_of(signatures, GOOD)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    files = tf.constant([make_png(30_000, 30_000, b"")])
    error_of(signatures["serving_default"], image_bytes=files)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 100_000  # KiB


def test_warm_up_requests_succeed(saved_model, signatures):
    records = tf.data.TFRecordDataset(
        str(saved_model / "assets.extra/tf_serving_warmup_requests")
    )
    logs = [PredictionLog.FromString(record) for record in records.as_numpy_iterator()]
    requests = [log.predict_log.request for log in logs]
    names = [request.model_spec.signature_name for request in requests]
    assert names == [
        *["serving_default"] * 2,
        *["confidence"] * 2,
        "label_map",
        "probabilities",
    ]
    for name, request in zip(names, requests, strict=True):
        inputs = {
            key: tf.constant(tf.make_ndarray(value))
            for key, value in request.inputs.items()
        }
        assert signatures[name](**inputs)


def test_export_contains_classes_and_card(saved_model, scored_run):
    class_map = ClassMap.load(saved_model / "assets/classes.json")
    assert class_map == scored_run.read_class_map()
    card = json.loads((saved_model / "assets.extra/card.json").read_text())
    assert card["model"] == "scored" and card["variant"] == "32s"
    assert card["precision"] == "float32" and card["max_pixels"] == 40_000
    assert card["signatures"]["probabilities"] == {
        "inputs": {"image": {"dtype": "uint8", "shape": [None, None, None, 3]}},
        "outputs": {
            "probabilities": {"dtype": "float32", "shape": [None, None, None, 3]}
        },
    }
    assert list(card["signatures"]["serving_default"]["outputs"]) == ["label_png_bytes"]


def test_export_contains_no_path_of_the_machine(saved_model, scored_run):
    for path in saved_model.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert str(scored_run.path.parent).encode() not in content
            assert str(saved_model.parent).encode() not in content


def test_probabilities_in_bfloat16_are_close_to_float32(scored_run, model, tmp_path):
    version = export(scored_run, tmp_path, ExportOptions(precision="bfloat16"))
    loaded = tf.saved_model.load(str(version))
    image = images_of(48, 64)
    answer = loaded.signatures["probabilities"](image=tf.constant(image))
    received, expected = answer["probabilities"].numpy(), probabilities_of(model, image)
    assert 1e-6 < np.abs(received - expected).mean() < 0.02
    types = {
        node.attr["T"].type
        for function in loaded.signatures["probabilities"].graph.as_graph_def()
        .library.function
        for node in function.node_def
        if node.op == "Conv2D"
    }  # fmt: skip
    assert tf.bfloat16.as_datatype_enum in types


# Importing a package that is None fails. (TensorFlow itself loads Keras only where
# `tf.keras` is asked for.)
_LOAD_WITH_TENSORFLOW_ALONE = """
import sys
packages = ("keras", "keras_fcn", "tf_keras")
sys.modules.update(dict.fromkeys(packages))
import tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
with open(sys.argv[2], "rb") as file:
    files = tf.constant([file.read()])
answer = loaded.signatures["serving_default"](image_bytes=files)
with open(sys.argv[3], "wb") as file:
    file.write(answer["label_png_bytes"].numpy()[0])
loaded = {name for name, module in sys.modules.items() if module is not None}
found = sorted(name for name in loaded if name.partition(".")[0] in packages)
sys.exit(f"imported: {found}" if found else 0)
"""


@pytest.mark.slow
def test_export_is_loaded_by_tensorflow_without_keras(
    saved_model, signatures, tmp_path
):
    image, answer = tmp_path / "image.png", tmp_path / "answer.png"
    image.write_bytes(GOOD)
    subprocess.run(
        [sys.executable, "-c", _LOAD_WITH_TENSORFLOW_ALONE, saved_model, image, answer],
        cwd=tmp_path,  # where there is no keras_fcn
        check=True,
    )
    np.testing.assert_array_equal(
        read_png(answer.read_bytes()), read_png(label_pngs_of(signatures, GOOD)[0])
    )


SCALED_SIZES = [(1, 1), (20, 31), (70, 90), (48, 64), (9, 200), (301, 11)]


@pytest.fixture(scope="module")
def scaled(scored_run, tmp_path_factory):
    """A segmenter with inference size 48 and a temperature, and its export."""
    folder = tmp_path_factory.mktemp("scaled")
    shutil.copytree(scored_run.path, folder / "run")
    run = RunFolder(folder / "run")
    run.calibration_file.write_text('{"temperature": 4.0}')
    with narrow_vgg16():
        version = export(run, folder / "export", ExportOptions(size=48))
        segmenter = load(run.path, size=48)
    loaded = tf.saved_model.load(str(version))
    return segmenter, loaded.signatures, version


@pytest.mark.parametrize("size", SCALED_SIZES)
def test_outputs_at_an_inference_size_equal_those_of_the_segmenter(scaled, size):
    segmenter, signatures, _ = scaled
    images = images_of(*size, count=2)
    expected = segmenter.probabilities(images)
    answer = signatures["probabilities"](image=tf.constant(images))
    np.testing.assert_allclose(answer["probabilities"].numpy(), expected, atol=1e-4)
    label_map = signatures["label_map"](image=tf.constant(images))["label_map"].numpy()
    assert label_map.dtype == np.uint8 and label_map.shape == images.shape[:3]
    check_labels(label_map, expected)


def test_confidence_of_files_of_several_sizes_at_an_inference_size(scaled):
    segmenter, signatures, _ = scaled
    images = [images_of(*size)[0] for size in SCALED_SIZES]
    files = tf.constant([encode(image) for image in images])
    answer = signatures["confidence"](image_bytes=files)
    label_pngs = label_pngs_of(signatures, *files.numpy())
    assert label_pngs == list(answer["label_png_bytes"].numpy())
    pictures = map(read_png, answer["confidence_png_bytes"].numpy())
    for image, label_png, picture in zip(images, label_pngs, pictures, strict=True):
        probabilities = segmenter.probabilities(image)
        check_labels(read_png(label_png), probabilities)
        assert picture.shape == image.shape[:2]
        difference = picture - 255 * segmenter.confidence(image)
        assert np.abs(difference).max() < 1
        assert 85 <= picture.min() < 250


def test_strips_are_joined_to_the_whole_output(scored_run, tmp_path, monkeypatch):
    monkeypatch.setattr(
        inference_size, "_VALUES_PER_STRIP", 3 * 90 * 2 * 7
    )  # seven rows
    version = export(scored_run, tmp_path, ExportOptions(size=48))
    signatures = tf.saved_model.load(str(version)).signatures
    images = images_of(70, 90, count=2)
    label_map = signatures["label_map"](image=tf.constant(images))["label_map"].numpy()
    check_labels(label_map, load(scored_run.path, size=48).probabilities(images))


def test_card_contains_size_and_temperature(scaled, saved_model):
    card = json.loads((scaled[2] / "assets.extra/card.json").read_text())
    assert (card["size"], card["temperature"]) == (48, 4.0)
    assert card["max_pixels"] == 2**25 and card["inference_size"] is None
    card = json.loads((saved_model / "assets.extra/card.json").read_text())
    assert (card["size"], card["temperature"]) == (None, 1.0)


def test_confidence_at_native_size_is_the_probability_of_the_label(signatures, model):
    image = images_of(33, 47)[0]
    answer = signatures["confidence"](image_bytes=tf.constant([encode(image)]))
    picture = read_png(answer["confidence_png_bytes"].numpy()[0])
    expected = 255 * probabilities_of(model, image[None])[0].max(axis=-1)
    assert np.abs(picture - expected).max() < 1
