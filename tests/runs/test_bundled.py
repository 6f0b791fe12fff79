import dataclasses
import json

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.models.fcn import prediction_model
from keras_fcn.runs.folder import RunFolder
from keras_fcn.runs.packed import (
    DEFAULT,
    FOLDER,
    PackedFolder,
    bundled_names,
    find_network,
    from_pretrained,
    start_name,
)
from street_rendering import render_street
from tests.support.data import draw_blocks


def logits_of(model):
    image, _ = draw_blocks(48, 64, 3, seed=5)
    return keras.ops.convert_to_numpy(model(image[None], training=False))


def test_a_packed_network_gives_the_runs_logits_to_float16(packed_run, packed):
    expected = logits_of(packed_run.load_model())
    received = logits_of(packed.load_model())
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(received, expected, atol=5e-3 * np.abs(expected).max())


def test_a_packed_folder_is_found_like_a_run(packed_run, packed):
    assert isinstance(find_network(packed.path), PackedFolder)
    assert type(find_network(packed_run.path)) is RunFolder


def test_a_changed_byte_is_noticed(packed):
    content = bytearray(packed.weights.read_bytes())
    content[len(content) // 2] ^= 1
    packed.weights.write_bytes(content)
    with pytest.raises(ValueError, match="weights.npz is damaged.*Needed SHA-256"):
        packed.load_model()


@pytest.mark.parametrize("name", ["weights.npz", "weights.sha256"])
def test_a_missing_file_is_noticed(packed, name):
    (packed.path / name).unlink()
    with pytest.raises(ValueError, match="is incomplete"):
        packed.load_model()


def test_weights_of_another_network_are_refused(packed):
    config = packed.path / "config.json"
    config.write_text(config.read_text().replace('"8s"', '"16s"'))
    with pytest.raises(ValueError, match="is of another network"):
        packed.load_model()


def test_what_is_neither_a_run_nor_a_name_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"is not a run of train.py.*{DEFAULT}"):
        find_network(tmp_path / "nothing")
    with pytest.raises(ValueError, match=f"one of {DEFAULT}. Received: name=vgg"):
        from_pretrained("vgg")


def test_the_default_has_a_short_name(tmp_path):
    assert find_network("pretrained").path == FOLDER / DEFAULT
    assert start_name("pretrained") == start_name(DEFAULT) == DEFAULT
    assert start_name(tmp_path / "run") == str(tmp_path / "run")


def test_the_default_comes_along():
    assert DEFAULT in bundled_names()


def test_half_a_folder_is_no_name(monkeypatch, tmp_path):
    monkeypatch.setattr("keras_fcn.runs.packed.FOLDER", tmp_path)
    (tmp_path / ".part-new").mkdir()
    (tmp_path / ".part-new" / "config.json").write_text("{}")
    assert bundled_names() == []


def test_missing_weights_of_a_name_are_told_as_such(packed, monkeypatch):
    monkeypatch.setattr("keras_fcn.runs.packed.FOLDER", packed.path.parent)
    packed.weights.unlink()
    with pytest.raises(ValueError, match="is incomplete.*fetch the project anew"):
        find_network(packed.path.name).load_model()


def test_a_packed_network_is_no_run(packed):
    with pytest.raises(ValueError, match="is a packed network.*--init-from"):
        RunFolder.open(packed.path)


def test_all_of_a_pretrained_network_is_trainable(packed_run, packed, monkeypatch):
    frozen = dataclasses.replace(
        packed_run.read_config(), freeze_blocks=3, freeze_upsampling=True
    )
    monkeypatch.setattr(PackedFolder, "read_config", lambda _: frozen)
    names = {weight.name for weight in packed.load_model().non_trainable_weights}
    assert names <= {"moving_mean", "moving_variance", "seed_generator_state"}


@pytest.mark.parametrize("name", bundled_names())
def test_each_network_that_comes_along_is_small_and_described(name):
    folder = PackedFolder(FOLDER / name)
    assert folder.weights.stat().st_size <= 36e6
    card = (folder.path / "README.md").read_text()
    for needed in ("licence", "mean IoU", "seed", "train.py", "CamVid", "VGG"):
        assert needed in card
    config = json.loads((folder.path / "config.json").read_text())
    assert "/" not in "".join(filter(None, map(str, config["config"].values())))


def test_the_default_knows_a_drawn_street():
    """It has seen photographs alone; most of a drawn scene's road must do."""
    image, label_map = render_street(seed=0, index=0, height=180, width=240)
    model = keras_fcn.FCN.from_pretrained()
    prediction = np.asarray(prediction_model(model).predict_on_batch(image[None]))[0]
    road = find_network(DEFAULT).read_class_map().names.index("road")
    assert (prediction == road)[label_map == road].mean() > 0.5
