"""Predict label maps and overlays of images and videos.

For an image, writes STEM_labels.png (a palette PNG whose values are class ids) and
STEM_overlay.png; for a video, STEM_overlay.mp4 with its sound, and a label map of each
frame in STEM_labels/.
"""

import argparse
import logging
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from keras_fcn.commands.command_line import Command
from keras_fcn.commands.flags import add_model_argument
from keras_fcn.commands.inference_flags import (
    add_inference_arguments,
    add_runtime_arguments,
    inference_options,
    runtime_options,
    select_runtime_of,
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
    tables_of,
)
from keras_fcn.commands.predict_on_ray import (
    add_ray_arguments,
    check_ray_arguments,
    work_on_ray,
)
from keras_fcn.commands.predict_report import PredictionReport, open_report
from keras_fcn.runs.names import network_files
from keras_fcn.storage.outputs import check_replaces_own

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from keras_fcn.prediction.outputs import Outputs
    from keras_fcn.prediction.video.reader import VideoReader

logger = logging.getLogger(__name__)

_EXAMPLES = """examples:
  %(prog)s
  %(prog)s image.png
  %(prog)s photos/ 'more/*.jpg' --model runs/camvid-8s --output-dir labelled
  %(prog)s video.mp4 --start 1:30 --end 2:00
  %(prog)s --camera 0
  %(prog)s rtsp://camera.local/stream --max-frames 1000
  %(prog)s image.png --server http://localhost:8501/v1/models/fcn
  %(prog)s s3://bucket/photos --ray HOST:6379 --output-dir s3://bucket/labels
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.add_argument(
        "images",
        nargs="*",
        metavar="INPUT",
        help="images, videos, folders (with their subfolders), glob patterns, or URLs "
        "of images (http, https), videos and streams (http, rtsp, rtmp, srt ...)",
    )
    parser.add_argument(
        "--example",
        action="store_true",
        help="predict three rendered street scenes, as without any INPUT",
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
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="print a line for each image, with the share of each class",
    )
    add_output_arguments(parser)
    add_video_arguments(parser)
    add_inference_arguments(parser)
    add_runtime_arguments(parser)
    add_server_arguments(parser)
    add_ray_arguments(parser)


def check(arguments: argparse.Namespace, given: set[str]) -> None:
    """Refuse bad combinations of flags, and find the images and videos.

    Args:
        arguments: gets `options`, `runtime_options`, `jobs` of files, `urls` of images
            to download, `streams`, and `live`, the jobs of streams and the camera;
            with `ray` only `options`.
        given: names of the flags that were given.
    """
    from keras_fcn.prediction.examples import write_examples  # imports NumPy
    from keras_fcn.prediction.jobs import (
        check_output_dir,
        find_jobs,
        job_of_camera,
        job_of_url,
    )
    from keras_fcn.prediction.outputs import check_outputs

    check_server_arguments(given)
    arguments.options = inference_options(arguments)
    arguments.runtime_options = runtime_options(arguments, given)
    check_video_arguments(arguments)
    has_input = arguments.images or arguments.list or arguments.camera
    check_ray_arguments(arguments, given)
    if arguments.ray is not None:
        return
    if isinstance(arguments.output_dir, str):  # a URL: see `add_arguments`
        raise ValueError(
            "`output_dir` must be a folder; URLs require `ray`. "
            f"Received: output_dir={arguments.output_dir}"
        )
    from keras_fcn.prediction.urls import is_stream, is_url

    urls = dict.fromkeys(text for text in arguments.images if is_url(text))
    paths = [text for text in arguments.images if not is_url(text)]
    arguments.streams = [url for url in urls if is_stream(url)]
    arguments.urls = [url for url in urls if not is_stream(url)]
    if arguments.example or not has_input:
        check_output_dir(arguments.output_dir)
        logger.info("Rendering three example images in %s/", arguments.output_dir)
        paths = [*paths, *map(str, write_examples(arguments.output_dir))]
    arguments.jobs = find_jobs(paths, arguments.output_dir, arguments.list)
    planned = [*arguments.jobs]
    planned += [job_of_url(url, arguments.output_dir) for url in urls]
    if arguments.camera is not None:
        planned.append(job_of_camera(arguments.camera, arguments.output_dir))
    arguments.live = [job for job in planned if job.is_live]
    check_output_arguments(arguments, planned)
    inputs = network_files(arguments.model)
    if arguments.list not in (None, "-"):
        inputs.append(Path(arguments.list))
    check_outputs(planned, outputs_of(arguments), inputs, tables_of(arguments))
    if arguments.csv is not None:
        check_replaces_own(arguments.csv, b"path,frame,status,")


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Predict the images and videos, and print a summary."""
    from keras_fcn.runs.bundled import find_network

    outputs = outputs_of(arguments)
    if arguments.ids == "stored":
        find_network(arguments.model, exported=True).read_class_map().stored_table()
    if arguments.ray is not None:
        return work_on_ray(arguments, outputs)
    if arguments.server and "model" not in given:
        logger.warning(
            "The server sends class ids only; names and colors are those of %s. If it "
            "has another network, name its run or packed network by `model`",
            arguments.model,
        )
    with ExitStack() as stack:
        if arguments.urls:
            from keras_fcn.prediction.jobs import download_jobs

            folder = Path(stack.enter_context(TemporaryDirectory(prefix="keras-fcn-")))
            arguments.jobs += download_jobs(
                arguments.urls, arguments.output_dir, folder
            )
        return _work(arguments, outputs)


def _work(arguments: argparse.Namespace, outputs: "Outputs") -> int:
    from keras_fcn.runs.bundled import find_network

    network = find_network(arguments.model, exported=True)
    class_map = network.read_class_map()
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
                value_range=network.read_config().value_range,
            )
            report.add_images(results)
        else:
            # Opened before the network is loaded, because one may be missing.
            with ExitStack() as stack:
                live = [stack.enter_context(one) for one in _open_live(arguments)]
                _predict_here(arguments, report, live)
        return report.end()


def _open_live(arguments: argparse.Namespace) -> "Iterator[VideoReader]":
    """Open the streams and the camera."""
    if arguments.streams:
        from keras_fcn.prediction.video.stream import StreamReader

        clip = clip_of(arguments)
        yield from (StreamReader(url, clip) for url in arguments.streams)
    if arguments.camera is not None:
        from keras_fcn.prediction.video.reader import CameraReader

        yield CameraReader(arguments.camera, clip_of(arguments))


def _predict_here(
    arguments: argparse.Namespace,
    report: PredictionReport,
    live: "Sequence[VideoReader]",
) -> None:
    from keras_fcn.prediction.batch import predict_images
    from keras_fcn.prediction.segmenter import load

    outputs = outputs_of(arguments)
    segmenter = load(
        arguments.model,
        **asdict(arguments.options),
        **asdict(arguments.runtime_options),
    )
    images = [job for job in arguments.jobs if not job.is_video]
    if images:
        results = predict_images(
            segmenter, images, outputs, max_pixels=arguments.max_pixels
        )
        report.add_images(results)
    for job in arguments.jobs:
        if job.is_video:
            clip = clip_of(arguments)
            report.add_video_file(segmenter, job, outputs, clip, arguments.max_pixels)
    for job, video in zip(arguments.live, live, strict=True):
        report.add_video(segmenter, video, job, outputs)


def _needs_backend(arguments: argparse.Namespace) -> bool:
    if arguments.ray is not None:
        return False  # the workers compute; the driver handles paths only
    if arguments.server:  # the messages of the gRPC client are TensorFlow's
        return arguments.server.startswith("grpc://")
    return select_runtime_of(arguments).needs_keras


main = Command(
    __doc__,
    add_arguments,
    work,
    check,
    "%(prog)s [INPUT ...] [options]",
    _EXAMPLES,
    everyday=(
        *("images", "example", "model", "output_dir", "overlay", "confidence"),
        *("skip_existing", "csv", "server"),
    ),
    needs_backend=_needs_backend,
).main
