"""A trained network for programs that have neither Keras nor this package.

OUTPUT_DIR/
  1/, 2/, ...                  SavedModels: see `saved_model.py`
  onnx-1/  litert-1/  openvino-1/  openvino-int8-1/
                               model.onnx, model.tflite, or model.xml with model.bin;
                               beside it classes.json and card.json
"""

import re
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

import keras
import tensorflow as tf

from keras_fcn.config import (
    DEFAULT_MAX_PIXELS,
    EXPORT_FORMATS,
    LEAST_MAX_PIXELS,
    MOST_MAX_PIXELS,
    SCALED_MAX_PIXELS,
)
from keras_fcn.errors import check_choice
from keras_fcn.prediction.scaling import resolve_size
from keras_fcn.runs.folder import git_commit, versions
from keras_fcn.runs.network_folder import NetworkFolder
from keras_fcn.serving.convert import write_converted, write_quantized
from keras_fcn.serving.quantize import Calibration
from keras_fcn.serving.saved_model import write_saved_model
from keras_fcn.storage.atomic import atomic_folder, move_into_place, write_json


def export(
    network_folder: NetworkFolder,
    output_dir: Path,
    format: str = "savedmodel",
    precision: str = "float32",
    max_pixels: int | None = None,
    size: int | str = "auto",
    calibration: Calibration | None = None,
) -> Path:
    """Write a network into a new folder of `output_dir`, whole or not at all.

    Args:
        network_folder: a run, or a packed or bundled network.
        output_dir: where the numbered folders are; made when missing.
        format: one of `EXPORT_FORMATS`. All but savedmodel map `image`, float32 RGB in
            [0, 255] `(batch, height, width, 3)`, to the probabilities, float32
            `(batch, height, width, num_classes)`.
        precision: one of those of the format in `EXPORT_FORMATS`, whatever the run was
            trained in. A SavedModel in bfloat16 computes in it; float16 halves the
            file, and the runtime chooses its arithmetic; int8 is computed in.
        max_pixels: pixels that an image sent to a SavedModel may have, padded to
            multiples of 32; 1,024 to 2**31 - 1. None for 2**22 with `size` native, else
            for 2**25, because what is computed has another size than the image.
        size: the scale at which a SavedModel looks at images, as for `keras_fcn.load`;
            it is brought about in the graph. The other formats look at the images that
            they get; their card has the size.
        calibration: images and scores, for int8.

    Returns:
        The new folder.

    Raises:
        ValueError: if the choices do not go together, a package is missing, the network
            can't be converted, or its folder is damaged.
        OSError: if a file of it is missing, or `output_dir` can't be written.
    """
    _check_choices(format, precision, max_pixels)
    if precision == "int8" and calibration is None:
        raise ValueError(
            "`precision` int8 needs `calibration`, images and their labels"
        )
    side = resolve_size(size, network_folder.read_training_size())
    temperature = network_folder.read_temperature()
    if max_pixels is None:
        max_pixels = DEFAULT_MAX_PIXELS if side is None else SCALED_MAX_PIXELS
    prefix = "" if format == "savedmodel" else f"{format}-"
    if precision != "float32" and format != "savedmodel":
        prefix += f"{precision}-"
    if output_dir.exists() and not output_dir.is_dir():
        raise NotADirectoryError(
            f"`output_dir` must be a folder. Received: {output_dir}, a file"
        )
    # Its name has no number, so that a server does not look at it.
    with atomic_folder(output_dir) as part:
        network = network_folder.build_model(
            precision if format == "savedmodel" else "float32"
        )
        class_map = network_folder.read_class_map()
        card = {
            **_card(network_folder, network, format, precision),
            "size": side,
            "temperature": temperature,
        }
        try:
            if format == "savedmodel":
                write_saved_model(
                    network, class_map, card, part, max_pixels, side, temperature
                )
            else:
                if precision == "int8":
                    card["validation"] = write_quantized(
                        network, format, part, calibration, temperature
                    )
                else:
                    write_converted(network, format, part, precision, temperature)
                class_map.save(part / "classes.json")
                write_json(part / "card.json", card)
        except (tf.errors.OpError, RuntimeError) as error:  # also OpenVINO's
            reason = re.sub(r"\{\{.*?\}\}", "", str(error))  # places in a graph
            raise OSError(
                f"{output_dir}: the model could not be written ({reason.strip()})"
            ) from error
        return _rename_to_next(part, output_dir, prefix)


def next_version(output_dir: Path, prefix: str = "") -> int:
    """Return one more than the greatest number of a folder or file in `output_dir`.

    Args:
        output_dir: a folder that is there.
        prefix: stands before the number; "" for the versions of a server.
    """
    pattern = re.compile(re.escape(prefix) + "([0-9]+)")
    found = (pattern.fullmatch(path.name) for path in output_dir.iterdir())
    return 1 + max((int(match[1]) for match in found if match), default=0)


def _rename_to_next(part, output_dir, prefix):
    """Rename a folder to the next free number, also where another process takes one."""
    while True:
        path = output_dir / f"{prefix}{next_version(output_dir, prefix)}"
        try:
            move_into_place(part, path)
            return path
        except OSError:
            if not path.exists():
                raise


def _check_choices(format, precision, max_pixels):
    check_choice("format", format, EXPORT_FORMATS)
    if precision not in EXPORT_FORMATS[format]:
        raise ValueError(
            f"`format` {format} has `precision` {', '.join(EXPORT_FORMATS[format])}. "
            f"Received: precision={precision}"
        )
    if max_pixels is not None and not (
        LEAST_MAX_PIXELS <= max_pixels <= MOST_MAX_PIXELS
    ):
        raise ValueError(
            f"`max_pixels` must be {LEAST_MAX_PIXELS} to {MOST_MAX_PIXELS}. "
            f"Received: max_pixels={max_pixels}"
        )
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Export needs Keras on TensorFlow: set KERAS_BACKEND=tensorflow. "
            f"Received: {keras.backend.backend()}"
        )


def _card(network_folder, network, format, precision):
    """What an exported model is, as JSON."""
    config = network_folder.read_config()
    return {
        "model": network_folder.path.resolve().name,
        "format": format,
        "variant": config.variant,
        "head": config.head,
        "dataset": config.dataset,
        "val_pattern": config.val_pattern,
        "inference_size": config.size,  # in training; "size" is the one exported for
        "parameters": network.count_params(),
        "precision": precision,
        "classes": asdict(network_folder.read_class_map()),
        "exported": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "git_commit": git_commit(),
        "versions": versions(),
    }
