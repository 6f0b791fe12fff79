"""Rate of prediction on Ray, and memory of the driver.

    python benchmarks/ray_scale.py speed IMAGES    # Ray compared to predict.py
    python benchmarks/ray_scale.py cores IMAGES    # two workers compared to one
    python benchmarks/ray_scale.py cpu IMAGES      # CPU time, for a machine in use
    python benchmarks/ray_scale.py memory          # a million paths, without a network

IMAGES is a folder. All cores of the machine are used, except in `cores`. CPU time is
that of the predicting processes without the first images; with Ray also that of the
driver and of Ray's processes.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from keras_fcn.prediction.options import PredictionOptions
from keras_fcn.prediction.outputs import Outputs
from keras_fcn.ray_prediction.messages import Ready, Row
from keras_fcn.ray_prediction.predict import Task, predict_on_ray
from keras_fcn.ray_prediction.sources import find_sources
from keras_fcn.ray_prediction.worker import Worker

PROJECT = Path(__file__).resolve().parents[1]
CLASSES = tuple(f"class_{number}" for number in range(11))
AUTO = PredictionOptions(size="auto")


class StandIn(Worker):
    """Returns rows immediately, without a network and without outputs."""

    def start(self):
        return Ready("here", _version(), "stand-in", CLASSES)

    def predict(self, images):
        shares = (1 / 12,) * 12
        return [
            Row(
                i.source,
                None,
                f"{i.stem}_labels.png",
                None,
                360,
                480,
                0.1,
                None,
                shares,
            )
            for i in images
        ]

    def stop(self):
        pass


def main() -> int:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=("speed", "cores", "cpu", "memory"))
    parser.add_argument("images", type=Path, nargs="?")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--paths", type=int, default=1_000_000)
    arguments = parser.parse_args()
    if arguments.part == "memory":
        measure_memory(arguments.paths)
    elif arguments.part == "cpu":
        compare_cpu_time(arguments.images)
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


class Timed(Worker):
    """Returns the CPU time of its process with each image, instead of the seconds."""

    def predict(self, images):
        rows = super().predict(images)
        return [
            r._replace(seconds=time.process_time(), frame=os.getpid()) for r in rows
        ]


class TimedOnOneCore(Timed):
    """Predicts with one thread."""

    def __init__(self, settings):
        super().__init__(replace(settings, num_threads=1))


def compare_cpu_time(images):
    """Print the CPU time per image, absolute and relative to the first contender."""
    print("| | CPU s per image | driver and Ray | relative to the first |")
    print("|---|---|---|---|")
    first = plain_cpu_time(images)
    print(f"| predict.py | {first:.3f} | | 100% |", flush=True)
    for name, num_workers, worker_class in (
        ("Ray, one worker", 1, Timed),
        ("Ray, one worker with one thread", 1, TimedOnOneCore),
        ("Ray, two workers with one thread", 2, TimedOnOneCore),
    ):
        seconds, overhead = ray_cpu_time(images, num_workers, worker_class)
        whole = seconds + overhead
        row = f"| {name} | {whole:.3f} | {overhead:.3f} | {whole / first:.1%} |"
        print(row, flush=True)


def plain_cpu_time(images):
    """CPU seconds per image without Ray, in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        code = (
            "import sys, time; from pathlib import Path\n"
            "from keras_fcn.prediction.segmenter import load\n"
            "from keras_fcn.prediction.batch import predict_images\n"
            "from keras_fcn.prediction.jobs import find_jobs\n"
            "from keras_fcn.prediction.outputs import Outputs\n"
            "jobs = find_jobs([sys.argv[1]], Path(sys.argv[2])); segmenter = load()\n"
            "for _ in predict_images(segmenter, jobs[:8], Outputs('none')): pass\n"
            "begun = time.process_time()\n"
            "for _ in predict_images(segmenter, jobs[8:], Outputs('none')): pass\n"
            "print((time.process_time() - begun) / len(jobs[8:]))\n"
        )
        command = [sys.executable, "-c", code, str(images), folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def ray_cpu_time(images, num_workers, worker_class):
    """CPU seconds per image, of the workers and of all other processes."""
    with tempfile.TemporaryDirectory() as folder:
        sources = find_sources([str(images)], folder)
        task = Task(sources, folder, "fcn8s-camvid", AUTO, Outputs("none"), 10**8)
        stamps, begun, count = {}, None, 0
        found = predict_on_ray(task, "local", num_workers, worker_class=worker_class)
        for rows in found:
            begun = overhead_cpu_time() if begun is None else begun
            ended = overhead_cpu_time()
            count += len(rows)
            for row in rows:  # by worker
                stamps.setdefault(row.frame, []).append(row.seconds)
    seconds = num_timed = 0
    for times in stamps.values():
        seconds += times[-1] - times[0]
        num_timed += len(times) - times.count(times[0])  # without the first call
    return seconds / num_timed, (ended - begun) / count


def overhead_cpu_time():
    """CPU seconds of this process and its children except workers."""
    ticks, parents = {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            name, _, rest = (path / "stat").read_text().rpartition(")")
        except OSError:
            continue
        fields = rest.split()
        parents[int(path.name)] = int(fields[1])
        is_worker = "ray::" in name
        ticks[int(path.name)] = 0 if is_worker else int(fields[11]) + int(fields[12])
    total = 0
    for pid, number in ticks.items():
        ancestor = pid
        while ancestor not in (0, 1, os.getpid()):
            ancestor = parents.get(ancestor, 0)
        total += number if ancestor == os.getpid() else 0
    return total / os.sysconf("SC_CLK_TCK")


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
        task = Task(sources, folder, "fcn8s-camvid", AUTO, Outputs("none"), 10**6)
        count, begun = 0, time.perf_counter()
        for rows in predict_on_ray(task, "local", 2, worker_class=StandIn):
            before, count = count, count + len(rows)
            if before * 4 // num_paths < count * 4 // num_paths:
                print(f"{count:,} images: {memory():.0f} MiB", flush=True)
        seconds = time.perf_counter() - begun
        size = Path(folder, "manifest.parquet").stat().st_size / 2**20
        print(f"{num_paths / seconds:.0f} images/s; manifest {size:.0f} MiB")
        print(f"at the end: {memory():.0f} MiB, peak {memory('VmHWM'):.0f} MiB")


def memory(kind="VmRSS"):
    """Memory of this process, MiB."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{kind}:\s+(\d+) kB", status)[1]) / 1024


def _version():
    import keras_fcn

    return keras_fcn.__version__


if __name__ == "__main__":
    sys.exit(main())
