"""The SavedModel in TensorFlow's C++ runtime, which is what TensorFlow Serving runs."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from test_image_decoding import BAD_FILES, FILES, GOOD
from test_saved_model import label_pngs_of, read_png

SOURCE = Path(__file__).with_name("load_saved_model.cc")
COMPILER = shutil.which("g++")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(COMPILER is None, reason="there is no g++"),
    pytest.mark.skipif(sys.platform != "linux", reason="links as on Linux"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """`load_saved_model.cc`, compiled against the TensorFlow that is installed."""
    folder = tmp_path_factory.mktemp("program")
    installed = Path(tf.sysconfig.get_lib())
    for name in ("tensorflow_cc", "tensorflow_framework"):
        # The linker looks for a name without a version.
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


def run(program, *arguments):
    return subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True
    )


def test_it_answers_as_in_python(program, saved_model, tmp_path):
    signatures = tf.saved_model.load(str(saved_model)).signatures
    expected = label_pngs_of({**signatures}, *FILES.values())
    paths = [tmp_path / str(index) for index in range(len(FILES))]
    for path, file in zip(paths, FILES.values(), strict=True):
        path.write_bytes(file)
    result = run(program, saved_model, *paths)
    assert result.returncode == 0, result.stderr
    for path, label_png in zip(paths, expected, strict=True):
        received = read_png(path.with_name(f"{path.name}.labels.png").read_bytes())
        label_map = read_png(label_png)
        assert received.shape == label_map.shape
        assert np.mean(received == label_map) > 0.99


@pytest.mark.parametrize("kind", ["empty", "a PNG cut off", "a PNG of 30000x30000"])
def test_a_bad_image_is_an_invalid_argument(program, saved_model, tmp_path, kind):
    (tmp_path / "good").write_bytes(GOOD)
    (tmp_path / "bad").write_bytes(BAD_FILES[kind][0])
    result = run(program, saved_model, tmp_path / "good", tmp_path / "bad")
    assert result.returncode == 1
    assert "INVALID_ARGUMENT" in result.stderr
    assert f"image_bytes[1] {BAD_FILES[kind][1]}" in result.stderr


@pytest.mark.parametrize("channels", [1, 4])
def test_other_channels_are_an_invalid_argument(program, saved_model, channels):
    result = run(program, "--channels", saved_model, channels)
    assert result.returncode == 1
    assert "INVALID_ARGUMENT" in result.stderr
    assert f"Received: (1, 8, 8, {channels})" in result.stderr


def test_an_image_array_is_answered(program, saved_model):
    result = run(program, "--channels", saved_model, 3)
    assert (result.returncode, result.stdout) == (0, "[1,8,8]\n"), result.stderr
