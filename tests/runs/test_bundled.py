"""Opening networks by name or folder, and `from_pretrained`."""

import json

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.config import DEFAULT_NETWORK
from keras_fcn.models.inference import prediction_model
from keras_fcn.runs.bundled import find_network, from_pretrained
from keras_fcn.runs.folder import RunFolder
from keras_fcn.runs.names import FOLDER, bundled_names
from keras_fcn.runs.packed import PackedFolder
from street_rendering import render_street
from tests.support.runs import change_config


def test_packed_networks_and_runs_are_distinguished(packed_run, packed):
    assert type(find_network(packed.path)) is PackedFolder
    assert type(find_network(packed_run.path)) is RunFolder
    assert find_network(str(packed_run.path)) == packed_run


def test_an_unknown_name_is_refused(tmp_path):
    needed = f"is not a run .it has no config.json.*{DEFAULT_NETWORK}"
    with pytest.raises(FileNotFoundError, match=needed):
        find_network(tmp_path / "nothing")
    with pytest.raises(ValueError, match=f"of {DEFAULT_NETWORK}. Received: name=vgg"):
        from_pretrained("vgg")


def test_missing_weights_of_a_bundled_network_are_reported(packed, monkeypatch):
    monkeypatch.setattr("keras_fcn.runs.names.FOLDER", packed.path.parent)
    packed.weights_file.unlink()
    with pytest.raises(ValueError, match="is incomplete.*pack or install it again"):
        find_network(packed.path.name).load_model()


def test_from_pretrained_has_trained_weights_and_no_frozen_layers(packed, monkeypatch):
    monkeypatch.setattr("keras_fcn.runs.names.FOLDER", packed.path.parent)
    change_config(packed, freeze_blocks=3, freeze_upsampling=True)
    model = from_pretrained(packed.path.name)
    weights = packed.read_weights()
    for name in ("block1_conv1", "fc6", "upscore8"):
        layer = model.get_layer(name)
        assert layer.trainable
        np.testing.assert_array_equal(layer.kernel, weights[f"{name}/kernel"])


def test_for_other_classes_only_the_logit_layers_are_initialized(
    packed, monkeypatch, caplog
):
    monkeypatch.setattr("keras_fcn.runs.names.FOLDER", packed.path.parent)
    model = from_pretrained(packed.path.name, num_classes=5)
    assert model.output_shape[-1] == 5
    weights = packed.read_weights()
    for name in ("block1_conv1", "fc6", "fc7"):
        kernel = model.get_layer(name).kernel
        np.testing.assert_array_equal(kernel, weights[f"{name}/kernel"])
    initialised = {
        "score_fr", "upscore2", "score_pool4", "upscore_pool4", "score_pool3",
        "upscore8",
    }  # fmt: skip
    (said,) = caplog.messages
    names = said.removeprefix(f"Started from {packed.path.name}; re-initialized: ")
    assert set(names.split(", ")) == initialised


@pytest.mark.parametrize("name", bundled_names())
def test_each_bundled_network_is_small_and_described(name):
    folder = PackedFolder(FOLDER / name)
    assert folder.weights_file.stat().st_size <= 36e6
    card = (folder.path / "README.md").read_text()
    for needed in ("license", "mean IoU", "seed", "--config", "CamVid", "VGG"):
        assert needed in card
    config = json.loads((folder.path / "config.json").read_text())
    assert "/" not in "".join(filter(None, map(str, config["config"].values())))


@pytest.mark.vgg16
def test_the_default_network_segments_a_rendered_street():
    # The scenes of its training have the seed 0.
    image, label_map = render_street(seed=1, index=0, height=180, width=240)
    model = keras_fcn.from_pretrained()
    assert isinstance(model, keras.Model)
    prediction = np.asarray(prediction_model(model).predict_on_batch(image[None]))[0]
    names = find_network(DEFAULT_NETWORK).read_class_map().names
    road = names.index("road")
    assert (prediction == road)[label_map == road].mean() > 0.9
