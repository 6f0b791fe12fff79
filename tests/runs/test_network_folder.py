"""The common interface of runs and packed networks."""

import hashlib
import inspect
import json
import shutil

import keras
import numpy as np
import pytest

from keras_fcn.classes import ClassMap
from keras_fcn.models.precision import use_precision
from keras_fcn.runs.folder import RunFolder
from keras_fcn.runs.network_folder import NetworkFolder
from keras_fcn.runs.packed import PackedFolder
from keras_fcn.storage.arrays import write_arrays
from tests.support.data import draw_blocks
from tests.support.runs import change_config


@pytest.fixture(params=["run", "packed"])
def network(request, packed_run, packed):
    """A run, and its packed network."""
    return packed_run if request.param == "run" else packed


def logits_of(model):
    image, _ = draw_blocks(48, 64, 3, seed=5)
    return keras.ops.convert_to_numpy(model(image[None], training=False))


def test_runs_and_packed_networks_have_the_same_interface():
    common = [name for name in vars(NetworkFolder) if not name.startswith("_")]
    assert {"load_model", "read_weights", "build_model", "read_config"} <= set(common)
    for name in common:
        of_run, of_packed = getattr(RunFolder, name), getattr(PackedFolder, name)
        if callable(of_run):
            of_run, of_packed = (
                inspect.signature(method).parameters for method in (of_run, of_packed)
            )
            assert of_run == of_packed, name
    assert not inspect.isabstract(RunFolder) and not inspect.isabstract(PackedFolder)


def test_a_run_and_its_packed_network_have_equal_weights_and_classes(
    packed_run, packed
):
    assert packed.read_class_map() == packed_run.read_class_map()
    assert packed.read_architecture() == packed_run.read_architecture()
    run_weights, packed_weights = packed_run.read_weights(), packed.read_weights()
    assert run_weights.keys() == packed_weights.keys()
    for name, array in packed_weights.items():
        assert tuple(array.shape) == tuple(run_weights[name].shape)
    expected = logits_of(packed_run.build_model("float32"))
    received = logits_of(packed.build_model("float32"))
    np.testing.assert_allclose(received, expected, atol=5e-3 * np.abs(expected).max())


def test_load_model_and_build_model_agree(network):
    expected = logits_of(network.load_model())
    received = logits_of(network.build_model("float32"))
    np.testing.assert_allclose(received, expected, atol=3e-2 * np.abs(expected).max())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_network_is_built_in_the_given_precision(network, precision):
    other = "float32" if precision == "bfloat16" else "bfloat16"
    with use_precision(other):  # whatever the process is set to
        model = network.build_model(precision)
    assert model.get_layer("fc6").compute_dtype == precision
    assert model.get_layer("fc6").kernel.dtype == "float32"


def test_without_a_precision_the_global_policy_counts(network):
    with use_precision("bfloat16"):
        model = network.build_model()
    assert model.get_layer("fc6").compute_dtype == "bfloat16"


def test_a_built_network_has_no_frozen_layers(packed):
    change_config(packed, freeze_blocks=3, freeze_upsampling=True)
    assert packed.read_config().freeze_blocks == 3
    names = {weight.name for weight in packed.build_model().non_trainable_weights}
    assert names <= {"moving_mean", "moving_variance"}


def test_weights_of_another_configuration_are_refused(packed_run, monkeypatch, model):
    monkeypatch.setattr(type(packed_run), "load_model", lambda _: model)
    with pytest.raises(ValueError, match=f"in {packed_run.path} does not fit"):
        packed_run.build_model("float32")


def test_a_data_set_with_other_classes_is_refused(network):
    network.check_classes(network.read_class_map())
    names = ("class_0", "class_2", "class_1")
    other = ClassMap(names, ((1, 1, 1), (2, 2, 2), (3, 3, 3)), 255)
    needed = "for the classes class_0, class_1, class_2; the data set has class_0, "
    with pytest.raises(ValueError, match=needed + "class_2, class_1"):
        network.check_classes(other)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"config": 3}', '{"config": {"colour": 3}}']
)
def test_a_damaged_configuration_is_named(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    needed = "config.json is not (a training configuration|JSON)"
    with pytest.raises(ValueError, match=needed):
        RunFolder(tmp_path).read_config()


def test_the_size_of_the_training_images_is_kept(network):
    assert network.read_training_size() == 48


def test_the_size_of_the_training_images_may_be_unknown(packed):
    description = packed.read_description() | {"training_size": None}
    packed.config_file.write_text(json.dumps(description))
    assert packed.read_training_size() is None


@pytest.mark.parametrize("value", ['"360"', "0", "-1", "3.5", "true", "[360]", "16385"])
def test_an_invalid_training_size_is_refused(packed, value):
    text = packed.config_file.read_text().replace('_size": 48', f'_size": {value}')
    packed.config_file.write_text(text)
    with pytest.raises(
        ValueError, match="training_size: expected a number of pixels from 1 to 16384"
    ):
        packed.read_training_size()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "expected a number from 0.001 to 1000, got"),
        ("[]", "expected a number from 0.001 to 1000, got"),
        ('{"temperature": 0}', "from 0.001 to 1000, got 0"),
        ('{"temperature": NaN}', "is not JSON"),
        ('{"temperature": "warm"}', "expected a number from 0.001 to 1000, got"),
        (
            f'{{"temperature": 1{"0" * 400}}}',
            "expected a number from 0.001 to 1000, got",
        ),
        ('{"temperature": 1e-300}', "from 0.001 to 1000, got 1e-300"),
        ('{"temperature": 1e300}', r"from 0.001 to 1000, got 1e\+300"),
        ('{"temperature": "2"}', "from 0.001 to 1000, got '2'"),
        ('{"temperature": true}', "from 0.001 to 1000, got True"),
        ("words", "is not JSON"),
    ],
)
def test_a_damaged_calibration_is_named(packed, content, message):
    packed.calibration_file.write_text(content)
    with pytest.raises(ValueError, match=f"calibration.json.*{message}"):
        packed.read_temperature()
    packed.calibration_file.unlink()
    assert packed.read_temperature() == 1


def test_a_network_with_nan_is_refused(packed):
    arrays = dict(packed.read_weights())
    arrays["score_fr/bias"] = np.full_like(arrays["score_fr/bias"], np.nan)
    write_arrays(packed.weights_file, arrays)
    checksum = hashlib.sha256(packed.weights_file.read_bytes()).hexdigest()
    packed.checksum_file.write_text(checksum)
    with pytest.raises(ValueError, match="NaN or infinite values in score_fr/bias"):
        packed.load_model()


def test_a_run_with_infinite_weights_is_refused(packed_run, tmp_path):
    run = RunFolder(shutil.copytree(packed_run.path, tmp_path / "run"))
    model = run.load_model()
    bias = model.get_layer("score_fr").bias
    bias.assign(np.full(bias.shape, np.inf))
    model.save(run.best_model)
    with pytest.raises(ValueError, match="best.keras has NaN or infinite values in sc"):
        run.load_model()
