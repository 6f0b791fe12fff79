"""Scores and cost by image size: `python benchmarks/image_sizes.py`.

Enlarges test images of CamVid and scores the predictions at the enlarged size, for each
`--size`. With `--photograph`, predicts an image of 24 megapixels in a new process and
prints time and peak memory.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from keras_fcn.commands.command_line import Command
from keras_fcn.commands.flags import add_model_argument, flag_type
from keras_fcn.commands.parser import OneLineParser
from keras_fcn.options import PositiveInt

_PHOTOGRAPH = (4000, 6000)  # height and width, pixels


def add_arguments(parser: OneLineParser) -> None:
    """Add the flags."""
    add_model_argument(parser)
    parser.add_argument(
        "--data-dir",
        type=Path,
        required=True,
        metavar="DIR",
        help="CamVid in SegNet's split",
    )
    parser.add_argument(
        "--num-images",
        type=flag_type(PositiveInt),
        default=24,
        metavar="N",
        help="test images, spread over the split",
    )
    parser.add_argument(
        "--columns",
        type=flag_type(PositiveInt),
        nargs="+",
        default=[240, 480, 960, 1920, 3000, 4000],
        metavar="N",
        help="widths to which images are enlarged",
    )
    parser.add_argument(
        "--size",
        nargs="+",
        default=["auto", "native"],
        metavar="auto|native",
        help="inference sizes; native takes minutes above 1000 columns",
    )
    parser.add_argument(
        "--photograph",
        action="store_true",
        help="predict an image of 24 megapixels instead",
    )


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Measure and print the table."""
    if arguments.photograph:
        return _label_photograph(arguments)
    images = sorted((arguments.data_dir / "test").glob("*.png"))
    chosen = np.linspace(0, len(images) - 1, arguments.num_images).round().astype(int)
    pairs = [
        (images[index], arguments.data_dir / "testannot" / images[index].name)
        for index in chosen
    ]
    print("| columns | size | pixel accuracy | mean IoU | s per image |")
    print("|---|---|---|---|---|")
    for size in arguments.size:
        for columns in arguments.columns:
            _print_row(arguments.model, size, columns, pairs)
    return 0


def _print_row(model, size, columns, pairs):
    from keras_fcn.images.reading import read_image, read_stored_values
    from keras_fcn.metrics.confusion_matrix import (
        confusion_matrix_of,
        segmentation_scores,
    )
    from keras_fcn.prediction.segmenter import load

    segmenter = load(model, size=size)
    class_map = segmenter.class_map
    matrix = np.zeros((class_map.num_classes,) * 2, dtype="int64")
    seconds = 0.0
    for image_path, labels_path in pairs:
        image, label_map = read_image(image_path), read_stored_values(labels_path)
        wide = (columns, round(columns * image.shape[0] / image.shape[1]))
        is_larger = columns > image.shape[1]
        interpolation = cv2.INTER_CUBIC if is_larger else cv2.INTER_AREA
        image = cv2.resize(image, wide, interpolation=interpolation)
        label_map = cv2.resize(label_map, wide, interpolation=cv2.INTER_NEAREST_EXACT)
        started = time.perf_counter()
        prediction = segmenter(image)
        seconds += time.perf_counter() - started
        matrix += confusion_matrix_of(
            label_map, prediction, class_map.num_classes, class_map.void_id
        )
    scores = segmentation_scores(matrix)
    print(
        f"| {columns} | {size} | {scores['pixel_accuracy']:.1%} "
        f"| {scores['mean_iou']:.1%} | {seconds / len(pairs):.2f} |",
        flush=True,
    )


def _label_photograph(arguments):
    """Run the command `predict` on an enlarged test image."""
    source = sorted((arguments.data_dir / "test").glob("*.png"))[0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photograph.jpg"
        image = cv2.imread(str(source))
        large = cv2.resize(image, _PHOTOGRAPH[::-1], interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(path), large)
        print("| size | s | memory, GiB |\n|---|---|---|")
        for size in arguments.size:
            command = [sys.executable, "-m", "keras_fcn", "predict", path]
            command += ["--model", arguments.model, "--size", size]
            command += ["--output-dir", Path(folder) / "out"]
            program = (
                "import resource, subprocess, sys; "
                "subprocess.run(sys.argv[1:], check=True, stdout=2); "
                "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
            )
            started = time.perf_counter()
            process = subprocess.run(
                [sys.executable, "-c", program, *map(str, command)],
                check=True,
                capture_output=True,
                text=True,
            )
            seconds = time.perf_counter() - started
            gibibytes = int(process.stdout) / 2**20  # KiB on Linux
            print(f"| {size} | {seconds:.1f} | {gibibytes:.2f} |", flush=True)
    return 0


main = Command(__doc__, add_arguments, work).main

if __name__ == "__main__":
    sys.exit(main())
