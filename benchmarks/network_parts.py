"""Where the time of a prediction goes, by the parts of the network.

Times FCN-8s with the compact head, cut off after each part, in turns; a part takes what
its cut takes more than the one before. Prints a Markdown table.
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

_LAST_LAYERS = {  # of each part
    "preprocessing, padding": "padding",
    **{f"block {number}": f"block{number}_pool" for number in range(1, 6)},
    "fc6, fc7": "drop7",
    "scores, upsampling": "logits",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the benchmark.

    Args:
        parser: gets them.
    """
    positive_int = flag_type(PositiveInt)
    parser.add_argument("--num-turns", type=positive_int, default=15, metavar="N")
    parser.add_argument(
        "--size", type=flag_type(Size), default=(360, 480), metavar="HxW"
    )
    parser.add_argument(
        "--precision", choices=("bfloat16", "float32"), default="bfloat16"
    )


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Measure, and print the table.

    Args:
        arguments: what was parsed.
        given: names of the flags that were given.
    """
    case = Case(*arguments.size, 1, "compact", arguments.precision)
    network, image = case.make_network(is_fixed=True), case.make_batch()["image"]
    cuts, flops = {}, {}
    for part, name in _LAST_LAYERS.items():
        output = network.get_layer(name).output
        flops[part] = count_flops(keras.Model(network.input, output))
        # One number comes back of each channel, so that nothing large is copied.
        cuts[part] = keras.Model(network.input, ops.max(output, axis=(1, 2)))
        cuts[part].predict_on_batch(image)
    seconds = {part: [] for part in cuts}
    for _ in range(arguments.num_turns):
        for part, cut in cuts.items():
            begun = time.perf_counter()
            cut.predict_on_batch(image)
            seconds[part].append(time.perf_counter() - begun)
    medians = [statistics.median(values) for values in seconds.values()]
    taken, gflop = (
        np.diff(values, prepend=0.0) for values in (medians, list(flops.values()))
    )
    print("| part | GFLOP | ms | of the time | TFLOP/s |\n|---|---|---|---|---|")
    for part, operations, value in zip(cuts, gflop, taken, strict=True):
        print(
            f"| {part} | {operations / 1e9:.1f} | {1000 * value:.1f} | "
            f"{value / medians[-1]:.0%} | {operations / value / 1e12:.2f} |"
        )
    print(f"| all | {flops[part] / 1e9:.1f} | {1000 * medians[-1]:.1f} | | |")
    return 0


main = Command(__doc__, add_arguments, work).main

if __name__ == "__main__":
    sys.exit(main())
