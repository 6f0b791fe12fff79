"""Untrusted `.keras` files: damaged ones are named, and no code is run."""

import io
import json
import pickle
import zipfile

import h5py
import keras
import numpy as np
import pytest

from keras_fcn.config import SKIP_SCALES, UPSAMPLING, VARIANTS
from keras_fcn.models.fcn import FCN
from keras_fcn.runs.saved_network import load_network


def rewritten(scored_run, path, change_config=None, members=(), leave_out=()):
    """A copy of a network's file with another configuration or other members."""
    with (
        zipfile.ZipFile(scored_run.best_model) as source,
        zipfile.ZipFile(path, "w") as target,
    ):
        contents = {name: source.read(name) for name in source.namelist()}
        if change_config is not None:
            config = json.loads(contents["config.json"])
            contents["config.json"] = json.dumps(change_config(config)).encode()
        for name, content in {**contents, **dict(members)}.items():
            if name not in leave_out:
                target.writestr(name, content)
    return path


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("upsampling", UPSAMPLING)
def test_all_variants_are_loaded(tmp_path, variant, upsampling):
    for skip_scales in SKIP_SCALES if variant == "8s" else ("none",):
        model = FCN(
            *(variant, 2, "compact", None),
            head_filters=2,
            upsampling=upsampling,
            skip_scales=skip_scales,
        )
        model.save(tmp_path / "a.keras")
        loaded = load_network(tmp_path / "a.keras")
        names = [layer.name for layer in model.layers]
        assert [layer.name for layer in loaded.layers] == names


def test_the_weights_are_loaded_exactly(scored_run, model):
    loaded = load_network(scored_run.best_model)
    for one, other in zip(loaded.weights, model.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def replace_kernel(scored_run, options):
    """The bytes of a network's weights with another array as its first kernel."""
    with zipfile.ZipFile(scored_run.best_model) as archive:
        file = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(file, "a") as weights:
        del weights["layers/conv2d/vars/0"]
        weights.create_dataset("layers/conv2d/vars/0", **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "options",
    [
        {"shape": (2**20, 2**20), "dtype": "float32"},  # never written: no space
        {"data": np.zeros(2**22, "float32"), "compression": "gzip"},
    ],
)
def test_arrays_that_take_more_memory_than_their_bytes_are_refused(
    scored_run, tmp_path, options
):
    member = ("model.weights.h5", replace_kernel(scored_run, options))
    path = rewritten(scored_run, tmp_path / "a.keras", members=[member])
    with pytest.raises(ValueError, match="a.keras can't be loaded: it is damaged"):
        load_network(path)


def test_a_network_without_the_weights_for_its_layers_is_not_built(
    scored_run, tmp_path, monkeypatch
):
    monkeypatch.setattr(keras.saving, "load_model", None)
    path = rewritten(scored_run, tmp_path / "a.keras", leave_out=["model.weights.h5"])
    with pytest.raises(ValueError, match="may need [0-9]+ weights, and [0-9]+ are "):
        load_network(path)


def test_weights_of_another_format_are_named(scored_run, tmp_path):
    member = ("model.weights.h5", b"no HDF5")
    path = rewritten(scored_run, tmp_path / "a.keras", members=[member])
    with pytest.raises(ValueError, match="a.keras can't be loaded: it is damaged"):
        load_network(path)


def test_zip_bombs_are_refused(scored_run, tmp_path):
    path = rewritten(scored_run, tmp_path / "a.keras", leave_out=["model.weights.h5"])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("model.weights.h5", bytes(2**24))
    with pytest.raises(ValueError, match="a.keras can't be loaded: it is damaged"):
        load_network(path)


def test_layers_without_weights_in_the_file_are_not_built(
    scored_run, tmp_path, monkeypatch
):
    def widen(config):
        for layer in config["config"]["layers"]:
            if layer["config"].get("name") == "fc6":
                layer["config"]["filters"] = 10**7
        return config

    def refuse(*_, **__):
        raise AssertionError("Keras has been asked")

    path = rewritten(scored_run, tmp_path / "a.keras", widen)
    monkeypatch.setattr(keras.saving, "load_model", refuse)
    with pytest.raises(ValueError, match="its layers may need"):
        load_network(path)


RAN = []


class Gadget:
    """An object whose unpickling calls `RAN.append`."""

    def __reduce__(self):
        return RAN.append, ("pickle",)


def layer(module, name, config, **other):
    return {"module": module, "class_name": name, "config": config, **other}


def lambda_layer():
    made = keras.layers.Lambda(lambda x: open("/tmp/keras-fcn-was-run", "w"))
    return keras.saving.serialize_keras_object(made)


GADGETS = {
    "a Lambda of Python": lambda_layer(),
    "a Lambda of a name": layer("keras.layers", "Lambda", {"function": "os.system"}),
    "a function of the system": layer("os", "system", "touch /tmp/keras-fcn-was-run"),
    "an import": layer("builtins", "__import__", {"name": "antigravity"}),
    "a module of the user": layer("antigravity", "fly", {}),
    "a layer's name in another module": layer("antigravity", "Conv2D", {}),
    "a download": layer("keras.utils", "get_file", {"origin": "file:///etc/passwd"}),
    "a pickle of PyTorch": layer("keras.layers", "TorchModuleWrapper", {"module": "x"}),
    "a SavedModel": layer("keras.layers", "TFSMLayer", {"filepath": "/tmp/x"}),
    "a file as vocabulary": layer(
        "keras.layers", "StringLookup", {"vocabulary": "/etc/passwd"}
    ),
    "a class that says it is ours": layer(
        "os", "system", "true", registered_name="keras_fcn>Evil"
    ),
    "a class that takes our name": layer(
        "os", "system", "true", registered_name="keras_fcn>system"
    ),
    "a class in a class": layer(
        "keras.layers", "Conv2D", {"kernel_initializer": layer("os", "popen", "true")}
    ),
    "a model in a model": layer("keras", "Model", {}),
}


@pytest.mark.parametrize("gadget", GADGETS)
def test_no_code_of_a_network_is_run(scored_run, tmp_path, monkeypatch, gadget):
    def refuse(*_, **__):
        raise AssertionError("Keras has been asked")

    def plant(config):
        config["config"]["layers"].insert(1, GADGETS[gadget])
        return config

    path = rewritten(scored_run, tmp_path / "best.keras", plant)
    monkeypatch.setattr(keras.saving, "load_model", refuse)
    with pytest.raises(ValueError, match="is no network of keras_fcn: it holds") as got:
        load_network(path)
    assert str(got.value).startswith(str(path)) and "\n" not in str(got.value)
    assert "nothing of it has been run" in str(got.value)


def pickled_weights():
    file = io.BytesIO()
    np.savez(file, a=np.array([Gadget()], dtype=object))
    return file.getvalue()


def weights_elsewhere(scored_run, tmp_path):
    """HDF5 whose first kernel is a range of bytes of another file."""
    size = 4 * 3 * 3 * 3 * 64
    (tmp_path / "secret").write_bytes(bytes(size))
    external = [(str(tmp_path / "secret"), 0, size)]
    options = {"shape": (3, 3, 3, 64), "dtype": "float32", "external": external}
    return replace_kernel(scored_run, options)


def test_pickles_and_arrays_of_other_files_are_refused(scored_run, tmp_path):
    path = tmp_path / "best.keras"
    for members, leave_out in (
        ({"model.weights.npz": pickled_weights()}, {"model.weights.h5"}),
        ({"assets/x": pickle.dumps(Gadget())}, ()),
        ({"../../escaped": b"x"}, ()),
        ({"model.weights.h5": weights_elsewhere(scored_run, tmp_path)}, ()),
    ):
        rewritten(scored_run, path, members=members, leave_out=leave_out)
        with pytest.raises(ValueError, match="best.keras can't be loaded: it is dam"):
            load_network(path)
    assert not RAN


@pytest.mark.parametrize("length", [0, 1, 22, 5000, -1, -30, -5000])
def test_a_truncated_file_is_refused(scored_run, tmp_path, length):
    path = tmp_path / "best.keras"
    path.write_bytes(scored_run.best_model.read_bytes()[:length])
    with pytest.raises(ValueError, match="best.keras can't be loaded: it is damaged"):
        load_network(path)


@pytest.mark.parametrize(
    "config",
    [b"", b"[]", b"null", b"{}", b"[" * 200_000, b"\xff", b'{"class_name": 3}']
    + [b'{"class_name": "Functional", "module": "keras.src.models.functional"}']
    + [b'{"class_name": {"a": 1}, "module": ["b"]}', b" " * (2**24 + 1)],
)
def test_a_damaged_configuration_is_reported_in_one_line(scored_run, tmp_path, config):
    path = tmp_path / "best.keras"
    rewritten(scored_run, path, members={"config.json": config})
    with pytest.raises(ValueError, match="best.keras (can't be loaded|is no net)") as e:
        load_network(path)
    assert "\n" not in str(e.value) and len(str(e.value)) < len(str(path)) + 250
