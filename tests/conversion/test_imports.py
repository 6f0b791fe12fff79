"""What runs without TensorFlow and Keras: their import takes seconds."""

import json

import pytest
from PIL import Image

from tests.support.commands import call

PROGRAM = """
import json, os, sys
import keras_fcn
from keras_fcn.commands import curves, demo, predict, samples
from keras_fcn.serving.client import connect
import keras_fcn.demo.page

os.environ.pop("KERAS_BACKEND", None)
os.environ["KERAS_FCN_CACHE_DIR"] = {cache!r}
image, run, out = {image!r}, {run!r}, {out!r}
found = {{}}

def watch(name, function, *arguments):
    status = function(list(arguments))
    found[name] = [status, [m for m in ("tensorflow", "keras") if m in sys.modules]]

watch("curves", curves.main, {trained!r}, "--output", out + "/curves.png")
watch("client", lambda _: connect("http://localhost:8501/v1/models/a", 1.0, 0) and 0)
watch("predict", predict.main, image, "--model", run, "--output-dir", out)
segmenter = keras_fcn.load(run)
watch("resize", lambda _: segmenter(image).size and 0)
print(json.dumps(found))
"""


@pytest.mark.slow
def test_prediction_by_openvino_and_small_commands_import_no_tensorflow(
    narrow_run,
    converted_once,
    packed_run,
    tmp_path,
):
    image = tmp_path / "image.png"
    Image.new("RGB", (200, 128)).save(image)  # resized to the training size
    program = PROGRAM.format(
        cache=str(converted_once),
        image=str(image),
        run=str(narrow_run.path),
        trained=str(packed_run.path),
        out=str(tmp_path),
    )
    process = call("-c", program)
    found = json.loads(process.stdout.splitlines()[-1])
    assert found == {
        name: [0, []] for name in ("curves", "client", "predict", "resize")
    }
    assert (tmp_path / "image_labels.png").is_file()
