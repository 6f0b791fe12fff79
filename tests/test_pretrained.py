import json

import keras
import numpy as np
import pytest
from conftest import draw_blocks, tiny_config, write_folder

import keras_fcn
from keras_fcn.datasets.street_rendering import render_street
from keras_fcn.models import prediction_model
from keras_fcn.pack import pack
from keras_fcn.pretrained import (
    DEFAULT,
    FOLDER,
    PretrainedFolder,
    find_model,
    from_pretrained,
    is_pretrained_name,
    pretrained_names,
)
from keras_fcn.run_folder import RunFolder
from keras_fcn.training import train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of one epoch, of an architecture that is not the default."""
    folder = write_folder(tmp_path_factory.mktemp("data") / "mine")
    config = tiny_config(
        folder, variant="8s", skip_scales="batch-norm", head_filters=8, epochs=1
    )
    return train(config, tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def packed(run, tmp_path):
    return pack(run, tmp_path / "packed")


def logits_of(model):
    image, _ = draw_blocks(48, 64, 3, seed=5)
    return keras.ops.convert_to_numpy(model(image[None], training=False))


def test_a_packed_network_gives_the_runs_logits_to_float16(run, packed):
    expected = logits_of(run.load_best_model())
    received = logits_of(packed.load_model())
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(received, expected, atol=5e-3 * np.abs(expected).max())


def test_what_is_packed_holds_no_pickle_and_no_path_of_the_machine(packed):
    with np.load(packed.weights, allow_pickle=False) as arrays:
        assert arrays["fc6/kernel"].dtype == "float16"
        assert arrays["norm_pool3/moving_variance"].dtype == "float32"
    config = json.loads((packed.path / "config.json").read_text())["config"]
    assert config["data_dir"] is None and config["weights"] == "none"
    assert packed.read_class_map().names == ("class_0", "class_1", "class_2")


def test_a_packed_folder_is_found_like_a_run(run, packed):
    assert isinstance(find_model(packed.path), PretrainedFolder)
    assert type(find_model(run.path)) is RunFolder


def test_a_folder_that_is_there_is_not_overwritten(run, packed):
    with pytest.raises(FileExistsError, match="exists already"):
        pack(run, packed.path)


def test_weights_beyond_float16_are_refused_and_nothing_is_left(
    run, tmp_path, monkeypatch
):
    model = run.load_best_model()
    model.get_layer("fc7").kernel.assign(np.full((1, 1, 8, 8), 1e6))
    monkeypatch.setattr(RunFolder, "load_best_model", lambda _: model)
    with pytest.raises(ValueError, match="No float16 holds fc7/kernel"):
        pack(run, tmp_path / "large")
    assert list(tmp_path.iterdir()) == []


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
        find_model(tmp_path / "nothing")
    with pytest.raises(ValueError, match=f"one of {DEFAULT}. Received: name=vgg"):
        from_pretrained("vgg")


def test_the_default_has_a_short_name():
    assert is_pretrained_name("pretrained") and is_pretrained_name(DEFAULT)
    assert not is_pretrained_name("runs/pretrained")
    assert find_model("pretrained").path == FOLDER / DEFAULT


@pytest.mark.parametrize("name", pretrained_names())
def test_each_network_that_comes_along_is_small_and_described(name):
    folder = PretrainedFolder(FOLDER / name)
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
    road = find_model(DEFAULT).read_class_map().names.index("road")
    assert (prediction == road)[label_map == road].mean() > 0.5
