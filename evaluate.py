"""Score a trained network on a split: `python evaluate.py --model runs/NAME`."""

import dataclasses
import sys
from pathlib import Path

from keras_fcn.command_line import add_model_argument, run_command
from keras_fcn.config import DATA_FIELDS, add_config_arguments, given_arguments
from keras_fcn.run_folder import find_run


def add_arguments(parser):
    add_model_argument(parser)
    parser.add_argument(
        "--split", default="test", choices=("train", "val", "test"), help="split"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the scores here too"
    )
    parser.add_argument(
        "--output-dir",
        type=Path,
        metavar="DIR",
        help="folder for scores and pictures; RUN/evaluation-SPLIT when not given",
    )
    data = parser.add_argument_group("data", "the run's own where not given")
    add_config_arguments(data, DATA_FIELDS, show_defaults=False)
    add_config_arguments(parser, ("batch_size",))


def command(parser, arguments, argv):
    from keras_fcn.datasets import load_dataset
    from keras_fcn.evaluation import evaluate, format_report
    from keras_fcn.files import write_json

    run = find_run(arguments.model)
    given = given_arguments(parser, argv).intersection(DATA_FIELDS)
    config = dataclasses.replace(
        run.read_config(), **{name: getattr(arguments, name) for name in given}
    )
    if arguments.json is not None and (
        arguments.json.is_dir() or not arguments.json.absolute().parent.is_dir()
    ):
        raise FileNotFoundError(
            f"--json needs a file in a folder that is there. Received: {arguments.json}"
        )
    dataset = load_dataset(config, (arguments.split,), run.read_class_map())
    run.check_classes(dataset.class_map)
    report = evaluate(
        run.load_best_model(),
        dataset,
        arguments.split,
        arguments.output_dir or run.path / f"evaluation-{arguments.split}",
        batch_size=arguments.batch_size,
    )
    if arguments.json is not None:
        write_json(arguments.json, report)
    print(format_report(report))
    print(f"\nScores and pictures: {report['output_dir']}/")
    return 0


def main(argv=None):
    return run_command(__doc__, add_arguments, command, argv)


if __name__ == "__main__":
    sys.exit(main())
