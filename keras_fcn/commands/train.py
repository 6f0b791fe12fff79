"""Train FCN-32s, 16s, 8s or 4s, or resume an interrupted run.

Writes checkpoints, the best network, scores, TensorBoard logs and sample predictions
to the folder of the run.
"""

import argparse
import logging
import os
from dataclasses import fields
from pathlib import Path
from shlex import quote
from typing import Annotated, Literal

from keras_fcn.commands.command_line import Command
from keras_fcn.commands.flags import add_config_arguments, add_flag, parse_run
from keras_fcn.config import GROUPS, TrainingConfig
from keras_fcn.errors import TrainingStopped
from keras_fcn.jobs.recipes import check_options, describe_recipes, with_recipe
from keras_fcn.options import Kind, PositiveInt
from keras_fcn.training.distributed.cluster import find_cluster

logger = logging.getLogger(__name__)

_Devices = Annotated[
    Literal["all"] | PositiveInt, Kind("all or a positive integer", "all|N")
]
_EXAMPLES = """examples:
  %(prog)s --config camvid-fcn8s --data-dir data/CamVid
  %(prog)s --data-dir my_data
  %(prog)s --variant 16s --init-from runs/camvid-32s --run-dir runs/camvid-16s
  %(prog)s --resume runs/camvid-16s
  %(prog)s --config camvid-fcn8s --run-dir runs/mine --auto-resume
"""


_GROUP_HELP = {
    "network": "Without --variant, --head, --weights, --init-from or other options of\n"
    "the network, training starts from the bundled network, a compact FCN-8s, or from\n"
    "VGG16's ImageNet weights if they have been downloaded before.",
}


class _Config(argparse.Action):
    """Keeps the recipe; `list` prints the recipes instead, and exits."""

    def __call__(self, parser, namespace, values, option_string=None):
        if values == "list":
            print(describe_recipes())
            parser.exit()
        setattr(namespace, self.dest, values)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    recipe = parser.add_argument_group("recipe")
    recipe.add_argument(
        "--config",
        action=_Config,
        metavar="NAME|FILE",
        help="recipe of the package, or TOML file, with values of the options below; "
        "flags override it; list prints the recipes",
    )
    for name in GROUPS:
        group = parser.add_argument_group(name, _GROUP_HELP.get(name))
        if name == "run":
            _add_run_arguments(group)
        of_group = [
            f.name for f in fields(TrainingConfig) if f.metadata["group"] == name
        ]
        add_config_arguments(group, of_group)
    devices = parser.add_argument_group(
        "devices and workers",
        "For several workers, set TF_CONFIG or use Slurm, and run the same command on\n"
        "each (docs/scaling.md). --batch-size is the total over all devices.",
    )
    add_flag(devices, "--devices", _Devices, "GPUs of each worker to train on", "all")


def _add_run_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--run-dir",
        type=Path,
        metavar="DIR",
        help="folder of the new run; runs/DATASET-fcnVARIANT-TIME if not given",
    )
    group.add_argument(
        "--resume",
        type=parse_run,
        metavar="RUN",
        help="resume a run from its last checkpoint, with its configuration",
    )
    group.add_argument(
        "--auto-resume",
        action="store_true",
        help="resume --run-dir if it is a run, and start it otherwise: the same "
        "command can be repeated after an interruption",
    )
    group.add_argument(
        "--accept-changed-data",
        action="store_true",
        help="resume although images or labels have changed, and record the changes in "
        "config.json",
    )
    add_flag(
        group,
        "--checkpoint-every",
        PositiveInt,
        "write a checkpoint every N steps, in addition to those at the end of each "
        "epoch",
    )


def check(arguments: argparse.Namespace, given: set[str]) -> None:
    """Refuse incompatible flags, and read the recipe.

    Args:
        arguments: gets `options`, those of the flags and of the recipe.
        given: names of the flags that were given.

    Raises:
        ValueError: names the flags.
    """
    if "TF_CONFIG" in os.environ and find_cluster() is not None:
        # TensorFlow would log its own errors about a lost worker before ours.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if arguments.auto_resume and arguments.run_dir is None:
        raise ValueError("`auto_resume` requires `run_dir`, the run to start or resume")
    if arguments.accept_changed_data and not (
        arguments.resume or arguments.auto_resume
    ):
        raise ValueError("`accept_changed_data` requires `resume` or `auto_resume`")
    names = [field.name for field in fields(TrainingConfig) if field.name in given]
    arguments.options = {name: getattr(arguments, name) for name in names}
    if arguments.resume is not None:
        for name, why in (
            ("auto_resume", "`resume` always resumes"),
            ("run_dir", "`resume` RUN names the run"),
            ("config", "`resume` uses the run's own configuration"),
        ):
            if name in given:
                raise ValueError(f"{why}: leave out `{name}`")
        return
    arguments.options = with_recipe(arguments.options, arguments.config)
    check_options(arguments.options, names)


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Train, print the scores of the best epoch, and return the exit status."""
    from keras_fcn.evaluation.report import class_table
    from keras_fcn.jobs.train import start_or_resume
    from keras_fcn.runs.folder import RunFolder
    from keras_fcn.training.distributed.strategy import join

    devices = None if arguments.devices == "all" else arguments.devices
    distribution = join(find_cluster(), devices)
    path = arguments.resume or arguments.run_dir
    try:
        run = start_or_resume(
            arguments.options,
            distribution,
            run_dir=arguments.run_dir,
            resume=arguments.resume,
            auto_resume=arguments.auto_resume,
            checkpoint_every=arguments.checkpoint_every,
            accept_changed_data=arguments.accept_changed_data,
        )
    except (KeyboardInterrupt, TrainingStopped):
        if path is not None and RunFolder(path).config_file.is_file():
            command = f"{arguments.parser.prog} --resume {quote(str(path))}"
            logger.info("To resume: %s", command)
        raise
    if not distribution.is_first:  # the others write no run
        return 0
    metrics = run.read_metrics()
    print(
        f"Best epoch {metrics['epoch']}: validation mean IoU "
        f"{metrics['mean_iou']:.1%}, pixel accuracy {metrics['pixel_accuracy']:.1%}"
    )
    print("\n".join(["", *class_table(metrics), ""]))
    print(f"Network:     {run.best_model}")
    print(f"Samples:     {run.samples}/")
    print(f"Curves:      tensorboard --logdir {quote(str(run.path.parent))}")
    return 0


main = Command(
    __doc__,
    add_arguments,
    work,
    check,
    "%(prog)s [DIR] [options]",
    _EXAMPLES,
    by_position="data_dir",
    everyday=(
        *("by_position", "data_dir", "config", "variant", "init_from", "epochs"),
        *("batch_size", "run_dir", "resume"),
    ),
).main
