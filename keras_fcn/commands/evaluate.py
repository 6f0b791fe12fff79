"""Compute the scores of a network on a split of a data set.

Prints a table of the scores by class, and writes scores.json, the confusion matrix and
overlays of all images to a folder.
"""

import argparse
from pathlib import Path
from typing import Literal

from keras_fcn.commands.command_line import Command
from keras_fcn.commands.flags import (
    add_config_arguments,
    add_data_arguments,
    add_flag,
    add_model_argument,
    check_output_file,
    given_data,
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
    inputs, own = network_files(arguments.model), b'"worst_images"'
    check_output_file("json", arguments.json, own, inputs)


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Evaluate the network and print the table."""
    from keras_fcn.evaluation.data import data_config
    from keras_fcn.evaluation.report import format_report
    from keras_fcn.jobs.evaluate import evaluate_selected
    from keras_fcn.storage.atomic import write_json

    config = data_config(arguments.selection.network, given_data(arguments, given))
    report = evaluate_selected(
        arguments.selection,
        config,
        arguments.split if "split" in given else None,
        arguments.options,
        arguments.size,
        arguments.output_dir,
        arguments.batch_size,
    )
    if arguments.json is not None:
        write_json(arguments.json, report)
    print(format_report(report))
    print(f"\nScores and overlays: {report['output_dir']}/")
    return 0


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
