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
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from unittest import mock

import keras
import tensorflow as tf
from keras import ops

from keras_fcn.conversion.openvino_graph import save_openvino, simplify_openvino
from keras_fcn.conversion.quantize import (
    Calibration,
    import_quantizer,
    litert_options,
    quantize_onnx,
    quantize_openvino,
)
from keras_fcn.runs.folder import git_commit, versions
from keras_fcn.runs.network_folder import NetworkFolder
from keras_fcn.runs.runtimes import NAMES, RUNTIMES
from keras_fcn.storage.atomic import write_json

logger = logging.getLogger(__name__)

_MAX_REASON = 300  # characters; converters print whole graphs
# Extras of the package that contain the converters, by precision.
_EXTRAS = {"int8": "int8,formats", "float32": "formats", "float16": "formats"}


def write_network(
    network_folder: NetworkFolder,
    folder: Path,
    format: str,
    precision: str,
    *,
    size: int | None,
    temperature: float,
    calibration: Calibration | None = None,
) -> dict:
    """Convert a network, with its classes and its card.

    Args:
        network_folder: a run, or a packed or bundled network.
        folder: an existing empty folder, for the network, `classes.json` and
            `card.json`.
        format: "onnx", "litert" or "openvino".
        precision: "float32"; "float16" for weights in float16; or "int8".
        size: inference size for the card: the shorter side, pixels; None for none.
        temperature: divides the logits before the softmax.
        calibration: images and scores; required for int8.

    Returns:
        The card. After a quantization it contains the scores as `validation`.

    Raises:
        ValueError: if a package is missing, the network cannot be converted, or its
            folder is damaged.
        OSError, MemoryError, RuntimeError: if a file cannot be read or written.
    """
    network = network_folder.build_model("float32")
    card = make_card(network_folder, network, format, precision, size, temperature)
    if precision != "int8":
        write_converted(network, folder, format, precision, temperature)
    elif calibration is None:
        raise ValueError(
            "`precision` int8 requires `calibration`, images and their labels"
        )
    else:
        card["validation"] = write_quantized(
            network, folder, format, calibration, temperature
        )
    network_folder.read_class_map().save(folder / "classes.json")
    write_json(folder / "card.json", card)
    return card


def make_card(
    network_folder: NetworkFolder,
    network: keras.Model,
    format: str,
    precision: str,
    size: int | None,
    temperature: float,
) -> dict:
    """Return the description of an exported network.

    Args:
        network_folder: the folder of the network.
        network: the network.
        format: a key of `RUNTIMES`.
        precision: numeric precision of the export.
        size: inference size, pixels; None for none.
        temperature: divides the logits before the softmax.
    """
    config = network_folder.read_config()
    return {
        "model": network_folder.name,
        "format": format,
        "variant": config.variant,
        "head": config.head,
        "dataset": config.dataset,
        "val_pattern": config.val_pattern,
        "value_range": config.value_range,
        "inference_size": config.size,  # of the training; "size" is that of the export
        "parameters": network.count_params(),
        "precision": precision,
        "classes": asdict(network_folder.read_class_map()),
        "exported": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "git_commit": git_commit(),
        "versions": versions(),
        "size": size,
        "temperature": temperature,
    }


def write_converted(
    network: keras.Model,
    folder: Path,
    format: str,
    precision: str = "float32",
    temperature: float = 1.0,
) -> None:
    """Write a network in float32, or with weights in float16.

    Args:
        network: a network of `FCN` in float32.
        folder: an existing empty folder.
        format: "onnx", "litert" or "openvino".
        precision: "float32" or "float16".
        temperature: divides the logits before the softmax.

    Raises:
        ValueError: if a package is missing, or the network cannot be converted.
        OSError, MemoryError, RuntimeError: if a file cannot be written.
    """
    path = folder / RUNTIMES[format][0]
    is_half = precision == "float16"
    settings = {}
    if is_half and format == "litert":
        settings = {
            "optimizations": [tf.lite.Optimize.DEFAULT],
            "target_spec": {"supported_types": [tf.float16]},
        }
    with _conversion_errors(format, precision):
        _convert(network, format, path, temperature, settings)
        if is_half and format == "openvino":
            import openvino

            model = openvino.Core().read_model(path)
            save_openvino(model, path, compress_to_fp16=True)
        elif is_half and format == "onnx":
            _store_kernels_in_float16(path)


def write_quantized(
    network: keras.Model,
    folder: Path,
    format: str,
    calibration: Calibration,
    temperature: float = 1.0,
) -> dict:
    """Write a network that computes in int8.

    Args:
        network: as in `write_converted`.
        folder: as in `write_converted`.
        format: as in `write_converted`.
        calibration: images and scores.
        temperature: as in `write_converted`.

    Returns:
        The scores on the validation images, `float` and `int8`; their difference
        `points_lost`, in points of 100; `num_calibration`; and `data`.

    Raises:
        ValueError: as in `write_converted`.
        OSError, MemoryError, RuntimeError: if a file cannot be written.
    """
    file_name, runtime = RUNTIMES[format]
    path, num_classes = folder / file_name, network.output.shape[-1]
    with _conversion_errors(format, "int8"):
        # First, because conversion and scores take minutes.
        import_quantizer(format)
    write_converted(network, folder, format, "float32", temperature)
    scores = {"float": calibration.score(runtime(folder).label_maps)}
    logger.info(
        "Validation mean IoU in float32: %.1f %%", 100 * scores["float"]["mean_iou"]
    )
    with _conversion_errors(format, "int8"):
        if format == "litert":
            settings = litert_options(calibration)
            _convert(network, "litert", path, temperature, settings)
        elif format == "onnx":
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
    return {
        **scores,
        "points_lost": lost,
        "num_calibration": len(calibration.images),
        "data": calibration.data,
    }


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
    if format == "openvino":
        simplify_openvino(path)


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
def _conversion_errors(format: str, precision: str) -> Iterator[None]:
    """Turn the errors of converters into a ValueError of one line."""
    try:
        yield
    except ImportError as error:
        raise ValueError(
            f"Converting a network for {NAMES[format]} in {precision} requires a "
            "package that is not installed: "
            f"pip install 'keras-fcn[{_EXTRAS[precision]}]' ({error})"
        ) from error
    except (OSError, MemoryError, RuntimeError, tf.errors.OpError):
        raise
    except Exception as error:  # converters raise classes of their own
        reason = textwrap.shorten(str(error), _MAX_REASON)
        raise ValueError(
            f"`format` {format}: the network could not be converted "
            f"({type(error).__name__}: {reason})"
        ) from error
