"""Exported networks in int8: post-training quantisation, by each format's own tool.

Weights and features become int8; their ranges are those that the calibration images
show. Scores and their upsampling stay in float: they are little work, and what is
decided by small differences.
"""

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np

logger = logging.getLogger(__name__)

# By format; TensorFlow itself quantises for LiteRT.
_QUANTIZERS = {"openvino": "nncf", "onnx": "onnxruntime.quantization"}


@dataclass(frozen=True)
class Calibration:
    """What quantisation needs.

    Attributes:
        images: uint8 RGB `(height, width, 3)` of the training images, whose features
            give the ranges.
        score: function of `label_maps` of a network to its mean IoU and pixel accuracy
            on validation, shares in [0, 1].
        max_loss: points of mean IoU, out of 100, that may be lost.
    """

    images: Sequence[np.ndarray]
    score: Callable[[Callable[[np.ndarray], np.ndarray]], dict[str, float]]
    max_loss: float

    def batches(self) -> Iterator[np.ndarray]:
        """Yield float32 `(1, height, width, 3)` images, and tell how far it is."""
        for number, image in enumerate(self.images, start=1):
            if sys.stderr.isatty():
                sys.stderr.write(f"\r\x1b[Kcalibrating {number}/{len(self.images)}")
                sys.stderr.flush()
            yield image[None].astype("float32")
        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")


def import_quantizer(format: str) -> ModuleType | None:
    """Return the package that quantises a format; None where it is TensorFlow.

    Args:
        format: one of `EXPORT_FORMATS` but savedmodel.

    Raises:
        ImportError: if it is not installed.
    """
    return import_module(_QUANTIZERS[format]) if format in _QUANTIZERS else None


def quantize_openvino(model: Path, num_classes: int, calibration: Calibration) -> None:
    """Quantise an OpenVINO model in its place.

    Args:
        model: the `.xml` file.
        num_classes: channels of the scores.
        calibration: the images.

    Raises:
        ImportError: if NNCF is not installed.
    """
    nncf = import_quantizer("openvino")
    import openvino

    logging.getLogger("nncf").setLevel(logging.WARNING)
    network = openvino.Core().read_model(model)

    def is_score(operation):
        kind = operation.get_type_name()
        if kind == "Convolution":
            kernel = operation.input(1).get_partial_shape()  # (filters, channels, ...)
            return kernel[0] == num_classes
        return kind == "ConvolutionBackpropData"

    scores = [
        operation.get_friendly_name()
        for operation in network.get_ops()
        if is_score(operation)
    ]
    quantized = nncf.quantize(
        network,
        nncf.Dataset(list(calibration.batches())),
        subset_size=len(calibration.images),
        preset=nncf.QuantizationPreset.MIXED,
        ignored_scope=nncf.IgnoredScope(names=scores),
    )
    save_openvino(quantized, model)


def save_openvino(network: object, path: Path, **options: bool) -> None:
    """Write an OpenVINO model in place of the one that it was made from.

    The weights of that one are mapped from its file, which must not be written to.

    Args:
        network: the model.
        path: the `.xml` file; that of the weights is beside it.
        options: of `openvino.save_model`.
    """
    import openvino

    part = path.with_name("part.xml")
    openvino.save_model(network, part, **options)
    for suffix in (".xml", ".bin"):
        part.with_suffix(suffix).replace(path.with_suffix(suffix))


def quantize_onnx(model: Path, num_classes: int, calibration: Calibration) -> None:
    """Quantise an ONNX model in its place, as QDQ.

    Args:
        model: the `.onnx` file.
        num_classes: channels of the scores.
        calibration: the images.

    Raises:
        ImportError: if ONNX Runtime is not installed.
    """
    import onnx

    quantization = import_quantizer("onnx")
    network = onnx.load(model)
    shapes = {tensor.name: tensor.dims for tensor in network.graph.initializer}
    scores = [
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
        # What x86 multiplies: unsigned features by signed weights.
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        per_channel=True,
        op_types_to_quantize=["Conv", "MaxPool", "Relu"],
        nodes_to_exclude=scores,
    )


def litert_options(calibration: Calibration) -> dict:
    """Return what LiteRT's converter needs to quantise.

    Args:
        calibration: the images.
    """
    import tensorflow as tf

    return {
        "optimizations": [tf.lite.Optimize.DEFAULT],
        "representative_dataset": lambda: ([batch] for batch in calibration.batches()),
    }
