"""Segment images: label maps and overlays of files, folders and globs.

Writes STEM_labels.png (a palette PNG whose values are class ids) and STEM_overlay.png.
"""

import argparse
from pathlib import Path

from keras_fcn.commands.command_line import Command, OneLineParser
from keras_fcn.commands.flags import (
    add_model_argument,
    add_prediction_arguments,
    add_server_arguments,
    check_prediction_arguments,
    check_server_arguments,
)

_EXAMPLES = """examples:
  %(prog)s image.png
  %(prog)s photographs/ 'more/*.jpg' --model runs/camvid-8s --output-dir labelled
  %(prog)s image.png --server http://localhost:8501/v1/models/fcn
"""


def add_arguments(parser: OneLineParser) -> None:
    """Add the flags of the command.

    Args:
        parser: gets them.
    """
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="images, folders (with their subfolders) or globs",
    )
    add_model_argument(parser)
    parser.add_argument(
        "--output-dir",
        type=Path,
        default=Path("predictions"),
        metavar="DIR",
        help="folder for the pictures; made when missing",
    )
    add_prediction_arguments(parser)
    add_server_arguments(parser)


def check(arguments: argparse.Namespace, given: set[str]) -> None:
    """Refuse flags that do not go together.

    Args:
        arguments: what was parsed.
        given: names of the flags that were given.
    """
    check_server_arguments(given)
    check_prediction_arguments(arguments)


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Predict the images and print a line for each.

    Args:
        arguments: what was parsed.
        given: names of the flags that were given.
    """
    from keras_fcn.prediction.files import find_jobs

    jobs = find_jobs(arguments.images, arguments.output_dir)
    predict = _predict_by_server if arguments.server else _predict_here
    num_skipped = 0
    for count, (job, found) in enumerate(predict(arguments, jobs), 1):
        num_skipped += found is None
        if found is not None:
            print(f"[{count}/{len(jobs)}] {job.image_path}: {found}", flush=True)
    if num_skipped == len(jobs):
        return 2
    print(f"Pictures: {arguments.output_dir}/")
    return 1 if num_skipped else 0


def _predict_here(arguments, jobs):
    from keras_fcn.prediction.files import predict_images
    from keras_fcn.prediction.segmenter import load

    segmenter = load(
        arguments.model,
        tta=arguments.tta,
        dense=arguments.dense,
        stride_factor=arguments.stride_factor,
    )
    return predict_images(segmenter, jobs)


def _predict_by_server(arguments, jobs):
    from keras_fcn.runs.bundled import find_network
    from keras_fcn.serving.client import connect, predict_images_by_server

    class_map = find_network(arguments.model).read_class_map()
    send = connect(arguments.server, arguments.timeout, arguments.retries)
    return predict_images_by_server(send, class_map, jobs, arguments.images_per_request)


main = Command(
    __doc__,
    add_arguments,
    work,
    check,
    "%(prog)s IMAGE [IMAGE ...] [options]",
    _EXAMPLES,
).main
