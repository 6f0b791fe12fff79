"""Flags and work of `predict --ray`."""

import argparse
import logging
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from keras_fcn.commands.flags import add_flag
from keras_fcn.errors import printable
from keras_fcn.options import PositiveInt, Probability
from keras_fcn.progress import Progress

if TYPE_CHECKING:
    from keras_fcn.prediction.outputs import Outputs

logger = logging.getLogger("keras_fcn.predict")

_EXCLUDED = (
    "server",
    "camera",
    "start",
    "end",
    "every",
    "max_frames",
    "video_labels",
    "skip_existing",
    "csv",
    "annotations",
    "class_masks",
    "probabilities",
    "runtime",
    "precision",
    "max_loss",
)


def add_ray_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags for prediction on a Ray cluster."""
    group = parser.add_argument_group(
        "prediction on several machines, with Ray",
        "INPUT and DIR may be URLs that PyArrow or fsspec reads (s3://BUCKET/FOLDER).\n"
        "DIR/manifest.parquet has the result of each image. Repeat the command to\n"
        "predict the images that are missing there.",
    )
    group.add_argument(
        "--ray",
        nargs="?",
        const="auto",
        metavar="ADDRESS|local",
        help="HOST:PORT of a cluster, or local for this machine alone. Without a "
        "value: the cluster in RAY_ADDRESS, or else one that runs on this "
        "machine, or else local",
    )
    add_flag(
        group,
        "--workers",
        PositiveInt,
        "number of workers, each with a copy of the network; they share the CPU "
        "cores. If not given, one per GPU, or one per machine if there are no GPUs",
    )
    add_flag(
        group,
        "--gpus-per-worker",
        Probability,
        "GPUs per worker: 1, a fraction so that workers share a GPU, or 0. If not "
        "given, the number of GPUs divided by the number of workers, at most 1",
        metavar="G",
    )


def check_ray_arguments(arguments: argparse.Namespace, given: set[str]) -> None:
    """Check the flags for Ray, and find the images.

    Args:
        arguments: gets `sources` if `ray` is given.
        given: names of the flags that were given.

    Raises:
        ValueError: if flags can't be combined, or Ray is not installed.
        OSError: if an input is missing.
    """
    if arguments.ray is None:
        alone = [n for n in ("workers", "gpus_per_worker") if n in given]
        if alone:
            raise ValueError(f"`{alone[0]}` requires `ray`")
        return
    wrong = [f"`{name}`" for name in _EXCLUDED if name in given]
    if wrong:
        raise ValueError(
            "`ray` predicts images only, and writes label maps, overlays and "
            f"confidence: leave out {', '.join(wrong)}"
        )
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


def work_on_ray(arguments: argparse.Namespace, outputs: "Outputs") -> int:
    """Predict the images on a cluster.

    Args:
        arguments: has `options` and `sources`.
        outputs: what is written of an image.

    Returns:
        The exit status.
    """
    from keras_fcn.ray_prediction.predict import Task, predict_on_ray
    from keras_fcn.ray_prediction.storage import without_options

    task = Task(
        arguments.sources,
        arguments.output_dir,
        arguments.model,
        arguments.options,
        outputs,
        arguments.max_pixels,
    )
    num_images, num_failed = len(task.sources.by_stem), 0
    progress: Progress | None = None
    batches = predict_on_ray(
        task, arguments.ray, arguments.workers, arguments.gpus_per_worker
    )
    with closing(batches):
        for rows in batches:
            if progress is None:  # images of an earlier call have been left out
                num_left = len(task.sources.by_stem)
                progress = Progress(description="Predicting", total=num_left)
            failed = [row for row in rows if row.error]
            for row in failed:
                logger.error("skipped: %s", row.error)
            num_failed += len({row.path for row in failed})
            progress.update(len({row.path for row in rows}))
    if progress is not None:
        progress.close()
        logger.info("Predicted: %d images, %.2f images/s", progress.n, progress.rate)
    if num_failed and num_failed == num_images:
        return 2
    folder = without_options(arguments.output_dir)
    print(printable(f"Outputs: {folder}/, manifest: {folder}/manifest.parquet"))
    return 1 if num_failed else 0
