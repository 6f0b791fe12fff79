"""Score a network on a split: `python evaluate.py [--model runs/NAME]`."""

import dataclasses
import sys
from pathlib import Path

from keras_fcn.command_line import (
    add_model_argument,
    add_prediction_arguments,
    make_predictor,
    run_command,
)
from keras_fcn.config import DATA_FIELDS, add_config_arguments, given_arguments


def add_arguments(parser):
    add_model_argument(parser)
    parser.add_argument(
        "--split", default="test", choices=("train", "val", "test"), help="split"
    )
    add_prediction_arguments(parser)
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the scores here too"
    )
    parser.add_argument(
        "--output-dir",
        type=Path,
        metavar="DIR",
        help="folder for scores and pictures; when not given RUN/evaluation-SPLIT, or "
        "evaluations/NAME-DATASET-SPLIT for a network that comes along; names of "
        "other data or another way of predicting are put in",
    )
    data = parser.add_argument_group("data", "the run's own where not given")
    add_config_arguments(data, DATA_FIELDS, show_defaults=False)
    add_config_arguments(parser, ("batch_size",))


def command(parser, arguments, argv):
    from keras_fcn.datasets import load_dataset
    from keras_fcn.datasets.partition import repartition
    from keras_fcn.evaluation import evaluate, format_report
    from keras_fcn.files import write_json
    from keras_fcn.pretrained import find_model

    run = find_model(arguments.model)
    given = given_arguments(parser, argv).intersection(DATA_FIELDS)
    trained = run.read_config()
    config = dataclasses.replace(
        trained, **{name: getattr(arguments, name) for name in given}
    )
    if arguments.json is not None and (
        arguments.json.is_dir() or not arguments.json.absolute().parent.is_dir()
    ):
        raise FileNotFoundError(
            f"--json needs a file in a folder that is there. Received: {arguments.json}"
        )
    splits, partition = (arguments.split,), "published"
    if arguments.split != "test" and config.dataset == trained.dataset:
        partition = config.partition
        splits = splits if partition == "published" else ("train", "val")
    dataset = load_dataset(config, splits, run.read_class_map())
    dataset = repartition(dataset, partition)
    run.check_classes(dataset.class_map)
    predict, prediction = make_predictor(run.load_best_model(), arguments)
    report = evaluate(
        predict,
        dataset,
        arguments.split,
        arguments.output_dir or default_output_dir(run, config, trained, arguments),
        batch_size=arguments.batch_size,
        prediction=prediction,
    )
    if arguments.json is not None:
        write_json(arguments.json, report)
    print(format_report(report))
    print(f"\nScores and pictures: {report['output_dir']}/")
    return 0


def default_output_dir(run, config, trained, arguments):
    """Beside the run; not among the files of a network that is passed on."""
    from keras_fcn.pretrained import PretrainedFolder

    suffix = arguments.split
    if arguments.tta:
        suffix += "-tta"
    elif arguments.dense != "upsampling":
        suffix += f"-{arguments.dense}"
        if arguments.stride_factor is not None:
            suffix += f"-{arguments.stride_factor}"
    if isinstance(run, PretrainedFolder):
        name = f"{run.path.resolve().name}-{config.dataset}-{suffix}"
        return Path("evaluations") / name
    if config.dataset != trained.dataset:
        suffix = f"{config.dataset}-{suffix}"
    return run.path / f"evaluation-{suffix}"


def main(argv=None):
    return run_command(__doc__, add_arguments, command, argv)


if __name__ == "__main__":
    sys.exit(main())
