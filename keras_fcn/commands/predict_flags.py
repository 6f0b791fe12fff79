"""Flags of `predict` for what is written, for videos, and for a server."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from keras_fcn.commands.flags import add_flag
from keras_fcn.config import MAX_IMAGE_PIXELS
from keras_fcn.options import Kind, NonNegativeInt, PositiveInt, Probability, ValueRange
from keras_fcn.prediction.options import Annotations, Ids, OverlayFormat, VideoLabels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keras_fcn.prediction.jobs import Job
    from keras_fcn.prediction.outputs import Outputs
    from keras_fcn.prediction.video.reader import Clip

_Timeout = Annotated[  # a day at most: sockets can't wait for 1e10 seconds
    float, Field(gt=0, le=86400), Kind("seconds above 0, at most 86400", "SECONDS")
]


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags for the images, and for what is written of them."""
    add_flag(
        parser,
        "--max-pixels",
        PositiveInt,
        "maximum number of pixels of an image or a frame of a video; larger ones are "
        "reported and skipped. All images of an animation or a TIFF may have ten times "
        "as many",
        MAX_IMAGE_PIXELS,
    )
    add_flag(
        parser,
        "--value-range",
        ValueRange,
        "the values of images that become 0 and 255: dtype is the whole range of their "
        "type, auto decides by each image; that of the network's training if not given",
    )
    group = parser.add_argument_group("outputs")
    add_flag(
        group,
        "--overlay",
        OverlayFormat,
        "file type of the overlays: the image blended with the class colors",
        "png",
        metavar="TYPE",
    )
    add_flag(
        group, "--opacity", Probability, "opacity of the class colors in overlays", 0.5
    )
    add_flag(
        group,
        "--contours",
        bool,
        "draw the contours of the regions in overlays; if neither is given, unless the "
        "classes are those of street scenes",
    )
    add_flag(group, "--legend", bool, "show the class names below overlays", True)
    group.add_argument(
        "--confidence",
        action="store_true",
        help="write STEM_confidence.png: the probability of each pixel's class, 0 to "
        "255",
    )
    add_flag(
        group,
        "--annotations",
        Annotations,
        "write the regions as polygons for annotation tools: labelme (STEM.json, and "
        "labels.txt), geojson (STEM.geojson), coco (annotations.coco.json, one file "
        "for all images)",
        (),
    )
    group.add_argument(
        "--class-masks",
        action="store_true",
        help="write a black and white mask of each class, STEM_masks/ID_CLASS.png",
    )
    group.add_argument(
        "--probabilities",
        action="store_true",
        help="write STEM_probabilities.npy: the probability of each class at each "
        "pixel, float32 (height, width, classes)",
    )
    add_flag(
        group,
        "--ids",
        Ids,
        "values of the label maps: class ids from 0, or those that are stored in the "
        "label files of the training (or their colors)",
        "class",
        metavar="IDS",
    )
    add_flag(
        group,
        "--unknown-below",
        Probability,
        "label pixels as void if the probability of their class is below P",
        0.0,
    )
    group.add_argument(
        "--skip-existing",
        action="store_true",
        help="skip images and videos whose outputs exist",
    )
    group.add_argument(
        "--csv",
        type=Path,
        metavar="FILE",
        help="write a table of images and frames: path, size, seconds, share of each "
        "class",
    )


def outputs_of(arguments: argparse.Namespace) -> "Outputs":
    """Return the outputs that the flags of `add_output_arguments` select."""
    from keras_fcn.drawing.overlays import OverlayStyle
    from keras_fcn.prediction.outputs import Outputs

    return Outputs(
        arguments.overlay,
        OverlayStyle(arguments.opacity, arguments.contours, arguments.legend),
        arguments.video_labels,
        arguments.skip_existing,
        arguments.confidence,
        arguments.annotations,
        arguments.class_masks,
        arguments.probabilities,
        ids=arguments.ids,
    )


def tables_of(arguments: argparse.Namespace) -> list[Path]:
    """Return the files that are written for all images together."""
    tables = [] if arguments.csv is None else [arguments.csv]
    for annotations, name in (
        ("labelme", "labels.txt"),
        ("coco", "annotations.coco.json"),
    ):
        if annotations in arguments.annotations:
            tables.append(arguments.output_dir / name)
    return tables


def check_output_arguments(
    arguments: argparse.Namespace, jobs: "Sequence[Job]"
) -> None:
    """Check that the outputs can be written for all inputs.

    Args:
        arguments: of the command.
        jobs: the files and streams to predict.

    Raises:
        ValueError: if one can't.
    """
    for_images = ("annotations", "class_masks", "probabilities")
    chosen = [f"`{name}`" for name in for_images if getattr(arguments, name)]
    videos = [job.name for job in jobs if job.is_video]
    if chosen and videos:
        raise ValueError(
            f"{', '.join(chosen)} can't be written for videos: {videos[0]}"
        )
    if arguments.server and videos:
        raise ValueError(f"`server` predicts images only. Received: {videos[0]}")
    if arguments.server and arguments.probabilities:
        raise ValueError("`server` sends no probabilities: leave out `probabilities`")
    if "coco" in arguments.annotations and arguments.skip_existing:
        raise ValueError(
            "`annotations` coco can't be combined with `skip_existing`: the file has "
            "the images of one command"
        )


def add_video_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags for videos and cameras."""
    group = parser.add_argument_group("videos, cameras and streams")
    group.add_argument(
        "--camera",
        metavar="N",
        help="predict the frames of a camera, 0 for the first, until Ctrl-C or --end",
    )
    group.add_argument(
        "--start",
        type=parse_time,
        default=0.0,
        metavar="TIME",
        help="time of the first frame: seconds, M:S or H:M:S",
    )
    group.add_argument(
        "--end",
        type=parse_time,
        metavar="TIME",
        help="time at which to stop, exclusive",
    )
    add_flag(group, "--every", PositiveInt, "predict every N-th frame", 1)
    add_flag(
        group,
        "--max-frames",
        PositiveInt,
        "number of predicted frames after which to stop",
    )
    add_flag(
        group,
        "--video-labels",
        VideoLabels,
        "file type of the label maps: a PNG file per frame, or a lossless video "
        "(FFV1) whose gray values are class ids",
        "png",
        metavar="TYPE",
    )


def check_video_arguments(arguments: argparse.Namespace) -> None:
    """Check that the video ends after its start.

    Raises:
        ValueError: if it does not.
    """
    if arguments.end is not None and arguments.end <= arguments.start:
        raise ValueError(
            "`end` must be later than `start`. "
            f"Received: {arguments.end:g} s and {arguments.start:g} s"
        )
    if arguments.video_labels == "video" and arguments.ids == "stored":
        raise ValueError("`video_labels` video has class ids: leave out `ids` stored")


def clip_of(arguments: argparse.Namespace) -> "Clip":
    """Return the part of a video that the flags of `add_video_arguments` select."""
    from keras_fcn.prediction.video.reader import Clip

    return Clip(arguments.start, arguments.end, arguments.every, arguments.max_frames)


def parse_time(text: str) -> float:
    """Convert seconds, `M:S` or `H:M:S` to seconds; the last part may be a fraction.

    Raises:
        argparse.ArgumentTypeError: if it is anything else.
    """
    *larger, seconds = text.split(":")
    try:
        values = [*map(int, larger), float(seconds)]
    except ValueError:
        values = [-1]  # refused below
    if len(values) > 3 or not all(0 <= value < float("inf") for value in values):
        raise argparse.ArgumentTypeError(
            f"expected seconds, M:S or H:M:S, such as 90 or 1:30, got {text}"
        )
    total = 0.0
    for value in values:
        total = 60 * total + value
    return total


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags for prediction by TensorFlow Serving."""
    group = parser.add_argument_group("prediction on a server")
    group.add_argument(
        "--server",
        metavar="URL",
        help="URL of a model in TensorFlow Serving, http://HOST:8501/v1/models/NAME "
        "or grpc://HOST:8500/NAME; only class names and colors are then read "
        "from --model",
    )
    add_flag(group, "--images-per-request", PositiveInt, "images per request", 4)
    add_flag(group, "--timeout", _Timeout, "seconds to wait for a response", 60.0)
    add_flag(
        group,
        "--retries",
        NonNegativeInt,
        "number of times to retry a request while the server is unavailable, with "
        "increasing delays",
        4,
    )


def check_server_arguments(given: set[str]) -> None:
    """Check that the flags can be combined with a server, or without one.

    Args:
        given: names of the arguments on the command line.

    Raises:
        ValueError: names those that can't.
    """
    if "server" in given:
        # The exported graph contains the size, and runs at one scale without tiles.
        others = ["tta", "dense", "stride_factor", "uncertainty"]
        others += ["size", "tile", "overlap", "value_range"]
        others += ["runtime", "precision", "max_loss"]
        message = "`server` runs the network as it was exported: leave out {}"
    else:
        # Without effect; a user who gives one has probably forgotten the server.
        others = ["images_per_request", "timeout", "retries"]
        message = "{} requires `server`"
    wrong = [f"`{name}`" for name in others if name in given]
    if wrong:
        raise ValueError(message.format(", ".join(wrong)))
