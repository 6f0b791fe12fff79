"""Export a network for a server or another runtime.

Writes the next free version, DIR/1/, DIR/2/ and so on, as TensorFlow Serving reads
them; docs/serving.md shows how it is served.
"""

import argparse
import dataclasses
from pathlib import Path

from keras_fcn.commands.command_line import Command, OneLineParser
from keras_fcn.commands.flags import (
    add_choice,
    add_config_arguments,
    add_model_argument,
    add_size_argument,
    number_parser,
)
from keras_fcn.config import DATA_FIELDS, POSITIVE_INT, Number
from keras_fcn.serving.options import (
    DEFAULT_MAX_PIXELS,
    EXPORT_FORMATS,
    EXPORT_PRECISIONS,
    LEAST_MAX_PIXELS,
    MOST_MAX_PIXELS,
    SCALED_MAX_PIXELS,
    ExportOptions,
)

# Of the data for int8; `--max-pixels` is that of a SavedModel here.
_CALIBRATION_FIELDS = tuple(name for name in DATA_FIELDS if name != "max_pixels")

_EXAMPLES = """examples:
  %(prog)s --output-dir export/fcn
  %(prog)s --model runs/camvid-8s --output-dir export/fcn --precision bfloat16
  %(prog)s --output-dir export/fcn --format onnx
  %(prog)s --output-dir export/fcn --format openvino --precision int8
"""


def add_arguments(parser: OneLineParser) -> None:
    """Add the flags of the command.

    Args:
        parser: gets them.
    """
    add_model_argument(parser)
    parser.add_argument(
        "--output-dir",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of the versions; made when missing",
    )
    add_choice(parser, "--format", EXPORT_FORMATS, "what is written", "savedmodel")
    add_choice(
        parser,
        "--precision",
        EXPORT_PRECISIONS,
        "bfloat16 is for a SavedModel where the server's hardware has it; float16, of "
        "half the size, and int8, the fastest on CPUs, which needs the data of the "
        "training, are for the other formats",
        "float32",
    )
    max_pixels = Number(
        int,
        lambda value: LEAST_MAX_PIXELS <= value <= MOST_MAX_PIXELS,
        f"a whole number from {LEAST_MAX_PIXELS} to {MOST_MAX_PIXELS}",
    )
    parser.add_argument(
        "--max-pixels",
        type=number_parser(max_pixels),
        metavar="N",
        help="pixels that an image sent to a SavedModel may have, padded to multiples "
        "of 32; greater ones are refused before they are decoded. When not given "
        f"{SCALED_MAX_PIXELS}, or {DEFAULT_MAX_PIXELS} with --size native",
    )
    add_size_argument(parser)
    group = parser.add_argument_group("int8")
    group.add_argument(
        "--num-calibration",
        type=number_parser(POSITIVE_INT),
        default=ExportOptions.num_calibration,
        metavar="N",
        help="training images that the ranges of the features are taken from",
    )
    group.add_argument(
        "--max-loss",
        type=number_parser(
            Number(float, lambda value: value >= 0, "a number from 0 on")
        ),
        default=ExportOptions.max_loss,
        metavar="POINTS",
        help="points of mean IoU on validation that may be lost; an export that loses "
        "more is refused",
    )
    add_config_arguments(group, _CALIBRATION_FIELDS, show_defaults=False)


def check(arguments: argparse.Namespace, given: set[str]) -> None:
    """Refuse flags that do not go together.

    Args:
        arguments: what was parsed.
        given: names of the flags that were given.
    """
    arguments.options = ExportOptions(
        arguments.format,
        arguments.precision,
        arguments.max_pixels,
        arguments.size,
        arguments.num_calibration,
        arguments.max_loss,
    )
    if arguments.precision != "int8":
        for name in ("num_calibration", "max_loss", *_CALIBRATION_FIELDS):
            if name in given:
                raise ValueError(f"`{name}` requires `precision` int8")


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Export the network and print where it is.

    Args:
        arguments: what was parsed.
        given: names of the flags that were given.
    """
    from keras_fcn.runs.bundled import find_network
    from keras_fcn.serving.export import export

    network = find_network(arguments.model)
    calibration = None
    if arguments.precision == "int8":
        calibration = _load_calibration(network, arguments, given)
    version = export(network, arguments.output_dir, arguments.options, calibration)
    size = sum(path.stat().st_size for path in version.rglob("*") if path.is_file())
    print(f"Exported: {version}/ ({size / 1e6:.1f} MB)")
    return 0


def _load_calibration(network, arguments, given):
    """Training images for the ranges, and the scores on validation."""
    from keras_fcn.datasets.load import as_in_training, load_dataset
    from keras_fcn.evaluation.evaluate import quick_scores
    from keras_fcn.serving.quantize import Calibration

    trained = network.read_config()
    others = {
        name: getattr(arguments, name) for name in given & set(_CALIBRATION_FIELDS)
    }
    config = dataclasses.replace(trained, **others)
    try:
        dataset = load_dataset(config, ("train", "val"), network.read_class_map())
    except OSError as error:
        raise OSError(
            "`precision` int8 needs the training and validation images of "
            f"{config.dataset}, as by `data_dir`: {error}"
        ) from error
    dataset = as_in_training(dataset, config)
    network.check_classes(dataset.class_map)
    train = dataset.split("train")
    step = -(-train.num_images // arguments.num_calibration)
    images = train.examples.shard(step, 0).map(lambda example: example["image"])
    return Calibration(
        list(images.as_numpy_iterator()),
        lambda label_maps: quick_scores(label_maps, dataset, "val"),
    )


main = Command(
    __doc__,
    add_arguments,
    work,
    check,
    "%(prog)s --output-dir DIR [options]",
    _EXAMPLES,
).main
