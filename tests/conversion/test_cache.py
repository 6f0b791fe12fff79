"""The cache of converted networks."""

import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from keras_fcn.conversion import cache
from keras_fcn.images.prefetch import ordered_map, threads
from keras_fcn.prediction import predictor
from keras_fcn.prediction.options import PredictionOptions
from keras_fcn.prediction.predictor import make_predictor
from keras_fcn.prediction.scaling import resize_logits
from keras_fcn.runs.folder import RunFolder
from tests.support.data import draw_blocks

IMAGES = np.stack([draw_blocks(64, 96, 3, seed=seed)[0] for seed in range(3)])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("KERAS_FCN_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "networks"


@pytest.fixture
def filled(converted_once, folder):
    """A cache with `narrow_run` for OpenVINO."""
    shutil.copytree(converted_once / "networks", folder)
    return folder


@pytest.fixture
def conversions(monkeypatch, converted_once):
    """Replace the conversion by a copy; its folders, by the time of the copy."""
    (entry,) = (converted_once / "networks").iterdir()
    folders = []

    def convert(network, folder, format, precision):
        folders.append(folder)
        time.sleep(0.1)
        shutil.copytree(entry / "network", folder)

    monkeypatch.setattr(cache, "_convert", convert)
    return folders


def load(run):
    return cache.load_converted(run, "openvino", "float32")[0]


def test_a_converted_network_predicts_the_labels_of_keras(narrow_run, filled):
    converted = make_predictor(load(narrow_run))
    expected = make_predictor(narrow_run.load_model())
    assert (converted.label_maps(IMAGES) == expected.label_maps(IMAGES)).mean() > 0.99
    difference = converted.probabilities(IMAGES) - expected.probabilities(IMAGES)
    # OpenVINO computes in bfloat16 where the CPU has it.
    assert np.abs(difference).mean() < 0.01
    # At temperature 1: the logits have the same scale.
    logits = [
        np.ptp(np.asarray(model(IMAGES)), axis=-1).mean()
        for model in (load(narrow_run).logits, narrow_run.load_model())
    ]
    assert logits[0] == pytest.approx(logits[1], rel=0.05)


def test_logits_are_resized_in_the_runtime(narrow_run, filled, monkeypatch):
    options = PredictionOptions(size=64)
    images = np.stack([draw_blocks(96, 144, 3, seed=seed)[0] for seed in range(2)])
    converted = make_predictor(load(narrow_run), options)
    expected = make_predictor(narrow_run.load_model(), options).label_maps(images)
    assert (converted.probabilities(images).argmax(-1) == expected).mean() > 0.98
    # Larger images are resized on the host, strip by strip.
    for largest, by_host in ((96 * 144, False), (96 * 144 - 1, True)):
        monkeypatch.setattr(predictor, "WHOLE_PIXELS", largest)
        strips = []
        monkeypatch.setattr(
            predictor,
            "resize_logits",
            lambda *args, strips=strips: strips.append(args) or resize_logits(*args),
        )
        label_maps = converted.label_maps(images)
        assert label_maps.dtype == np.uint8 and bool(strips) == by_host
        assert (label_maps == expected).mean() > 0.98


def test_images_are_predicted_by_several_threads(narrow_run, filled):
    model = load(narrow_run)
    expected = [model.label_maps(image[None]) for image in IMAGES]
    with threads(2) as executor:
        found = list(
            ordered_map(executor, lambda i: model.label_maps(i[None]), IMAGES, 2)
        )
    assert np.array_equal(found, expected)


def test_a_network_is_converted_once(narrow_run, folder, conversions):
    load(narrow_run)
    assert cache.is_converted(narrow_run, "openvino", "float32")
    load(narrow_run)
    assert len(conversions) == 1
    (entry,) = folder.iterdir()  # no lock and no partial folder is left
    assert sorted(path.name for path in entry.iterdir()) == ["fingerprint", "network"]


@pytest.mark.parametrize("backend", [None, "jax"])
def test_a_conversion_does_not_change_the_backend(monkeypatch, backend):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if backend is not None:
        monkeypatch.setenv("KERAS_BACKEND", backend)
    with cache._backend_for_conversion():
        assert os.environ["KERAS_BACKEND"] == "tensorflow"
    assert os.environ.get("KERAS_BACKEND") == backend


def test_two_processes_convert_a_network_once(narrow_run, folder, conversions):
    threads = [threading.Thread(target=load, args=[narrow_run]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(conversions) == 1 and len(list(folder.iterdir())) == 1


def cut(entry):
    with (entry / "network/model.bin").open("r+b") as file:
        file.truncate(1000)


def change_a_byte(entry):
    with (entry / "network/model.bin").open("r+b") as file:
        file.seek(5000)
        value = file.read(1)[0]
        file.seek(5000)
        file.write(bytes([value ^ 255]))


def replace_by_a_file(entry):
    shutil.rmtree(entry)
    entry.write_text("hi")


def replace_by_a_dangling_link(entry):
    shutil.rmtree(entry)
    entry.symlink_to("nowhere")


@pytest.mark.parametrize(
    "damage",
    [
        cut,
        change_a_byte,
        lambda entry: (entry / "network/model.xml").unlink(),
        lambda entry: (entry / "network/card.json").write_text("[]"),
        lambda entry: (entry / "fingerprint").unlink(),
        lambda entry: shutil.rmtree(entry / "network"),
        replace_by_a_file,
        replace_by_a_dangling_link,
    ],
)
def test_a_damaged_entry_is_rebuilt(narrow_run, filled, conversions, caplog, damage):
    (entry,) = filled.iterdir()
    damage(entry)
    expected = load(narrow_run).label_maps(IMAGES)
    assert caplog.text.count("is damaged and is rebuilt") == len(conversions) == 1
    assert (load(narrow_run).label_maps(IMAGES) == expected).all()
    assert len(conversions) == 1 and len(list(filled.iterdir())) == 1


def test_keras_is_imported_for_a_rebuild_without_its_start_up_lines(
    narrow_run, filled, monkeypatch, capfd
):
    (entry,) = filled.iterdir()
    converted = shutil.copytree(entry / "network", filled.parent / "converted")
    cut(entry)

    def find_gpu():
        os.write(2, b"E0000 00:00:1795339103.46 1 cuda.cc:8] failed call to cuInit\n")

    def write(network, folder, *_, **__):
        shutil.copytree(converted, folder, dirs_exist_ok=True)

    monkeypatch.setattr("keras_fcn.models.devices.has_accelerator", find_gpu)
    monkeypatch.setattr("keras_fcn.conversion.convert.write_network", write)
    load(narrow_run)
    assert "cuInit" not in capfd.readouterr().err


def test_a_changed_network_is_converted_again(
    narrow_run, filled, conversions, tmp_path
):
    run = RunFolder(shutil.copytree(narrow_run.path, tmp_path / "changed"))
    load(run)
    assert not conversions  # the folder's name does not matter
    with run.best_model.open("ab") as file:
        file.write(b"more")
    load(run)
    assert len(conversions) == 1 and len(list(filled.iterdir())) == 2


def test_an_unwritable_cache_is_not_used(
    narrow_run, conversions, tmp_path, monkeypatch, caplog
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KERAS_FCN_CACHE_DIR", str(tmp_path / "file"))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    model = load(narrow_run)
    assert "is not kept for the next time" in caplog.text
    assert conversions and not list(temporary.iterdir())
    assert model.label_maps(IMAGES).shape == (3, 64, 96)


def test_a_cache_that_is_deleted_during_use_is_rebuilt(narrow_run, filled, conversions):
    model = load(narrow_run)
    shutil.rmtree(filled)
    assert model.label_maps(IMAGES).shape == (3, 64, 96)
    load(narrow_run)
    assert len(conversions) == 1


def test_the_entries_used_last_are_kept(narrow_run, filled, conversions, monkeypatch):
    (used,) = filled.iterdir()
    old = Path(shutil.copytree(used, filled / "old"))
    os.utime(old, (1, 1))
    os.utime(used, (0, 0))
    load(narrow_run)  # updates the time of `used`
    size = sum(path.stat().st_size for path in used.rglob("*"))
    monkeypatch.setattr(cache, "_MAX_BYTES", 2.5 * size)
    cache.load_converted(narrow_run, "openvino", "int8")
    assert used.is_dir() and not old.exists() and len(list(filled.iterdir())) == 2
    monkeypatch.setattr(cache, "_MAX_BYTES", 1)
    cache.load_converted(narrow_run, "onnx", "float32")
    assert len(list(filled.iterdir())) == 1  # the newest


def test_a_runtime_that_can_not_run_the_network_is_refused(
    narrow_run, folder, conversions, monkeypatch
):
    def fail(self, images):
        raise RuntimeError("Operation Foo is not supported")

    monkeypatch.setattr("keras_fcn.runs.runtimes.OpenVino.label_maps", fail)
    with pytest.raises(ValueError, match=r"OpenVINO can't run .*narrow: use `runtime`"):
        load(narrow_run)
    assert not list(folder.iterdir())
