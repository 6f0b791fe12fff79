"""Segment images and films: label maps and overlays of files, folders and globs.

Writes of an image STEM_labels.png (a palette PNG whose values are class ids),
STEM_overlay.png, and with --confidence STEM_confidence.png (255 = certain); of a film
STEM_overlay.mp4, with its sound, and a label map of each frame in STEM_labels/.
"""

import argparse
import logging
import time
from contextlib import ExitStack, closing, nullcontext
from dataclasses import asdict
from pathlib import Path

from keras_fcn.commands.command_line import Command, OneLineParser
from keras_fcn.commands.flags import (
    add_model_argument,
    add_output_arguments,
    add_prediction_arguments,
    add_server_arguments,
    add_video_arguments,
    check_server_arguments,
    check_video_arguments,
    number_parser,
    prediction_options,
)
from keras_fcn.commands.predict_on_ray import (
    add_ray_arguments,
    check_ray_arguments,
    work_on_ray,
)
from keras_fcn.config import MAX_IMAGE_PIXELS, POSITIVE_INT, PROBABILITY
from keras_fcn.errors import printable

logger = logging.getLogger("keras_fcn.predict")

_EXAMPLES = """examples:
  %(prog)s image.png
  %(prog)s photographs/ 'more/*.jpg' --model runs/camvid-8s --output-dir labelled
  %(prog)s film.mp4 --start 1:30 --end 2:00
  %(prog)s --camera 0
  %(prog)s image.png --server http://localhost:8501/v1/models/fcn
  %(prog)s s3://bucket/photographs --ray HOST:6379 --output-dir s3://bucket/labels
"""


def add_arguments(parser: OneLineParser) -> None:
    """Add the flags of the command.

    Args:
        parser: gets them.
    """
    parser.add_argument(
        "images",
        nargs="*",
        metavar="INPUT",
        help="images, films, folders (with their subfolders) or globs",
    )
    parser.add_argument(
        "--list",
        metavar="FILE",
        help="text file with a path on each line; - for standard input",
    )
    add_model_argument(parser)
    parser.add_argument(
        "--output-dir",
        type=_folder,
        default=Path("predictions"),
        metavar="DIR",
        help="folder for the pictures; made when missing",
    )
    parser.add_argument(
        "--max-pixels",
        type=number_parser(POSITIVE_INT),
        default=MAX_IMAGE_PIXELS,
        metavar="N",
        help="pixels that an image may have; a larger one is named and left out",
    )
    add_output_arguments(parser)
    add_video_arguments(parser)
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
    add_ray_arguments(parser)


def _folder(text):
    return text if "://" in text else Path(text)  # which would make one of two slashes


def check(arguments: argparse.Namespace, given: set[str]) -> None:
    """Refuse flags that do not go together, and find what is to be predicted.

    Args:
        arguments: what was parsed; gets `jobs`, or `task` with `ray`.
        given: names of the flags that were given.
    """
    from keras_fcn.prediction.jobs import find_jobs

    check_server_arguments(given)
    arguments.options = prediction_options(arguments)
    check_video_arguments(arguments)
    if not arguments.images and arguments.list is None and arguments.camera is None:
        raise ValueError(
            "Needed: an image, a film, a folder, a glob, `list` or `camera`"
        )
    check_ray_arguments(arguments, given)
    if arguments.ray is not None:
        return
    if isinstance(arguments.output_dir, str):
        raise ValueError(
            "`output_dir` must be a folder; a URL is for `ray`. "
            f"Received: {arguments.output_dir}"
        )
    arguments.jobs = find_jobs(arguments.images, arguments.output_dir, arguments.list)
    films = [job for job in arguments.jobs if job.is_video]
    if arguments.server and (films or arguments.camera):
        name = films[0].path if films else f"camera {arguments.camera}"
        raise ValueError(f"`server` predicts images alone. Received: {name}")


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Predict the images and films, and print a line for each.

    Args:
        arguments: what was parsed, with `jobs` or `task`.
        given: names of the flags that were given.
    """
    if arguments.ray is not None:
        return work_on_ray(arguments, arguments.options, _outputs(arguments))
    from keras_fcn.prediction.results import result_table
    from keras_fcn.runs.bundled import find_network

    class_map = find_network(arguments.model, exported=True).read_class_map()
    with ExitStack() as stack:
        table = arguments.csv and stack.enter_context(
            result_table(arguments.csv, class_map)
        )
        report = _Report(arguments, class_map, table)
        if arguments.server:
            report.add_images(_predict_by_server(arguments, class_map))
        else:
            camera = stack.enter_context(_open_camera(arguments))
            _predict_here(arguments, report, camera)
        return report.end()


def _predict_here(arguments, report, camera):
    from keras_fcn.prediction.batch import predict_images
    from keras_fcn.prediction.jobs import Job
    from keras_fcn.prediction.segmenter import load

    outputs = _outputs(arguments)
    segmenter = load(arguments.model, **asdict(arguments.options))
    images = [job for job in arguments.jobs if not job.is_video]
    if images:
        found = predict_images(
            segmenter, images, outputs, max_pixels=arguments.max_pixels
        )
        report.add_images(found)
    for job in arguments.jobs:
        if job.is_video:
            _predict_film_file(segmenter, job, outputs, arguments, report)
    if camera is not None:
        stem = arguments.output_dir / camera.stem
        report.add_film(segmenter, camera, Job(Path(camera.name), stem), outputs)


def _predict_film_file(segmenter, job, outputs, arguments, report):
    from keras_fcn.prediction.results import Result
    from keras_fcn.prediction.video.predict import is_predicted
    from keras_fcn.prediction.video.reader import UnreadableVideo, VideoReader

    try:
        with VideoReader(job.path, _clip(arguments)) as film:
            if outputs.skip_existing and is_predicted(film, job, outputs):
                report.add(Result(job.path))
            else:
                report.add_film(segmenter, film, job, outputs)
    except (UnreadableVideo, FileNotFoundError) as error:
        logger.error("skipped: %s", error)
        report.add(Result(job.path, problem=str(error)))


def _open_camera(arguments):
    """The camera that was asked for; it is looked for before the network is loaded."""
    if arguments.camera is None:
        return nullcontext()
    from keras_fcn.prediction.video.reader import CameraReader

    return CameraReader(arguments.camera, _clip(arguments))


def _clip(arguments):
    from keras_fcn.prediction.video.reader import Clip

    return Clip(arguments.start, arguments.end, arguments.every)


def _outputs(arguments):
    from keras_fcn.drawing.overlays import OverlayStyle
    from keras_fcn.prediction.outputs import Outputs

    return Outputs(
        arguments.overlay,
        OverlayStyle(arguments.opacity, arguments.contours, arguments.legend),
        arguments.video_labels,
        arguments.skip_existing,
        arguments.confidence,
    )


def _predict_by_server(arguments, class_map):
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


class _Report:
    """Prints, writes and counts what came of the files."""

    def __init__(self, arguments, class_map, table):
        self._output_dir, self._total = arguments.output_dir, len(arguments.jobs)
        self._class_map, self._table = class_map, table
        self._num_failed = self._num_predicted = 0
        self._last_path, self._place = None, 0

    def add(self, result):
        """Take what came of an image, and print its line."""
        self._count(result)
        if not result.problem:
            frame = "" if result.frame is None else f", frame {result.frame}"
            self._print(f"{result.path}{frame}: {result.describe(self._class_map)}")

    def add_images(self, results):
        """Take what came of images as they come."""
        begun, before = time.perf_counter(), self._num_predicted
        with closing(results):
            for result in results:
                self.add(result)
        seconds, count = time.perf_counter() - begun, self._num_predicted - before
        if count > 1:
            logger.info(
                "%d images in %.1f s, %.2f images/s", count, seconds, count / seconds
            )

    def add_film(self, segmenter, film, job, outputs):
        """Predict a film, tell how far it is, and print its line."""
        from keras_fcn.commands.progress import Progress
        from keras_fcn.prediction.results import Result
        from keras_fcn.prediction.video.predict import predict_video

        progress, counts = Progress(film.name, film.num_frames), 0
        with closing(predict_video(segmenter, film, job, outputs)) as results:
            try:
                for result in results:
                    self._count(result)
                    if not result.problem:
                        progress.add()
                        counts = counts + result.counts
            finally:
                progress.end()
                if progress.count:
                    shares = Result(job.path, counts=counts).describe(self._class_map)
                    self._print(f"{progress.describe(is_done=True)}: {shares}")

    def end(self):
        """The exit status."""
        if self._num_failed and not self._num_predicted:
            return 2
        print(f"Pictures: {self._output_dir}/")
        return 1 if self._num_failed else 0

    def _count(self, result):
        if self._table:
            self._table.add(result)
        self._place += result.path != self._last_path
        self._last_path = result.path
        if result.problem:
            self._num_failed += 1
        else:
            self._num_predicted += 1

    def _print(self, line):
        # A camera is counted nowhere.
        place = f"[{self._place}/{max(self._place, self._total)}] "
        print(printable(f"{place}{line}"), flush=True)


main = Command(
    __doc__,
    add_arguments,
    work,
    check,
    "%(prog)s INPUT [INPUT ...] [options]",
    _EXAMPLES,
    needs_backend=lambda arguments: arguments.ray is None,
).main
