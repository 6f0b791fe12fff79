"""Rate of prediction on Ray, and memory of the driver.

    python benchmarks/ray_scale.py speed IMAGES    # Ray compared to predict.py
    python benchmarks/ray_scale.py cores IMAGES    # two workers compared to one
    python benchmarks/ray_scale.py memory          # a million paths, without a network

IMAGES is a folder without subfolders. All cores of the machine are used, except in
`cores`. With --before CHECKOUT, `predict --ray` of this version and of the one in the
folder CHECKOUT run in turns.
"""

import argparse
import logging
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from keras_fcn.prediction.options import PredictionOptions
from keras_fcn.prediction.outputs import Outputs
from keras_fcn.ray import predict
from keras_fcn.ray.image_writer import ImageWriter, Settings
from keras_fcn.ray.manifest import row_schema
from keras_fcn.ray.sources import find_sources
from keras_fcn.runs.bundled import find_network

PROJECT = Path(__file__).resolve().parents[1]
MODEL = "fcn8s-camvid"


class StandIn(ImageWriter):
    """Returns rows immediately, without a network and without outputs."""

    def __init__(self, settings, attempts):
        names = find_network(MODEL).read_class_map().names
        self._settings, self._attempts = settings, attempts
        self._schema = row_schema(names)
        shares = dict.fromkeys(self._schema.names[9:], 1 / 12)
        self._row = {"status": "done", "height": 360, "width": 480, "seconds": 0.1}
        self._row |= shares

    def _predict(self, images):
        sources = [source for source, _ in images]
        self._attempts_do("begin", sources)
        rows = [
            {"path": source, "output": f"{stem}_labels.png"} | self._row
            for source, stem in images
        ]
        self._attempts_do("end", sources)
        return rows


def main() -> int:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=("speed", "cores", "memory"))
    parser.add_argument("images", type=Path, nargs="?")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--paths", type=int, default=1_000_000)
    parser.add_argument("--block", type=int, help="images per block, in `memory`")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--size", default="auto")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, os.cpu_count()])
    parser.add_argument("--before", type=Path, metavar="CHECKOUT")
    arguments = parser.parse_args()
    if arguments.part == "memory":
        measure_memory(arguments.paths, arguments.block)
        return 0
    contenders = {}
    if arguments.part == "speed" and not arguments.before:
        contenders["predict.py"] = (PROJECT, [], None)
    for count in arguments.workers:
        cores = None
        if arguments.part == "cores":
            cores = ",".join(map(str, range(count)))
        flags = ["--ray", "local", "--workers", str(count)]
        if arguments.before:
            name = f"before, workers: {count}"
            contenders[name] = (arguments.before, flags, cores)
        contenders[f"Ray, workers: {count}"] = (PROJECT, flags, cores)
    compare(arguments, contenders)
    return 0


def compare(arguments, contenders):
    """Run each command in turn, and print a row for each."""
    images, common = arguments.images.resolve(), ["--overlay", "none"]
    common += ["--model", arguments.model, "--size", arguments.size]
    print("| | start-up | images/s | CPU time per image | memory of the driver |")
    print("|---|---|---|---|---|")
    for _ in range(arguments.repeats):
        for name, (checkout, flags, cores) in contenders.items():
            row = measure(checkout, [images, *common, *flags], cores)
            print(f"| {name} | {row} |", flush=True)


def measure(checkout, flags, cores):
    """Cells of a row; rate and CPU time exclude the first tenth of the images."""
    num_images = sum(1 for _ in flags[0].iterdir())
    command = ["taskset", "-c", cores] if cores else []
    command += [sys.executable, "predict.py", *flags]
    with tempfile.TemporaryDirectory() as folder:
        command += ["--output-dir", folder]
        started, peak, samples = time.time(), 0.0, []
        process = subprocess.Popen(
            [*map(str, command)],
            cwd=checkout,
            env={**os.environ, "PYTHONPATH": str(checkout)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while process.poll() is None:
            peak = memory("VmHWM", process.pid) or peak
            count = sum(1 for _ in Path(folder).glob("*_labels.png"))
            if num_images // 10 <= count and (not samples or count < num_images):
                samples.append((count, cpu_seconds(process.pid)))
            time.sleep(0.1)
        if process.returncode:
            sys.exit(f"{command} ended with status {process.returncode}")
        paths = Path(folder).glob("*_labels.png")
        times = sorted(path.stat().st_mtime for path in paths)
    first = len(times) // 10
    rate = (len(times) - 1 - first) / (times[-1] - times[first])
    (before, begun), (count, ended) = samples[0], samples[-1]
    seconds = (ended - begun) / (count - before)
    start = times[0] - started
    return f"{start:.1f} s | {rate:.2f} | {1000 * seconds:.0f} ms | {peak:.0f} MiB"


def cpu_seconds(root):
    """CPU time of a process and its descendants that have not ended, seconds."""
    ticks, parents = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            parents[int(path.parent.name)] = int(fields[1])
            ticks[int(path.parent.name)] = int(fields[11]) + int(fields[12])
    total = 0
    for process, number in ticks.items():
        ancestor = process
        while ancestor not in (0, root):
            ancestor = parents.get(ancestor, 0)
        total += number if ancestor == root else 0
    return total / os.sysconf("SC_CLK_TCK")


def measure_memory(num_paths, images_per_block):
    """Print the driver's memory and rate while it processes a list of paths."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if images_per_block:
        predict._LARGEST_BLOCK_PER_CORE = images_per_block
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
        predict.predict_by_workers(sources, settings, "local", 2, worker_class=StandIn)
        seconds = time.perf_counter() - begun
        size = Path(folder, "manifest.parquet").stat().st_size / 2**20
        print(f"{seconds:.0f} s with the start; manifest {size:.0f} MiB")
        print(f"at the end: {memory():.0f} MiB, peak {memory('VmHWM'):.0f} MiB")


def print_memory():
    while True:
        print(f"{time.strftime('%T')} {memory():.0f} MiB", flush=True)
        time.sleep(10)


def memory(kind="VmRSS", pid="self"):
    """Memory of a process, MiB; 0 if it has ended."""
    found = re.search(rf"{kind}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0


if __name__ == "__main__":
    sys.exit(main())
