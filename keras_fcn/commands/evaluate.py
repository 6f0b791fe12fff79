"""Score a network on a split, with a table by class, its worst images and overlays."""

import argparse
import dataclasses
import logging
from pathlib import Path

from keras_fcn.commands.command_line import Command, OneLineParser
from keras_fcn.commands.flags import (
    add_choice,
    add_config_arguments,
    add_model_argument,
    add_prediction_arguments,
    number_parser,
    prediction_options,
)
from keras_fcn.config import DATA_FIELDS, Number

logger = logging.getLogger(__name__)

_SAME_SCALE = 1.25  # of two sizes that a network does not tell apart
_EXAMPLES = """examples:
  %(prog)s
  %(prog)s --model runs/camvid-8s --split val --tta
  %(prog)s --model runs/camvid-8s --data-dir data/CamVid --json scores.json
"""


def add_arguments(parser: OneLineParser) -> None:
    """Add the flags of the command.

    Args:
        parser: gets them.
    """
    add_model_argument(parser)
    add_choice(parser, "--split", ("train", "val", "test"), "split", "test")
    add_config_arguments(parser, ("batch_size",))
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the scores here too"
    )
    parser.add_argument(
        "--output-dir",
        type=Path,
        metavar="DIR",
        help="folder for scores and pictures; when not given RUN/evaluation-SPLIT, or "
        "evaluations/NAME-DATASET-SPLIT for a bundled network; names of other data or "
        "another way of predicting are put in",
    )
    add_prediction_arguments(parser, default_size=None)
    temperature = Number(float, lambda value: 0 < value < 1000, "a number above 0")
    parser.add_argument(
        "--temperature",
        type=number_parser(temperature),
        metavar="T",
        help="by which scores are divided before they become probabilities; the run's "
        "own when not given, 1 for none",
    )
    data = parser.add_argument_group("data", "the run's own where not given")
    add_config_arguments(data, DATA_FIELDS, show_defaults=False)


def check(arguments: argparse.Namespace, given: set[str]) -> None:
    """Refuse flags that can't be followed.

    Args:
        arguments: what was parsed.
        given: names of the flags that were given.
    """
    prediction_options(arguments)
    if arguments.json is not None and (
        arguments.json.is_dir() or not arguments.json.absolute().parent.is_dir()
    ):
        raise FileNotFoundError(
            f"`json` needs a file in a folder that is there. Received: {arguments.json}"
        )


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Score the network and print the table.

    Args:
        arguments: what was parsed.
        given: names of the flags that were given.
    """
    from keras_fcn.datasets.folder.folder_data import MissingSplit
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
    try:
        dataset = _load(config, trained, arguments.split, class_map)
    except MissingSplit:
        if "split" in given:
            raise
        logger.warning("There is no test split: scored on val, which chose the epoch")
        arguments.split = "val"
        dataset = _load(config, trained, arguments.split, class_map)
    network.check_classes(dataset.class_map)
    usual_size = "native" if trained.size is None else "auto"
    arguments.size = arguments.size or usual_size
    if arguments.size == "native" and not network.scales_images:
        _tell_of_size(network.read_training_size(), dataset.split(arguments.split))
    options = resolve_options(prediction_options(arguments), network)
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
    print(f"\nScores and pictures: {report['output_dir']}/")
    return 0


def _tell_of_size(training_size, split):
    """Name the flag where the network was trained to see images at another scale."""
    side = split.median_shorter_side
    if training_size and not 1 / _SAME_SCALE < side / training_size < _SAME_SCALE:
        logger.warning(
            "The images' shorter sides have %d pixels, and the network was trained to "
            "see %d: --size auto scores it so",
            side,
            training_size,
        )


def _load(config, trained, split, class_map):
    """The data set with a split, divided as the training's was."""
    from keras_fcn.datasets.load import load_dataset
    from keras_fcn.datasets.val_pattern import split_by_pattern

    holds_out = (
        trained.val_pattern is not None
        and split != "test"
        and config.dataset == trained.dataset
    )
    splits = ("train", "val") if holds_out else (split,)
    dataset = load_dataset(config, splits, class_map)
    return split_by_pattern(dataset, trained.val_pattern) if holds_out else dataset


def _default_output_dir(network, config, trained, arguments, usual_size):
    """Beside the run; not among the files of a network that is passed on."""
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
            name = f"{path.parent.name}-{name}"  # its own is that of a format
        return Path("evaluations") / name
    if config.dataset != trained.dataset:
        suffix = f"{config.dataset}-{suffix}"
    return network.path / f"evaluation-{suffix}"


main = Command(__doc__, add_arguments, work, check, examples=_EXAMPLES).main
