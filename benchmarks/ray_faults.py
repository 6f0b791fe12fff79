"""Predict 500 images on Ray while machines, the driver or workers are killed.

    python benchmarks/ray_faults.py --output-dir /tmp/faults

Predicts small images without Ray, and then on a cluster of two nodes with one core each
(processes on this machine): a node is removed half-way; the driver is killed and
restarted; one image kills each worker that reads it. Counts the results and compares
each label map with that of the prediction without Ray. Takes about four minutes on two
cores.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas
from PIL import Image
from ray.cluster_utils import Cluster

from keras_fcn.prediction.options import PredictionOptions
from keras_fcn.prediction.outputs import Outputs
from keras_fcn.ray.image_writer import ImageWriter, Settings
from keras_fcn.ray.predict import predict_by_workers
from keras_fcn.ray.sources import find_sources

PROJECT = Path(__file__).resolve().parents[1]
MODEL = "fcn8s-camvid"
FLAGS = ("--overlay", "none", "--size", "native", "--model", MODEL)


class KilledByOneImage(ImageWriter):
    """Kills its process at one image, as the out-of-memory killer of Linux does."""

    def _open(self, folder, numbered_image):
        if numbered_image[1][1] == "100":
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._open(folder, numbered_image)


def main() -> int:
    """Run all faults and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output-dir", type=Path, required=True)
    parser.add_argument("--only", choices=FAULTS, nargs="*", default=[*FAULTS])
    parser.add_argument("--images", type=int, default=500)
    arguments = parser.parse_args()
    folder = arguments.output_dir
    write_images(folder / "in", arguments.images)
    predict_without_ray(folder)
    print(
        "| fault | label maps | wrong | rows | done | error | rows of one image twice |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in arguments.only:
        fault = FAULTS[name]
        output = folder / fault.__name__
        with two_nodes() as cluster:
            begun = time.monotonic()
            fault(cluster, folder / "in", output, arguments.images)
            seconds = time.monotonic() - begun
        print(f"| {name} | {count(folder, output)} | {seconds:.0f} s |", flush=True)
    return 0


def write_images(folder, count):
    """Write images of 32x32 pixels with squares of random colors."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for number in range(count):
        pixels = np.repeat(np.repeat(random.integers(0, 256, (4, 4, 3)), 8, 0), 8, 1)
        Image.fromarray(pixels.astype("uint8")).save(folder / f"{number}.png")


def predict_without_ray(folder):
    """Write the label maps to compare with."""
    command = [sys.executable, "predict.py", folder / "in", *FLAGS]
    command += ["--output-dir", folder / "plain", "--skip-existing"]
    subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def two_nodes():
    """A cluster of a head without cores and two nodes with one core each."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        yield cluster
    finally:
        cluster.shutdown()


def start(cluster, images, output):
    """Start the command `predict` on the cluster."""
    command = [sys.executable, "predict.py", images, *FLAGS, "--output-dir", output]
    command += ["--ray", cluster.address, "--workers", "2"]
    return subprocess.Popen([*map(str, command)], cwd=PROJECT)


def finish(driver):
    if driver.wait(1800) != 0:
        sys.exit(f"The prediction ended with status {driver.returncode}")


def wait_for_half(driver, output, num_images):
    while sum(1 for _ in output.glob("*_labels.png")) < num_images // 2:
        if driver.poll() is not None:
            sys.exit("The prediction ended before half of the images")
        time.sleep(0.5)


def remove_node(cluster, images, output, num_images):
    driver = start(cluster, images, output)
    wait_for_half(driver, output, num_images)
    cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
    finish(driver)


def kill_driver(cluster, images, output, num_images):
    driver = start(cluster, images, output)
    wait_for_half(driver, output, num_images)
    driver.kill()
    driver.wait()
    finish(start(cluster, images, output))


def kill_workers(cluster, images, output, num_images):
    sources = find_sources([str(images)], str(output))
    outputs = Outputs(overlay="none")
    options = PredictionOptions(size="native")
    settings = Settings(MODEL, options, outputs, 10**6, str(output))
    predict_by_workers(
        sources, settings, cluster.address, 2, worker_class=KilledByOneImage
    )


FAULTS = {
    "a node is removed": remove_node,
    "the driver is killed and restarted": kill_driver,
    "one image kills its worker": kill_workers,
}


def count(folder, output):
    """Cells of the table: numbers of files, wrong files and rows of the manifest."""
    label_maps = list(output.glob("*_labels.png"))
    wrong = sum(
        path.read_bytes() != (folder / "plain" / path.name).read_bytes()
        for path in label_maps
    )
    table = pandas.read_parquet(output / "manifest.parquet")
    done, twice = (table.status == "done").sum(), table.path.duplicated().sum()
    numbers = len(label_maps), wrong, len(table), done, len(table) - done, twice
    return " | ".join(map(str, numbers))


if __name__ == "__main__":
    sys.exit(main())
