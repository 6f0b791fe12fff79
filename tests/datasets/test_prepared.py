"""Data prepared by TFDS: locks, damaged files and interrupted preparations."""

import logging
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from keras_fcn.datasets.camvid import CLASS_MAP
from keras_fcn.datasets.prepared import prepared_dataset
from keras_fcn.datasets.streets import Streets, streets_config
from keras_fcn.storage.locks import lock

SIZE = (32, 48)
CONFIG = streets_config(3, SIZE, seed=0)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    load(folder)
    return folder


def load(folder):
    """Three rendered streets for training, one for validation and one for testing."""
    make = partial(Streets, config=CONFIG)
    return prepared_dataset(
        lambda data_dir=folder: make(data_dir=data_dir), CLASS_MAP, SIZE
    )


def test_preparation_leaves_only_the_complete_data_set(prepared):
    (folder,) = (prepared / "streets" / CONFIG.name).iterdir()
    assert folder.name == "1.0.0"
    assert [path.name for path in prepared.iterdir()] == ["streets"]
    assert load(prepared).split("train").num_images == 3


def test_a_first_preparation_logs_no_warnings(tmp_path, caplog):
    load(tmp_path)
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


DAMAGES = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-7]),
    "cut after an image": lambda path: path.write_bytes(b""),
    "flipped": lambda path: path.write_bytes(
        bytes(b ^ (i == 500) for i, b in enumerate(path.read_bytes()))
    ),
    "missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_record_file_is_refused_with_the_folder_to_remove(
    prepared, tmp_path, damage
):
    data = shutil.copytree(prepared, tmp_path / "tfds")
    folder = data / "streets" / CONFIG.name / "1.0.0"
    (path,) = folder.glob("*train*")
    DAMAGES[damage](path)
    with pytest.raises(
        ValueError, match=f"{folder} are damaged.*remove that"
    ) as caught:
        load(data)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    shutil.rmtree(folder)
    assert load(data).split("train").num_images == 3


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json"])
@pytest.mark.parametrize("content", [None, "", "{", "[]", "\udcff"])
def test_damaged_metadata_is_ignored_or_refused_with_the_folder_to_remove(
    prepared, tmp_path, monkeypatch, name, content
):
    data = shutil.copytree(prepared, tmp_path / "tfds")
    monkeypatch.setattr("tensorflow_datasets.core.constants.DATA_DIR", str(data))
    folder = data / "streets" / CONFIG.name / "1.0.0"
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content.encode(errors="surrogateescape"))
    try:
        assert load(data).split("train").num_images == 3  # the file is not required
    except ValueError as error:
        assert f"{folder} are damaged" in str(error) and "\n" not in str(error)
        return
    assert name == "features.json"


def waiting_lines(caplog):
    return [line for line in caplog.messages if line.startswith("Waiting for process")]


def test_a_second_process_waits_and_loads_the_data_of_the_first(
    prepared, tmp_path, caplog, monkeypatch, time_limit
):
    caplog.set_level("INFO", "keras_fcn")
    place = tmp_path / "streets" / CONFIG.name
    place.mkdir(parents=True)
    with ThreadPoolExecutor() as pool:
        with lock(place / "preparing.lock"):
            second = pool.submit(load, tmp_path)
            while not (lines := waiting_lines(caplog)):
                assert not second.done()
                time.sleep(0.01)
            shutil.copytree(
                prepared / "streets" / CONFIG.name / "1.0.0", place / "1.0.0"
            )
        monkeypatch.setattr(Streets, "download_and_prepare", None)  # not called
        assert second.result().split("train").num_images == 3
    (line,) = lines
    assert line.endswith(f", which prepares {CONFIG.name}/1.0.0")


def test_files_of_a_killed_preparation_are_removed_by_the_next(prepared, tmp_path):
    left = tmp_path / "streets" / CONFIG.name / ".part-0123456789abcdef"
    (left / "part" / "streets" / "incomplete.ABC").mkdir(parents=True)
    (left / "lock").write_text("")
    load(tmp_path)
    assert {path.name for path in left.parent.iterdir()} == {"1.0.0"}
