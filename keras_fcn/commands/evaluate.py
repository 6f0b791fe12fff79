"""Compute the scores of a network on a split of a data set.

Prints a table of the scores by class, and writes scores.json, the confusion matrix and
overlays of all images to a folder.
"""

import argparse
import dataclasses
import logging
from pathlib import Path
from typing import Literal

from keras_fcn.commands.command_line import Command
from keras_fcn.commands.data_flags import add_data_arguments, data_config
from keras_fcn.commands.flags import (
    add_config_arguments,
    add_flag,
    add_model_argument,
    check_output_file,
)
from keras_fcn.commands.inference_flags import (
    add_inference_arguments,
    add_runtime_arguments,
    inference_options,
    runtime_options,
    select_runtime_of,
)
from keras_fcn.options import Temperature
from keras_fcn.runs.names import network_files

logger = logging.getLogger(__name__)

# A smaller ratio of the sizes needs no hint: the random scale of the training, 0.5 to
# 1.5, contains it.
_SAME_SCALE = 1.25
_EXAMPLES = """examples:
  %(prog)s
  %(prog)s runs/camvid-8s --split val --tta
  %(prog)s runs/camvid-8s --data-dir data/CamVid --json scores.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    add_model_argument(parser)
    add_flag(
        parser, "--split", Literal["train", "val", "test"], "split", "test", "SPLIT"
    )
    add_config_arguments(parser, ("batch_size",))
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the scores to this file"
    )
    parser.add_argument(
        "--output-dir",
        type=Path,
        metavar="DIR",
        help="folder for scores and overlays; RUN/evaluation-SPLIT, or "
        "evaluations/NAME-DATASET-SPLIT for a bundled network, if not given, with a "
        "suffix for other data or other inference options",
    )
    add_inference_arguments(parser, default_size=None)
    add_runtime_arguments(parser)
    add_flag(
        parser,
        "--temperature",
        Temperature,
        "divide the logits by T before the softmax; the network's own temperature if "
        "not given; 1 disables it",
    )
    add_data_arguments(parser)


def check(arguments: argparse.Namespace, given: set[str]) -> None:
    """Refuse bad combinations of flags, and a JSON file that can't be written."""
    arguments.options = inference_options(arguments)
    arguments.runtime_options = runtime_options(arguments, given)
    check_output_file("json", arguments.json, (), network_files(arguments.model))


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Evaluate the network and print the table."""
    from keras_fcn.datasets.folder.folder_data import MissingSplit
    from keras_fcn.evaluation.data import load_data
    from keras_fcn.evaluation.evaluate import evaluate
    from keras_fcn.evaluation.report import format_report
    from keras_fcn.prediction.predictor import make_predictor, resolve_options
    from keras_fcn.runs.bundled import find_network
    from keras_fcn.runs.folder import RunFolder
    from keras_fcn.storage.atomic import write_json

    network = find_network(arguments.model, exported=True)
    config = data_config(network, arguments, given)
    if config.data_dir is not None:
        inputs, own = [Path(config.data_dir)], b'"confusion_matrix"'
        check_output_file("json", arguments.json, (), inputs, own)
    # As the validation of the training, whose scores are compared with these.
    usual_size = "native" if config.size is None else "auto"
    # The images keep their size, so that logits are compared with the labels' pixels.
    config = dataclasses.replace(config, size=None)
    try:
        dataset = load_data(network, config, (arguments.split,))
    except MissingSplit:
        if "split" in given:
            raise
        logger.warning(
            "There is no test split: using val, on which the best epoch was selected"
        )
        arguments.split = "val"
        dataset = load_data(network, config, ("val",))
    arguments.size = arguments.size or usual_size
    side = dataset.split(arguments.split).median_shorter_side
    ratio = side / (network.read_training_size() or side)
    is_same = 1 / _SAME_SCALE < ratio < _SAME_SCALE
    if arguments.size == "native" and not network.scales_images and not is_same:
        logger.warning(
            "The shorter side of the images is %d pixels, that of the training images "
            "%d: use --size auto to resize them to the training size",
            side,
            network.read_training_size(),
        )
    output_dir = arguments.output_dir
    if output_dir is None:
        suffix = _folder_suffix(arguments, usual_size)
        if not isinstance(network, RunFolder):  # its files are not changed
            output_dir = Path(f"evaluations/{network.name}-{config.dataset}-{suffix}")
        elif config.dataset == network.read_config().dataset:
            output_dir = network.path / f"evaluation-{suffix}"
        else:
            output_dir = network.path / f"evaluation-{config.dataset}-{suffix}"
    options = resolve_options(inference_options(arguments), network)
    predictor = make_predictor(arguments.selection.load(), options)
    report = evaluate(
        predictor.label_maps_and_confidence,
        dataset,
        arguments.split,
        output_dir,
        batch_size=arguments.batch_size,
        prediction=predictor.description,
        temperature=options.temperature or 1.0,
    )
    if arguments.json is not None:
        write_json(arguments.json, report)
    print(format_report(report))
    print(f"\nScores and overlays: {report['output_dir']}/")
    return 0


def _folder_suffix(arguments: argparse.Namespace, usual_size: str) -> str:
    """Return the split and the inference options that differ from their defaults."""
    suffix = arguments.split
    if arguments.tta:
        suffix += "-tta"
    elif arguments.dense != "upsampling":
        suffix += f"-{arguments.dense}"
        if arguments.stride_factor is not None:
            suffix += f"-{arguments.stride_factor}"
    if arguments.uncertainty:
        suffix += f"-uncertainty-{arguments.uncertainty}"
    if arguments.temperature is not None:
        suffix += f"-temperature-{arguments.temperature:g}"
    if arguments.runtime != "auto":
        suffix += f"-{arguments.runtime}"
    if arguments.precision != "auto":
        suffix += f"-{arguments.precision}"
    if arguments.size != usual_size:
        suffix += f"-size-{arguments.size}"
    if arguments.tile is not None:
        suffix += f"-tile-{arguments.tile[0]}x{arguments.tile[1]}"
        if arguments.overlap is not None:
            suffix += f"-overlap-{arguments.overlap}"
    return suffix


def _select_runtime(arguments: argparse.Namespace) -> bool:
    """Select the runtime, before the backend of Keras is imported to read the data."""
    arguments.selection = select_runtime_of(arguments)
    return True


main = Command(
    __doc__,
    add_arguments,
    work,
    check,
    "%(prog)s [RUN|NAME] [options]",
    _EXAMPLES,
    by_position="model",
    everyday=(
        *("by_position", "model", "split", "dataset", "data_dir", "size", "tta"),
        *("json", "output_dir"),
    ),
    needs_backend=_select_runtime,
).main
