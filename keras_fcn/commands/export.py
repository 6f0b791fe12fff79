"""Export a network for TensorFlow Serving, ONNX, LiteRT or OpenVINO.

Writes the next free version, DIR/1/, DIR/2/ and so on, as TensorFlow Serving expects;
docs/serving.md describes how to serve it.
"""

import argparse
import dataclasses
from pathlib import Path

from keras_fcn.commands.command_line import Command
from keras_fcn.commands.flags import (
    add_config_arguments,
    add_flag,
    add_model_argument,
    given_data,
)
from keras_fcn.commands.inference_flags import add_size_argument
from keras_fcn.config import DATA_FIELDS
from keras_fcn.options import NonNegativeFloat, PositiveInt
from keras_fcn.serving.options import (
    DEFAULT_MAX_PIXELS,
    SCALED_MAX_PIXELS,
    ExportFormat,
    ExportOptions,
    ExportPrecision,
    MaxPixels,
)

# `--max-pixels` is the limit of a SavedModel here, not that of the data set.
_CALIBRATION_FIELDS = tuple(name for name in DATA_FIELDS if name != "max_pixels")

_EXAMPLES = """examples:
  %(prog)s --output-dir export/fcn
  %(prog)s runs/camvid-8s --output-dir export/fcn --precision bfloat16
  %(prog)s --output-dir export/fcn --format onnx
  %(prog)s --output-dir export/fcn --format openvino --precision int8
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    add_model_argument(parser)
    parser.add_argument(
        "--output-dir",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of the versions; created if missing",
    )
    add_flag(parser, "--format", ExportFormat, "file format", "savedmodel")
    add_flag(
        parser,
        "--precision",
        ExportPrecision,
        "numeric precision: bfloat16 is for savedmodel, on hardware that supports it; "
        "float16 (half the size) and int8 (fastest on CPUs, requires the data set) "
        "are for the other formats",
        "float32",
    )
    add_flag(
        parser,
        "--max-pixels",
        MaxPixels,
        "maximum number of pixels of an image sent to a SavedModel, padded to "
        "multiples of 32; larger images are refused before decoding. If not given, "
        f"{SCALED_MAX_PIXELS}, or {DEFAULT_MAX_PIXELS} with --size native",
    )
    add_size_argument(parser)
    group = parser.add_argument_group("int8 quantization")
    add_flag(
        group,
        "--num-calibration",
        PositiveInt,
        "number of training images used to calibrate the activation ranges",
        ExportOptions.num_calibration,
    )
    add_flag(
        group,
        "--max-loss",
        NonNegativeFloat,
        "maximum drop in validation mean IoU, in percentage points; the export fails "
        "if it is larger",
        ExportOptions.max_loss,
        metavar="POINTS",
    )
    add_config_arguments(group, _CALIBRATION_FIELDS, show_defaults=False)


def check(arguments: argparse.Namespace, given: set[str]) -> None:
    """Refuse flags that can't be combined."""
    names = [field.name for field in dataclasses.fields(ExportOptions)]
    arguments.options = ExportOptions(**{n: getattr(arguments, n) for n in names})
    if arguments.precision != "int8":
        for name in ("num_calibration", "max_loss", *_CALIBRATION_FIELDS):
            if name in given:
                raise ValueError(f"`{name}` requires `precision` int8")


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Export the network."""
    from keras_fcn.jobs.export import export

    data = given_data(arguments, given - {"max_pixels"})
    version = export(
        arguments.model,
        arguments.output_dir,
        **dataclasses.asdict(arguments.options),
        **data,
    )
    size = sum(path.stat().st_size for path in version.rglob("*") if path.is_file())
    print(f"Exported: {version}/ ({size / 1e6:.1f} MB)")
    return 0


main = Command(
    __doc__,
    add_arguments,
    work,
    check,
    "%(prog)s [RUN|NAME] --output-dir DIR [options]",
    _EXAMPLES,
    by_position="model",
    everyday=(
        *("by_position", "model", "output_dir", "format", "precision", "size"),
        *("max_pixels", "data_dir"),
    ),
).main
