"""Compare speed and memory with other runtimes: `python -m benchmarks.compare`.

Trains and predicts the same network, with the same weights, sizes and precisions, with
keras-fcn and with those of PyTorch, OpenVINO, ONNX Runtime and LiteRT that are
installed. The runtimes take turns, so that other load on the machine affects all
equally. Prints medians and ranges as a Markdown table, with the share of the peak rate
of a matrix product on this machine. CPU seconds distinguish slow code from code that
waited; busy waiting counts as CPU time.
"""

import argparse
import json
import logging
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from dataclasses import asdict
from pathlib import Path

from keras_fcn.commands.command_line import Command
from keras_fcn.commands.flags import flag_type
from keras_fcn.options import PositiveInt
from keras_fcn.storage.atomic import write_json

logger = logging.getLogger(__name__)

SIZES = ((320, 416), (360, 480))
_PRODUCT = 3072  # rows and columns of the matrix product
_PAUSE = 0.5  # seconds; ends the busy waiting of the previous runtime's threads
_PEAK = "product of two matrices"  # takes turns with the runtimes


def add_arguments(parser) -> None:
    """Add the flags."""
    parser.add_argument(
        "--quick",
        action="store_true",
        help="only the compact head in bfloat16: training on 4 images of 320x416, "
        "prediction of one of 360x480",
    )
    parser.add_argument(
        "--scaling",
        action="store_true",
        help="measure prediction for increasing image size, classes and batch size",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="WORD",
        help="only cases with all of these words: training or prediction, compact or "
        "vgg, bfloat16 or float32, a size such as 360x480, a batch size such as 8",
    )
    parser.add_argument(
        "--rounds", type=flag_type(PositiveInt), default=7, metavar="N",
        help="rounds",
    )  # fmt: skip
    parser.add_argument(
        "--exported", nargs="+", type=Path, metavar="DIR",
        help="exported networks to measure in addition, such as openvino-int8-1",
    )  # fmt: skip
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the rows to this file"
    )
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)  # for subprocesses


def make_cases(is_quick: bool, is_scaling: bool) -> list[tuple[str, dict]]:
    """Return the cases: "training" or "prediction", and the fields of `Case`.

    Args:
        is_quick: return two cases.
        is_scaling: return prediction for increasing sizes, classes and batch sizes.
    """
    first = {"head": "compact", "precision": "bfloat16", "batch_size": 1}
    if is_scaling:
        sizes = ((180, 240), (360, 480), (720, 960))
        return [
            *(("prediction", _case(size, **first)) for size in sizes),
            *(
                ("prediction", _case((360, 480), **first, num_classes=number))
                for number in (2, 32, 150)
            ),
            *(
                ("prediction", _case((360, 480), **{**first, "batch_size": number}))
                for number in (2, 4, 8)
            ),
        ]
    if is_quick:
        return [
            ("training", _case((320, 416), **{**first, "batch_size": 4})),
            ("prediction", _case((360, 480), **first)),
        ]
    return [
        (work, _case(size, batch_size, head, precision))
        for work in ("training", "prediction")
        for head in ("compact", "vgg")
        for precision in ("bfloat16", "float32")
        for size in SIZES
        for batch_size in (1, 8)
    ]


def has_words(work: str, fields: dict, words: Collection[str]) -> bool:
    """Whether a case has all the words of `--only`.

    Args:
        work: "training" or "prediction".
        fields: of `Case`.
        words: values of `--only`.
    """
    size = f"{fields['height']}x{fields['width']}"
    names = {work, fields["head"], fields["precision"], size, str(fields["batch_size"])}
    return names >= set(words)


def _case(size, batch_size, head, precision, num_classes=11):
    height, width = size
    return {
        "height": height,
        "width": width,
        "batch_size": batch_size,
        "head": head,
        "precision": precision,
        "num_classes": num_classes,
    }


def measure(work: str, fields: dict, rounds: int, exported: list[Path]) -> list[dict]:
    """Measure a case, and return a row for each contender.

    Args:
        work: "training" or "prediction".
        fields: of `Case`.
        rounds: number of measurements of each contender.
        exported: exported networks, for prediction with the compact head.
    """
    from benchmarks.contenders import (
        Case,
        prediction_contenders,
        training_contenders,
    )
    from benchmarks.flops import count_flops

    case = Case(**fields)
    flops = count_flops(case.make_network(is_fixed=True)) * case.batch_size
    if work == "training":
        flops *= 3
    with tempfile.TemporaryDirectory() as folder:
        if work == "training":
            contenders = training_contenders(case)
        else:
            contenders = prediction_contenders(case, Path(folder), exported)
        contenders[_PEAK] = matrix_product(case.precision)
        seconds = {name: [] for name in contenders}
        cpu_seconds = {name: [] for name in contenders}
        for run in contenders.values():
            run()
        for _ in range(rounds):
            for name, run in contenders.items():
                time.sleep(_PAUSE)
                started, worked = time.perf_counter(), time.process_time()
                run()
                seconds[name].append(time.perf_counter() - started)
                cpu_seconds[name].append(time.process_time() - worked)
    peak = 2 * _PRODUCT**3 / statistics.median(seconds.pop(_PEAK))
    return [
        {
            "work": work,
            **asdict(case),
            "contender": name,
            "median": statistics.median(values),
            "least": min(values),
            "most": max(values),
            "cpu_median": statistics.median(cpu_seconds[name]),
            "share_of_peak": flops / statistics.median(values) / peak,
            "peak_tflop_per_second": peak / 1e12,
        }
        for name, values in seconds.items()
    ]


def matrix_product(precision: str) -> Callable[[], object]:
    """Return a function that multiplies square matrices, to measure the peak rate.

    Args:
        precision: "float32" or "bfloat16".
    """
    import tensorflow as tf

    matrix = tf.ones((_PRODUCT, _PRODUCT), precision)
    multiply = tf.function(tf.matmul)
    return lambda: multiply(matrix, matrix)[0, 0].numpy()


def measure_memory(work: str, fields: dict) -> float:
    """Return the peak memory of a process that runs only keras-fcn, GiB.

    Args:
        work: "training" or "prediction".
        fields: of `Case`.
    """
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.compare", "--memory-of"]
        + [json.dumps([work, fields])],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(result.stdout.splitlines()[-1])


def _print_memory(work, fields):
    import numpy as np

    from benchmarks.contenders import Case, training_contenders
    from keras_fcn.models.inference import prediction_model

    sys.modules["torch"] = None  # PyTorch must not be imported here
    case = Case(**fields)
    if work == "training":
        run = training_contenders(case)["keras-fcn"]
    else:
        model, images = (
            prediction_model(case.make_network()),
            case.make_batch()["image"],
        )

        def run():
            return np.asarray(model.predict_on_batch(images))

    for _ in range(2):
        run()
    print(_peak_kib() / 2**20)


def _peak_kib():
    """Peak memory of this process; that of getrusage includes its parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise RuntimeError("/proc/self/status has no VmHWM: this benchmark requires Linux")


def format_table(rows: list[dict]) -> str:
    """Format rows as a Markdown table.

    Args:
        rows: rows from `measure`; `memory_gib` is optional.
    """
    lines = [
        "| | images | head | precision | runtime | seconds per image (range) "
        "| CPU seconds | share of peak | memory, GiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        batch = row["batch_size"]
        median, least, most, cpu = (
            row[name] / batch for name in ("median", "least", "most", "cpu_median")
        )
        memory = row.get("memory_gib")
        classes = "" if row["num_classes"] == 11 else f", {row['num_classes']} classes"
        lines.append(
            f"| {row['work']} | {batch} x {row['height']}x{row['width']}{classes} | "
            f"{row['head']} | {row['precision']} | {row['contender']} | "
            f"{median:.3f} ({least:.3f} to {most:.3f}) | {cpu:.3f} | "
            f"{row['share_of_peak']:.0%} | "
            f"{'' if memory is None else f'{memory:.1f}'} |"
        )
    return "\n".join(lines)


def work(arguments, given: set[str]) -> int:
    """Measure and print the table."""
    if arguments.memory_of:
        _print_memory(*json.loads(arguments.memory_of))
        return 0
    rows = []
    cases = [
        case
        for case in make_cases(arguments.quick, arguments.scaling)
        if has_words(*case, arguments.only or ())
    ]
    if not cases:
        raise ValueError(f"No case has all of `only` {' '.join(arguments.only)}")
    for work_name, fields in cases:
        exported = arguments.exported if fields["head"] == "compact" else None
        found = measure(work_name, fields, arguments.rounds, exported or [])
        found[0]["memory_gib"] = measure_memory(work_name, fields)
        for line in format_table(found).splitlines()[2:]:
            logger.info(line)
        rows += found
        if arguments.json is not None:
            write_json(arguments.json, {"machine": platform.processor(), "rows": rows})
    print(format_table(rows))
    return 0


main = Command(__doc__, add_arguments, work).main

if __name__ == "__main__":
    sys.exit(main())
