"""Changes to converted OpenVINO models for which OpenVINO has faster kernels."""

from pathlib import Path
from typing import Any

import numpy as np


def simplify_openvino(path: Path) -> None:
    """Rewrite a converted model for speed, with the same results.

    The first kernel is reversed instead of the channels of the image, for which
    OpenVINO has its reference implementation only. Logits are cropped before they are
    transposed to `(N, H, W, C)`, so that `runtimes.OpenVino` can resize them without
    the transposition.

    Args:
        path: the `.xml` file.
    """
    import openvino
    from openvino import opset16

    network = openvino.Core().read_model(path)
    (reverse,) = _operations(network, "ReverseSequence")
    _replace(reverse, reverse.input_value(0))
    kernel = _operations(network, "Convolution")[0].input_value(1).get_node()
    _replace(  # (64, 3, 3, 3): filters, channels, height, width
        kernel, opset16.constant(np.ascontiguousarray(kernel.data[:, ::-1])).output(0)
    )
    crop = _operations(network, "StridedSlice")[-1]
    transpose = crop.input_value(0).get_node()
    if transpose.get_type_name() == "Transpose":
        _crop_first(crop, transpose)
    save_openvino(network, path, compress_to_fp16=False)


def _crop_first(crop, transpose):
    """Exchange a transposition and the cropping after it."""
    from openvino import opset16

    order = transpose.input_value(1)
    axes = np.argsort(order.get_node().data)  # in the result, by axis of the input
    limits = [
        opset16.gather(limit, opset16.constant(axes), opset16.constant(0))
        for limit in crop.input_values()[1:]
    ]
    masks = {
        name: np.array(mask)[axes].tolist()
        for name, mask in crop.get_attributes().items()
        if name in ("begin_mask", "end_mask")
    }
    cropped = opset16.strided_slice(transpose.input_value(0), *limits, **masks)
    _replace(crop, opset16.transpose(cropped, order).output(0))


def quantize_padded_image(network: Any) -> None:
    """Quantize the image after the padding instead of before it.

    OpenVINO computes the first convolution in int8 only if its input is quantized
    immediately before it. NNCF quantizes the image before the padding.

    Args:
        network: a quantized `openvino.Model` of `simplify_openvino`.
    """
    pad = _operations(network, "Pad")[0]
    convolution = _operations(network, "Convolution")[0]
    quantization = pad.input_value(0).get_node()
    _replace(quantization, quantization.input_value(0))
    quantization.input(0).replace_source_output(convolution.input_value(0))
    convolution.input(0).replace_source_output(quantization.output(0))
    network.validate_nodes_and_infer_types()


def save_openvino(network: object, path: Path, **options: bool) -> None:
    """Replace the files of an OpenVINO model.

    Args:
        network: a model that may have been read from `path`. Its weights are then
            mapped from the file, which must not be overwritten.
        path: the `.xml` file; the `.bin` file is next to it.
        options: of `openvino.save_model`, which stores weights in float16 by default.
    """
    import openvino

    part = path.with_name("part.xml")
    openvino.save_model(network, part, **options)
    for suffix in (".xml", ".bin"):
        part.with_suffix(suffix).replace(path.with_suffix(suffix))


def _operations(network, kind):
    """Return the operations of a kind, in the order of computation."""
    return [
        operation
        for operation in network.get_ordered_ops()
        if operation.get_type_name() == kind
    ]


def _replace(operation, output):
    for user in list(operation.output(0).get_target_inputs()):
        user.replace_source_output(output)
