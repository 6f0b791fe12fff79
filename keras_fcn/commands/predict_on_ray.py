"""Flags and work of `predict --ray`."""

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from keras_fcn.commands.flags import add_flag
from keras_fcn.errors import printable
from keras_fcn.options import PositiveInt, Probability, parse

if TYPE_CHECKING:
    from keras_fcn.prediction.outputs import Outputs

_EXCLUDED = """
    server camera start end every max_frames video_labels skip_existing csv annotations
    class_masks probabilities runtime precision max_loss
""".split()


def add_ray_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags for prediction on a Ray cluster."""
    group = parser.add_argument_group(
        "prediction on several machines, with Ray",
        "INPUT and DIR may be URLs that PyArrow or fsspec reads (s3://BUCKET/FOLDER).\n"
        "DIR/manifest.parquet has the result of each image. Repeat the command to\n"
        "predict the images that are missing there. Tested with several workers on\n"
        "one host, on CPUs; not tested on several hosts or on GPUs.",
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
    group.add_argument(
        "--workers",
        type=_parse_workers,
        metavar="N|MIN:MAX",
        help="number of workers, each with a copy of the network, which share the CPU "
        "cores; or its limits, for a cluster that grows. If not given, one per GPU, "
        "or one per machine if there are no GPUs",
    )
    add_flag(
        group,
        "--gpus-per-worker",
        Probability,
        "GPUs per worker: 1, a fraction so that workers share a GPU, or 0. If not "
        "given, the number of GPUs divided by the number of workers, at most 1",
        metavar="G",
    )


def _parse_workers(text: str) -> int | tuple[int, int]:
    try:
        numbers = [parse(PositiveInt, part) for part in text.split(":")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if len(numbers) > 2 or numbers != sorted(numbers):
        raise argparse.ArgumentTypeError(f"expected N or MIN:MAX, got {text}")
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


def check_ray_arguments(arguments: argparse.Namespace, given: set[str]) -> None:
    """Check that flags can be combined.

    Args:
        arguments: the flags.
        given: names of the flags that were given.

    Raises:
        ValueError: if they cannot.
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
    if arguments.example or not (arguments.images or arguments.list):
        raise ValueError("`ray` expects an image, a folder, a pattern or `list`")


def work_on_ray(arguments: argparse.Namespace, outputs: "Outputs") -> int:
    """Predict the images on a cluster.

    Args:
        arguments: the flags, with `options`.
        outputs: what is written of an image.

    Returns:
        The exit status.
    """
    from keras_fcn.jobs.predict_on_ray import predict_on_ray

    done = predict_on_ray(
        arguments.images,
        arguments.output_dir,
        arguments.model,
        address=arguments.ray,
        workers=arguments.workers,
        gpus_per_worker=arguments.gpus_per_worker,
        list_file=arguments.list,
        outputs=outputs,
        max_pixels=arguments.max_pixels,
        **asdict(arguments.options),
    )
    if done.num_failed == done.num_images:
        return 2
    folder = done.manifest.removesuffix("/manifest.parquet")
    print(printable(f"Outputs: {folder}/, manifest: {done.manifest}"))
    return 1 if done.num_failed else 0
