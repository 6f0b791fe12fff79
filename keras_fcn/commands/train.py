"""Train FCN-32s, 16s or 8s, and go on with a training that was stopped."""

import argparse
import logging
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from shlex import quote

from keras_fcn.commands.command_line import Command, OneLineParser, format_value
from keras_fcn.commands.flags import add_config_arguments, parse_run
from keras_fcn.commands.recipes import check_options, read_recipe
from keras_fcn.config import GROUPS, TrainingConfig
from keras_fcn.runs.names import network_path

logger = logging.getLogger(__name__)

RUNS = Path("runs")
_OPTIONS = tuple(option.name for option in fields(TrainingConfig))
_EXAMPLES = """examples:
  %(prog)s --config recipes/camvid-fcn8s.toml --data-dir data/CamVid
  %(prog)s --dataset folder --data-dir my_data --init-from pretrained
  %(prog)s --variant 16s --init-from runs/camvid-32s --run-dir runs/camvid-16s
  %(prog)s --resume runs/camvid-16s
"""


def add_arguments(parser: OneLineParser) -> None:
    """Add the flags of the command.

    Args:
        parser: gets them.
    """
    parser.set_defaults(prog=parser.prog)
    recipe = parser.add_argument_group("recipe")
    recipe.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="TOML file with values for the options below; flags win over it",
    )
    for name in GROUPS:
        group = parser.add_argument_group(name)
        if name == "output":
            _add_run_arguments(group)
        of_group = [
            option.name
            for option in fields(TrainingConfig)
            if option.metadata["group"] == name
        ]
        add_config_arguments(group, of_group)


def _add_run_arguments(group):
    group.add_argument(
        "--run-dir",
        type=Path,
        metavar="DIR",
        help="folder of the new run; runs/DATASET-fcnVARIANT-TIME when not given",
    )
    group.add_argument(
        "--resume",
        type=parse_run,
        metavar="RUN",
        help="go on with a run from its last finished epoch, with its configuration",
    )


def check(arguments: argparse.Namespace, given: set[str]) -> None:
    """Refuse flags that contradict one another, and put the recipe under them.

    Args:
        arguments: what was parsed; gets the recipe's values where no flag was given.
        given: names of the flags that were given; gets those of the recipe.
    """
    if arguments.resume is not None:
        for name, why in (
            ("run_dir", "`resume` RUN names the run"),
            ("config", "`resume` goes on with the run's own configuration"),
        ):
            if name in given:
                raise ValueError(f"{why}: leave out `{name}`")
        return
    recipe = {} if arguments.config is None else read_recipe(arguments.config)
    flags = given.intersection(_OPTIONS)
    if "init_from" in flags:
        recipe.pop("weights", None)
    elif "weights" in flags:
        recipe.pop("init_from", None)
    for name in recipe.keys() - flags:
        setattr(arguments, name, recipe[name])
    check_options({name: getattr(arguments, name) for name in _OPTIONS}, flags)
    if arguments.init_from is not None:
        network_path(arguments.init_from)
    given.update(recipe)


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Train, and tell what came of it.

    Args:
        arguments: what was parsed.
        given: names of the options that were given.
    """
    from keras_fcn.evaluation.evaluate import class_table
    from keras_fcn.training.start import follow_start
    from keras_fcn.training.train import resume, train

    path = arguments.resume
    try:
        if path is not None:
            _refuse_other_configuration(arguments, given)
            run = resume(path, arguments.data_dir)
        else:
            values = {name: getattr(arguments, name) for name in _OPTIONS}
            config = follow_start(TrainingConfig(**values), given)
            started = datetime.now().strftime("%Y%m%d-%H%M%S")
            name = f"{config.dataset}-fcn{config.variant}-{started}"
            path = arguments.run_dir or RUNS / name
            run = train(config, path)
    except KeyboardInterrupt:
        if path is not None and (path / "config.json").is_file():
            logger.info(
                "Stopped. To go on: %s --resume %s", arguments.prog, quote(str(path))
            )
        raise
    metrics = run.read_metrics()
    print(
        f"Best epoch {metrics['epoch']}: validation mean IoU "
        f"{metrics['mean_iou']:.1%}, pixel accuracy {metrics['pixel_accuracy']:.1%}"
    )
    print("\n".join(["", *class_table(metrics), ""]))
    print(f"Network:     {run.best_model}")
    print(f"Pictures:    {run.samples}/")
    print(f"Curves:      tensorboard --logdir {quote(str(run.path.parent))}")
    return 0


def _refuse_other_configuration(arguments, given):
    """A run goes on with the configuration it has; only its data may have moved."""
    from keras_fcn.models.precision import resolve_precision
    from keras_fcn.runs.folder import RunFolder
    from keras_fcn.runs.names import start_name

    run = arguments.resume
    saved = RunFolder.open(run).read_config()
    for name in given.intersection(_OPTIONS) - {"data_dir"}:
        received, kept = getattr(arguments, name), getattr(saved, name)
        if name == "precision":
            received = resolve_precision(received)
        elif name == "init_from":
            received = start_name(received)
        if received == kept:
            continue
        if name == "epochs" and received > kept:
            raise ValueError(
                f"`resume` ends where the learning rate of {run} ends, after {kept} "
                "epochs: to train on, start a new run from it by `init_from` "
                f"{quote(str(run))} `epochs` N. Received: epochs={received}"
            )
        raise ValueError(
            f"`resume` goes on with the run's own configuration: {run} has "
            f"`{name}` {format_value(name, kept)}. "
            f"Received: {name}={format_value(name, received)}"
        )


main = Command(__doc__, add_arguments, work, check, examples=_EXAMPLES).main
