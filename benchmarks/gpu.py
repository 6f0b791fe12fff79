"""Speed of training and prediction on a GPU: `PYTHONPATH=. python benchmarks/gpu.py`.

Runs on Keras's JAX backend, without TensorFlow, or on TensorFlow with
KERAS_BACKEND=tensorflow. Measures the trainer's compiled step with augmentation, loss,
metrics and optimizer, the prediction of label maps, both of images that are on the
device already, and a matrix product for the device's peak rate. Prints rows to stderr
and a JSON report to stdout.

Measurements that would exceed the time limit are skipped and listed in the report.
"""

# ruff: noqa: E402
import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable

os.environ.setdefault("KERAS_BACKEND", "jax")  # before Keras is imported

from keras_fcn.models.devices import allow_memory_growth

allow_memory_growth()

import keras
import numpy as np
from keras import ops

from benchmarks.flops import count_flops
from keras_fcn.config import HEADS, TrainingConfig
from keras_fcn.models.fcn import FCN
from keras_fcn.models.inference import prediction_model
from keras_fcn.models.precision import use_precision
from keras_fcn.training.augment import make_augment
from keras_fcn.training.optimizer import make_optimizer
from keras_fcn.training.trainer import Trainer, fetch

NUM_CLASSES, VOID_ID = 11, 255
_ROUNDS = 3
_PRODUCT = 8192  # rows and columns of the matrices, enough to fill any GPU


def main(argv: list[str] | None = None) -> None:
    """Measure and print the report."""
    arguments = _parse(argv)
    started = time.monotonic()
    peak = measure_peak(arguments.product)
    height, width = arguments.size
    with use_precision(arguments.precision):
        network = FCN(
            "8s",
            NUM_CLASSES,
            arguments.head,
            None,
            head_filters=arguments.head_filters,
            input_shape=(height, width, 3),
        )
    flops = count_flops(network)
    report = {
        "device": _device_name(),
        "backend": keras.backend.backend(),
        "keras": keras.version(),
        "size": [height, width],
        "head": arguments.head,
        "precision": arguments.precision,
        "gflop_per_image": flops / 1e9,
        "peak_tflop_per_second": peak / 1e12,
        "rows": [],
        "skipped": [],
    }
    benchmarks = {"training": _Training(network), "prediction": _Prediction(network)}
    longest = dict.fromkeys(benchmarks, 0.0)
    for batch_size in arguments.batch_sizes:
        for name, benchmark in benchmarks.items():
            begun = time.monotonic()
            if begun - started + longest[name] > arguments.seconds:
                report["skipped"].append([name, batch_size])
                continue
            row = benchmark.measure(make_batch(batch_size, height, width))
            per_image = flops * (3 if name == "training" else 1)
            row = {
                "work": name,
                "batch_size": batch_size,
                **row,
                "share_of_peak": row["images_per_second"] * per_image / peak,
                "peak_memory_gib": _peak_memory(),
            }
            report["rows"].append(row)
            _print_row(row)
            longest[name] = max(longest[name], time.monotonic() - begun)
    report["seconds"] = round(time.monotonic() - started, 1)
    print(json.dumps(report, indent=1))


def measure_peak(rows: int) -> float:
    """Return the rate of a bfloat16 product of square matrices, FLOP/s."""
    matrix = ops.ones((rows, rows), "bfloat16")
    if keras.backend.backend() == "jax":
        import jax

        multiply = jax.jit(ops.matmul)
    else:
        import tensorflow as tf

        multiply = tf.function(ops.matmul, jit_compile=True)

    def run(times):
        for _ in range(times):
            product = multiply(matrix, matrix)
        fetch({"corner": product[0, 0]})  # waits for the products

    run(1)
    return 2 * rows**3 / _seconds_each(run)


def make_batch(batch_size: int, height: int, width: int) -> dict:
    """Return a batch of random images and label maps of blocks, on the device."""
    rng = np.random.default_rng(0)
    blocks = rng.integers(
        0, NUM_CLASSES, (batch_size, height // 16 + 1, width // 16 + 1)
    )
    label_map = blocks.repeat(16, axis=1).repeat(16, axis=2)[:, :height, :width]
    batch = {
        "image": rng.integers(0, 256, (batch_size, height, width, 3), "uint8"),
        "label_map": label_map.astype("uint8"),
        "size": np.full((batch_size, 2), (height, width), "int32"),
    }
    return {name: ops.convert_to_tensor(array) for name, array in batch.items()}


class _Training:
    """Training steps as in `train`."""

    def __init__(self, network: keras.Model):
        config = TrainingConfig(learning_rate=1e-4, encoder_rate=0.2)
        crop = network.input.shape[1:3]
        augment = make_augment(config, crop, VOID_ID)
        self.trainer = Trainer(network, augment, NUM_CLASSES, VOID_ID)
        self.trainer.compile(optimizer=make_optimizer(config, 100), jit_compile=True)
        self.trainer.build()

    def measure(self, batch: dict) -> dict:
        """Measure steps on a batch."""
        with self.trainer.epoch() as train_on:
            begun = time.monotonic()
            fetch(train_on(batch))
            compile_seconds = time.monotonic() - begun

            def run(times):
                for _ in range(times):
                    scores = train_on(batch)
                fetch(scores)

            return _row(run, batch, compile_seconds)


class _Prediction:
    """Prediction of label maps as in `predict`, including their copy to the host."""

    def __init__(self, network: keras.Model):
        self.model = prediction_model(network)

    def measure(self, batch: dict) -> dict:
        """Measure predictions of a batch."""

        def run(times):
            for _ in range(times):
                self.model.predict_on_batch(batch["image"])

        begun = time.monotonic()
        run(1)
        return _row(run, batch, time.monotonic() - begun)


def _row(run: Callable[[int], None], batch: dict, compile_seconds: float) -> dict:
    seconds = _seconds_each(run)
    return {
        "images_per_second": len(batch["image"]) / seconds,
        "milliseconds": 1000 * seconds,
        "first_call_seconds": compile_seconds,
    }


def _seconds_each(run: Callable[[int], None]) -> float:
    """Seconds per call: the median of rounds of about half a second."""
    begun = time.monotonic()
    run(2)
    times = max(2, min(200, round(0.5 / ((time.monotonic() - begun) / 2))))
    rounds = []
    for _ in range(_ROUNDS):
        begun = time.monotonic()
        run(times)
        rounds.append((time.monotonic() - begun) / times)
    return statistics.median(rounds)


def _device_name() -> str:
    if keras.backend.backend() == "jax":
        import jax

        return jax.devices()[0].device_kind
    import tensorflow as tf

    device = (tf.config.list_physical_devices("GPU") or [None])[0]
    details = tf.config.experimental.get_device_details(device) if device else {}
    return details.get("device_name", "cpu")


def _peak_memory() -> float | None:
    """Peak memory so far, GiB; None if the device does not report it."""
    if keras.backend.backend() == "jax":
        import jax

        peak = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
        return peak and peak / 2**30
    import tensorflow as tf

    if not tf.config.list_logical_devices("GPU"):
        return None
    return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**30


def _print_row(row):
    print(
        f"{row['work']:<11}batch {row['batch_size']:>3}  "
        f"{row['images_per_second']:8.1f} images/s  {row['milliseconds']:8.2f} ms  "
        f"{row['share_of_peak']:6.1%} of the peak  "
        f"first call {row['first_call_seconds']:.1f} s",
        file=sys.stderr,
        flush=True,
    )


def _parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--size", nargs=2, type=int, default=(360, 480), metavar=("HEIGHT", "WIDTH")
    )
    # The most informative ones first, in case the time runs out.
    parser.add_argument(
        "--batch-sizes", nargs="+", type=int, default=(16, 64, 4, 32, 8), metavar="N"
    )
    parser.add_argument("--head", choices=HEADS, default="compact")
    parser.add_argument("--head-filters", type=int, metavar="N")
    parser.add_argument(
        "--precision", choices=("bfloat16", "float32"), default="bfloat16"
    )
    parser.add_argument(
        "--product",
        type=int,
        default=_PRODUCT,
        metavar="ROWS",
        help="rows of the matrices",
    )
    parser.add_argument("--seconds", type=float, default=95, help="time limit")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
