"""The SavedModel in TensorFlow's C++ runtime, which TensorFlow Serving uses."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.support.image_files import BAD_FILES, FILES, GOOD
from tests.support.saved_models import label_pngs_of, read_png

SOURCE = Path(__file__).with_name("load_saved_model.cc")
COMPILER = shutil.which("g++")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(COMPILER is None, reason="there is no g++"),
    pytest.mark.skipif(sys.platform != "linux", reason="links as on Linux"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """`load_saved_model.cc`, compiled with the installed TensorFlow."""
    folder = tmp_path_factory.mktemp("program")
    installed = Path(tf.sysconfig.get_lib())
    for name in ("tensorflow_cc", "tensorflow_framework"):
        # The linker requires a name without a version.
        (folder / f"lib{name}.so").symlink_to(installed / f"lib{name}.so.2")
    flags = [
        *tf.sysconfig.get_compile_flags(),
        f"-L{folder}",
        "-Wl,--no-as-needed",
        "-ltensorflow_cc",
        "-ltensorflow_framework",
        f"-Wl,-rpath,{installed}",
    ]
    path = folder / "load_saved_model"
    subprocess.run([COMPILER, "-O1", SOURCE, "-o", path, *flags], check=True)
    return path


# Invalid inputs of label_map, probabilities and serving_default, and the errors.
BAD_ARRAYS = {
    "label_map uint8 1 8 8 4": "Received: (1, 8, 8, 4)",
    "probabilities uint8 1 8 8 1": "Received: (1, 8, 8, 1)",
    "label_map uint8 8 8 3": "image must have rank 4",
    "label_map uint8 0 8 8 3": "with at least one image",
    "label_map float 1 8 8 3": "to be uint8 but float is provided",
    "serving_default uint8 1": "to be string but uint8 is provided",
    "serving_default string 1 1": "image_bytes must have rank 1",
    "serving_default string": "image_bytes must have rank 1",
    "serving_default string 0": "image_bytes must have at least one image",
}
FOUR_IMAGES = "probabilities uint8 4 33 47 3"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folder of the files in the requests, and of the label maps."""
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def lines(program, saved_model, folder):
    """The lines that one process prints for all requests, by request.

    A request is named by its bad file or its array; "good" is a batch of valid files.
    """
    (folder / "good").write_bytes(GOOD)
    requests = {}
    for index, (kind, (file, _)) in enumerate(BAD_FILES.items()):
        (folder / f"bad-{index}").write_bytes(file)
        requests[kind] = f"files {folder}/good {folder}/bad-{index}"
    requests |= {array: f"array {array}" for array in (*BAD_ARRAYS, FOUR_IMAGES)}
    for index, file in enumerate(FILES.values()):
        (folder / str(index)).write_bytes(file)
    paths = [str(folder / str(index)) for index in range(len(FILES))]
    requests["good"] = " ".join(["files", *paths])
    result = subprocess.run(
        [program, saved_model, *requests.values()], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return dict(zip(requests, result.stdout.splitlines(), strict=True))


def test_label_maps_of_files_equal_those_in_python(lines, saved_model, folder):
    assert lines["good"] == f"OK: [{len(FILES)}]"
    loaded = tf.saved_model.load(str(saved_model))
    expected = label_pngs_of(loaded.signatures, *FILES.values())
    for index, label_png in enumerate(expected):
        received = read_png((folder / f"{index}.labels.png").read_bytes())
        label_map = read_png(label_png)
        assert received.shape == label_map.shape
        assert np.mean(received == label_map) > 0.99


def test_probabilities_of_an_array(lines):
    assert lines[FOUR_IMAGES] == "OK: [4,33,47,3]"


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_image_is_an_invalid_argument(lines, kind):
    assert lines[kind].startswith("INVALID_ARGUMENT: ")
    problem = BAD_FILES[kind][1] or ""
    assert f"refused 1 of 2 images: image_bytes[1] {problem}" in lines[kind]


@pytest.mark.parametrize("array", BAD_ARRAYS)
def test_invalid_array_is_an_invalid_argument(lines, array):
    assert lines[array].startswith("INVALID_ARGUMENT: ")
    assert BAD_ARRAYS[array] in lines[array]
