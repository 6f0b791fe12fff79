"""Rate of `predict` and `evaluate` relative to the network alone.

Renders street scenes into files and predicts them in turns: with the network alone,
from arrays in memory, one by one; as `predict` does, from files to label maps and
overlays; and as `evaluate` does, compared to the network alone in batches of four with
confidence. With --tta also with test-time augmentation, compared to the network alone
at the same sizes. With --compare also from files by another runtime or in int8, as a
share of the default's rate with the same overlays. Prints a table of
docs/predicting.md.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import cv2
import numpy as np

from keras_fcn.commands.command_line import Command
from keras_fcn.commands.flags import add_model_argument, flag_type
from keras_fcn.datasets.folder.dataset import load_folder
from keras_fcn.evaluation.evaluate import evaluate
from keras_fcn.options import PositiveInt, Size
from keras_fcn.prediction.batch import predict_images
from keras_fcn.prediction.jobs import find_jobs
from keras_fcn.prediction.options import OverlayFormat
from keras_fcn.prediction.outputs import Outputs
from keras_fcn.prediction.segmenter import Segmenter, load
from keras_fcn.prediction.tta import SCALES
from street_rendering import render_street
from street_rendering.folder import write_scenes

_FOURS = "network alone, four with confidence"
_VIEWS = "network alone, the views of test-time augmentation"
_FROM_FILES = "png overlay"
_ALONE = {"evaluation": _FOURS, "test-time augmentation": _VIEWS}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add_model_argument(parser)
    positive_int = flag_type(PositiveInt)
    parser.add_argument("--num-images", type=positive_int, default=200, metavar="N")
    parser.add_argument("--num-turns", type=positive_int, default=4, metavar="N")
    parser.add_argument(
        "--image-size", type=flag_type(Size), default=(360, 480), metavar="HxW"
    )
    parser.add_argument(
        "--compare",
        nargs="*",
        choices=("openvino", "onnxruntime", "int8"),
        default=(),
        help="runtimes and precisions to compare with the default",
    )
    parser.add_argument(
        "--tta",
        action="store_true",
        help="measure test-time augmentation too, one image per round",
    )


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Measure and print the table."""
    segmenter, size = load(arguments.model), arguments.image_size
    per_turn = max(1, arguments.num_images // arguments.num_turns)
    image, _ = render_street(seed=0, index=0, height=size[0], width=size[1])
    for _ in range(5):
        segmenter(image)
    batch = np.stack([image] * 4)
    for _ in range(2):
        segmenter.label_and_confidence(batch)
    names = [f"{kind} overlay" for kind in get_args(OverlayFormat)]
    names = ("network alone", *names, _FOURS, "evaluation")
    if arguments.tta:
        augmented = load(arguments.model, tta=True)
        augmented(image)
        names = (*names, _VIEWS, "test-time augmentation")
    others = {}
    for name in arguments.compare:
        option = "precision" if name == "int8" else "runtime"
        others[f"{_FROM_FILES} by {name}"] = load(arguments.model, **{option: name})
    names = (*names, *others)
    for other in others.values():
        other(image)
    rates = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(arguments.num_turns):
            scenes = Path(folder, f"scenes-{turn}")
            write_scenes(scenes, per_turn, size, 0, turn * per_turn)
            rates["network alone"].append(_rate(segmenter, image, per_turn))
            for kind in get_args(OverlayFormat):
                out = Path(folder, f"{kind}-{turn}")
                rate = _flow_rate(segmenter, scenes / "images", out, kind)
                rates[f"{kind} overlay"].append(rate)
            for name, other in others.items():
                out = Path(folder, f"{name}-{turn}")
                rates[name].append(_flow_rate(other, scenes / "images", out, "png"))
            by_fours = _rate(segmenter.label_and_confidence, batch, per_turn // 4)
            rates[_FOURS].append(4 * by_fours)
            out = Path(folder, f"evaluation-{turn}")
            rates["evaluation"].append(_evaluation_rate(segmenter, scenes, out))
            if arguments.tta:
                rates[_VIEWS].append(_rate(_views(segmenter), image, 1))
                rates["test-time augmentation"].append(_rate(augmented, image, 1))
    for line in _table(rates):
        print(line)
    return 0


def _rate(predict: Callable, images, count: int) -> float:
    begun = time.perf_counter()
    for _ in range(count):
        predict(images)
    return count / (time.perf_counter() - begun)


def _flow_rate(segmenter: Segmenter, images: Path, out: Path, overlay: str) -> float:
    jobs = find_jobs([str(images)], out)
    begun = time.perf_counter()
    for result in predict_images(segmenter, jobs, Outputs(overlay)):
        if result.problem:
            raise ValueError(result.problem)
    return len(jobs) / (time.perf_counter() - begun)


def _evaluation_rate(segmenter: Segmenter, scenes: Path, out: Path) -> float:
    dataset = load_folder(scenes, ("train",))
    predict = segmenter.predictor.label_maps_and_confidence
    report = evaluate(predict, dataset, "train", out)
    return dataset.split("train").num_images / report["seconds"]


def _views(segmenter: Segmenter) -> Callable:
    """The network alone, once for each view of test-time augmentation."""

    def label(image):
        for scale in SCALES:
            size = [round(scale * length) for length in image.shape[:2]]
            view = cv2.resize(image, size[::-1])[None]
            for _ in ("original", "mirrored"):
                segmenter.predictor.mode.label_maps(view)

    return label


def _table(rates: dict[str, list[float]]) -> Iterator[str]:
    yield "| | images/s, median (range) | share of the network's rate, median |"
    yield "|---|---|---|"
    for name, values in rates.items():
        is_alone = name.startswith("network alone")
        if name.startswith(f"{_FROM_FILES} by "):
            alone = rates[_FROM_FILES]
        else:
            alone = rates[name if is_alone else _ALONE.get(name, "network alone")]
        shares = [value / one for value, one in zip(values, alone, strict=True)]
        yield (
            f"| {name} | {statistics.median(values):.2f} ({min(values):.2f}-"
            f"{max(values):.2f}) | {statistics.median(shares):.1%} |"
        )


main = Command(__doc__, add_arguments, work).main

if __name__ == "__main__":
    sys.exit(main())
