"""Train FCN-32s, 16s or 8s, and go on with a training that was stopped."""

import argparse
import logging
import os
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from shlex import quote

from keras_fcn.commands.command_line import Command, OneLineParser, format_value
from keras_fcn.commands.flags import add_config_arguments, number_parser, parse_run
from keras_fcn.commands.recipes import check_options, read_recipe
from keras_fcn.config import GROUPS, POSITIVE_INT, TrainingConfig
from keras_fcn.datasets.mix import absolute_mix
from keras_fcn.errors import TrainingStopped
from keras_fcn.runs.names import CONFIG_FILE, network_path
from keras_fcn.training.distributed.cluster import find_cluster

logger = logging.getLogger(__name__)

RUNS = Path("runs")
_OPTIONS = tuple(option.name for option in fields(TrainingConfig))
_EXAMPLES = """examples:
  %(prog)s --config recipes/camvid-fcn8s.toml --data-dir data/CamVid
  %(prog)s --dataset folder --data-dir my_data --init-from pretrained
  %(prog)s --variant 16s --init-from runs/camvid-32s --run-dir runs/camvid-16s
  %(prog)s --resume runs/camvid-16s
  %(prog)s --config recipes/camvid-fcn8s.toml --run-dir runs/mine --auto-resume
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
    _add_device_arguments(parser.add_argument_group("devices and machines"))


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
        help="go on with a run from its last checkpoint, with its configuration",
    )
    group.add_argument(
        "--auto-resume",
        action="store_true",
        help="go on with --run-dir where there is a run, and start it where there is "
        "none: a command that can be started again as it is",
    )
    group.add_argument(
        "--checkpoint-every",
        type=number_parser(POSITIVE_INT),
        metavar="STEPS",
        help="write the state every so many steps, besides at each epoch's end; what a "
        "machine that dies costs at most",
    )


def _add_device_arguments(group):
    group.description = (
        "Several machines train together where TF_CONFIG or Slurm names them: the "
        "same command on each, see docs/scaling.md. --batch-size is of all devices "
        "together."
    )
    group.add_argument(
        "--devices",
        type=_parse_devices,
        default="all",
        metavar="all|N",
        help="GPUs of each machine that are trained on",
    )


def _parse_devices(text):
    return text if text == "all" else number_parser(POSITIVE_INT)(text)


def check(arguments: argparse.Namespace, given: set[str]) -> None:
    """Refuse flags that contradict one another, and put the recipe under them.

    Args:
        arguments: what was parsed; gets the recipe's values where no flag was given.
        given: names of the flags that were given; gets those of the recipe.
    """
    if "TF_CONFIG" in os.environ and find_cluster() is not None:
        # TensorFlow's own lines about a worker that is gone, before ours.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if arguments.auto_resume and arguments.run_dir is None:
        raise ValueError(
            "`auto_resume` needs `run_dir`, the run to start or go on with"
        )
    if arguments.resume is not None:
        for name, why in (
            ("auto_resume", "`resume` goes on in any case"),
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
    from keras_fcn.training.distributed.strategy import join

    devices = None if arguments.devices == "all" else arguments.devices
    distribution = join(find_cluster(), devices)
    path = arguments.resume or arguments.run_dir
    try:
        run = _train(arguments, given, distribution)
    except (KeyboardInterrupt, TrainingStopped):
        if path is not None and (path / CONFIG_FILE).is_file():
            logger.info("To go on: %s --resume %s", arguments.prog, quote(str(path)))
        raise
    if distribution.is_first:
        _tell(run)
    return 0


def _train(arguments, given, distribution):
    """Start a training, go on with one, or find it finished: as the first worker says.

    The other workers need no run's folder.
    """
    from keras_fcn.runs.folder import RunFolder
    from keras_fcn.training.resolve import follow_start
    from keras_fcn.training.train import resume, train

    path, every = arguments.resume or arguments.run_dir, arguments.checkpoint_every
    with distribution.together():
        what = _what_to_do(arguments, given, path) if distribution.is_first else None
    what = distribution.exchange(what)[0]
    if what == "nothing":
        logger.info("The training has finished already")
        return RunFolder(path)
    if what == "resume":
        return resume(path, arguments.data_dir, distribution, every)
    with distribution.together():
        values = {name: getattr(arguments, name) for name in _OPTIONS}
        config = follow_start(TrainingConfig(**values), given)
    if path is None:
        started = datetime.now().strftime("%Y%m%d-%H%M%S")
        path = RUNS / f"{config.dataset}-fcn{config.variant}-{started}"
    return train(config, path, distribution, every)


def _what_to_do(arguments, given, path):
    """One of start, resume, and nothing."""
    from keras_fcn.runs.folder import RunFolder
    from keras_fcn.training.train import is_finished

    has_begun = path is not None and (path / CONFIG_FILE).is_file()
    if not (arguments.resume or (arguments.auto_resume and has_begun)):
        return "start"
    _refuse_other_configuration(arguments, given, path)
    is_done = is_finished(RunFolder.open(path))
    return "nothing" if is_done and arguments.auto_resume else "resume"


def _tell(run):
    """Print what came of a training."""
    from keras_fcn.evaluation.report import class_table

    metrics = run.read_metrics()
    print(
        f"Best epoch {metrics['epoch']}: validation mean IoU "
        f"{metrics['mean_iou']:.1%}, pixel accuracy {metrics['pixel_accuracy']:.1%}"
    )
    print("\n".join(["", *class_table(metrics), ""]))
    print(f"Network:     {run.best_model}")
    print(f"Pictures:    {run.samples}/")
    print(f"Curves:      tensorboard --logdir {quote(str(run.path.parent))}")


def _refuse_other_configuration(arguments, given, run):
    """A run goes on with the configuration it has; only its data may have moved."""
    from keras_fcn.models.precision import resolve_precision
    from keras_fcn.runs.folder import RunFolder
    from keras_fcn.runs.names import start_name

    saved = RunFolder.open(run).read_config()
    for name in given.intersection(_OPTIONS) - {"data_dir"}:
        received, kept = getattr(arguments, name), getattr(saved, name)
        if name == "precision":
            received = resolve_precision(received)
        elif name == "init_from":
            received = start_name(received)
        elif name == "mix":
            received = absolute_mix(received)
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
