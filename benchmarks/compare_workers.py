"""Compare the weights after training on 1, 2 and 4 workers.

Trains the bundled network for twenty steps on rendered streets, in float32 without
dropout; the last batch lacks one image. Prints a Markdown table.

    python benchmarks/compare_workers.py --output-dir /tmp/compare
"""

import argparse
import csv
import sys
from pathlib import Path

import numpy as np
from local_workers import start_workers

# Learning rates. With higher ones, rounding differences change maxima and signs before
# ReLUs and grow within a few steps, as they do if the images of a batch are reordered.
OPTIMIZERS = {"sgd": 1e-4, "adamw": 1e-5}
SAME_DIGITS = ("loss", "mean_iou", "pixel_accuracy", "val_loss", "val_mean_iou")
_TRAINING = """
    --dataset streets --num-images 39 --image-size 96x128 --crop 96x96 --epochs 2
    --batch-size 4 --init-from pretrained --dropout 0 --freeze-blocks 0
    --precision float32 --seed 1
"""


def main() -> int:
    """Train on each number of workers, and compare with the first number."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", default="1,2,4", help="numbers to compare")
    parser.add_argument("--optimizers", default="sgd,adamw")
    parser.add_argument("--output-dir", type=Path, required=True, metavar="DIR")
    arguments = parser.parse_args()
    numbers = [int(number) for number in arguments.workers.split(",")]
    print(
        "| optimizer | workers | weights differ by | of the array's largest "
        "| batch statistics, of the array's largest | history differs by "
        "| best epoch |\n|---|---|---|---|---|---|---|"
    )
    for optimizer in arguments.optimizers.split(","):
        runs = {n: _train(arguments.output_dir, optimizer, n) for n in numbers}
        for number in numbers:
            print(_row(optimizer, number, runs[number], runs[numbers[0]]), flush=True)
    return 0


def _train(folder, optimizer, number):
    run = folder / f"{optimizer}-{number}"
    options = ["--optimizer", optimizer, "--learning-rate", OPTIMIZERS[optimizer]]
    logs = folder / f"{run.name}-logs"
    workers = start_workers(
        [*_TRAINING.split(), *options, "--run-dir", run], number, logs
    )
    statuses = [worker.wait() for worker in workers]
    if any(statuses):
        sys.exit(f"The workers ended with {statuses}: see {logs}")
    return run


def _row(optimizer, number, run, first):
    weights, others = _weights(run), _weights(first)
    absolute = relative = statistics = 0.0
    for name, values in weights.items():
        difference = np.abs(values - others[name]).max()
        of_largest = difference / np.abs(others[name]).max()
        if "moving" in name:
            statistics = max(statistics, of_largest)
        else:
            absolute = max(absolute, difference)
            relative = max(relative, of_largest)
    history, other_history = _history(run), _history(first)
    apart = max(
        abs(float(row[name]) - float(other[name]))
        for row, other in zip(history, other_history, strict=True)
        for name in SAME_DIGITS
    )
    best = max(history, key=lambda row: float(row["val_mean_iou"]))["epoch"]
    return (
        f"| {optimizer} | {number} | {absolute:.1e} | {relative:.1e} "
        f"| {statistics:.1e} | {apart:.1e} "
        f"| {best} |"
    )


def _weights(run):
    """Variables of the network in the last checkpoint, by path."""
    from keras_fcn.runs.folder import RunFolder
    from keras_fcn.storage.arrays import read_arrays

    checkpoint = RunFolder(run).read_checkpoint()
    model = RunFolder(run).load_model()  # the network's variables come first
    arrays = read_arrays(run / checkpoint.state)
    return {
        variable.path: arrays[f"{index:05}"].astype("float64")
        for index, variable in enumerate(model.variables)
        if variable.name != "seed_generator_state"
    }


def _history(run):
    with (run / "history.csv").open() as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    sys.exit(main())
