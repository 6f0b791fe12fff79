"""Time of prediction by part of the network.

Measures FCN-8s with the compact head, truncated after each part, in turns. The time of
a part is the difference to the network truncated before it. Prints a Markdown table.
"""

import argparse
import statistics
import sys
import time

import keras
import numpy as np
from keras import ops

from benchmarks.contenders import Case
from benchmarks.flops import count_flops
from keras_fcn.commands.command_line import Command
from keras_fcn.commands.flags import flag_type
from keras_fcn.options import PositiveInt, Size

_LAST_LAYERS = {  # the last layer of each part
    "preprocessing, padding": "padding",
    **{f"block {number}": f"block{number}_pool" for number in range(1, 6)},
    "fc6, fc7": "drop7",
    "scores, upsampling": "logits",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    positive_int = flag_type(PositiveInt)
    parser.add_argument("--num-turns", type=positive_int, default=15, metavar="N")
    parser.add_argument(
        "--size", type=flag_type(Size), default=(360, 480), metavar="HxW"
    )
    parser.add_argument(
        "--precision", choices=("bfloat16", "float32"), default="bfloat16"
    )


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Measure and print the table."""
    case = Case(*arguments.size, 1, "compact", arguments.precision)
    network, image = case.make_network(is_fixed=True), case.make_batch()["image"]
    truncated, flops = {}, {}
    for part, name in _LAST_LAYERS.items():
        output = network.get_layer(name).output
        flops[part] = count_flops(keras.Model(network.input, output))
        # One number per channel is returned, so that copying takes no time.
        truncated[part] = keras.Model(network.input, ops.max(output, axis=(1, 2)))
        truncated[part].predict_on_batch(image)
    seconds = {part: [] for part in truncated}
    for _ in range(arguments.num_turns):
        for part, model in truncated.items():
            begun = time.perf_counter()
            model.predict_on_batch(image)
            seconds[part].append(time.perf_counter() - begun)
    medians = [statistics.median(values) for values in seconds.values()]
    taken, gflop = (
        np.diff(values, prepend=0.0) for values in (medians, list(flops.values()))
    )
    print("| part | GFLOP | ms | share of time | TFLOP/s |\n|---|---|---|---|---|")
    for part, operations, value in zip(truncated, gflop, taken, strict=True):
        print(
            f"| {part} | {operations / 1e9:.1f} | {1000 * value:.1f} | "
            f"{value / medians[-1]:.0%} | {operations / value / 1e12:.2f} |"
        )
    print(f"| all | {flops[part] / 1e9:.1f} | {1000 * medians[-1]:.1f} | | |")
    return 0


main = Command(__doc__, add_arguments, work).main

if __name__ == "__main__":
    sys.exit(main())
