"""Packing a run for distribution, and reading packed networks."""

import os
import shutil
from dataclasses import asdict

import keras
import numpy as np
import pytest

from keras_fcn.models.weights import variables_by_name
from keras_fcn.runs.bundled import find_network
from keras_fcn.runs.checkpoints import Checkpoint
from keras_fcn.runs.folder import RunFolder
from keras_fcn.runs.packed import PackedFolder, pack
from keras_fcn.storage.arrays import read_arrays
from keras_fcn.storage.atomic import write_json
from tests.support.data import draw_blocks
from tests.support.runs import change_config


@pytest.fixture
def run(packed_run, tmp_path):
    """A copy of the run that tests can change."""
    return RunFolder(shutil.copytree(packed_run.path, tmp_path / "run"))


def logits_of(model):
    image, _ = draw_blocks(48, 64, 3, seed=5)
    return keras.ops.convert_to_numpy(model(image[None], training=False))


def test_a_packed_network_has_the_logits_of_the_run_up_to_float16(packed_run, packed):
    expected = logits_of(packed_run.load_model())
    received = logits_of(packed.build_model("float32"))
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(received, expected, atol=5e-3 * np.abs(expected).max())


def test_a_packed_network_predicts_in_the_precision_of_the_hardware(
    packed, monkeypatch
):
    for precision in ("bfloat16", "float32"):
        monkeypatch.setattr(
            "keras_fcn.models.precision.resolve_precision",
            lambda _, name=precision: name,
        )
        assert packed.load_model().get_layer("fc6").compute_dtype == precision


def test_kernels_are_float16_and_other_weights_float32(packed):
    arrays = read_arrays(packed.weights_file)
    assert arrays["fc6/kernel"].dtype == "float16"
    assert arrays["norm_pool3/moving_variance"].dtype == "float32"
    assert packed.read_class_map().names == ("class_0", "class_1", "class_2")


def test_biases_and_statistics_are_kept_exactly(packed_run, packed):
    weights, trained = packed.read_weights(), packed_run.read_weights()
    assert weights.keys() == trained.keys()
    small = [name for name, value in weights.items() if value.ndim < 2]
    assert small
    for name in small:
        np.testing.assert_array_equal(weights[name], trained[name])


def test_a_changed_byte_is_detected(packed):
    content = bytearray(packed.weights_file.read_bytes())
    content[len(content) // 2] ^= 1
    packed.weights_file.write_bytes(content)
    with pytest.raises(ValueError, match="safetensors is damaged.*Expected SHA-256"):
        packed.load_model()


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.sha256"])
def test_a_missing_file_is_reported(packed, name):
    (packed.path / name).unlink()
    with pytest.raises(ValueError, match="is incomplete"):
        find_network(packed.path).load_model()


def test_a_checksum_that_is_not_text_is_reported(packed):
    packed.checksum_file.write_bytes(b"\xff\xfe\0")
    with pytest.raises(ValueError, match=f"^{packed.path} is incomplete"):
        packed.load_model()


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.sha256"])
def test_a_fifo_is_refused(packed, time_limit, name):
    (packed.path / name).unlink()
    os.mkfifo(packed.path / name)
    with pytest.raises(ValueError, match=f"{name} must be a regular file"):
        packed.load_model()


def test_weights_of_another_network_are_refused(packed):
    change_config(packed, variant="16s")
    with pytest.raises(ValueError, match="does not fit this network"):
        packed.load_model()


def test_paths_of_the_machine_are_not_packed(run, tmp_path):
    change_config(
        run, weights=str(tmp_path / "notop.h5"), init_from=str(tmp_path / "camvid-16s")
    )
    packed = pack(run, tmp_path / "packed")
    for path in packed.path.glob("*.json"):
        assert str(tmp_path.parent) not in path.read_text()
    config = packed.read_config()
    assert (config.weights, config.init_from) == ("notop.h5", "camvid-16s")
    assert config.data_dir is None


def test_a_run_without_calibration_is_packed_with_temperature_1(run, tmp_path, caplog):
    write_json(run.calibration_file, {"temperature": 1.5})
    assert pack(run, tmp_path / "calibrated").read_temperature() == 1.5
    assert "calibrat" not in caplog.text
    run.calibration_file.unlink()  # as after a kill between last epoch and calibration
    packed = pack(run, tmp_path / "packed")
    assert "temperature 1 until `keras-fcn calibrate` fits it" in caplog.text
    assert packed.read_temperature() == 1.0
    assert not packed.calibration_file.exists()
    packed.fingerprint()  # complete
    np.testing.assert_array_equal(
        logits_of(packed.build_model("float32")),
        logits_of(PackedFolder(tmp_path / "calibrated").build_model("float32")),
    )


def test_an_existing_folder_is_not_overwritten(run, packed):
    with pytest.raises(FileExistsError, match="exists already"):
        pack(run, packed.path)


def test_an_unfinished_run_is_refused(run, tmp_path):
    change_config(run, epochs=3)
    with pytest.raises(ValueError, match="1 of its 3 epochs"):
        pack(run, tmp_path / "packed")


def test_a_run_that_ended_early_is_packed(run, tmp_path):
    change_config(run, epochs=9, patience=1)
    history = [{"epoch": 1, "val_mean_iou": 0.5}, {"epoch": 2, "val_mean_iou": 0.4}]
    checkpoint = Checkpoint.at(1, history[:1])
    write_json(run.checkpoints.last_file, asdict(checkpoint))
    with pytest.raises(ValueError, match="1 of its 9 epochs: `resume` it first"):
        pack(run, tmp_path / "packed")
    write_json(run.checkpoints.last_file, asdict(Checkpoint.at(2, history)))
    assert pack(run, tmp_path / "packed").weights_file.is_file()


def test_weights_beyond_float16_are_refused_and_nothing_is_left(
    run, tmp_path, monkeypatch
):
    model = run.load_model()
    model.get_layer("fc7").kernel.assign(np.full((1, 1, 8, 8), 1e6))
    monkeypatch.setattr(RunFolder, "load_model", lambda _: model)
    with pytest.raises(ValueError, match="fc7/kernel is too large for float16"):
        pack(run, tmp_path / "large")
    assert list(tmp_path.iterdir()) == [run.path]


def test_a_failed_pack_leaves_nothing(run, tmp_path, monkeypatch):
    def is_full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("keras_fcn.runs.packed.write_json", is_full)
    with pytest.raises(OSError, match="No space left"):
        pack(run, tmp_path / "packed")
    assert list(tmp_path.iterdir()) == [run.path]


def test_the_weights_have_the_names_of_the_networks_variables(packed):
    assert packed.read_weights().keys() == variables_by_name(packed.load_model()).keys()
