"""Prediction by workers of a cluster: blocks, resources, and the documents' example."""

import io
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

import keras_fcn
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


def test_blocks_of_gpus_have_one_size():  # Ray Data would join smaller ones
    assert block_sizes(100, Pool(1, 2, 1, 0.5)) == [12] * 8 + [4]


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


def test_there_is_no_rate_if_each_worker_had_one_block(caplog):
    with caplog.at_level("INFO"):
        predict._collect([rows("a", status="done")], Ignored(), 1, 1)
    assert caplog.messages[-1] == "Predicted: 1 images"


# In a process of its own: Ray leaves processes, of which pytest would warn.
SCRIPT = """
import os
{two_nodes}
print(done.num_images, done.num_failed, done.manifest)

os.remove("photographs/bad.png")  # a pipeline of images stops there
with keras_fcn.ray.cluster.connected(cluster.address):
{pipeline}
    predicted.write_parquet("results")
cluster.shutdown()
"""


@pytest.fixture(scope="module")
def examples(wide_run, tmp_path_factory):
    """The folder in which the documents' examples ran, and what was printed."""
    text = (PROJECT / "docs/scaling.md").read_text()
    (two_nodes,) = re.findall(
        r"((?:    .+\n)+    cluster.add_node.+\n(?:    .+\n)+)    cluster.shutdown",
        text,
    )
    (pipeline,) = re.findall(r"(?:    .+\n)+    .+read_images.+\n(?:    .+\n)+", text)
    pipeline = pipeline.replace("fcn8s-camvid", str(wide_run.path))
    pipeline = pipeline.replace("concurrency=2", "concurrency=1")  # for two cores
    folder = tmp_path_factory.mktemp("examples")
    (folder / "photographs").mkdir()
    for seed in range(4):
        pixels = np.random.default_rng(seed).integers(0, 256, (32, 48, 3), "uint8")
        Image.fromarray(pixels).save(folder / f"photographs/{seed}.png")
    (folder / "photographs/bad.png").write_bytes(b"no image")
    two_nodes = re.sub("^    ", "", two_nodes, flags=re.M)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(two_nodes=two_nodes, pipeline=pipeline)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.mark.slow(seconds=150)
def test_example_of_two_nodes_runs(examples):
    folder, printed = examples
    manifest = folder / "labels/manifest.parquet"
    assert f"5 1 {manifest}" in printed.splitlines()
    table = pandas.read_parquet(manifest).set_index("path")
    bad = str(folder / "photographs/bad.png")
    assert len(table) == 5 and "is not an image" in table.error[bad]
    labels = sorted(path.name for path in (folder / "labels").glob("*_labels.png"))
    assert labels == [f"{seed}_labels.png" for seed in range(4)]


@pytest.mark.slow
def test_example_of_a_pipeline_runs(examples, wide_run):
    folder, _ = examples
    paths = [folder / f"photographs/{seed}.png" for seed in range(4)]
    table = pandas.read_parquet(folder / "results").sort_values("path")
    assert [*table.path] == [f"photographs/{path.name}" for path in paths]
    label_maps = keras_fcn.load(wide_run.path)(paths)
    for content, label_map in zip(table.label_map, label_maps, strict=True):
        assert np.array_equal(Image.open(io.BytesIO(content)), label_map)
