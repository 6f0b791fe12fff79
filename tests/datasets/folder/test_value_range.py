"""Images of more than 8 bits: one value range for data, run and predictions."""

import numpy as np
import pytest
from PIL import Image

from keras_fcn.commands import inspect
from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.folder.dataset import load_folder
from keras_fcn.datasets.loading import load_dataset
from keras_fcn.prediction.segmenter import load
from keras_fcn.runs.folder import RunFolder
from keras_fcn.training.train import resume, train
from tests.support.commands import outcome
from tests.support.data import tiny_config, write_folder


def write_wide(folder, change, counts=None):
    """Write a folder of gray images, and one of the same images with other values."""
    narrow = write_folder(folder / "narrow", counts)
    wide = write_folder(folder / "wide", counts)
    for path in narrow.rglob("images/*/*.png"):
        grey = np.asarray(Image.open(path).convert("L")).copy()
        grey[0, :2] = (0, 255)
        Image.fromarray(grey).save(path)
        twin = wide / path.relative_to(narrow)
        twin.unlink()
        Image.fromarray(change(grey)).save(twin.with_suffix(".tif"))
    return narrow, wide


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda grey: grey.astype("uint16"), "0 to 255 (8 bits)"),
        (lambda grey: grey.astype("uint16") * 16, "0 to 4095 (12 bits)"),
        (lambda grey: grey.astype("int32") * 257, "0 to 65535 (16 bits)"),
        (lambda grey: grey.astype("int32") - 500, "-500 to -245"),
        (lambda grey: grey.astype("float32") / 255, "0 to 1"),
        (lambda grey: grey.astype("float32") * 10 - 50, "-50 to 2500"),
    ],
)
def test_wide_images_are_those_of_8_bits(tmp_path, capsys, change, line):
    narrow, wide = write_wide(tmp_path, change)
    splits = ("train", "val")
    for mine, other in zip(
        *(load_folder(one, splits).split("train").examples for one in (narrow, wide)),
        strict=True,
    ):
        np.testing.assert_array_equal(mine["image"], other["image"])
    page = tmp_path / "page.png"
    status, out, _ = outcome(inspect, capsys, "--data-dir", wide, "--samples", page)
    assert status == 0
    assert f"value range: {line} become 0 to 255" in out
    assert "less than a tenth" not in out


def test_one_dark_image_has_the_range_of_all_and_is_reported(tmp_path, capsys):
    _, wide = write_wide(tmp_path, lambda grey: grey.astype("uint16") * 16)
    dark = Image.fromarray(np.arange(48 * 64, dtype="uint16").reshape(48, 64) // 10)
    dark.save(wide / "images/train/train_1.tif")
    image = list(load_folder(wide, ("train",)).split("train").examples)[1]["image"]
    assert image.numpy().max() == 307 // 16
    page = tmp_path / "page.png"
    _, out, _ = outcome(inspect, capsys, "--data-dir", wide, "--samples", page)
    assert "1 images use less than a tenth of the value range" in out
    assert "train_1.tif (0 to 307 of 0 to 4095 (12 bits))" in out
    assert "--value-range sets another range" in out


def test_headers_alone_do_not_decide_the_range(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_fcn.datasets.folder.scan.FULL_READ_BYTES", 0)
    _, wide = write_wide(tmp_path, lambda grey: grey.astype("uint16") * 16)
    assert load_folder(wide, ("train", "val")).value_range == (0, 4095)


def test_a_given_range_applies_to_8_bits_too(tmp_path):
    narrow, _ = write_wide(tmp_path, lambda grey: grey.astype("uint16"))
    options = TrainingConfig(value_range=(0, 100))
    dataset = load_folder(narrow, ("train",), None, options)
    image = next(iter(dataset.split("train").examples))["image"].numpy()
    stored = np.asarray(Image.open(narrow / "images/train/train_0.png"))
    expected = (stored.clip(0, 100) * 2.55).round()
    np.testing.assert_allclose(image[..., 0], expected, atol=1)


def test_the_run_keeps_the_range_for_resuming_and_prediction(tmp_path, caplog):
    counts = {"train": 2, "val": 1}
    narrow, wide = write_wide(tmp_path, lambda grey: grey.astype("uint16") * 8, counts)
    run = train(tiny_config(wide, epochs=1), tmp_path / "run")
    assert run.read_config().value_range == (0, 4095)  # not the 11 bits in use
    # The stored range is used, not that of the files, which are darker now.
    for path in wide.rglob("images/*/*.tif"):
        Image.fromarray(np.asarray(Image.open(path)) // 32).save(path)
    dataset = load_dataset(RunFolder(run.path).read_config(), ("train", "val"))
    assert max(one["image"].numpy().max() for one in dataset.split("val").examples) < 5
    with pytest.raises(ValueError, match="has finished its 1 epochs"):
        resume(run.path)
    segmenter = load(run.path, size="native")
    assert segmenter.value_range == (0, 4095)
    grey = np.asarray(Image.open(narrow / "images/val/val_0.png"))
    np.testing.assert_array_equal(
        segmenter.probabilities(grey.astype("uint16") * 16),
        segmenter.probabilities(grey),
    )
    assert not any("no range is stored" in line for line in caplog.messages)
