"""Tiny data sets and runs that the tests share."""

# ruff: noqa: E402
import os

from keras_fcn.conversion.startup import quick_imports, quiet_start

with quiet_start(), quick_imports(os.environ["KERAS_BACKEND"]):
    import keras  # noqa: F401
    import tensorflow_datasets as tfds

import ctypes
import gc
import resource
import shutil
import signal
from contextlib import nullcontext
from functools import cache
from pathlib import Path

import pytest
from PIL import Image

import keras_fcn.datasets.camvid as camvid
from keras_fcn.runs.packed import PackedFolder, pack
from keras_fcn.serving.export import export
from keras_fcn.serving.options import ExportOptions
from keras_fcn.training.train import train
from tests.support.data import draw_blocks, tiny_config, write_folder
from tests.support.narrow import MEDIUM, narrow_vgg16
from tests.support.runs import network_with_random_logits, write_untrained_run


@pytest.fixture(scope="session", autouse=True)
def prepared_data_dir(tmp_path_factory):
    """Use a temporary TFDS data directory instead of the user's."""
    folder = tmp_path_factory.mktemp("tensorflow_datasets")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(folder))
        monkeypatch.setenv("TFDS_DATA_DIR", str(folder))  # for subprocesses
        yield folder


@pytest.fixture(scope="module", autouse=True)
def freed_memory_of_module():
    """Free networks, whose reference cycles are collected late."""
    yield
    _free_memory()


@pytest.fixture(autouse=True)
def freed_memory():
    """Collect garbage after each test that used more than 50 MiB."""
    before = _resident_mib()
    yield
    if _resident_mib() > before + 50:
        _free_memory()


def _free_memory():
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


def _resident_mib():
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except FileNotFoundError:  # not Linux
        return 0
    return pages * resource.getpagesize() // 2**20


@pytest.fixture
def time_limit():
    """Fail a test after 60 seconds that would wait for a FIFO or lock forever."""

    def fail(*_):
        pytest.fail("the test does not end")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def width(request):
    """Build narrow networks (`tests/support/narrow.py`).

    Tests marked `vgg16` build VGG16 itself; tests that use `medium_run` build its wider
    network.
    """
    if request.node.get_closest_marker("vgg16"):
        context = nullcontext()
    elif "medium_run" in request.fixturenames:
        context = narrow_vgg16(filters=MEDIUM)
    else:
        context = narrow_vgg16()
    with context:
        yield


@pytest.fixture(scope="session")
def model():
    """A narrow network of three classes with random logits: it predicts several.

    It is shared by the tests, which must not modify it.
    """
    with narrow_vgg16():
        return network_with_random_logits()


@pytest.fixture(scope="session")
def scored_run(model, tmp_path_factory):
    """An untrained run whose best network is `model`."""
    return write_untrained_run(tmp_path_factory.mktemp("runs") / "scored", model)


@pytest.fixture(scope="session")
def wide_run(tmp_path_factory):
    """As `scored_run`, with VGG16's filters, so that other processes can load it."""
    model = network_with_random_logits()
    return write_untrained_run(tmp_path_factory.mktemp("runs") / "wide", model)


@pytest.fixture(scope="session")
def saved_model(scored_run, tmp_path_factory):
    """Folder of a SavedModel of `model` for images of at most 40,000 pixels."""
    folder = tmp_path_factory.mktemp("export")
    with narrow_vgg16():
        return export(scored_run, folder, ExportOptions(max_pixels=40_000))


@pytest.fixture(scope="session")
def medium_run(tmp_path_factory):
    """As `scored_run`, with more filters: int8 changes few labels."""
    with narrow_vgg16(filters=MEDIUM):
        model = network_with_random_logits()
    return write_untrained_run(tmp_path_factory.mktemp("runs") / "medium", model)


@pytest.fixture(scope="session")
def float_export(medium_run, tmp_path_factory):
    """A function that returns the folder of an export of `medium_run` in float32.

    Each format is exported once; the tests must not modify the folders.
    """
    folder = tmp_path_factory.mktemp("export")

    @cache
    def folder_of(format):
        with narrow_vgg16(filters=MEDIUM):
            return export(medium_run, folder, ExportOptions(format=format))

    return folder_of


@pytest.fixture
def tiny_camvid(tmp_path, monkeypatch):
    """A folder in CamVid's layout, with patched image size, counts and digests."""
    folder = tmp_path / "CamVid"
    counts = {"train": 4, "val": 2, "test": 2}
    monkeypatch.setattr(camvid, "IMAGE_SIZE", (48, 64))
    for split, count in counts.items():
        images, labels = folder / split, folder / f"{split}annot"
        images.mkdir(parents=True)
        labels.mkdir()
        for index in range(count):
            image, label_map = draw_blocks(48, 64, 11, seed=index)
            label_map[:3] = camvid.CLASS_MAP.void_id
            Image.fromarray(image).save(images / f"{split}_{index}.png")
            Image.fromarray(label_map).save(labels / f"{split}_{index}.png")
    monkeypatch.setattr(
        camvid,
        "SPLITS",
        {
            split: camvid.PublishedSplit(
                count, camvid.label_digest(sorted((folder / f"{split}annot").iterdir()))
            )
            for split, count in counts.items()
        },
    )
    return folder


@pytest.fixture
def tiny_folder(tmp_path):
    """A folder for `--dataset folder`: three classes and void, 48x64, gray ids."""
    return write_folder(tmp_path / "mine")


@pytest.fixture(scope="session")
def packed_run(tmp_path_factory):
    """A run of one epoch with an architecture other than the default."""
    folder = write_folder(tmp_path_factory.mktemp("data") / "mine")
    config = tiny_config(
        folder,
        variant="8s",
        skip_scales="batch-norm",
        head_filters=8,
        epochs=1,
        keep_checkpoints=False,
    )
    with narrow_vgg16():
        return train(config, tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="session")
def packed_once(packed_run, tmp_path_factory):
    """`packed_run`, packed; shared by the tests, which must not modify it."""
    return pack(packed_run, tmp_path_factory.mktemp("packed") / "packed")


@pytest.fixture
def packed(packed_once, tmp_path):
    """A copy of `packed_once` that a test may modify."""
    return PackedFolder(shutil.copytree(packed_once.path, tmp_path / "packed"))
