"""Segment images: label maps and overlays of files, folders and globs.

Writes STEM_labels.png (a palette PNG whose values are class ids), STEM_overlay.png, and
with --confidence STEM_confidence.png (255 = certain).
"""

import argparse
from contextlib import ExitStack
from pathlib import Path

from keras_fcn.commands.command_line import Command, OneLineParser
from keras_fcn.commands.flags import (
    add_choice,
    add_model_argument,
    add_prediction_arguments,
    add_server_arguments,
    check_prediction_arguments,
    check_server_arguments,
    number_parser,
)
from keras_fcn.config import OVERLAYS, PROBABILITY
from keras_fcn.errors import printable

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
        nargs="*",
        metavar="IMAGE",
        help="images, folders (with their subfolders) or globs",
    )
    parser.add_argument(
        "--list",
        metavar="FILE",
        help="text file with a path on each line; - for standard input",
    )
    add_model_argument(parser)
    parser.add_argument(
        "--output-dir",
        type=Path,
        default=Path("predictions"),
        metavar="DIR",
        help="folder for the pictures; made when missing",
    )
    _add_output_arguments(parser)
    add_prediction_arguments(parser)
    group = parser.add_argument_group("how sure it is")
    group.add_argument(
        "--confidence",
        action="store_true",
        help="write STEM_confidence.png: the probability of each pixel's class in 8 "
        "bits, 255 = certain",
    )
    group.add_argument(
        "--unknown-below",
        type=number_parser(PROBABILITY),
        default=0.0,
        metavar="P",
        help="label the pixels void whose class is less probable than P",
    )
    add_server_arguments(parser)


def _add_output_arguments(parser):
    group = parser.add_argument_group("what is written")
    add_choice(
        group,
        "--overlay",
        OVERLAYS,
        "the image under the classes' colours",
        default="png",
    )
    group.add_argument(
        "--skip-existing",
        action="store_true",
        help="leave out images whose pictures are there",
    )
    group.add_argument(
        "--csv",
        type=Path,
        metavar="FILE",
        help="table of the images: path, size, seconds, share of each class",
    )


def check(arguments: argparse.Namespace, given: set[str]) -> None:
    """Refuse flags that do not go together, and find what is to be predicted.

    Args:
        arguments: what was parsed; gets `jobs`.
        given: names of the flags that were given.
    """
    from keras_fcn.prediction.jobs import find_jobs

    check_server_arguments(given)
    check_prediction_arguments(arguments)
    if not arguments.images and arguments.list is None:
        raise ValueError("Needed: an image, a folder, a glob or `list`")
    arguments.jobs = find_jobs(arguments.images, arguments.output_dir, arguments.list)


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Predict the images and print a line for each.

    Args:
        arguments: what was parsed, with `jobs`.
        given: names of the flags that were given.
    """
    from keras_fcn.prediction.results import result_table
    from keras_fcn.runs.bundled import find_network

    class_map = find_network(arguments.model, exported=True).read_class_map()
    with ExitStack() as stack:
        table = arguments.csv and stack.enter_context(
            result_table(arguments.csv, class_map)
        )
        predict = _predict_by_server if arguments.server else _predict_here
        return _report(predict(arguments, class_map), arguments, class_map, table)


def _report(results, arguments, class_map, table):
    """Print and count what came of the images; the exit status."""
    count, num_failed, paths = 0, 0, set()
    for result in results:
        paths.add(result.path)
        if table:
            table.add(result)
        if result.problem:
            num_failed += 1
        else:
            count += 1
            frame = "" if result.frame is None else f", frame {result.frame}"
            place = f"[{len(paths)}/{len(arguments.jobs)}] {result.path}{frame}"
            print(printable(f"{place}: {result.describe(class_map)}"), flush=True)
    if not count:
        return 2
    print(f"Pictures: {arguments.output_dir}/")
    return 1 if num_failed else 0


def _outputs(arguments):
    from keras_fcn.prediction.pictures import Outputs

    return Outputs(arguments.overlay, arguments.skip_existing, arguments.confidence)


def _predict_here(arguments, class_map):
    from keras_fcn.prediction.files import predict_images
    from keras_fcn.prediction.segmenter import load

    segmenter = load(
        arguments.model,
        tta=arguments.tta,
        dense=arguments.dense,
        stride_factor=arguments.stride_factor,
        size=arguments.size,
        tile=arguments.tile,
        overlap=arguments.overlap,
        uncertainty=arguments.uncertainty,
        unknown_below=arguments.unknown_below,
    )
    return predict_images(segmenter, arguments.jobs, _outputs(arguments))


def _predict_by_server(arguments, class_map):
    from keras_fcn.serving.client import connect, predict_images_by_server

    send = connect(arguments.server, arguments.timeout, arguments.retries)
    return predict_images_by_server(
        send,
        class_map,
        arguments.jobs,
        arguments.images_per_request,
        _outputs(arguments),
    )


main = Command(
    __doc__,
    add_arguments,
    work,
    check,
    "%(prog)s IMAGE [IMAGE ...] [options]",
    _EXAMPLES,
).main
