"""The public names of `keras_fcn`."""

import inspect
import logging
import pydoc
import re
import subprocess
import sys

import numpy as np
import pytest
from keras import ops

import keras_fcn
from keras_fcn.classes import ClassMap
from keras_fcn.jobs.evaluate import evaluate
from keras_fcn.jobs.export import export
from keras_fcn.jobs.predict_on_ray import predict_on_ray
from keras_fcn.jobs.run import Run
from keras_fcn.jobs.train import train
from keras_fcn.models.fcn import FCN
from keras_fcn.prediction.segmentation_result import SegmentationResult
from keras_fcn.prediction.segmenter import Segmenter, load
from keras_fcn.prediction.shift_and_stitch import shift_and_stitch
from keras_fcn.runs.bundled import from_pretrained
from keras_fcn.training.augment import Augment
from tests.support.data import PROJECT

DATA = ("ClassMap", "SegmentationResult")  # dataclasses, which have attributes
PUBLIC = {
    "Augment": Augment,
    "FCN": FCN,
    "ClassMap": ClassMap,
    "Run": Run,
    "evaluate": evaluate,
    "export": export,
    "train": train,
    "SegmentationResult": SegmentationResult,
    "Segmenter": Segmenter,
    "from_pretrained": from_pretrained,
    "load": load,
    "predict_on_ray": predict_on_ray,
    "shift_and_stitch": shift_and_stitch,
}


def run(program, *arguments):
    """Standard output and standard error of a program in a fresh process."""
    result = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout, result.stderr


def test_dir_shows_public_names_alone():
    subpackages = ["callbacks", "datasets", "losses", "metrics"]
    assert dir(keras_fcn) == sorted([*PUBLIC, *subpackages, "__version__"])
    assert set(keras_fcn.__all__) == set(dir(keras_fcn))


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_come_from_their_modules(name):
    assert getattr(keras_fcn, name) is PUBLIC[name]


def test_an_unknown_name_raises_attribute_error():
    with pytest.raises(AttributeError, match="'keras_fcn' has no attribute 'fcn8'"):
        _ = keras_fcn.fcn8
    assert not hasattr(keras_fcn, "tensorflow")


def test_importing_imports_no_backend_and_redirects_no_stream():
    program = """
import os, sys

def streams():
    return [tuple(os.fstat(number))[:3] for number in (0, 1, 2)]

def files():
    return [name for name in os.listdir("/dev/fd") if int(name) > 2]

before = streams(), len(files()), dict(os.environ)
import keras_fcn
assert (streams(), len(files()), dict(os.environ)) == before
dir(keras_fcn), keras_fcn.__version__, keras_fcn.__doc__
heavy = {"keras", "tensorflow", "jax", "numpy", "cv2", "PIL"}
print(sorted(heavy & set(sys.modules)))
"""
    assert run(program) == ("[]\n", "")


@pytest.mark.parametrize(
    "order", ["import keras, keras_fcn", "import keras_fcn, keras"]
)
def test_the_layers_are_imported_directly_after_keras_in_any_order(tmp_path, order):
    program = f"""
import sys
sys.path.insert(0, sys.argv[1])
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("keras_fcn.") and name != "keras_fcn.version":
            print(name, sys.modules["keras"].is_imported)
            raise SystemExit
sys.meta_path.insert(0, Finder())
{order}
"""
    (tmp_path / "keras.py").write_text("is_imported = True")  # stands for Keras
    assert run(program, tmp_path) == ("keras_fcn.models True\n", "")


def test_keras_that_is_imported_later_knows_the_registered_classes(monkeypatch):
    # Of Keras's backends, NumPy's is imported fastest.
    monkeypatch.setenv("KERAS_BACKEND", "numpy")
    program = """
import importlib.util
import keras_fcn
importlib.util.find_spec("keras")  # does not import it
import keras
for name in ("VGGPreprocessing", "MaxUnpooling"):
    print(keras.saving.get_registered_object(f"keras_fcn>{name}").__name__)
"""
    assert run(program)[0].split() == ["VGGPreprocessing", "MaxUnpooling"]


def test_help_has_an_example():
    text = pydoc.render_doc(keras_fcn, renderer=pydoc.plaintext)
    text = re.sub(r"\(\s+", "(", text)  # Python 3.13 breaks long signatures
    for needed in (
        ">>> import keras_fcn",
        '>>> segmenter = keras_fcn.load("fcn8s-camvid")',
        '>>> label_map = segmenter("street.jpg")',
        "from_pretrained",
        "class Segmenter(",
        "load(name:",
        "shift_and_stitch(",
        keras_fcn.__version__,
    ):
        assert needed in text, needed
    for hidden in ("importlib", "TYPE_CHECKING"):
        assert f"{hidden} =" not in text


@pytest.mark.parametrize("name", [name for name in PUBLIC if name not in DATA])
def test_the_help_of_public_names_documents_arguments(name):
    text = pydoc.render_doc(PUBLIC[name], renderer=pydoc.plaintext)
    for needed in ("Args:", "Raises:"):
        assert needed in text


@pytest.fixture(scope="module")
def pretrained():
    return keras_fcn.from_pretrained()


def weights_by_layer(model):
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


def check_equal(one, two):
    for first, second in zip(one, two, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.vgg16
def test_the_bundled_network_is_that_of_load_and_trainable(pretrained):
    loaded = keras_fcn.load("fcn8s-camvid").model
    assert pretrained.name == loaded.name == "fcn8s"
    assert pretrained.output_shape == (None, None, None, 11)
    check_equal(pretrained.get_weights(), loaded.get_weights())
    assert all(layer.trainable for layer in pretrained.layers)


@pytest.mark.vgg16
def test_score_layers_are_reinitialized_for_other_classes(pretrained, caplog):
    with caplog.at_level(logging.INFO, logger="keras_fcn"):
        model = keras_fcn.from_pretrained("fcn8s-camvid", num_classes=3)
    warnings = [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING
    ]
    assert warnings == [
        "Started from fcn8s-camvid; re-initialized: score_fr, upscore2, score_pool4, "
        "upscore_pool4, score_pool3, upscore8"
    ]
    assert model.output_shape == (None, None, None, 3)
    assert all(layer.trainable for layer in model.layers)
    kept, trained = weights_by_layer(model), weights_by_layer(pretrained)
    assert kept.keys() == trained.keys()
    for name, values in kept.items():
        if name.startswith("score_"):
            assert not any(value.any() for value in values)  # as FCN starts them
        elif name.startswith("upscore"):
            (kernel,) = values
            assert kernel.shape[2:] == (3, 3) and (kernel[:, :, 0, 1] == 0).all()
        else:
            check_equal(values, trained[name])
    image = np.random.default_rng(0).integers(0, 256, (1, 33, 40, 3), dtype="uint8")
    logits = ops.convert_to_numpy(model(image))
    np.testing.assert_array_equal(logits, np.zeros((1, 33, 40, 3)))


@pytest.mark.vgg16
def test_score_layers_are_reinitialized_for_as_many_other_classes(pretrained):
    model = keras_fcn.from_pretrained(num_classes=11)
    assert not model.get_layer("score_fr").kernel.numpy().any()
    assert pretrained.get_layer("score_fr").kernel.numpy().any()


@pytest.mark.parametrize("name", PUBLIC)
def test_signatures_have_plain_types(name):
    text = str(inspect.signature(PUBLIC[name]))
    for word in ("Annotated", "pydantic", "Kind(", "annotated_types", "FieldInfo"):
        assert word not in text


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="`name` must be .* Received: name=vgg16"):
        keras_fcn.from_pretrained("vgg16")
