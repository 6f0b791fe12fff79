"""Export in int8 and float16."""

import json
import sys
from types import ModuleType

import numpy as np
import pytest

import keras_fcn
from keras_fcn.commands import export as command
from keras_fcn.conversion import convert, quantize
from keras_fcn.conversion.quantize import Calibration
from keras_fcn.serving.export import export
from keras_fcn.serving.options import ExportOptions
from keras_fcn.training.train import train
from tests.support.commands import outcome, refusal
from tests.support.data import draw_blocks, tiny_config, write_folder

PACKAGES = {"openvino": "nncf", "onnx": "onnxruntime", "litert": "ai_edge_litert"}
OPENVINO_INT8 = ExportOptions(format="openvino", precision="int8")
IMAGES = [draw_blocks(64, 64, 3, seed=seed)[0] for seed in range(4)]


def agreement_with(model):
    """A score: the share of pixels with the same label as by a network."""
    images = np.stack(IMAGES)
    expected = np.argmax(model.predict_on_batch(images), axis=-1)

    def score(label_maps):
        same = np.mean(
            [
                label_maps(image[None])[0] == e
                for image, e in zip(images, expected, strict=True)
            ]
        )
        return {"mean_iou": float(same), "pixel_accuracy": float(same)}

    return score


@pytest.mark.slow
@pytest.mark.parametrize("format", PACKAGES)
def test_int8_label_maps_are_close_to_those_of_float(
    format, medium_run, float_export, tmp_path
):
    pytest.importorskip(PACKAGES[format])
    model = medium_run.build_model("float32")
    calibration = Calibration(IMAGES, agreement_with(model))
    options = ExportOptions(format=format, precision="int8", max_loss=10.0)
    path = export(medium_run, tmp_path, options, calibration)
    assert path.name == f"{format}-int8-1"
    card = json.loads((path / "card.json").read_text())
    scores = card["validation"]
    assert card["precision"] == "int8" and scores["num_calibration"] == 4
    assert scores["float"]["mean_iou"] > 0.99
    assert 0.9 < scores["int8"]["mean_iou"] < 1  # int8 rounds
    lost = scores["float"]["mean_iou"] - scores["int8"]["mean_iou"]
    assert scores["points_lost"] == pytest.approx(100 * lost)
    label_map = keras_fcn.load(path)(IMAGES[0])
    expected = np.argmax(model.predict_on_batch(IMAGES[0][None]), axis=-1)[0]
    assert (label_map == expected).mean() > 0.9
    size = sum(file.stat().st_size for file in path.iterdir())
    in_float = float_export(format).iterdir()
    assert size < 0.4 * sum(file.stat().st_size for file in in_float)


def int8_weights(format, path):
    """The int8 constants of more than one dimension of an export."""
    if format == "openvino":
        import openvino

        constants = [
            operation.data
            for operation in openvino.Core().read_model(path / "model.xml").get_ops()
            if operation.get_type_name() == "Constant"
        ]
    else:
        import onnx

        network = onnx.load(path / "model.onnx")
        constants = map(onnx.numpy_helper.to_array, network.graph.initializer)
    return [each for each in constants if each.dtype == np.int8 and each.ndim > 1]


@pytest.mark.slow
@pytest.mark.parametrize("format", ["openvino", "onnx"])
def test_weights_use_half_of_int8(format, medium_run, tmp_path):
    """The sum of two products then fits int16, in which CPUs without VNNI add them."""
    pytest.importorskip(PACKAGES[format])
    model = medium_run.build_model("float32")
    calibration = Calibration(IMAGES[:1], agreement_with(model))
    options = ExportOptions(format=format, precision="int8", max_loss=100.0)
    weights = int8_weights(format, export(medium_run, tmp_path, options, calibration))
    assert len(weights) >= 5
    assert 60 <= max(np.abs(each.astype(int)).max() for each in weights) <= 64


@pytest.fixture
def no_conversion(monkeypatch):
    """Replace the converters, and the scored runtime, by fakes."""
    monkeypatch.setattr(convert, "_convert", lambda *args: None)
    monkeypatch.setattr(convert, "quantize_openvino", lambda *args: None)
    monkeypatch.setitem(sys.modules, "nncf", ModuleType("nncf"))

    class Runtime:
        def __init__(self, folder):
            pass

        label_maps = None

    monkeypatch.setitem(convert.RUNTIMES, "openvino", ("model.xml", Runtime))


@pytest.mark.parametrize(("after", "refused"), [(0.696, False), (0.694, True)])
def test_loss_above_max_loss_is_refused(
    no_conversion, scored_run, tmp_path, after, refused
):
    scores = iter([{"mean_iou": 0.7}, {"mean_iou": after}])
    calibration = Calibration(IMAGES, lambda label_maps: next(scores))
    if not refused:
        assert export(scored_run, tmp_path, OPENVINO_INT8, calibration).is_dir()
        return
    with pytest.raises(ValueError, match="loses 0.6 points .* `max_loss` 0.5, with"):
        export(scored_run, tmp_path, OPENVINO_INT8, calibration)
    assert not list(tmp_path.iterdir())


def test_a_small_loss_is_printed_with_its_digits():
    with pytest.raises(ValueError, match="loses 0.0012 points .* `max_loss` 0, with 8"):
        quantize.check_loss({"points_lost": 0.0012, "num_calibration": 8}, 0.0)


def test_missing_quantizer_is_reported_before_scoring(
    no_conversion, scored_run, tmp_path, monkeypatch
):
    def fail(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(quantize, "import_module", fail)
    calibration = Calibration(IMAGES, pytest.fail)
    with pytest.raises(ValueError, match=r"keras-fcn\[int8,formats\]' .*'nncf'"):
        export(scored_run, tmp_path, OPENVINO_INT8, calibration)
    assert not list(tmp_path.iterdir())


def test_int8_requires_calibration(scored_run, tmp_path):
    with pytest.raises(ValueError, match="int8 requires `calibration`"):
        export(scored_run, tmp_path, OPENVINO_INT8)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ("--format", "openvino", "--precision", "bfloat16"),
            "float32, float16, int8.",
        ),
        (("--precision", "int8"), "--format savedmodel must be one of float32, bfl"),
        (("--num-calibration", 3), "--num-calibration requires --precision int8"),
        (("--max-loss", 3), "--max-loss requires --precision int8"),
        (
            ("--format", "onnx", "--precision", "int8", "--data-dir", "nowhere"),
            "--data-dir must be a folder with images and labels. Received: nowhere",
        ),
    ],
)
def test_conflicting_flags_are_a_one_line_error(capsys, tmp_path, flags, message):
    line = refusal(command, capsys, "--output-dir", tmp_path / "export", *flags)
    assert message in line
    assert not (tmp_path / "export").exists()


@pytest.mark.slow
@pytest.mark.parametrize("format", PACKAGES)
def test_float16_halves_the_file_size(format, medium_run, float_export, tmp_path):
    pytest.importorskip(PACKAGES[format])
    path = export(
        medium_run, tmp_path, ExportOptions(format=format, precision="float16")
    )
    whole = float_export(format)
    sizes = [
        sum(f.stat().st_size for f in folder.iterdir()) for folder in (path, whole)
    ]
    assert sizes[0] < 0.6 * sizes[1]
    label_map, expected = (keras_fcn.load(each)(IMAGES[0]) for each in (path, whole))
    assert (label_map == expected).mean() > 0.95


@pytest.mark.slow
def test_calibration_images_are_those_of_the_training(tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    run = train(
        tiny_config(write_folder(tmp_path / "mine"), epochs=1), tmp_path / "run"
    )
    flags = ("--model", run.path, "--output-dir", tmp_path / "export")
    int8 = ("--format", "onnx", "--precision", "int8", "--max-loss", 100)
    status, _, error = outcome(command, capsys, *flags, *int8, "--num-calibration", 2)
    assert status == 0, error
    card = json.loads((tmp_path / "export/onnx-int8-1/card.json").read_text())
    assert 1 <= card["validation"]["num_calibration"] <= 2
    assert card["dataset"] == "folder"
