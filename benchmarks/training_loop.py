"""Overhead of the training loop over its compiled step.

Renders street scenes and trains on them in turns: one epoch with the loop of `train`,
which reads, augments, counts and reports; and the same number of steps on a batch in
memory. Both use the same trainer: FCN-8s, compact head, two frozen blocks. Prints
images per second, and the share of time in which the device waited for images.
"""

import argparse
import statistics
import sys
import time
from dataclasses import replace

import keras

from benchmarks.contenders import Case
from keras_fcn.commands.command_line import Command
from keras_fcn.commands.flags import flag_type
from keras_fcn.config import TrainingConfig
from keras_fcn.models.precision import resolve_precision
from keras_fcn.options import PositiveInt, Size
from keras_fcn.runs.checkpoints import Checkpoint
from keras_fcn.training.build import make_trainer
from keras_fcn.training.data import load_training_data
from keras_fcn.training.distributed.strategy import Distribution
from keras_fcn.training.loop import TrainingLoop
from keras_fcn.training.trainer import fetch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    positive_int = flag_type(PositiveInt)
    parser.add_argument("--num-images", type=positive_int, default=64, metavar="N")
    parser.add_argument("--num-turns", type=positive_int, default=7, metavar="N")
    parser.add_argument("--batch-size", type=positive_int, default=4, metavar="N")
    parser.add_argument(
        "--image-size", type=flag_type(Size), default=(360, 480), metavar="HxW"
    )
    parser.add_argument(
        "--crop", type=flag_type(Size), default=(320, 416), metavar="HxW"
    )


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Measure and print the table."""
    config = TrainingConfig(
        dataset="streets",
        num_images=arguments.num_images,
        image_size=arguments.image_size,
        crop=arguments.crop,
        batch_size=arguments.batch_size,
        variant="8s",
        head="compact",
        freeze_blocks=2,
        precision=resolve_precision("auto"),
        learning_rate=1e-4,
        encoder_rate=0.2,
    )
    data = load_training_data(config, Distribution())
    trainer = make_trainer(config, data, None, Distribution())
    height, width = config.image_size
    case = Case(height, width, config.batch_size, config.head, "bfloat16")
    batch = {
        name: keras.ops.convert_to_tensor(array)
        for name, array in case.make_batch().items()
    }
    num_steps = data.num_steps(config.batch_size)
    loops, steps, waits = [], [], []
    for epoch in range(1, arguments.num_turns + 2):
        logs = _run_epoch(trainer, config, data, epoch)
        rate = _step_rate(trainer, batch, num_steps)
        if epoch > 1:  # the first one compiles
            loops.append(logs["images_per_second"])
            waits.append(logs["data_wait"])
            steps.append(rate)
    shares = [loop / rate for loop, rate in zip(loops, steps, strict=True)]
    print(
        "| | images/s, median (range) | relative to the step, median |\n|---|---|---|"
    )
    for name, rates, share in (
        ("step", steps, 1),
        ("loop", loops, statistics.median(shares)),
    ):
        print(
            f"| {name} | {statistics.median(rates):.2f} ({min(rates):.2f}-"
            f"{max(rates):.2f}) | {share:.1%} |"
        )
    print(f"\nwaited for images: {statistics.median(waits):.2%} of the loop's time")
    return 0


def _run_epoch(trainer, config, data, epoch):
    """Train an epoch with the loop, without writing files; return its logs."""
    config = replace(config, epochs=epoch)
    loop = TrainingLoop(trainer, config, data, None, Checkpoint(epoch=epoch - 1))
    loop.run()
    return loop.history[-1]


def _step_rate(trainer, batch, num_steps):
    """Images per second of steps whose results are fetched at the end only."""
    with trainer.epoch() as train_on:
        fetch(train_on(batch))
        begun = time.perf_counter()
        for _ in range(num_steps):
            scores = train_on(batch)
        fetch(scores)
    return num_steps * len(batch["image"]) / (time.perf_counter() - begun)


main = Command(__doc__, add_arguments, work).main

if __name__ == "__main__":
    sys.exit(main())
