"""Post-training quantization of exported networks to int8, by the tool of each format.

Weights and features become int8; the ranges of the features are taken from calibration
images. The score convolutions and the upsampling stay in float: they are little of the
computation, and small differences of logits decide the class.

Weights for OpenVINO and ONNX Runtime are limited to [-64, 64]: on x86 CPUs without
VNNI, the sum of two products of a feature and a weight saturates in int16.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np

from keras_fcn.conversion.openvino_graph import quantize_padded_image, save_openvino
from keras_fcn.progress import Progress

# By format; TensorFlow itself quantizes for LiteRT.
_QUANTIZERS = {"openvino": "nncf", "onnx": "onnxruntime.quantization"}


@dataclass(frozen=True)
class Calibration:
    """The data of a quantization.

    Attributes:
        images: training images, uint8 RGB `(height, width, 3)`.
        score: function from `Runtime.label_maps` to the mean IoU and pixel accuracy on
            the validation images, in [0, 1].
        data: name of the data set, for the card.
    """

    images: Sequence[np.ndarray]
    score: Callable[[Callable[[np.ndarray], np.ndarray]], dict[str, float]]
    data: str = ""

    def batches(self) -> Iterator[np.ndarray]:
        """Yield each image as float32 `(1, height, width, 3)`, and show progress."""
        for image in Progress(self.images, description="Calibrating"):
            yield image[None].astype("float32")


def import_quantizer(format: str) -> None:
    """Import the package that quantizes a format.

    Args:
        format: an export format other than savedmodel.

    Raises:
        ImportError: if it is not installed.
    """
    if format in _QUANTIZERS:
        import_module(_QUANTIZERS[format])


def quantize_openvino(model: Path, num_classes: int, calibration: Calibration) -> None:
    """Quantize an OpenVINO model in place.

    Args:
        model: the `.xml` file.
        num_classes: channels of the logits.
        calibration: the images.

    Raises:
        ImportError: if NNCF is not installed.
    """
    import nncf
    import openvino

    logging.getLogger("nncf").setLevel(logging.WARNING)
    network = openvino.Core().read_model(model)
    in_float = []
    for operation in network.get_ops():
        kind = operation.get_type_name()
        if kind == "ConvolutionBackpropData" or (
            kind == "Convolution"  # its kernel: (filters, channels, height, width)
            and operation.input(1).get_partial_shape()[0] == num_classes
        ):
            in_float.append(operation.get_friendly_name())
    quantized = nncf.quantize(
        network,
        nncf.Dataset(list(calibration.batches())),
        subset_size=len(calibration.images),
        preset=nncf.QuantizationPreset.MIXED,
        ignored_scope=nncf.IgnoredScope(names=in_float),
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            overflow_fix=nncf.OverflowFix.ENABLE
        ),
    )
    quantize_padded_image(quantized)
    save_openvino(quantized, model)


def quantize_onnx(model: Path, num_classes: int, calibration: Calibration) -> None:
    """Quantize an ONNX model in place, with QDQ operators.

    Args:
        model: the `.onnx` file.
        num_classes: channels of the logits.
        calibration: the images.

    Raises:
        ImportError: if ONNX Runtime is not installed.
    """
    import onnx
    from onnxruntime import quantization

    network = onnx.load(model)
    shapes = {tensor.name: tensor.dims for tensor in network.graph.initializer}
    in_float = [
        node.name
        for node in network.graph.node
        if node.op_type == "Conv" and shapes[node.input[1]][0] == num_classes
    ]
    (image,) = network.graph.input

    class Reader(quantization.CalibrationDataReader):
        def __init__(self):
            self._batches = calibration.batches()

        def get_next(self):
            batch = next(self._batches, None)
            return None if batch is None else {image.name: batch}

    quantization.quantize_static(
        model,
        model,
        Reader(),
        quant_format=quantization.QuantFormat.QDQ,
        # x86 CPUs multiply unsigned features by signed weights.
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        per_channel=True,
        reduce_range=True,
        op_types_to_quantize=["Conv", "MaxPool", "Relu"],
        nodes_to_exclude=in_float,
    )


def litert_options(calibration: Calibration) -> dict:
    """Return the options of LiteRT's converter for int8.

    Args:
        calibration: the images.
    """
    import tensorflow as tf

    return {
        "optimizations": [tf.lite.Optimize.DEFAULT],
        "representative_dataset": lambda: ([batch] for batch in calibration.batches()),
    }


def check_loss(validation: dict, max_loss: float) -> None:
    """Refuse a network that has lost too much in int8.

    Args:
        validation: as returned by `write_quantized`.
        max_loss: points of mean IoU, out of 100, that it may lose.

    Raises:
        ValueError: if it has lost more.
    """
    lost, data = validation["points_lost"], validation.get("data", "of the run")
    if not lost <= max_loss:  # also if it is NaN
        raise ValueError(
            f"`precision` int8 loses {lost:.4g} points of mean IoU on the validation "
            f"images ({data}), more than `max_loss` {max_loss:g}, with "
            f"{validation['num_calibration']} calibration images: allow a greater "
            "loss, or export it with more images"
        )
