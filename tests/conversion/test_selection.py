"""Selection of the runtime, and its errors."""

import json
import os
import shutil
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image

from keras_fcn.commands import predict
from keras_fcn.conversion import cache, selection
from keras_fcn.conversion.options import RuntimeOptions
from keras_fcn.conversion.selection import select_runtime, use_backend
from keras_fcn.prediction.segmenter import load
from keras_fcn.runs.exported import ExportedModel
from tests.support.commands import outcome, refusal
from tests.support.data import draw_blocks

IMAGE = draw_blocks(64, 96, 3, seed=0)[0]


@pytest.fixture
def cpu(monkeypatch, tmp_path):
    """A CPU with all runtimes, and an empty cache; the runtimes may be removed."""
    installed = {"openvino", "nncf", "onnxruntime", "jax"}
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_FCN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(selection, "_ACCELERATORS", (str(tmp_path / "nvidia"),))
    monkeypatch.setattr(
        selection, "find_spec", lambda name: name if name in installed else None
    )
    return SimpleNamespace(installed=installed, gpu=tmp_path / "nvidia")


def format_of(run, special_modes=(), **options):
    return select_runtime(run, RuntimeOptions(**options), special_modes).format


def test_the_fastest_runtime_of_the_machine_is_selected(cpu, narrow_run, monkeypatch):
    assert format_of(narrow_run) == "openvino"
    assert format_of(narrow_run, precision="int8") == "openvino"
    assert format_of(narrow_run, runtime="onnxruntime") == "onnx"
    assert format_of(narrow_run, runtime="tensorflow") is None
    # Modes that the converted network does not have.
    assert format_of(narrow_run, ["tta"]) is None
    cpu.installed.remove("openvino")
    assert format_of(narrow_run) is None
    cpu.installed.add("openvino")
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")  # the user's choice
    assert format_of(narrow_run) is None


@pytest.mark.parametrize("is_supported", [True, False])
def test_a_gpu_that_keras_supports_is_used(cpu, narrow_run, monkeypatch, is_supported):
    devices = "keras_fcn.models.devices.has_accelerator"
    monkeypatch.setattr(devices, lambda: is_supported)
    cpu.gpu.write_text("")
    assert format_of(narrow_run) == (None if is_supported else "openvino")


@pytest.mark.parametrize(
    ("missing", "flags", "message"),
    [
        (
            "openvino",
            ("--runtime", "openvino"),
            "--runtime openvino requires openvino, which is not installed: "
            "pip install 'keras-fcn[cpu]'",
        ),
        (
            "openvino",
            ("--precision", "int8"),
            "--precision int8 requires openvino, which is not installed: "
            "pip install 'keras-fcn[cpu]'",
        ),
        (
            "nncf",
            ("--precision", "int8"),
            "--precision int8 requires nncf, which is not installed: "
            "pip install 'keras-fcn[cpu]'",
        ),
        (
            "onnxruntime",
            ("--runtime", "onnxruntime"),
            "requires onnxruntime, which is not installed: "
            "pip install 'keras-fcn[formats]'",
        ),
        ("jax", ("--runtime", "jax"), "--runtime jax requires JAX, which is not inst"),
        (None, ("--runtime", "jax"), "--runtime jax: Keras runs on tensorflow in this"),
        (
            None,
            ("--runtime", "openvino", "--tta"),
            "OpenVINO runs a network at a single scale: leave out --tta, or --runtime "
            "openvino\n",
        ),
        (
            None,
            ("--precision", "int8", "--tta"),
            "leave out --tta, or --precision int8\n",
        ),
        (
            None,
            ("--precision", "int8", "--runtime", "tensorflow"),
            "--precision int8 requires --runtime openvino or onnxruntime. Received",
        ),
        (None, ("--max-loss", "1"), "--max-loss requires --precision int8"),
        (None, ("--runtime", "opnvino"), "did you mean openvino"),
        (
            None,
            ("--server", "http://localhost:1/v1/models/a", "--runtime", "openvino"),
            "leave out --runtime",
        ),
    ],
)
def test_bad_options_are_a_one_line_error(
    cpu, narrow_run, capsys, tmp_path, missing, flags, message
):
    cpu.installed.discard(missing)
    image = tmp_path / "image.png"
    image.write_bytes(b"")
    output = tmp_path / "out"
    flags = ("--model", narrow_run.path, "--output-dir", output, *flags)
    assert message in refusal(predict, capsys, image, *flags)
    assert not output.exists()


def test_the_backend_of_keras_is_checked():
    use_backend(keras.backend.backend())
    with pytest.raises(ValueError, match="Set KERAS_BACKEND=jax before it is imported"):
        use_backend("jax")


def test_an_exported_network_has_its_own_runtime(converted_once, cpu):
    (entry,) = (converted_once / "networks").iterdir()
    assert isinstance(load(entry / "network", runtime="openvino").model, ExportedModel)
    for options in ({"runtime": "onnxruntime"}, {"precision": "int8"}):
        with pytest.raises(ValueError, match="is an export for OpenVINO in float32"):
            load(entry / "network", **options)


def test_the_loss_of_an_export_in_int8_is_checked(converted_once, cpu, tmp_path):
    (entry,) = (converted_once / "networks").iterdir()
    export = shutil.copytree(entry / "network", tmp_path / "export")
    card = json.loads((export / "card.json").read_text())
    lost = {"points_lost": 0.0511371, "num_calibration": 64, "data": "streets"}
    changes = {"precision": "int8", "validation": lost}
    (export / "card.json").write_text(json.dumps({**card, **changes}))
    load(export, precision="int8")
    message = r"loses 0.05114 points .* \(streets\), more than `max_loss` 0.05"
    with pytest.raises(ValueError, match=message):
        load(export, precision="int8", max_loss=0.05)
    (export / "card.json").write_text(json.dumps({**card, "precision": "int8"}))
    load(export, precision="int8", max_loss=0.05)  # of an earlier version


def test_max_loss_without_int8_is_refused(narrow_run):
    with pytest.raises(ValueError, match="`max_loss` requires `precision` int8"):
        load(narrow_run.path, max_loss=0.1)


def test_a_network_that_can_not_be_converted_is_predicted_by_keras(
    cpu, narrow_run, monkeypatch, caplog, capfd
):
    def fail(network, folder, format, precision):
        raise ValueError("`format` openvino: the network could not be converted")

    def find_gpu():
        os.write(2, b"E0000 00:00:1795339103.46 1 cuda.cc:8] failed call to cuInit\n")

    monkeypatch.setattr(cache, "_convert", fail)
    with monkeypatch.context() as context:
        context.setattr("keras_fcn.models.devices.has_accelerator", find_gpu)
        network = select_runtime(narrow_run, RuntimeOptions()).load()
    assert isinstance(network, keras.Model)
    assert "cuInit" not in capfd.readouterr().err
    assert "Predicting with Keras instead of OpenVINO: `format`" in caplog.text
    with pytest.raises(ValueError, match="could not be converted"):
        load(narrow_run.path, runtime="openvino")


@pytest.fixture
def quantized_run(narrow_run, cpu, tmp_path):
    pytest.importorskip("nncf")
    return narrow_run


@pytest.mark.slow
def test_int8_is_calibrated_once_with_the_images_of_the_run(
    quantized_run, monkeypatch, caplog
):
    path = quantized_run.path
    # An untrained network may lose much.
    segmenter = load(path, precision="int8", max_loss=100.0)
    assert "Validation mean IoU in int8" in caplog.text
    card = cache.load_converted(quantized_run, "openvino", "int8")[1]
    validation = card["validation"]
    assert (validation["data"], validation["num_calibration"]) == ("folder", 4)
    expected = load(path, runtime="tensorflow")(IMAGE)
    assert (segmenter(IMAGE) == expected).mean() > 0.9

    def convert_again(*args):
        pytest.fail("converted again")

    monkeypatch.setattr(cache, "_convert", convert_again)
    assert (
        load(path, precision="int8", max_loss=100.0)(IMAGE) == segmenter(IMAGE)
    ).all()
    changed = {**validation, "points_lost": 0.6}
    monkeypatch.setattr(
        selection,
        "load_converted",
        lambda *args: (segmenter.model, {**card, "validation": changed}),
    )
    with pytest.raises(ValueError, match="loses 0.6 points .* `max_loss` 0.5, with 4"):
        load(path, precision="int8")


def test_int8_without_the_data_of_the_run_names_the_command(
    quantized_run, tmp_path, capsys
):
    copy = shutil.copytree(quantized_run.path, tmp_path / "copy")
    config = (copy / "config.json").read_text()
    data = quantized_run.read_config().data_dir
    (copy / "config.json").write_text(config.replace(data, str(tmp_path / "gone")))
    image = tmp_path / "image.png"
    image.write_bytes(b"")
    line = refusal(predict, capsys, image, "--model", copy, "--precision", "int8")
    assert "requires the training and validation images of" in line
    assert "quantize it with `keras-fcn export`, which takes another data set" in line


def test_the_command_predicts_with_the_runtime(
    cpu, converted_once, narrow_run, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("KERAS_FCN_CACHE_DIR", str(converted_once))
    image = tmp_path / "image.png"
    Image.fromarray(IMAGE).save(image)
    flags = ("--model", narrow_run.path, "--output-dir", tmp_path / "out")
    status, out, _ = outcome(predict, capsys, image, *flags)
    assert status == 0 and "[1/1]" in out
    label_map = np.asarray(Image.open(tmp_path / "out/image_labels.png"))
    expected = load(narrow_run.path, runtime="tensorflow")(IMAGE)
    assert (label_map == expected).mean() > 0.99
