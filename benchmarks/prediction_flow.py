"""How much of the network's own rate is left when images are read and written.

Renders street scenes into files and labels them in turns: by the network alone, from
arrays in memory, one at a time; and as `predict` does, from files to label maps and
overlays. Prints the table of docs/predicting.md, "Pictures out".
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from keras_fcn.commands.command_line import Command
from keras_fcn.commands.flags import add_model_argument, number_parser, parse_size
from keras_fcn.config import OVERLAYS, POSITIVE_INT
from keras_fcn.prediction.files import predict_images
from keras_fcn.prediction.jobs import find_jobs
from keras_fcn.prediction.pictures import Outputs
from keras_fcn.prediction.segmenter import Segmenter, load
from street_rendering import render_street
from street_rendering.folder import write_scenes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the benchmark.

    Args:
        parser: gets them.
    """
    add_model_argument(parser)
    positive_int = number_parser(POSITIVE_INT)
    parser.add_argument("--num-images", type=positive_int, default=200, metavar="N")
    parser.add_argument("--num-turns", type=positive_int, default=4, metavar="N")
    parser.add_argument(
        "--image-size", type=parse_size, default=(360, 480), metavar="HxW"
    )


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Measure, and print the table.

    Args:
        arguments: what was parsed.
        given: names of the flags that were given.
    """
    segmenter, size = load(arguments.model), arguments.image_size
    per_turn = max(1, arguments.num_images // arguments.num_turns)
    image, _ = render_street(seed=0, index=0, height=size[0], width=size[1])
    for _ in range(5):
        segmenter(image)
    rates = {"network alone": []} | {f"{kind} overlay": [] for kind in OVERLAYS}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(arguments.num_turns):
            scenes = Path(folder, f"scenes-{turn}")
            write_scenes(scenes, per_turn, size, 0, turn * per_turn)
            rates["network alone"].append(_network_rate(segmenter, image, per_turn))
            for kind in OVERLAYS:
                out = Path(folder, f"{kind}-{turn}")
                rate = _flow_rate(segmenter, scenes / "images", out, kind)
                rates[f"{kind} overlay"].append(rate)
    for line in _table(rates):
        print(line)
    return 0


def _network_rate(segmenter: Segmenter, image, count: int) -> float:
    begun = time.perf_counter()
    for _ in range(count):
        segmenter(image)
    return count / (time.perf_counter() - begun)


def _flow_rate(segmenter: Segmenter, images: Path, out: Path, overlay: str) -> float:
    jobs = find_jobs([str(images)], out)
    begun = time.perf_counter()
    for result in predict_images(segmenter, jobs, Outputs(overlay)):
        if result.problem:
            raise ValueError(result.problem)
    return len(jobs) / (time.perf_counter() - begun)


def _table(rates: dict[str, list[float]]) -> Iterator[str]:
    yield "| | images/s, median (range) | of the network's rate, median |"
    yield "|---|---|---|"
    alone = rates["network alone"]
    for name, values in rates.items():
        shares = [value / one for value, one in zip(values, alone, strict=True)]
        yield (
            f"| {name} | {statistics.median(values):.2f} ({min(values):.2f}-"
            f"{max(values):.2f}) | {statistics.median(shares):.1%} |"
        )


main = Command(__doc__, add_arguments, work).main

if __name__ == "__main__":
    sys.exit(main())
