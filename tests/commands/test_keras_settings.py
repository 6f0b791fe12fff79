"""`keras.json` and KERAS_BACKEND: used, set by the package, or refused on one line."""

import importlib
import json
import os

import keras
import pytest

import keras_fcn.models
from keras_fcn.commands import keras_settings
from keras_fcn.commands.command_line import _can_write
from keras_fcn.commands.keras_settings import choose_backend


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_BACKEND", "")  # restored after the test
    return lambda content: (tmp_path / "keras.json").write_text(content)


@pytest.mark.parametrize("content", ["", "{", "{}", '{"backend": "tensorflow"}'])
def test_tensorflow_is_the_default(write, caplog, content):
    write(content)
    assert choose_backend() == "tensorflow"
    assert not os.environ["KERAS_BACKEND"] and not caplog.messages


def test_jax_in_the_file_is_used(write, caplog):
    write('{"backend": "jax"}')
    assert choose_backend() == os.environ["KERAS_BACKEND"] == "jax"
    assert not caplog.messages


@pytest.mark.parametrize(
    ("backend", "words"),
    [("torch", "keras-fcn does not support"), ("jax", "is not installed")],
)
def test_another_backend_in_the_file_is_replaced(
    write, tmp_path, monkeypatch, caplog, backend, words
):
    write(json.dumps({"backend": backend}))
    monkeypatch.setattr(keras_settings, "find_spec", lambda _: None)
    assert choose_backend() == os.environ["KERAS_BACKEND"] == "tensorflow"
    assert caplog.messages == [
        f"{tmp_path}/keras.json sets the backend {backend}, which {words}: "
        "TensorFlow is used"
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[1]", "expected settings of Keras, got"),
        ('{"floatx": "bfloat16"}', "floatx must be one of float16, float32, float64"),
        ('{"image_data_format": "NCHW"}', "image_data_format must be one of channels_"),
        ('{"epsilon": 1}', "epsilon must be a float, got 1"),
    ],
)
def test_a_file_that_keras_refuses_is_named(write, content, words):
    write(content)
    with pytest.raises(ValueError, match=f"keras.json: {words}"):
        choose_backend()


def test_channels_first_and_float16_are_replaced(caplog):
    policy = keras.config.dtype_policy()
    keras.config.set_image_data_format("channels_first")
    keras.config.set_floatx("float16")
    try:
        keras.config.set_dtype_policy("float16")
        importlib.reload(keras_fcn.models)
        assert keras.config.image_data_format() == "channels_last"
        assert keras.config.floatx() == "float32"
        assert keras.config.dtype_policy().name == "float32"
    finally:
        keras.config.set_image_data_format("channels_last")
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy(policy)
    assert caplog.messages == [
        "image_data_format is set to channels_last, which keras_fcn needs",
        "floatx is set to float32, which keras_fcn needs",
    ]


def test_a_folder_below_a_file_cannot_be_written(tmp_path):
    assert _can_write(tmp_path / "a/b")
    (tmp_path / "file").write_text("")
    assert not _can_write(tmp_path / "file/a/b")
