"""Predict label maps and overlays of images and videos.

For an image, writes STEM_labels.png (a palette PNG whose values are class ids) and
STEM_overlay.png; for a video, STEM_overlay.mp4 with its sound, and a label map of each
frame in STEM_labels/.
"""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from keras_fcn.commands.command_line import Command
from keras_fcn.commands.flags import add_model_argument
from keras_fcn.commands.inference_flags import (
    add_inference_arguments,
    inference_options,
)
from keras_fcn.commands.predict_flags import (
    add_output_arguments,
    add_server_arguments,
    add_video_arguments,
    check_output_arguments,
    check_server_arguments,
    check_video_arguments,
    clip_of,
    outputs_of,
)
from keras_fcn.commands.predict_on_ray import (
    add_ray_arguments,
    check_ray_arguments,
    work_on_ray,
)
from keras_fcn.commands.predict_report import PredictionReport, open_report

if TYPE_CHECKING:
    from keras_fcn.prediction.video.reader import CameraReader

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
    if isinstance(arguments.output_dir, str):  # a URL: see `add_arguments`
        raise ValueError(
            "`output_dir` must be a folder; URLs require `ray`. "
            f"Received: output_dir={arguments.output_dir}"
        )
    arguments.jobs = find_jobs(arguments.images, arguments.output_dir, arguments.list)
    check_output_arguments(arguments)
    videos = [job for job in arguments.jobs if job.is_video]
    if arguments.server and (videos or arguments.camera):
        name = videos[0].path if videos else f"camera {arguments.camera}"
        raise ValueError(f"`server` predicts images only. Received: {name}")


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Predict the images and videos, and print a line for each."""
    outputs = outputs_of(arguments)
    if arguments.ray is not None:
        return work_on_ray(arguments, outputs)
    from keras_fcn.runs.bundled import find_network

    class_map = find_network(arguments.model, exported=True).read_class_map()
    with open_report(arguments, class_map) as report:
        if arguments.server:
            from keras_fcn.serving.client import connect, predict_images_by_server

            # The server compares no threshold: void needs the confidence here.
            confidence = arguments.confidence or arguments.unknown_below > 0
            results = predict_images_by_server(
                connect(
                    arguments.server, arguments.timeout, arguments.retries, confidence
                ),
                class_map,
                arguments.jobs,
                arguments.images_per_request,
                outputs,
                arguments.unknown_below,
                max_pixels=arguments.max_pixels,
            )
            report.add_images(results)
        elif arguments.camera is None:
            _predict_here(arguments, report)
        else:
            from keras_fcn.prediction.video.reader import CameraReader

            # Opened before the network is loaded, because it may be missing.
            camera = CameraReader(arguments.camera, clip_of(arguments))
            with camera:
                _predict_here(arguments, report, camera)
        return report.end()


def _predict_here(
    arguments: argparse.Namespace,
    report: PredictionReport,
    camera: "CameraReader | None" = None,
) -> None:
    from keras_fcn.prediction.batch import predict_images
    from keras_fcn.prediction.jobs import Job
    from keras_fcn.prediction.segmenter import load

    outputs = outputs_of(arguments)
    segmenter = load(arguments.model, **asdict(arguments.options))
    images = [job for job in arguments.jobs if not job.is_video]
    if images:
        results = predict_images(
            segmenter, images, outputs, max_pixels=arguments.max_pixels
        )
        report.add_images(results)
    for job in arguments.jobs:
        if job.is_video:
            report.add_video_file(segmenter, job, outputs, clip_of(arguments))
    if camera is not None:
        stem = arguments.output_dir / camera.stem
        report.add_video(segmenter, camera, Job(Path(camera.name), stem), outputs)


main = Command(
    __doc__,
    add_arguments,
    work,
    check,
    "%(prog)s INPUT [INPUT ...] [options]",
    _EXAMPLES,
    # With Ray, the workers compute; the driver handles paths only.
    needs_backend=lambda arguments: arguments.ray is None,
).main
