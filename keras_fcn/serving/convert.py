"""Writes a network in the formats of other runtimes, by Keras's export and converters.

What is written maps `image`, float32 RGB `(batch, height, width, 3)`, to the class
probabilities, float32 `(batch, height, width, num_classes)`.
"""

import logging
import platform
import sys
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from unittest import mock

import keras
import tensorflow as tf
from keras import ops

from keras_fcn.runs.runtimes import RUNTIMES
from keras_fcn.serving.options import ExportOptions
from keras_fcn.serving.quantize import (
    Calibration,
    import_quantizer,
    litert_options,
    quantize_onnx,
    quantize_openvino,
    save_openvino,
)

logger = logging.getLogger(__name__)

_MAX_REASON = 300  # characters; converters print whole graphs
# Extras of the package that contain the converters, by precision.
_EXTRAS = {"int8": "int8,formats", "float32": "formats", "float16": "formats"}


def write_converted(
    network: keras.Model,
    folder: Path,
    options: ExportOptions,
    temperature: float = 1.0,
) -> None:
    """Write a network in float32, or with weights in float16.

    Args:
        network: a network of `FCN` in float32.
        folder: an existing empty folder.
        options: a format other than savedmodel.
        temperature: divides the logits before the softmax.

    Raises:
        ValueError: if a package is missing, or the network cannot be converted.
        OSError, MemoryError, RuntimeError: if a file cannot be written.
    """
    path = folder / RUNTIMES[options.format][0]
    is_half = options.precision == "float16"
    settings = {}
    if is_half and options.format == "litert":
        settings = {
            "optimizations": [tf.lite.Optimize.DEFAULT],
            "target_spec": {"supported_types": [tf.float16]},
        }
    with _conversion_errors(options):
        _convert(network, options.format, path, temperature, settings)
        if is_half and options.format == "openvino":
            import openvino

            model = openvino.Core().read_model(path)
            save_openvino(model, path, compress_to_fp16=True)
        elif is_half and options.format == "onnx":
            _store_kernels_in_float16(path)


def write_quantized(
    network: keras.Model,
    folder: Path,
    options: ExportOptions,
    calibration: Calibration,
    temperature: float = 1.0,
) -> dict:
    """Write a network that computes in int8.

    Args:
        network: as in `write_converted`.
        folder: as in `write_converted`.
        options: as in `write_converted`, with the greatest loss.
        calibration: images and scores.
        temperature: as in `write_converted`.

    Returns:
        The scores on the validation images, `float` and `int8`, and their difference.

    Raises:
        ValueError: as in `write_converted`, or if more than `options.max_loss` points
            of mean IoU are lost.
        OSError, MemoryError, RuntimeError: if a file cannot be written.
    """
    file_name, runtime = RUNTIMES[options.format]
    path, num_classes = folder / file_name, network.output.shape[-1]
    with _conversion_errors(options):
        # First, because conversion and scores take minutes.
        import_quantizer(options.format)
    in_float = replace(options, precision="float32")
    write_converted(network, folder, in_float, temperature)
    scores = {"float": calibration.score(runtime(folder).label_maps)}
    logger.info(
        "Validation mean IoU in float32: %.1f %%", 100 * scores["float"]["mean_iou"]
    )
    with _conversion_errors(options):
        if options.format == "litert":
            settings = litert_options(calibration)
            _convert(network, "litert", path, temperature, settings)
        elif options.format == "onnx":
            quantize_onnx(path, num_classes, calibration)
        else:
            quantize_openvino(path, num_classes, calibration)
    scores["int8"] = calibration.score(runtime(folder).label_maps)
    lost = 100 * (scores["float"]["mean_iou"] - scores["int8"]["mean_iou"])
    logger.info(
        "Validation mean IoU in int8: %.1f %%, a loss of %.2f points",
        100 * scores["int8"]["mean_iou"],
        lost,
    )
    num_calibration = len(calibration.images)
    if not lost <= options.max_loss:  # also if it is NaN
        raise ValueError(
            f"`precision` int8 loses {lost:.2f} points of mean IoU on the validation "
            f"images, more than `max_loss` {options.max_loss:g}, with "
            f"`num_calibration` {num_calibration}: use more images, or allow a greater "
            "loss"
        )
    return {**scores, "points_lost": lost, "num_calibration": num_calibration}


def _convert(network, format, path, temperature, settings):
    probabilities = keras.Model(
        network.input, ops.softmax(network.output / temperature), name=network.name
    )
    probabilities(ops.zeros((1, 1, 1, 3)))  # Keras's ONNX export requires a built model
    patch = nullcontext()
    if format == "openvino" and sys.version_info >= (3, 13):
        # For the version of TensorFlow, OpenVINO 2026.4 calls `exec("import
        # tensorflow")` and `exec("del tensorflow")` in a function. From Python 3.13 on
        # (PEP 667) the second fails, because it does not see the names of the first.
        patch = mock.patch(
            "openvino.frontend.tensorflow.utils.get_environment_setup",
            lambda framework: {
                "python_version": platform.python_version(),
                "tensorflow": tf.__version__,
                "sys_platform": sys.platform,
            },
        )
    with patch, warnings.catch_warnings():
        # Keras 3.15 uses names that NumPy deprecates.
        warnings.simplefilter("ignore", FutureWarning)
        probabilities.export(str(path), format=format, verbose=False, **settings)


def _store_kernels_in_float16(path):
    """Rewrite an ONNX file with its kernels in float16 and casts to float32."""
    import onnx

    model = onnx.load(path)
    for weights in model.graph.initializer:
        if weights.data_type != onnx.TensorProto.FLOAT or len(weights.dims) < 4:
            continue  # not a kernel
        # The runtime evaluates the casts once, when it loads the file.
        name, array = weights.name, onnx.numpy_helper.to_array(weights)
        stored = onnx.numpy_helper.from_array(array.astype("float16"), f"{name}_stored")
        weights.CopyFrom(stored)
        cast = onnx.helper.make_node(
            "Cast", [stored.name], [name], to=onnx.TensorProto.FLOAT
        )
        model.graph.node.insert(0, cast)
    onnx.save(model, path)


@contextmanager
def _conversion_errors(options: ExportOptions) -> Iterator[None]:
    """Turn the errors of converters into a ValueError of one line."""
    try:
        yield
    except ImportError as error:
        raise ValueError(
            f"`format` {options.format} in {options.precision} requires a package that "
            "is not installed: "
            f"pip install 'keras-fcn[{_EXTRAS[options.precision]}]' ({error})"
        ) from error
    except (OSError, MemoryError, RuntimeError, tf.errors.OpError):
        raise
    except Exception as error:  # converters raise classes of their own
        reason = textwrap.shorten(str(error), _MAX_REASON)
        raise ValueError(
            f"`format` {options.format}: the network could not be converted "
            f"({type(error).__name__}: {reason})"
        ) from error
