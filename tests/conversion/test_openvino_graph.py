"""Converted OpenVINO models have the operations for which OpenVINO is fast."""

import numpy as np
import pytest
from keras import ops

from keras_fcn.conversion.cache import load_converted
from keras_fcn.conversion.quantize import Calibration, quantize_openvino
from tests.support.data import draw_blocks

# Sizes that are no multiple of 32, with an odd number of missing rows.
IMAGES = np.stack([draw_blocks(51, 78, 3, seed=seed)[0] for seed in range(4)])

openvino = pytest.importorskip("openvino")


@pytest.fixture
def converted(converted_once):
    """The folder of the converted network."""
    (network,) = converted_once.glob("networks/*/network")
    return network


@pytest.fixture
def runtime(narrow_run, converted_once, monkeypatch):
    """The converted network, by OpenVINO."""
    monkeypatch.setenv("KERAS_FCN_CACHE_DIR", str(converted_once))
    return load_converted(narrow_run, "openvino", "float32")[0].runtime


def read_operations(folder):
    network = openvino.Core().read_model(folder / "model.xml")
    return network.get_ordered_ops()


def first(operations, kind):
    return next(each for each in operations if each.get_type_name() == kind)


def test_kernel_is_reversed_instead_of_the_channels_of_the_image(
    narrow_run, converted, runtime
):
    kinds = {each.get_type_name() for each in read_operations(converted)}
    assert "Convolution" in kinds and "ReverseSequence" not in kinds
    model = narrow_run.build_model("float32")
    expected = model.predict_on_batch(IMAGES)
    assert np.abs(runtime.logits(IMAGES) - expected).max() < 0.02 * np.ptp(expected)


def test_logits_are_cropped_before_they_are_transposed(converted):
    softmax = first(read_operations(converted), "Softmax")
    transpose = softmax.input_value(0).get_node()
    assert transpose.get_type_name() == "Transpose"
    assert transpose.input_value(0).get_node().get_type_name() == "StridedSlice"


def test_resized_label_maps_are_the_arg_max_of_resized_logits(runtime):
    resized = ops.image.resize(
        runtime.logits(IMAGES), (40, 90), interpolation="bilinear", antialias=False
    )
    label_maps = runtime.resized_label_maps(IMAGES, (40, 90))
    assert label_maps.shape == (4, 40, 90) and label_maps.dtype == np.uint8
    assert np.mean(label_maps == np.argmax(resized, axis=-1)) > 0.999


def test_upsampling_and_resizing_are_computed_in_float32(runtime):
    runtime.resized_label_maps(IMAGES, (40, 90))
    operations = [
        operation.get_rt_info()
        for compiled in runtime._compiled.values()
        for operation in compiled.get_runtime_model().get_ops()
    ]
    precisions = {
        (str(info["layerType"].value), str(info["runtimePrecision"].value))
        for info in operations
        if info["layerType"].value in ("Deconvolution", "Interpolate")
    }
    assert precisions == {("Deconvolution", "f32"), ("Interpolate", "f32")}


def test_first_convolution_is_quantized(converted, tmp_path):
    pytest.importorskip("nncf")
    for name in ("model.xml", "model.bin"):
        (tmp_path / name).write_bytes((converted / name).read_bytes())
    calibration = Calibration(IMAGES, lambda label_maps: {})
    quantize_openvino(tmp_path / "model.xml", 3, calibration)
    operations = read_operations(tmp_path)
    convolution = first(operations, "Convolution")
    assert convolution.input_value(0).get_node().get_type_name() == "FakeQuantize"
    padding = first(operations, "Pad").input_value(0).get_node()
    assert padding.get_type_name() != "FakeQuantize"
