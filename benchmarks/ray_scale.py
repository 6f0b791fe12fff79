"""Rate of prediction on Ray, and memory of the driver.

    python benchmarks/ray_scale.py speed IMAGES    # Ray compared to predict.py
    python benchmarks/ray_scale.py cores IMAGES    # two workers compared to one
    python benchmarks/ray_scale.py memory          # a million paths, without a network

IMAGES is a folder. All cores of the machine are used, except in `cores`.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pyarrow as pa

from keras_fcn.prediction.options import PredictionOptions
from keras_fcn.prediction.outputs import Outputs
from keras_fcn.ray.image_writer import ImageWriter, Settings
from keras_fcn.ray.manifest import row_schema
from keras_fcn.ray.predict import predict_by_workers
from keras_fcn.ray.sources import find_sources
from keras_fcn.runs.bundled import find_network

PROJECT = Path(__file__).resolve().parents[1]
MODEL = "fcn8s-camvid"


class StandIn(ImageWriter):
    """Returns rows immediately, without a network and without outputs."""

    def __init__(self, settings, attempts):
        names = find_network(MODEL).read_class_map().names
        self._schema = row_schema(names)
        shares = dict.fromkeys(self._schema.names[9:], 1 / 12)
        self._row = {"status": "done", "height": 360, "width": 480, "seconds": 0.1}
        self._row |= shares

    def __call__(self, batch):
        names = zip(*(column.to_pylist() for column in batch.columns), strict=True)
        rows = [
            {"path": source.decode(), "output": f"{stem.decode()}_labels.png"}
            for source, stem in names
        ]
        return pa.Table.from_pylist([row | self._row for row in rows], self._schema)


def main() -> int:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=("speed", "cores", "memory"))
    parser.add_argument("images", type=Path, nargs="?")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--paths", type=int, default=1_000_000)
    arguments = parser.parse_args()
    if arguments.part == "memory":
        measure_memory(arguments.paths)
    elif arguments.part == "speed":
        cores = os.cpu_count()
        compare(
            arguments,
            {
                "predict.py": ([], None),
                f"Ray, one worker with {cores} cores": (["--workers", "1"], None),
                f"Ray, {cores} workers with one core": (
                    ["--workers", str(cores)],
                    None,
                ),
            },
        )
    else:
        compare(
            arguments,
            {
                "Ray, one worker with one core": (["--workers", "1"], "0"),
                "Ray, two workers with one core": (["--workers", "2"], "0,1"),
            },
        )
    return 0


def compare(arguments, contenders):
    """Print images per second without the start; the contenders take turns."""
    rates = {name: [] for name in contenders}
    for _ in range(arguments.repeats):
        for name, (flags, cores) in contenders.items():
            rates[name].append(images_per_second(arguments.images, flags, cores))
    first = max(next(iter(rates.values())))
    print("| | images/s | relative to the first |\n|---|---|---|")
    for name, values in rates.items():
        each = ", ".join(f"{value:.2f}" for value in values)
        print(f"| {name} | {each} | {max(values) / first:.1%} |")


def images_per_second(images, flags, cores):
    command = ["taskset", "-c", cores] if cores else []
    command += [sys.executable, "predict.py", images, "--overlay", "none"]
    with tempfile.TemporaryDirectory() as folder:
        command += ["--output-dir", folder]
        command += ["--ray", "local", *flags] if flags else []
        done = subprocess.run(
            [*map(str, command)],
            cwd=PROJECT,
            check=True,
            capture_output=True,
            text=True,
        )
    return float(re.findall(r"([\d.]+) images/s", done.stderr)[-1])


def measure_memory(num_paths):
    """Print the driver's memory while it processes a list of paths."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "list.txt")
        with path.open("w") as file:
            for number in range(num_paths):
                file.write(f"/images/{number // 1000:04}/photograph-{number:08}.jpg\n")
        print(f"at the start: {memory():.0f} MiB")
        begun = time.perf_counter()
        sources = find_sources([], folder, str(path))
        seconds = time.perf_counter() - begun
        print(
            f"list of {num_paths:,} paths read in {seconds:.0f} s: {memory():.0f} MiB"
        )
        options = PredictionOptions(size="auto")
        settings = Settings(MODEL, options, Outputs("none"), 10**6, folder)
        threading.Thread(target=print_memory, daemon=True).start()
        begun = time.perf_counter()
        predict_by_workers(sources, settings, "local", 2, worker_class=StandIn)
        seconds = time.perf_counter() - begun
        size = Path(folder, "manifest.parquet").stat().st_size / 2**20
        print(f"{num_paths / seconds:.0f} images/s; manifest {size:.0f} MiB")
        print(f"at the end: {memory():.0f} MiB, peak {memory('VmHWM'):.0f} MiB")


def print_memory():
    while True:
        print(f"{time.strftime('%T')} {memory():.0f} MiB", flush=True)
        time.sleep(10)


def memory(kind="VmRSS"):
    """Memory of this process, MiB."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{kind}:\s+(\d+) kB", status)[1]) / 1024


if __name__ == "__main__":
    sys.exit(main())
