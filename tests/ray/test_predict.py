"""Prediction by workers of a cluster: blocks, resources, and the documents' example."""

import os
import re
import subprocess
import sys
import time

import numpy as np
import pandas
import pyarrow as pa
import pytest
from PIL import Image

from keras_fcn.ray import predict
from keras_fcn.ray.cluster import Pool
from keras_fcn.ray.manifest import row_schema
from tests.support.data import PROJECT


def block_sizes(num_images, pool):
    sources = {f"/{n}.png": f"{n}" for n in range(num_images)}
    blocks = [*predict._blocks(sources, pool)]
    names = [name.decode() for block in blocks for name in block["source"].to_pylist()]
    assert names == [*sources]
    return [block.num_rows for block in blocks]


def test_blocks_become_smaller_at_the_end():
    sizes = block_sizes(1000, Pool(2, 2, 1, 0))
    assert sizes[:5] == [32] * 5 and sizes[-1] == 1
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(
    ("cores", "gpus", "largest"), [(0.5, 0, 32), (16, 0, 512), (1, 0.25, 1024)]
)
def test_fast_workers_have_larger_blocks(cores, gpus, largest):
    assert max(block_sizes(10_000, Pool(1, 1, cores, gpus))) == largest


def test_few_images_are_divided_among_many_workers():
    assert block_sizes(3, Pool(8, 8, 1, 0)) == [1, 1, 1]


class Busy:
    """The functions of Ray that wait for resources, in a cluster that has none."""

    @staticmethod
    def remote(function):
        return type("Task", (), {"options": lambda _, **__: Busy.Check})()

    class Check:
        @staticmethod
        def remote(settings):
            return settings

    @staticmethod
    def get(ref, timeout):
        raise predict.GetTimeoutError

    @staticmethod
    def available_resources():
        return {"CPU": 0.0}

    @staticmethod
    def cluster_resources():
        return {"CPU": 8.0}


def test_cluster_without_free_resources_is_an_error(monkeypatch):
    monkeypatch.setattr(predict, "ray", Busy)
    monkeypatch.setattr("keras_fcn.ray.cluster.ray", Busy)
    with pytest.raises(TimeoutError, match="No worker.* 600 s: 0 of 8 CPUs are free"):
        predict._check_a_machine(None, Pool(1, 1, 1, 0))


def rows(*paths, **columns):
    schema = row_schema(["road"])
    return pa.Table.from_pylist([{"path": path, **columns} for path in paths], schema)


class Ignored:
    """A manifest that is not written."""

    def add(self, table):
        pass


def test_failed_files_are_counted_once_and_their_errors_logged(caplog):
    frames = rows("a", "a", status="error", error="a is damaged")
    tables = [rows("b", "b", status="done"), frames]
    with caplog.at_level("INFO"):
        assert predict._collect(tables, Ignored(), 2, 1) == 1
    assert caplog.messages.count("skipped: a is damaged") == 2
    assert caplog.messages[-1].startswith("Predicted: 2 images, ")


def test_rate_excludes_the_start_and_the_first_block_of_each_worker(caplog):
    def tables():
        for names in ("abcdef", "ghijkl", "mn"):  # the first two of two workers
            time.sleep(0.1)
            yield rows(*names, status="done")

    with caplog.at_level("INFO"):
        predict._collect(tables(), Ignored(), 14, 2)
    rate = re.fullmatch("Predicted: 14 images, (.+) images/s", caplog.messages[-1])
    assert 2 < float(rate[1]) <= 20


@pytest.mark.slow
def test_example_of_two_nodes_runs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for seed in range(4):
        pixels = np.random.default_rng(seed).integers(0, 256, (32, 48, 3), "uint8")
        Image.fromarray(pixels).save(folder / f"{seed}.png")
    (folder / "bad.png").write_bytes(b"no image")
    text = (PROJECT / "docs/scaling.md").read_text()
    (example,) = re.findall(r"(?:    .+\n)+    cluster.add_node.+\n(?:    .+\n)+", text)
    script = re.sub("^    ", "", example, flags=re.M)
    script += "print(done.num_images, done.num_failed, done.manifest)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    manifest = tmp_path / "labels/manifest.parquet"
    assert done.stdout.splitlines()[-1] == f"5 1 {manifest}"
    table = pandas.read_parquet(manifest).set_index("path")
    assert len(table) == 5 and "is not an image" in table.error[str(folder / "bad.png")]
    labels = sorted(path.name for path in (tmp_path / "labels").glob("*_labels.png"))
    assert labels == [f"{seed}_labels.png" for seed in range(4)]
