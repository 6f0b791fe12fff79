"""`calibrate`: the temperature and its effect on probabilities."""

import json

import numpy as np

from keras_fcn.commands import calibrate
from keras_fcn.prediction.segmenter import load
from keras_fcn.runs.packed import pack
from tests.support.commands import outcome, refusal


def test_a_training_fits_the_temperature(run):
    report = json.loads(run.calibration_file.read_text())
    assert report["dataset"] == "folder" and report["split"] == "val"
    assert run.read_temperature() == report["temperature"] > 0


def test_calibration_is_written_to_the_networks_folder(run, folder, tmp_path, capsys):
    image = folder / "images/test/test_0.png"
    fitted = run.read_temperature()
    run.calibration_file.unlink()
    plain = load(run.path)
    packed = pack(run, tmp_path / "packed")
    assert not packed.calibration_file.exists()
    status, out, err = outcome(
        calibrate, capsys, "--model", packed.path, "--data-dir", folder
    )
    assert status == 0, err
    assert out == f"Calibration: {packed.calibration_file}\n"
    assert np.isclose(packed.read_temperature(), fitted, rtol=0.05)  # float16 weights
    warm = load(packed.path)
    assert np.mean(plain(image) == warm(image)) > 0.99
    assert np.abs(plain.confidence(image) - warm.confidence(image)).max() > 1e-3


def test_a_bundled_network_is_copied_before_it_is_calibrated(
    packed, folder, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(calibrate, "FOLDER", packed.path.parent)
    before = {path: path.read_bytes() for path in packed.path.iterdir()}
    flags = ("--data-dir", folder)
    line = refusal(calibrate, capsys, packed.path, *flags)
    assert "is bundled, and its files are not changed: give a folder" in line
    assert "by --output-dir" in line
    line = refusal(calibrate, capsys, packed.path, "--output-dir", tmp_path)
    assert "--output-dir must be a folder that does not exist" in line
    copy = tmp_path / "copy"
    status, out, err = outcome(
        calibrate, capsys, packed.path, *flags, "--output-dir", copy
    )
    assert status == 0, err
    assert out == f"Calibration: {copy}/calibration.json\n"
    assert {path: path.read_bytes() for path in packed.path.iterdir()} == before
    assert load(copy).class_map.names == packed.read_class_map().names


def test_a_missing_network_is_one_line(tmp_path, capsys):
    line = refusal(calibrate, capsys, "--model", tmp_path / "nothing")
    assert "nothing" in line
