"""A network in the formats of other runtimes, by Keras's export and their tools."""

import logging
import platform
import sys
import textwrap
import warnings
from contextlib import nullcontext
from pathlib import Path
from unittest import mock

import keras
import tensorflow as tf
from keras import ops

from keras_fcn.runs.runtimes import RUNTIMES
from keras_fcn.serving.quantize import (
    Calibration,
    import_quantizer,
    litert_options,
    quantize_onnx,
    quantize_openvino,
    save_openvino,
)

logger = logging.getLogger(__name__)

_LONGEST_REASON = 300  # characters; converters print whole graphs
# The packages that write a format, by format and precision.
_EXTRAS = {"int8": "int8,formats", "float32": "formats", "float16": "formats"}


def write_converted(
    network: keras.Model,
    format: str,
    folder: Path,
    precision: str,
    temperature: float = 1.0,
) -> None:
    """Write class probabilities as a function of the image.

    Args:
        network: a network of `FCN` in float32.
        format: one of `EXPORT_FORMATS` but savedmodel.
        folder: an empty folder that is there.
        precision: "float32", or "float16" for weights in half as many bytes.
        temperature: by which the logits are divided before the softmax.

    Raises:
        ValueError: if a package is missing, or the network can't be converted.
        OSError, MemoryError, RuntimeError: if a file can't be written.
    """
    path = folder / RUNTIMES[format][0]
    options = {}
    if precision == "float16" and format == "litert":
        options = {
            "optimizations": [tf.lite.Optimize.DEFAULT],
            "target_spec": {"supported_types": [tf.float16]},
        }

    def write():
        _convert(network, format, path, temperature, options)
        if precision == "float16" and format != "litert":
            _halve(format, path)

    _converting(write, format, precision)


def write_quantized(
    network: keras.Model,
    format: str,
    folder: Path,
    calibration: Calibration,
    temperature: float = 1.0,
) -> dict:
    """Write class probabilities as a function of the image, computed in int8.

    Args:
        network: as for `write_converted`; so are the others.
        format: likewise.
        folder: likewise.
        calibration: images and scores.
        temperature: likewise.

    Returns:
        The scores on validation, `float` and `int8`, and what was lost.

    Raises:
        ValueError: as `write_converted`; or if more than `calibration.max_loss` is
            lost.
        OSError, MemoryError, RuntimeError: if a file can't be written.
    """
    file_name, runtime = RUNTIMES[format]
    path, num_classes = folder / file_name, network.output.shape[-1]

    def quantize():
        if format == "litert":
            _convert(network, format, path, temperature, litert_options(calibration))
        elif format == "onnx":
            quantize_onnx(path, num_classes, calibration)
        else:
            quantize_openvino(path, num_classes, calibration)

    # Before the minutes that conversion and scores take.
    _converting(lambda: import_quantizer(format), format, "int8")
    write_converted(network, format, folder, "float32", temperature)
    scores = {"float": calibration.score(runtime(folder).label_maps)}
    logger.info(
        "Validation mean IoU in float: %.1f %%", 100 * scores["float"]["mean_iou"]
    )
    _converting(quantize, format, "int8")
    scores["int8"] = calibration.score(runtime(folder).label_maps)
    lost = 100 * (scores["float"]["mean_iou"] - scores["int8"]["mean_iou"])
    logger.info(
        "Validation mean IoU in int8: %.1f %%, %.2f points less",
        100 * scores["int8"]["mean_iou"],
        lost,
    )
    if not lost <= calibration.max_loss:
        raise ValueError(
            f"`precision` int8 may lose `max_loss` {calibration.max_loss:g} points of "
            f"mean IoU on validation. Received: {lost:.2f} points less, with "
            f"`num_calibration` {len(calibration.images)}: give more images, or accept "
            "a greater loss"
        )
    return {**scores, "points_lost": lost, "num_calibration": len(calibration.images)}


def _convert(network, format, path, temperature, options):
    """Keras's own export."""
    probabilities = keras.Model(
        network.input, ops.softmax(network.output / temperature), name=network.name
    )
    probabilities(ops.zeros((1, 1, 1, 3)))  # Keras asks ONNX's models for one call
    with (
        _openvino_on_python_3_13() if format == "openvino" else nullcontext(),
        warnings.catch_warnings(),
    ):
        # Keras looks for names that NumPy 2 is about to give a meaning.
        warnings.simplefilter("ignore", FutureWarning)
        probabilities.export(str(path), format=format, verbose=False, **options)


def _openvino_on_python_3_13():
    """Let OpenVINO 2026.4 know TensorFlow's version.

    It asks by `exec("import tensorflow")` and `exec("del tensorflow")` in a function,
    of which the second no longer sees what the first has made (PEP 667).
    """
    if sys.version_info < (3, 13):
        return nullcontext()
    versions = {
        "python_version": platform.python_version(),
        "tensorflow": tf.__version__,
        "sys_platform": sys.platform,
    }
    return mock.patch(
        "openvino.frontend.tensorflow.utils.get_environment_setup",
        lambda framework: dict(versions),
    )


def _halve(format, path):
    """Write a file anew with its weights in float16 (ONNX: its kernels)."""
    if format == "openvino":
        import openvino

        model = openvino.Core().read_model(path)
        save_openvino(model, path, compress_to_fp16=True)
        return
    import onnx

    model = onnx.load(path)
    for weights in model.graph.initializer:
        if weights.data_type != onnx.TensorProto.FLOAT or len(weights.dims) < 4:
            continue  # no kernel
        # The runtime casts them back when it loads the file.
        name, array = weights.name, onnx.numpy_helper.to_array(weights)
        stored = onnx.numpy_helper.from_array(array.astype("float16"), f"{name}_stored")
        weights.CopyFrom(stored)
        cast = onnx.helper.make_node(
            "Cast", [stored.name], [name], to=onnx.TensorProto.FLOAT
        )
        model.graph.node.insert(0, cast)
    onnx.save(model, path)


def _converting(write, format, precision):
    """Run a conversion, and word its errors."""
    try:
        write()
    except ImportError as error:
        raise ValueError(
            f"`format` {format} in {precision} needs a package that is not installed: "
            f"pip install 'keras-fcn[{_EXTRAS[precision]}]' ({error})"
        ) from error
    except (OSError, MemoryError, RuntimeError, tf.errors.OpError):
        raise
    except Exception as error:  # converters have classes of their own
        reason = textwrap.shorten(str(error), _LONGEST_REASON)
        raise ValueError(
            f"`format` {format}: the network could not be converted "
            f"({type(error).__name__}: {reason})"
        ) from error
