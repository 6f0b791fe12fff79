"""A trained network for programs that have neither Keras nor this package.

OUTPUT_DIR/
  1/, 2/, ...                  SavedModels: see `saved_model.py`
  onnx-1/  litert-1/  openvino-1/
                               model.onnx, model.tflite, or model.xml with model.bin;
                               beside it classes.json and card.json
"""

import re
import shutil
import textwrap
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

import keras
import tensorflow as tf
from keras import ops

from keras_fcn.files import write_json
from keras_fcn.models import build_network
from keras_fcn.precision import use_precision
from keras_fcn.pretrained import variables_by_name
from keras_fcn.run_folder import RunFolder, git_commit, versions
from keras_fcn.saved_model import write_saved_model

# File and the packages that Keras's export needs, by format.
_OTHER_FORMATS = {
    "onnx": ("model.onnx", "tf2onnx"),
    "litert": ("model.tflite", "tensorflow"),
    "openvino": ("model.xml", "openvino"),
}
FORMATS = ("savedmodel", *_OTHER_FORMATS)
DEFAULT_MAX_PIXELS = 2**22  # of which the compact head needs about 4 GiB
_LONGEST_REASON = 300  # characters; converters print whole graphs
# Of max_pixels: a pixel, padded, and the greatest int32.
LEAST_MAX_PIXELS, MOST_MAX_PIXELS = 32 * 32, 2**31 - 1


def export(
    run: RunFolder,
    output_dir: Path,
    format: str = "savedmodel",
    precision: str = "float32",
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> Path:
    """Write a run's network into a new folder of `output_dir`, whole or not at all.

    Args:
        run: a run, or a network that comes along.
        output_dir: where the numbered folders are; made when missing.
        format: one of `FORMATS`. All but savedmodel map `image`, float32 RGB in
            [0, 255] `(batch, height, width, 3)`, to the probabilities, float32
            `(batch, height, width, num_classes)`.
        precision: "float32" or, for savedmodel, "bfloat16", whatever the run was
            trained in.
        max_pixels: pixels that an image sent to a SavedModel may have, padded to
            multiples of 32; 1,024 to 2**31 - 1.

    Returns:
        The new folder.

    Raises:
        ValueError: if the choices do not go together, a package is missing, the network
            can't be converted, or the run is damaged.
        OSError: if the run is not there, or the folder can't be written.
    """
    _check_choices(format, precision, max_pixels)
    prefix = "" if format == "savedmodel" else f"{format}-"
    with _new_version(output_dir, prefix) as version:
        network = network_in(run, precision)
        class_map = run.read_class_map()
        card = _card(run, network, format, precision)
        if format == "savedmodel":
            write_saved_model(network, class_map, card, version.part, max_pixels)
        else:
            _write_other(network, format, version.part)
            class_map.save(version.part / "classes.json")
            write_json(version.part / "card.json", card)
    return version.path


def network_in(run: RunFolder, precision: str) -> keras.Model:
    """Return a run's best network, built anew in an arithmetic.

    Args:
        run: a run, or a network that comes along.
        precision: "float32" or "bfloat16"; the weights are float32 with both.

    Raises:
        ValueError: if the run's files are damaged or do not fit together.
        OSError: if one is missing.
    """
    kept = variables_by_name(run.load_best_model())
    with use_precision(precision):
        network = build_network(
            run.read_config(), run.read_class_map().num_classes, weights=None
        )
    variables = variables_by_name(network)
    shapes = [{n: tuple(v.shape) for n, v in of.items()} for of in (variables, kept)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"The network in {run.path} is of another config.json")
    for name, variable in variables.items():
        variable.assign(kept[name])
    return network


def next_version(output_dir: Path, prefix: str = "") -> int:
    """Return one more than the greatest number of a folder or file in `output_dir`.

    Args:
        output_dir: a folder that is there.
        prefix: stands before the number; "" for the versions of a server.
    """
    pattern = re.compile(re.escape(prefix) + "([0-9]+)")
    found = (pattern.fullmatch(path.name) for path in output_dir.iterdir())
    return 1 + max((int(match[1]) for match in found if match), default=0)


class _Version:
    """A folder to write to, and the path where it ends."""

    def __init__(self, part):
        self.part = part
        self.path = None


@contextmanager
def _new_version(output_dir, prefix) -> Iterator[_Version]:
    """Give a folder to write to; it gets the next number when the block succeeds."""
    if output_dir.exists() and not output_dir.is_dir():
        raise NotADirectoryError(
            f"--output-dir must be a folder. Received: {output_dir}, a file"
        )
    output_dir.mkdir(parents=True, exist_ok=True)
    # No number, so that a server does not look at it, and a name of its own.
    version = _Version(output_dir / f".part-{uuid.uuid4().hex}")
    version.part.mkdir()
    try:
        yield version
        version.path = _rename_to_next(version.part, output_dir, prefix)
    except (tf.errors.OpError, RuntimeError) as error:  # TensorFlow's and OpenVINO's
        reason = re.sub(r"\{\{.*?\}\}", "", str(error))  # places in TensorFlow's graph
        raise OSError(
            f"{output_dir}: the model could not be written ({reason.strip()})"
        ) from error
    finally:
        shutil.rmtree(version.part, ignore_errors=True)


def _rename_to_next(part, output_dir, prefix):
    """Rename a folder to the next free number, also where another process takes one."""
    while True:
        path = output_dir / f"{prefix}{next_version(output_dir, prefix)}"
        try:
            return part.rename(path)
        except OSError:
            if not path.exists():
                raise


def _check_choices(format, precision, max_pixels):
    if format not in FORMATS:
        raise ValueError(
            f"`format` must be one of {', '.join(FORMATS)}. Received: format={format}"
        )
    if precision == "bfloat16" and format != "savedmodel":
        raise ValueError(
            f"--format {format} is written in float32: leave out --precision bfloat16"
        )
    if not LEAST_MAX_PIXELS <= max_pixels <= MOST_MAX_PIXELS:
        raise ValueError(
            f"`max_pixels` must be {LEAST_MAX_PIXELS} to {MOST_MAX_PIXELS}. "
            f"Received: max_pixels={max_pixels}"
        )
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Export needs Keras on TensorFlow: set KERAS_BACKEND=tensorflow. "
            f"Received: {keras.backend.backend()}"
        )


def _card(run, network, format, precision):
    """What an exported model is, as JSON."""
    config = run.read_config()
    return {
        "model": run.path.resolve().name,
        "format": format,
        "variant": config.variant,
        "head": config.head,
        "parameters": network.count_params(),
        "precision": precision,
        "classes": asdict(run.read_class_map()),
        "exported": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "git_commit": git_commit(),
        "versions": versions(),
    }


def _write_other(network, format, folder):
    """Write class probabilities as a function of the image, by Keras's own export."""
    probabilities = keras.Model(
        network.input, ops.softmax(network.output), name=network.name
    )
    probabilities(ops.zeros((1, 1, 1, 3)))  # Keras asks ONNX's models for one call
    file_name, package = _OTHER_FORMATS[format]
    try:
        with warnings.catch_warnings():
            # Keras looks for names that NumPy 2 is about to give a meaning.
            warnings.simplefilter("ignore", FutureWarning)
            probabilities.export(str(folder / file_name), format=format, verbose=False)
    except ImportError as error:
        raise ValueError(
            f"--format {format} needs a package that is not installed: pip install "
            f"{package} ({error})"
        ) from error
    except (OSError, MemoryError, RuntimeError, tf.errors.OpError):
        raise
    except Exception as error:  # converters have classes of their own
        reason = textwrap.shorten(str(error), _LONGEST_REASON)
        raise ValueError(
            f"--format {format}: the network could not be converted "
            f"({type(error).__name__}: {reason})"
        ) from error
