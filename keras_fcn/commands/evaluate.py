"""Compute the scores of a network on a split of a data set.

Prints a table of the scores by class, and writes scores.json, the confusion matrix and
overlays of all images to a folder.
"""

import argparse
import dataclasses
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from keras_fcn.commands.command_line import Command
from keras_fcn.commands.flags import (
    add_config_arguments,
    add_flag,
    add_model_argument,
    check_output_file,
)
from keras_fcn.commands.inference_flags import (
    add_inference_arguments,
    inference_options,
)
from keras_fcn.config import DATA_FIELDS, TrainingConfig
from keras_fcn.options import Temperature

if TYPE_CHECKING:
    from keras_fcn.classes import ClassMap
    from keras_fcn.datasets.dataset import SegmentationDataset

logger = logging.getLogger(__name__)

_SAME_SCALE = 1.25  # a smaller ratio of sizes needs no hint
_EXAMPLES = """examples:
  %(prog)s
  %(prog)s --model runs/camvid-8s --split val --tta
  %(prog)s --model runs/camvid-8s --data-dir data/CamVid --json scores.json
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
    add_flag(
        parser,
        "--temperature",
        Temperature,
        "divide the logits by T before the softmax; the network's own temperature if "
        "not given; 1 disables it",
    )
    data = parser.add_argument_group(
        "data", "Options that are not given are taken from the training run."
    )
    add_config_arguments(data, DATA_FIELDS, show_defaults=False)


def check(arguments: argparse.Namespace, given: set[str]) -> None:
    """Refuse bad combinations of flags, and a JSON file that can't be written."""
    inference_options(arguments)
    check_output_file("json", arguments.json)


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Evaluate the network and print the table."""
    from keras_fcn.evaluation.evaluate import evaluate
    from keras_fcn.evaluation.report import format_report
    from keras_fcn.prediction.predictor import make_predictor, resolve_options
    from keras_fcn.runs.bundled import find_network
    from keras_fcn.storage.atomic import write_json

    network = find_network(arguments.model, exported=True)
    trained = network.read_config()
    others = {name: getattr(arguments, name) for name in given & set(DATA_FIELDS)}
    config = dataclasses.replace(trained, **others)
    class_map = network.read_class_map()
    dataset = _load(config, trained, arguments, given, class_map)
    network.check_classes(dataset.class_map)
    # As the validation of the training, whose scores are compared with these.
    usual_size = "native" if trained.size is None else "auto"
    arguments.size = arguments.size or usual_size
    side = dataset.split(arguments.split).median_shorter_side
    ratio = side / (network.read_training_size() or side)
    is_same = 1 / _SAME_SCALE < ratio < _SAME_SCALE
    if arguments.size == "native" and not network.scales_images and not is_same:
        logger.warning(
            "The shorter side of the images is %d pixels, and %d in the training: "
            "--size auto resizes them to that",
            side,
            network.read_training_size(),
        )
    options = resolve_options(inference_options(arguments), network)
    predictor = make_predictor(network.load_model(), options)
    report = evaluate(
        predictor.label_maps_and_confidence,
        dataset,
        arguments.split,
        arguments.output_dir
        or _default_output_dir(network, config, trained, arguments, usual_size),
        batch_size=arguments.batch_size,
        prediction=predictor.description,
        temperature=options.temperature or 1.0,
    )
    if arguments.json is not None:
        write_json(arguments.json, report)
    print(format_report(report))
    print(f"\nScores and overlays: {report['output_dir']}/")
    return 0


def _load(
    config: TrainingConfig,
    trained: TrainingConfig,
    arguments: argparse.Namespace,
    given: set[str],
    class_map: "ClassMap",
) -> "SegmentationDataset":
    """Load the data set, with the splits of the training if it is the same one."""
    from keras_fcn.datasets.folder.folder_data import MissingSplit
    from keras_fcn.datasets.load import load_dataset
    from keras_fcn.datasets.val_pattern import split_by_pattern

    def load(split: str) -> "SegmentationDataset":
        pattern = trained.val_pattern
        if pattern is None or split == "test" or config.dataset != trained.dataset:
            return load_dataset(config, (split,), class_map)
        return split_by_pattern(
            load_dataset(config, ("train", "val"), class_map), pattern
        )

    try:
        return load(arguments.split)
    except MissingSplit:
        if "split" in given:
            raise
        logger.warning(
            "There is no test split: using val, on which the best epoch was selected"
        )
        arguments.split = "val"
        return load("val")


def _default_output_dir(
    network: Any,
    config: TrainingConfig,
    trained: TrainingConfig,
    arguments: argparse.Namespace,
    usual_size: str,
) -> Path:
    """A folder in the run; packed and exported networks stay as they are."""
    from keras_fcn.runs.exported import ExportedFolder
    from keras_fcn.runs.packed import PackedFolder

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
    if arguments.size != usual_size:
        suffix += f"-size-{arguments.size}"
    if arguments.tile is not None:
        suffix += f"-tile-{arguments.tile[0]}x{arguments.tile[1]}"
        if arguments.overlap is not None:
            suffix += f"-overlap-{arguments.overlap}"
    if isinstance(network, PackedFolder | ExportedFolder):
        path = network.path.resolve()
        name = f"{path.name}-{config.dataset}-{suffix}"
        if isinstance(network, ExportedFolder):
            name = f"{path.parent.name}-{name}"  # the folder's own name is the version
        return Path("evaluations") / name
    if config.dataset != trained.dataset:
        suffix = f"{config.dataset}-{suffix}"
    return network.path / f"evaluation-{suffix}"


main = Command(__doc__, add_arguments, work, check, examples=_EXAMPLES).main
