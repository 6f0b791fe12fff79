"""Predict label maps and overlays of images and videos.

For an image, writes STEM_labels.png (a palette PNG whose values are class ids) and
STEM_overlay.png; for a video, STEM_overlay.mp4 with its sound, and a label map of each
frame in STEM_labels/.
"""

import argparse
import logging
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from keras_fcn.commands.command_line import Command
from keras_fcn.commands.flags import add_flag, add_model_argument
from keras_fcn.commands.inference_flags import (
    add_inference_arguments,
    inference_options,
)
from keras_fcn.commands.predict_flags import (
    add_output_arguments,
    add_server_arguments,
    add_video_arguments,
    check_server_arguments,
    check_video_arguments,
)
from keras_fcn.commands.predict_on_ray import (
    add_ray_arguments,
    check_ray_arguments,
    work_on_ray,
)
from keras_fcn.commands.predict_report import PredictionReport
from keras_fcn.config import MAX_IMAGE_PIXELS
from keras_fcn.options import PositiveInt

if TYPE_CHECKING:
    from keras_fcn.classes import ClassMap
    from keras_fcn.prediction.jobs import Job
    from keras_fcn.prediction.outputs import Outputs
    from keras_fcn.prediction.results import Result
    from keras_fcn.prediction.segmenter import Segmenter
    from keras_fcn.prediction.video.reader import CameraReader, Clip

logger = logging.getLogger("keras_fcn.predict")

_EXAMPLES = """examples:
  %(prog)s image.png
  %(prog)s photos/ 'more/*.jpg' --model runs/camvid-8s --output-dir labelled
  %(prog)s video.mp4 --start 1:30 --end 2:00
  %(prog)s --camera 0
  %(prog)s image.png --server http://localhost:8501/v1/models/fcn
  %(prog)s s3://bucket/photos --ray HOST:6379 --output-dir s3://bucket/labels
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.add_argument(
        "images",
        nargs="*",
        metavar="INPUT",
        help="images, videos, folders (with their subfolders) or glob patterns",
    )
    parser.add_argument(
        "--list",
        metavar="FILE",
        help="text file with one path per line; - for standard input",
    )
    add_model_argument(parser)
    parser.add_argument(
        "--output-dir",
        # Path would make one slash of the two in a URL.
        type=lambda text: text if "://" in text else Path(text),
        default=Path("predictions"),
        metavar="DIR",
        help="folder for the outputs; created if missing",
    )
    add_flag(
        parser,
        "--max-pixels",
        PositiveInt,
        "maximum number of pixels of an image; larger ones are reported and skipped",
        MAX_IMAGE_PIXELS,
    )
    add_output_arguments(parser)
    add_video_arguments(parser)
    add_inference_arguments(parser)
    add_server_arguments(parser)
    add_ray_arguments(parser)


def check(arguments: argparse.Namespace, given: set[str]) -> None:
    """Refuse bad combinations of flags, and find the images and videos.

    Args:
        arguments: gets `options` and `jobs`, or `sources` with `ray`.
        given: names of the flags that were given.
    """
    from keras_fcn.prediction.jobs import find_jobs  # imports NumPy

    check_server_arguments(given)
    arguments.options = inference_options(arguments)
    check_video_arguments(arguments)
    if not arguments.images and arguments.list is None and arguments.camera is None:
        raise ValueError(
            "expected an image, a video, a folder, a glob pattern, `list` or `camera`"
        )
    check_ray_arguments(arguments, given)
    if arguments.ray is not None:
        return
    if isinstance(arguments.output_dir, str):
        raise ValueError(
            "`output_dir` must be a folder; URLs require `ray`. "
            f"Received: output_dir={arguments.output_dir}"
        )
    arguments.jobs = find_jobs(arguments.images, arguments.output_dir, arguments.list)
    videos = [job for job in arguments.jobs if job.is_video]
    if arguments.server and (videos or arguments.camera):
        name = videos[0].path if videos else f"camera {arguments.camera}"
        raise ValueError(f"`server` predicts images only. Received: {name}")


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Predict the images and videos, and print a line for each."""
    if arguments.ray is not None:
        return work_on_ray(arguments, _outputs(arguments))
    from keras_fcn.prediction.results import result_table
    from keras_fcn.runs.bundled import find_network

    class_map = find_network(arguments.model, exported=True).read_class_map()
    with ExitStack() as stack:
        table = arguments.csv and stack.enter_context(
            result_table(arguments.csv, class_map)
        )
        report = PredictionReport(arguments, class_map, table)
        if arguments.server:
            report.add_images(_predict_by_server(arguments, class_map))
        else:
            camera = None
            if arguments.camera is not None:  # before the network, as it may be missing
                from keras_fcn.prediction.video.reader import CameraReader

                camera = CameraReader(arguments.camera, _clip(arguments))
                stack.enter_context(camera)
            _predict_here(arguments, report, camera)
        return report.end()


def _predict_here(
    arguments: argparse.Namespace,
    report: PredictionReport,
    camera: "CameraReader | None",
) -> None:
    from keras_fcn.prediction.batch import predict_images
    from keras_fcn.prediction.jobs import Job
    from keras_fcn.prediction.segmenter import load

    outputs = _outputs(arguments)
    segmenter = load(arguments.model, **asdict(arguments.options))
    images = [job for job in arguments.jobs if not job.is_video]
    if images:
        results = predict_images(
            segmenter, images, outputs, max_pixels=arguments.max_pixels
        )
        report.add_images(results)
    for job in arguments.jobs:
        if job.is_video:
            _predict_video_file(segmenter, job, outputs, arguments, report)
    if camera is not None:
        stem = arguments.output_dir / camera.stem
        report.add_video(segmenter, camera, Job(Path(camera.name), stem), outputs)


def _predict_video_file(
    segmenter: "Segmenter",
    job: "Job",
    outputs: "Outputs",
    arguments: argparse.Namespace,
    report: PredictionReport,
) -> None:
    from keras_fcn.prediction.results import Result
    from keras_fcn.prediction.video.predict import is_predicted
    from keras_fcn.prediction.video.reader import UnreadableVideo, VideoReader

    try:
        with VideoReader(job.path, _clip(arguments)) as video:
            if outputs.skip_existing and is_predicted(video, job, outputs):
                report.add(Result(job.path))
            else:
                report.add_video(segmenter, video, job, outputs)
    except (UnreadableVideo, FileNotFoundError) as error:
        logger.error("skipped: %s", error)
        report.add(Result(job.path, problem=str(error)))


def _clip(arguments: argparse.Namespace) -> "Clip":
    from keras_fcn.prediction.video.reader import Clip

    return Clip(arguments.start, arguments.end, arguments.every)


def _outputs(arguments: argparse.Namespace) -> "Outputs":
    from keras_fcn.drawing.overlays import OverlayStyle
    from keras_fcn.prediction.outputs import Outputs

    return Outputs(
        arguments.overlay,
        OverlayStyle(arguments.opacity, arguments.contours, arguments.legend),
        arguments.video_labels,
        arguments.skip_existing,
        arguments.confidence,
    )


def _predict_by_server(
    arguments: argparse.Namespace, class_map: "ClassMap"
) -> "Generator[Result, None, None]":
    from keras_fcn.serving.client import connect, predict_images_by_server

    with_confidence = arguments.confidence or arguments.unknown_below > 0
    send = connect(
        arguments.server, arguments.timeout, arguments.retries, with_confidence
    )
    return predict_images_by_server(
        send,
        class_map,
        arguments.jobs,
        arguments.images_per_request,
        _outputs(arguments),
        arguments.unknown_below,
        max_pixels=arguments.max_pixels,
    )


main = Command(
    __doc__,
    add_arguments,
    work,
    check,
    "%(prog)s INPUT [INPUT ...] [options]",
    _EXAMPLES,
    needs_backend=lambda arguments: arguments.ray is None,
).main
