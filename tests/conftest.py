"""Tiny data sets and runs that the tests share."""

import keras_fcn  # noqa: F401  first: it drops the lines of TensorFlow's start-up

# isort: split
import gc
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

import keras_fcn.datasets.camvid as camvid
from keras_fcn.classes import ClassMap
from keras_fcn.config import TrainingConfig
from keras_fcn.export import export
from keras_fcn.models import FCN
from keras_fcn.pack import pack
from keras_fcn.run_folder import RunFolder, save_model
from keras_fcn.training import train

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def prepared_data_dir(tmp_path_factory):
    """Keeps what TFDS prepares in the tests apart from the user's."""
    folder = tmp_path_factory.mktemp("tensorflow_datasets")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(folder))
        monkeypatch.setenv("TFDS_DATA_DIR", str(folder))  # for other processes
        yield folder


@pytest.fixture(scope="module", autouse=True)
def freed_memory():
    """Frees the networks of a module: they hold each other, and Python waits long."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def model():
    """A network of three classes whose scores are random, so that it predicts several.

    The tests that share it change nothing in it.
    """
    keras.utils.set_random_seed(0)
    model = FCN("32s", 3, "compact", None, head_filters=8)
    layer = model.get_layer("score_fr")
    kernel = np.random.default_rng(0).normal(size=layer.kernel.shape)
    layer.set_weights([kernel, np.zeros(3)])
    return model


@pytest.fixture(scope="session")
def scored_run(model, tmp_path_factory):
    """A run without its training, whose network is `model`."""
    config = TrainingConfig(variant="32s", head="compact", head_filters=8)
    names, colors = ("sky", "road", "tree"), ((0, 0, 255), (90, 90, 90), (0, 90, 0))
    class_map = ClassMap(names, colors, void_id=255)
    run = RunFolder.create(
        tmp_path_factory.mktemp("runs") / "scored", config, class_map
    )
    save_model(model, run.best_model)
    return run


@pytest.fixture(scope="session")
def saved_model(scored_run, tmp_path_factory):
    """Folder of a SavedModel of `model` that takes images of 40,000 pixels."""
    return export(scored_run, tmp_path_factory.mktemp("export"), max_pixels=40_000)


def draw_blocks(height, width, num_classes, seed):
    """An image whose colours follow from its label map of blocks, with some noise."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, num_classes, (height // 16 + 1, width // 16 + 1))
    label_map = blocks.repeat(16, axis=0).repeat(16, axis=1)[:height, :width]
    shade = 20 + 200 * label_map[..., None] // max(1, num_classes - 1)
    image = shade + np.array([0, 15, 30]) + rng.integers(-8, 9, (height, width, 3))
    return image.clip(0, 255).astype("uint8"), label_map.astype("uint8")


@pytest.fixture
def tiny_camvid(tmp_path, monkeypatch):
    """A folder in CamVid's layout, and the published facts made to fit it."""
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
    """A folder for `--dataset folder`: three classes and void, 48x64, grey ids."""
    return write_folder(tmp_path / "mine")


def write_folder(folder, counts=None, size=(48, 64)):
    """Write `images/SPLIT/` and `labels/SPLIT/` with ids 0-2 and 255."""
    for split, count in (counts or {"train": 4, "val": 2, "test": 2}).items():
        images, labels = folder / "images" / split, folder / "labels" / split
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        for index in range(count):
            image, label_map = draw_blocks(*size, 3, seed=index)
            label_map[0] = 255
            Image.fromarray(image).save(images / f"{split}_{index}.png")
            Image.fromarray(label_map).save(labels / f"{split}_{index}.png")
    return folder


def tiny_config(folder, **changes) -> TrainingConfig:
    """A training of seconds on `tiny_folder`."""
    values = {
        "dataset": "folder",
        "data_dir": str(folder),
        "head": "compact",
        "weights": "none",
        "epochs": 2,
        "batch_size": 2,
        "crop": (32, 32),
        "precision": "float32",
        "num_samples": 1,
    }
    return TrainingConfig(**{**values, **changes})


@pytest.fixture(scope="session")
def packed_run(tmp_path_factory):
    """A run of one epoch, of an architecture that is not the default."""
    folder = write_folder(tmp_path_factory.mktemp("data") / "mine")
    config = tiny_config(
        folder, variant="8s", skip_scales="batch-norm", head_filters=8, epochs=1
    )
    return train(config, tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def packed(packed_run, tmp_path):
    """That run, packed."""
    return pack(packed_run, tmp_path / "packed")
