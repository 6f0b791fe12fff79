"""A trained run and its data, which tests of the commands use."""

import shutil
from pathlib import Path

import pytest

from keras_fcn.runs.folder import RunFolder


@pytest.fixture
def run(packed_run, tmp_path):
    """A copy of a finished run of one epoch, to be changed."""
    return RunFolder(shutil.copytree(packed_run.path, tmp_path / "finished"))


@pytest.fixture
def folder(packed_run):
    """The data that the run was trained on, which stay as they are."""
    return Path(packed_run.read_config().data_dir)
