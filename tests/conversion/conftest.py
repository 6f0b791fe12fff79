"""A narrow network, and its conversion for OpenVINO."""

import keras
import numpy as np
import pytest

from keras_fcn.classes import ClassMap
from keras_fcn.conversion import cache
from keras_fcn.models.fcn import FCN
from keras_fcn.runs.folder import RunFolder
from tests.support.data import tiny_config, write_folder
from tests.support.narrow import narrow_vgg16


@pytest.fixture(scope="session")
def narrow_run(tmp_path_factory):
    """A run of a narrow FCN-8s of three classes with random logits."""
    data = write_folder(tmp_path_factory.mktemp("data") / "mine", size=(64, 96))
    config = tiny_config(data, variant="8s", head_filters=8)
    class_map = ClassMap(("sky", "road", "tree"), ((0, 0, 255), (90,) * 3, (0,) * 3), 9)
    run = RunFolder.create(
        tmp_path_factory.mktemp("runs") / "narrow", config, class_map, 64
    )
    keras.utils.set_random_seed(0)
    with narrow_vgg16():
        model = FCN("8s", 3, "compact", None, head_filters=8)
    layer = model.get_layer("score_fr")
    kernel = np.random.default_rng(0).normal(size=layer.kernel.shape)
    layer.set_weights([kernel, np.zeros(3)])
    model.save(run.best_model)
    return run


@pytest.fixture(scope="session")
def converted_once(narrow_run, tmp_path_factory):
    """A cache with `narrow_run` for OpenVINO, which tests must not modify."""
    pytest.importorskip("openvino")
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as monkeypatch, narrow_vgg16():
        monkeypatch.setenv("KERAS_FCN_CACHE_DIR", str(folder))
        cache.load_converted(narrow_run, "openvino", "float32")
    return folder
