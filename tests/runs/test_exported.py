"""Exported networks: runtimes, fixed shapes, and refused operations."""

import importlib
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

import keras_fcn
import keras_fcn.runs.runtimes as runtimes
from keras_fcn.commands import predict
from keras_fcn.prediction.predictor import make_predictor
from keras_fcn.runs.bundled import find_network
from keras_fcn.runs.exported import ExportedFolder
from tests.support.commands import refusal
from tests.support.data import draw_blocks
from tests.support.exports import exported  # noqa: F401


def test_a_runtime_predicts_like_the_network(exported, medium_run):  # noqa: F811
    segmenter = keras_fcn.load(exported)
    predictor = make_predictor(medium_run.build_model("float32"))
    for size in ((48, 64), (33, 50)):
        image, _ = draw_blocks(*size, 3, seed=1)
        expected = predictor.probabilities(image[None])[0]
        probabilities = segmenter.probabilities(image)
        assert probabilities.dtype == np.float32
        # OpenVINO computes in bfloat16 where the CPU has it.
        assert np.abs(probabilities - expected).mean() < 0.01
        label_map = segmenter(image)
        assert label_map.dtype == np.uint8 and label_map.shape == size
        assert (label_map == expected.argmax(axis=-1)).mean() > 0.97
    assert segmenter.class_map.names == ("sky", "road", "tree")


def test_an_exported_network_has_no_test_time_augmentation(exported):  # noqa: F811
    with pytest.raises(ValueError, match="leave out `tta`"):
        keras_fcn.load(exported, tta=True)


def test_training_can_not_start_from_an_exported_network(exported):  # noqa: F811
    with pytest.raises(ValueError, match="use the run or packed network that it was"):
        find_network(exported)


@pytest.fixture
def folder(tmp_path):
    """An export whose runtime is not used."""
    folder = tmp_path / "onnx-1"
    folder.mkdir()
    card = {"format": "onnx", "precision": "float32", "variant": "8s", "head": "vgg"}
    (folder / "card.json").write_text(json.dumps(card))
    (folder / "classes.json").write_text("{}")
    (folder / "model.onnx").write_bytes(b"damaged")
    return folder


def test_a_missing_runtime_names_the_extra_to_install(folder, monkeypatch, capsys):
    def fail(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(runtimes, "import_module", fail)
    with pytest.raises(ValueError, match=r"requires onnxruntime.*keras-fcn\[formats\]"):
        ExportedFolder(folder).load_model()


def test_a_damaged_file_is_refused(folder):
    pytest.importorskip("onnxruntime")
    with pytest.raises(ValueError, match=r"model.onnx can't be loaded: it is damaged"):
        ExportedFolder(folder).load_model()


def test_a_missing_file_is_named(folder):
    (folder / "model.onnx").unlink()
    with pytest.raises(ValueError, match="is incomplete: it has no model.onnx"):
        ExportedFolder(folder).load_model()


@pytest.mark.parametrize("card", ["[]", '{"format": "caffe"}', "{}"])
def test_the_card_of_another_project_is_refused(folder, card):
    (folder / "card.json").write_text(card)
    with pytest.raises(ValueError, match="is not an exported network of keras_fcn"):
        ExportedFolder(folder).load_model()


def test_another_number_of_classes_than_in_the_list_is_refused(
    folder, monkeypatch, scored_run
):
    shutil.copy(scored_run.classes_file, folder)
    monkeypatch.setitem(
        runtimes.RUNTIMES,
        "onnx",
        ("model.onnx", lambda path: SimpleNamespace(num_classes=4)),
    )
    with pytest.raises(ValueError, match="must score the 3 classes .* Received: 4"):
        ExportedFolder(folder).load_model()


def test_images_that_do_not_fit_a_fixed_shape_are_refused(
    folder, monkeypatch, scored_run
):
    shutil.copy(scored_run.classes_file, folder)
    runtime = SimpleNamespace(
        num_classes=3, shape=(1, 48, None), label_maps=np.size, logits=np.ndim
    )
    monkeypatch.setitem(runtimes.RUNTIMES, "onnx", ("model.onnx", lambda path: runtime))
    model = ExportedFolder(folder).load_model()
    assert model.label_maps(np.zeros((1, 48, 9, 3))) == 48 * 9 * 3
    assert model.logits(np.zeros((1, 48, 9, 3))) == 4
    for predict_images in (model.label_maps, model.logits):
        for shape in ((2, 48, 9), (1, 47, 9)):
            message = rf"\(1, 48, any width\), got \({shape[0]}, {shape[1]}, 9\)"
            with pytest.raises(ValueError, match=message):
                predict_images(np.zeros((*shape, 3)))


def test_the_shape_of_an_onnx_file_is_read(tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    image, scores = (
        onnx.helper.make_tensor_value_info(name, 1, (1, "height", 8, 3))
        for name in ("image", "scores")
    )
    node = onnx.helper.make_node("Identity", ["image"], ["scores"])
    graph = onnx.helper.make_graph([node], "fixed", [image], [scores])
    opset = onnx.helper.make_opsetid("", 17)
    network = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8)
    onnx.save(network, tmp_path / "model.onnx")
    assert runtimes.Onnx(tmp_path).shape == (1, None, 8)


def test_the_shape_of_an_openvino_file_is_read(tmp_path):
    openvino = pytest.importorskip("openvino")
    image = openvino.opset16.parameter([1, -1, 8, 3], np.float32, name="image")
    network = openvino.Model([openvino.opset16.relu(image)], [image])
    openvino.save_model(network, tmp_path / "model.xml")
    assert runtimes.OpenVino(tmp_path).shape == (1, None, 8)


def test_the_command_reports_the_error_in_one_line(
    folder, scored_run, capsys, tmp_path
):
    shutil.copy(scored_run.classes_file, folder)
    (folder / "model.onnx").unlink()
    image = tmp_path / "image.png"
    importlib.import_module("cv2").imwrite(
        str(image), draw_blocks(32, 32, 3, seed=0)[0]
    )
    assert "is incomplete" in refusal(predict, capsys, image, "--model", folder)


def test_the_card_contains_data_set_and_inference_size(folder):
    card = json.loads((folder / "card.json").read_text())
    changed = {**card, "dataset": "streets", "inference_size": 72}
    (folder / "card.json").write_text(json.dumps(changed))
    config = ExportedFolder(folder).read_config()
    assert (config.dataset, config.size) == ("streets", 72)


def test_openvino_sends_no_usage_statistics():
    pytest.importorskip("openvino")
    ovc = importlib.import_module("openvino.tools.ovc")
    assert ovc.telemetry.__module__ == "openvino.tools.ovc.telemetry_stub"
