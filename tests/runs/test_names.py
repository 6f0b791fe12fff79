"""Networks and runs by name, without Keras."""

import pytest

from keras_fcn.config import DEFAULT_NETWORK
from keras_fcn.runs.names import FOLDER, bundled_names, network_path, start_name


def test_the_default_has_a_short_name(tmp_path, monkeypatch):
    assert network_path("pretrained") == FOLDER / DEFAULT_NETWORK
    assert start_name("pretrained") == start_name(DEFAULT_NETWORK) == DEFAULT_NETWORK
    assert start_name(tmp_path / "run") == str(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    assert start_name("run") == str(tmp_path / "run")


def test_the_default_is_bundled():
    assert DEFAULT_NETWORK in bundled_names()


def test_work_folders_are_not_listed(monkeypatch, tmp_path):
    monkeypatch.setattr("keras_fcn.runs.names.FOLDER", tmp_path)
    for name in (".part-new", "whole"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    assert bundled_names() == ["whole"]


@pytest.mark.parametrize("name", [None, 3, ["a"], b"run"])
def test_a_name_is_text_or_a_path(name):
    with pytest.raises(ValueError, match="`name` must be a name or a path. Received"):
        network_path(name)
