"""Export: versions, formats and errors."""

import importlib
import json
import os
import resource
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.lite.python.convert_phase import ConverterError

from keras_fcn.classes import ClassMap
from keras_fcn.commands import export as command
from keras_fcn.config import DEFAULT_NETWORK, UPSAMPLING, TrainingConfig
from keras_fcn.models.architecture import Architecture
from keras_fcn.models.fcn import build_network
from keras_fcn.runs.folder import RunFolder
from keras_fcn.serving.export import export, next_version
from keras_fcn.serving.options import ExportOptions
from keras_fcn.storage.atomic import write_json
from tests.support.commands import outcome, refusal
from tests.support.data import PROJECT, draw_blocks
from tests.support.narrow import narrow_vgg16

BFLOAT16 = ExportOptions(precision="bfloat16")


def probabilities_of(model, images, temperature=1.0):
    logits = model(images, training=False) / temperature
    return keras.ops.convert_to_numpy(keras.ops.softmax(logits))


@pytest.fixture
def quick(monkeypatch):
    """Replace the SavedModel of an export by one small file."""

    def write(network, class_map, card, folder, *options):
        assert network.compute_dtype == card["precision"]
        written = {name: card[name] for name in ("model", "precision")}
        (folder / "saved_model.pb").write_text(json.dumps(written))

    monkeypatch.setattr("keras_fcn.serving.export.write_saved_model", write)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], 1),
        (["1"], 2),
        (["2", "10", "9"], 11),
        (["007"], 8),
        ([".part-12", "onnx-4", "1.old", "-3", "x5"], 1),
    ],
)
def test_next_version_is_the_greatest_number_plus_one(tmp_path, names, expected):
    for name in names:
        (tmp_path / name).mkdir()
    assert next_version(tmp_path) == expected


def test_next_version_counts_files(tmp_path):
    (tmp_path / "3").write_text("")
    assert next_version(tmp_path) == 4


def test_versions_are_numbered_and_unchanged_by_later_exports(
    scored_run, quick, tmp_path
):
    folder = tmp_path / "export/fcn"
    assert export(scored_run, folder) == folder / "1"
    assert export(scored_run, folder, BFLOAT16) == folder / "2"
    assert sorted(path.name for path in folder.iterdir()) == ["1", "2"]
    assert "float32" in (folder / "1/saved_model.pb").read_text()


def test_version_written_by_another_process_is_not_overwritten(
    scored_run, quick, tmp_path, monkeypatch
):
    (tmp_path / "1").mkdir()
    (tmp_path / "1/saved_model.pb").write_text("theirs")
    numbers = iter([1, 2])
    monkeypatch.setattr(
        "keras_fcn.serving.export.next_version", lambda *_: next(numbers)
    )
    assert export(scored_run, tmp_path) == tmp_path / "2"
    assert (tmp_path / "1/saved_model.pb").read_text() == "theirs"


def test_concurrent_exports_have_different_numbers(
    scored_run, model, tmp_path, monkeypatch
):
    count = 4
    all_have_started = threading.Barrier(count)

    def write(network, class_map, card, folder, *options):
        (folder / "saved_model.pb").write_text(str(folder))
        all_have_started.wait(60)

    monkeypatch.setattr(type(scored_run), "build_model", lambda *_: model)
    monkeypatch.setattr("keras_fcn.serving.export.write_saved_model", write)
    with ThreadPoolExecutor(count) as pool:
        versions = list(pool.map(lambda _: export(scored_run, tmp_path), range(count)))
    assert sorted(versions) == [tmp_path / str(n) for n in range(1, count + 1)]
    assert sorted(tmp_path.iterdir()) == sorted(versions)
    contents = {(version / "saved_model.pb").read_text() for version in versions}
    assert len(contents) == count


def test_partial_export_has_no_version_number(scored_run, tmp_path, monkeypatch):
    seen = []

    def write(network, class_map, card, folder, *options):
        (folder / "saved_model.pb").write_text("half")
        seen.extend(path.name for path in tmp_path.iterdir())

    monkeypatch.setattr("keras_fcn.serving.export.write_saved_model", write)
    export(scored_run, tmp_path)
    assert not any(name.isdecimal() for name in seen) and len(seen) == 1


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (KeyboardInterrupt, KeyboardInterrupt),
        (OSError(28, "No space left on device"), OSError),
        (tf.errors.ResourceExhaustedError(None, None, "No space left"), OSError),
    ],
)
def test_failed_export_leaves_no_files(
    scored_run, tmp_path, monkeypatch, error, raised
):
    def write(network, class_map, card, folder, *options):
        (folder / "saved_model.pb").write_text("half")
        raise error

    monkeypatch.setattr("keras_fcn.serving.export.write_saved_model", write)
    with pytest.raises(raised):
        export(scored_run, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_a_one_line_error_and_leaves_no_files(
    scored_run, tmp_path, capsys
):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limit[1]))
    try:
        flags = ("--model", scored_run.path, "--output-dir", tmp_path / "export")
        line = refusal(command, capsys, *flags)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert "could not be written (" in line and "{{" not in line
    assert list((tmp_path / "export").iterdir()) == []


@pytest.mark.parametrize(
    ("format", "error"),
    [
        ("onnx", OSError(28, "No space left on device")),
        ("openvino", RuntimeError("basic_ios::clear: iostream error")),
        ("litert", tf.errors.ResourceExhaustedError(None, None, "No space left")),
    ],
)
def test_full_disk_is_a_one_line_error_with_other_formats(
    scored_run, tmp_path, capsys, monkeypatch, format, error
):
    def write_half(_, path, **__):
        Path(path).write_text("half")
        raise error

    monkeypatch.setattr(keras.Model, "export", write_half)
    flags = ("--model", scored_run.path, "--output-dir", tmp_path, "--format", format)
    assert str(error) in refusal(command, capsys, *flags)
    assert list(tmp_path.iterdir()) == []


def test_folder_without_a_run_is_a_one_line_error(tmp_path, capsys):
    for model in (tmp_path / "missing", tmp_path):
        flags = ("--model", model, "--output-dir", tmp_path / "export")
        assert "is not a run" in refusal(command, capsys, *flags)
    assert list(tmp_path.iterdir()) == []


def test_output_dir_that_is_a_file_is_a_one_line_error(scored_run, tmp_path, capsys):
    taken = tmp_path / "taken"
    taken.write_text("mine")
    for folder in (taken, taken / "fcn"):
        flags = ("--model", scored_run.path, "--output-dir", folder)
        assert "taken" in refusal(command, capsys, *flags)
    assert taken.read_text() == "mine"


def test_missing_permission_is_a_one_line_error(
    scored_run, tmp_path, capsys, monkeypatch
):
    if os.geteuid() == 0:  # root may write to any folder

        def forbid(path, *_, **__):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "mkdir", forbid)
    tmp_path.chmod(0o500)
    flags = ("--model", scored_run.path, "--output-dir", tmp_path / "fcn")
    assert "Permission denied" in refusal(command, capsys, *flags)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (
            ["--max-pixels", "1023"],
            "expected an integer from 1024 to 2147483647, got 1023",
        ),
        (["--max-pixels", str(2**31)], "to 2147483647, got 2147483648"),
        (["--max-pixels", str(10**30)], "expected an integer from 1024"),
        (["--max-pixels", "x"], "to 2147483647, got x"),
        (
            ["--precision", "float16"],
            "--format savedmodel must be one of float32, bfloat16.",
        ),
        (["--format", "pb"], "expected one of savedmodel, onnx"),
        (
            ["--format", "onnx", "--precision", "bfloat16"],
            "--format onnx must be one of float32, float16, int8.",
        ),
        (
            ["--format", "onnx", "--max-pixels", "4096"],
            "--max-pixels requires --format savedmodel",
        ),
    ],
)
def test_invalid_flags_are_a_one_line_error(
    scored_run, tmp_path, capsys, flags, expected
):
    arguments = ["--model", scored_run.path, "--output-dir", tmp_path / "fcn", *flags]
    assert expected in refusal(command, capsys, *arguments)
    assert not (tmp_path / "fcn").exists()


@pytest.mark.parametrize("max_pixels", [1023, 2**31, 10**30])
def test_invalid_max_pixels_is_refused(max_pixels):
    with pytest.raises(ValueError, match=f"Received: max_pixels={max_pixels}"):
        ExportOptions(max_pixels=max_pixels)


def test_missing_package_is_named(scored_run, tmp_path, monkeypatch):
    def export_without(*_, **__):
        raise ImportError("This requires the tf2onnx module.")

    monkeypatch.setattr(keras.Model, "export", export_without)
    with pytest.raises(ValueError, match=r"not installed: pip .*\[formats\].*tf2onnx"):
        export(scored_run, tmp_path, ExportOptions(format="onnx"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [ConverterError, KeyError, TypeError])
def test_failed_conversion_is_a_one_line_error(
    scored_run, tmp_path, capsys, monkeypatch, error
):
    def fail(*_, **__):
        raise error("needs\n\tFlex ops" + 1000 * " and others")

    monkeypatch.setattr(keras.Model, "export", fail)
    flags = ("--model", scored_run.path, "--output-dir", tmp_path, "--format", "litert")
    line = refusal(command, capsys, *flags)
    assert "--format litert: the network could not be converted" in line
    assert error.__name__ in line and len(line) < 500
    assert list(tmp_path.iterdir()) == []


@pytest.mark.vgg16
def test_bundled_network_is_the_default(quick, tmp_path, capsys):
    status, out, _ = outcome(command, capsys, "--output-dir", tmp_path)
    assert status == 0
    assert out.startswith(f"Exported: {tmp_path / '1'}/ (")
    assert json.loads((tmp_path / "1/saved_model.pb").read_text()) == {
        "model": DEFAULT_NETWORK,
        "precision": "float32",
    }


def test_precision_flag_is_passed_to_the_export(quick, packed, tmp_path, capsys):
    flags = ("--model", packed.path, "--precision", "bfloat16")
    assert outcome(command, capsys, *flags, "--output-dir", tmp_path / "fcn")[0] == 0
    written = json.loads((tmp_path / "fcn/1/saved_model.pb").read_text())
    assert written == {"model": "packed", "precision": "bfloat16"}


def run_onnx(path, images):
    session = importlib.import_module("onnxruntime").InferenceSession(path)
    return session.run(None, {session.get_inputs()[0].name: images})[0]


def run_openvino(path, images):
    core = importlib.import_module("openvino").Core()
    hints = {"INFERENCE_PRECISION_HINT": "f32"}  # bfloat16 where the CPU has it
    return core.compile_model(path, "CPU", hints)(images)[0]


def run_litert(path, images):
    interpreter = importlib.import_module("ai_edge_litert.interpreter").Interpreter(
        path
    )
    (given,) = interpreter.get_input_details()
    interpreter.resize_tensor_input(given["index"], images.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(given["index"], images)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


OTHER_RUNTIMES = [
    ("onnx", "model.onnx", ["tf2onnx", "onnxruntime"], run_onnx),
    ("openvino", "model.xml", ["openvino"], run_openvino),
    ("litert", "model.tflite", ["ai_edge_litert"], run_litert),
]


def run_saved_model(path, images):
    loaded = tf.saved_model.load(path)
    outputs = loaded.signatures["probabilities"](image=tf.cast(images, tf.uint8))
    return outputs["probabilities"].numpy()


TEMPERATURE = 1.7


@pytest.fixture(scope="module", params=UPSAMPLING)
def upsampling_run(request, tmp_path_factory):
    """A run with random weights and a temperature, for each upsampling method."""
    config = TrainingConfig(
        variant="8s" if request.param == "transposed" else "16s",
        head="compact",
        head_filters=8,
        upsampling=request.param,
        freeze_blocks=0,
    )
    keras.utils.set_random_seed(0)
    with narrow_vgg16():
        network = build_network(Architecture.from_config(config, 3), None)
    rng = np.random.default_rng(0)
    for layer in network.layers:
        if layer.name.startswith(("score_", "upscore")):
            for weight in layer.weights:
                weight.assign(weight + rng.normal(scale=0.05, size=weight.shape))
    names, colors = ("sky", "road", "tree"), ((0, 0, 255), (90, 90, 90), (0, 90, 0))
    run = RunFolder.create(
        tmp_path_factory.mktemp("runs") / request.param,
        config,
        ClassMap(names, colors, void_id=255),
    )
    network.save(run.best_model)
    write_json(run.calibration_file, {"temperature": TEMPERATURE})
    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("format", "file_name", "packages", "run"),
    [("savedmodel", "", [], run_saved_model), *OTHER_RUNTIMES],
)
def test_every_upsampling_method_is_exported(
    upsampling_run, tmp_path, format, file_name, packages, run
):
    for package in packages:
        pytest.importorskip(package)
    options = ExportOptions(format=format, size="native")
    version = export(upsampling_run, tmp_path, options)
    network = upsampling_run.build_model("float32")
    assert version.name == ("1" if format == "savedmodel" else f"{format}-1")
    written = {path.name for path in version.rglob("*.json")}
    assert {"classes.json", "card.json"} <= written
    for count, size in ((1, (64, 96)), (2, (33, 47))):
        images = np.stack([draw_blocks(*size, 3, seed)[0] for seed in range(count)])
        images = images.astype("float32")
        received = run(str(version / file_name), images)
        expected = probabilities_of(network, images, TEMPERATURE)
        assert received.shape == expected.shape
        assert expected.std() > 0.05  # not constant
        np.testing.assert_allclose(received, expected, atol=1e-4)


@pytest.mark.slow
def test_command_prints_one_line_and_no_messages_of_tensorflow(tmp_path):
    result = subprocess.run(
        [sys.executable, "export.py", "--output-dir", tmp_path / "fcn"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.startswith(f"Exported: {tmp_path}/fcn/1/ (")
    assert result.stdout.count("\n") == 1 and result.stderr == ""
