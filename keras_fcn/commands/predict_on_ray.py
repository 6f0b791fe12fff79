"""The part of `predict` that is on Ray: its flags, and what it prints."""

import argparse
import logging
from contextlib import closing
from pathlib import Path
from typing import Any

from keras_fcn.commands.command_line import OneLineParser
from keras_fcn.commands.flags import number_parser
from keras_fcn.commands.progress import Progress
from keras_fcn.config import POSITIVE_INT, Number
from keras_fcn.errors import printable

logger = logging.getLogger("keras_fcn.predict")

# What of `predict` has no meaning here.
_OTHERS = (
    "server",
    "camera",
    "start",
    "end",
    "every",
    "video_labels",
    "skip_existing",
    "csv",
)


def add_ray_arguments(parser: OneLineParser) -> None:
    """Add the flags for predicting on a cluster of Ray.

    Args:
        parser: gets them.
    """
    group = parser.add_argument_group(
        "predicting on many machines, by Ray",
        "INPUT and DIR may be URLs that PyArrow or fsspec reads (s3://BUCKET/FOLDER).\n"
        "DIR/manifest.parquet tells what came of each image. The same command,\n"
        "started again, does what is not done.",
    )
    group.add_argument(
        "--ray",
        nargs="?",
        const="auto",
        metavar="ADDRESS|local",
        help="HOST:PORT of a cluster, or local for this machine; without either the "
        "cluster that RAY_ADDRESS names or that runs here, else local",
    )
    group.add_argument(
        "--workers",
        type=number_parser(POSITIVE_INT),
        metavar="N",
        help="how many hold the network and predict, the cores shared among them; one "
        "for each GPU, or each machine without GPUs, when not given",
    )
    share = Number(float, lambda value: 0 <= value <= 1, "a number from 0 to 1")
    group.add_argument(
        "--gpus-per-worker",
        type=number_parser(share),
        metavar="G",
        help="1, a part of a GPU that workers share, or 0; all GPUs shared among the "
        "workers when not given",
    )


def check_ray_arguments(arguments: argparse.Namespace, given: set[str]) -> None:
    """Check the flags for Ray, and find the images where it is asked for.

    Args:
        arguments: what was parsed; gets `sources` with `ray`.
        given: names of the flags that were given.

    Raises:
        ValueError: if flags do not go together, or Ray is not installed.
        OSError: if an input is missing.
    """
    if arguments.ray is None:
        alone = [n for n in ("workers", "gpus_per_worker") if n in given]
        if alone:
            raise ValueError(f"`{alone[0]}` is for `ray`, which is missing")
        return
    wrong = [f"`{name}`" for name in _OTHERS if name in given]
    if wrong:
        raise ValueError(f"`ray` predicts images alone: leave out {', '.join(wrong)}")
    from keras_fcn.ray_prediction.cluster import check_address, check_installed

    check_address(arguments.ray)
    check_installed()
    from keras_fcn.prediction.jobs import check_output_dir
    from keras_fcn.ray_prediction.sources import find_sources
    from keras_fcn.ray_prediction.storage import absolute, is_url

    arguments.output_dir = absolute(str(arguments.output_dir))
    if not is_url(arguments.output_dir):
        check_output_dir(Path(arguments.output_dir))
    arguments.sources = find_sources(
        arguments.images, arguments.output_dir, arguments.list
    )


def work_on_ray(arguments: argparse.Namespace, options: Any, outputs: Any) -> int:
    """Predict the images on a cluster, and tell how far it is.

    Args:
        arguments: what was parsed, with `sources`.
        options: how the network is applied, a `PredictionOptions`.
        outputs: what is written of an image, an `Outputs`.

    Returns:
        The exit status.
    """
    from keras_fcn.ray_prediction.predict import Task, predict_on_ray
    from keras_fcn.ray_prediction.storage import without_options

    task = Task(
        arguments.sources,
        arguments.output_dir,
        arguments.model,
        options,
        outputs,
        arguments.max_pixels,
    )
    num_images, num_failed, progress = len(task.sources.by_stem), 0, None
    found = predict_on_ray(
        task, arguments.ray, arguments.workers, arguments.gpus_per_worker
    )
    with closing(found):
        for rows in found:
            if progress is None:  # what was done before has been left out
                num_left = len(task.sources.by_stem)
                progress = Progress("Predicted", num_left, "images")
            failed = [row for row in rows if row.error]
            for row in failed:
                logger.error("skipped: %s", row.error)
            num_failed += len({row.path for row in failed})
            progress.add(len({row.path for row in rows}))
    progress.end()
    logger.info("%s", progress.describe(is_done=True))
    if num_failed and num_failed == num_images:
        return 2
    folder = without_options(arguments.output_dir)
    print(printable(f"Pictures: {folder}/, manifest: {folder}/manifest.parquet"))
    return 1 if num_failed else 0
