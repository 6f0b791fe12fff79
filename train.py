"""Train FCN-32s, 16s or 8s: `python train.py --variant 32s`."""

import sys
from dataclasses import fields
from datetime import datetime
from pathlib import Path

from keras_fcn.command_line import run_command
from keras_fcn.config import (
    TrainingConfig,
    add_config_arguments,
    format_value,
    given_arguments,
)
from keras_fcn.precision import resolve_precision
from keras_fcn.run_folder import RUNS, RunFolder


def add_arguments(parser):
    add_config_arguments(parser)
    parser.add_argument(
        "--run-dir",
        type=Path,
        metavar="DIR",
        help="folder of the new run; runs/DATASET-fcnVARIANT-TIME when not given",
    )
    parser.add_argument(
        "--resume",
        type=Path,
        metavar="RUN",
        help="go on with a run from its last finished epoch, with its configuration",
    )


def command(parser, arguments, argv):
    from keras_fcn.training import follow_start, resume, train

    given = given_arguments(parser, argv)
    if arguments.resume is not None:
        refuse_other_configuration(arguments, given)
        run = resume(arguments.resume, arguments.data_dir)
    else:
        names = [option.name for option in fields(TrainingConfig)]
        config = TrainingConfig(**{name: getattr(arguments, name) for name in names})
        config = follow_start(config, given)
        started = datetime.now().strftime("%Y%m%d-%H%M%S")
        name = f"{config.dataset}-fcn{config.variant}-{started}"
        run = train(config, arguments.run_dir or RUNS / name)
    print(run.summary())
    return 0


def refuse_other_configuration(arguments, given):
    """A run goes on with the configuration it has; only its data may have moved."""
    from keras_fcn.pretrained import start_name

    saved = RunFolder.open(arguments.resume).read_config()
    if "run_dir" in given:
        raise ValueError("--resume RUN names the run: leave out --run-dir")
    for option in fields(TrainingConfig):
        name = option.name
        received, kept = getattr(arguments, name), getattr(saved, name)
        if name == "precision":
            received = resolve_precision(received)
        elif name == "init_from" and received is not None:
            received = start_name(received)
        if name in given and name != "data_dir" and received != kept:
            raise ValueError(
                f"--resume goes on with the run's own configuration: {arguments.resume}"
                f" has {name.replace('_', '-')} {format_value(name, kept)}. "
                f"Received: {format_value(name, received)}"
            )


def main(argv=None):
    return run_command(__doc__, add_arguments, command, argv)


if __name__ == "__main__":
    sys.exit(main())
