"""Imports and work before the first prediction."""

import json
import subprocess
import sys

import pytest
from PIL import Image

from tests.support.data import PROJECT

# A prediction of two images of one size, and what it took.
PROGRAM = """
import gc, json, sys
from keras_fcn.commands import command_line, predict
start = command_line._start_backend
drawn, traced = [], []

def start_and_watch():
    start()
    import keras
    from keras_fcn.models.layers import PadToMultiple
    for kind in (keras.initializers.GlorotUniform, keras.initializers.HeNormal):
        def draw(self, shape, dtype=None, kind=kind):
            drawn.append((kind.__name__, list(shape)))
            return keras.ops.zeros(shape, dtype)
        kind.__call__ = draw
    call = PadToMultiple.call
    def count_traces(self, image):
        traced.append(list(image.shape))
        return call(self, image)
    PadToMultiple.call = count_traces

command_line._start_backend = start_and_watch
status = predict.main([*{images!r}, "--output-dir", {output_dir!r}])
print(json.dumps({{
    "status": status,
    "imported": [name for name, module in sys.modules.items() if module],
    "drawn": drawn,
    "traced": [shape for shape in traced if None not in shape],
    "frozen": gc.get_freeze_count(),
}}))
"""


@pytest.fixture(scope="module")
def prediction(tmp_path_factory):
    """What a prediction by the bundled network took, in a process of its own."""
    folder = tmp_path_factory.mktemp("predictions")
    output_dir = folder / "out"
    images = [str(folder / name) for name in ("first.png", "second.png")]
    for image in images:
        Image.new("RGB", (480, 360)).save(image)
    program = PROGRAM.format(images=images, output_dir=str(output_dir))
    process = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(list(output_dir.iterdir())) == 4
    return json.loads(process.stdout.splitlines()[-1])


def test_a_prediction_imports_no_unused_package(prediction):
    unused = {
        "IPython",
        "ai_edge_litert",
        "av",
        "gradio",
        "jax",
        "matplotlib",
        "nncf",
        "onnxruntime",
        "openvino",
        "pandas",
        "pycocotools",
        "ray",
        "scipy",
        "sklearn",
        "tensorboard",
        "tensorflow_datasets",
        "torch",
    }
    assert prediction["status"] == 0 and "tensorflow" in prediction["imported"]
    assert unused.isdisjoint(prediction["imported"])


def test_weights_that_are_loaded_are_not_initialized(prediction):
    assert prediction["drawn"] == []


def test_images_of_one_size_are_traced_once(prediction):
    assert prediction["traced"] == [[1, 540, 720, 3]]


def test_imported_objects_are_excluded_from_garbage_collection(prediction):
    assert prediction["frozen"] > 100_000
