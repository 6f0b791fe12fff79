"""Exports a trained network for programs without Keras and without this package.

OUTPUT_DIR/
  1/, 2/, ...                  SavedModels: see `saved_model.py`
  onnx-1/  litert-1/  openvino-1/  openvino-int8-1/
                               model.onnx, model.tflite, or model.xml with model.bin;
                               also classes.json and card.json
"""

import re
from pathlib import Path

import keras
import tensorflow as tf

from keras_fcn.conversion.convert import make_card, write_network
from keras_fcn.conversion.quantize import Calibration, check_loss
from keras_fcn.prediction.options import resolve_size
from keras_fcn.runs.network_folder import NetworkFolder
from keras_fcn.serving.options import (
    DEFAULT_MAX_PIXELS,
    SCALED_MAX_PIXELS,
    ExportOptions,
)
from keras_fcn.serving.saved_model import write_saved_model
from keras_fcn.storage.atomic import atomic_folder, move_into_place


def export(
    network_folder: NetworkFolder,
    output_dir: Path,
    options: ExportOptions | None = None,
    calibration: Calibration | None = None,
) -> Path:
    """Write a network into a new folder of `output_dir`, completely or not at all.

    Args:
        network_folder: a run, or a packed or bundled network.
        output_dir: folder of the versions; created if missing.
        options: by default a SavedModel in float32.
        calibration: images and scores; required for int8.

    Returns:
        The new folder.

    Raises:
        ValueError: if a package is missing, the network cannot be converted, int8 loses
            too much, or the network's folder is damaged.
        OSError: if a file of the network is missing, or `output_dir` cannot be written.
    """
    options = options or ExportOptions()
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Export requires Keras on TensorFlow: set KERAS_BACKEND=tensorflow. "
            f"Received: {keras.backend.backend()}"
        )
    if output_dir.exists() and not output_dir.is_dir():
        raise NotADirectoryError(
            f"`output_dir` must be a folder. Received: {output_dir}, a file"
        )
    prefix = "" if options.format == "savedmodel" else f"{options.format}-"
    if prefix and options.precision != "float32":
        prefix += f"{options.precision}-"
    # Written under a name that is not a number, which a server does not load.
    with atomic_folder(output_dir) as part:
        try:
            _write(network_folder, part, options, calibration)
        except (tf.errors.OpError, RuntimeError) as error:  # RuntimeError: OpenVINO
            reason = re.sub(r"\{\{.*?\}\}", "", str(error))  # locations in a graph
            raise OSError(
                f"{output_dir}: the model could not be written ({reason.strip()})"
            ) from error
        while True:
            path = output_dir / f"{prefix}{next_version(output_dir, prefix)}"
            try:
                move_into_place(part, path)
                return path
            except OSError:
                if not path.exists():  # else another process has taken the number
                    raise


def next_version(output_dir: Path, prefix: str = "") -> int:
    """Return the greatest number of a folder or file in `output_dir` plus one.

    Args:
        output_dir: an existing folder.
        prefix: text before the number; "" for the versions of a server.
    """
    pattern = re.compile(re.escape(prefix) + "([0-9]+)")
    found = (pattern.fullmatch(path.name) for path in output_dir.iterdir())
    return 1 + max((int(match[1]) for match in found if match), default=0)


def _write(network_folder, folder, options, calibration):
    size = resolve_size(options.size, network_folder.read_training_size())
    temperature = network_folder.read_temperature()
    if options.format != "savedmodel":
        card = write_network(
            network_folder,
            folder,
            options.format,
            options.precision,
            size=size,
            temperature=temperature,
            calibration=calibration,
        )
        if "validation" in card:
            check_loss(card["validation"], options.max_loss)
        return
    network = network_folder.build_model(options.precision)
    card = make_card(
        network_folder, network, "savedmodel", options.precision, size, temperature
    )
    max_pixels = options.max_pixels or (
        DEFAULT_MAX_PIXELS if size is None else SCALED_MAX_PIXELS
    )
    class_map = network_folder.read_class_map()
    write_saved_model(network, class_map, card, folder, max_pixels)
