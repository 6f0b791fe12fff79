"""The folder of a run: creating, opening, and the commit of the code."""

import json
import shutil
import subprocess
from pathlib import Path

import keras
import pytest

from keras_fcn import __version__
from keras_fcn.classes import ClassMap
from keras_fcn.config import TrainingConfig
from keras_fcn.runs import folder as folder_module
from keras_fcn.runs.checkpoints import Checkpoint, write_history
from keras_fcn.runs.folder import RunFolder, git_commit, versions

CLASS_MAP = ClassMap(("a", "b"), ((1, 2, 3), (4, 5, 6)), 255)
CONFIG = TrainingConfig(variant="16s", scale=(0.5, 2.0), crop=(32, 64))


def git(folder, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    return subprocess.run(
        ["git", "-C", folder, *identity, *arguments],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def test_a_new_run_contains_its_configuration_and_classes(tmp_path):
    run = RunFolder.create(tmp_path / "runs/mine", CONFIG, CLASS_MAP)
    assert run.read_config() == CONFIG
    assert run.read_class_map() == CLASS_MAP
    assert run.read_checkpoint() == Checkpoint()
    names = {path.name for path in run.path.iterdir()}
    assert names == {"config.json", "classes.json", "samples", "tensorboard"}
    written = json.loads(run.config_file.read_text())
    assert written["versions"] == versions()
    assert written["versions"]["keras-fcn"] == __version__
    assert written["versions"]["keras"] == keras.__version__


def test_an_empty_folder_becomes_a_run(tmp_path):
    (tmp_path / "mine").mkdir()
    run = RunFolder.create(tmp_path / "mine", CONFIG, CLASS_MAP)
    assert RunFolder.open(tmp_path / "mine") == run


def test_a_run_is_created_completely_or_not_at_all(tmp_path, monkeypatch):
    def is_full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder_module, "write_json", is_full)
    with pytest.raises(OSError, match="No space left"):
        RunFolder.create(tmp_path / "runs/mine", CONFIG, CLASS_MAP)
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.parametrize("content", ["folder", "file"])
def test_existing_files_are_not_overwritten(tmp_path, content):
    taken = tmp_path / "taken"
    if content == "folder":
        taken.mkdir()
        (taken / "thesis.txt").write_text("mine")
    else:
        taken.write_text("mine")
    with pytest.raises(FileExistsError, match="`resume`.*another `run_dir`"):
        RunFolder.create(taken, CONFIG, CLASS_MAP)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
    kept = taken / "thesis.txt" if content == "folder" else taken
    assert kept.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("data", [1], r"expected data with checksums by split, got \[1\]"),
        ("data", {"train": 7}, "expected data with checksums by split"),
        ("data_changes", "none", "expected data_changes as a list, got 'none'"),
    ],
)
def test_damaged_records_of_the_data_are_named(tmp_path, name, value, message):
    data = {"train": {"number of images": 4}}
    run = RunFolder.create(tmp_path / "mine", CONFIG, CLASS_MAP, data=data)
    description = run.read_description() | {name: value}
    run.config_file.write_text(json.dumps(description))
    with pytest.raises(ValueError, match=f"{run.config_file}: {message}"):
        run.check_data({"train": {"number of images": 5}}, is_accepted=True, epoch=2)


def test_a_folder_without_a_run_is_not_opened(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not a run: it has no config.json"):
        RunFolder.open(tmp_path)


def test_a_packed_network_is_not_opened_as_a_run(packed):
    with pytest.raises(ValueError, match="is a packed network.*`init_from`"):
        RunFolder.open(packed.path)


def test_a_run_without_an_epoch_has_no_network(tmp_path):
    run = RunFolder.create(tmp_path / "mine", CONFIG, CLASS_MAP)
    with pytest.raises(FileNotFoundError, match="its first epoch is not finished"):
        run.load_model()


def test_the_history_is_read_as_text(tmp_path):
    run = RunFolder.create(tmp_path / "mine", CONFIG, CLASS_MAP)
    with pytest.raises(ValueError, match="mine has no history.csv: no epoch is fini"):
        run.read_history()
    rows = [{"epoch": 1, "val_mean_iou": 0.5}, {"epoch": 2, "val_mean_iou": 0.75}]
    write_history(run.path / "history.csv", rows)
    assert run.read_history() == [
        {"epoch": "1", "val_mean_iou": "0.5"},
        {"epoch": "2", "val_mean_iou": "0.75"},
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"epoch,loss\n1\n",
        b"epoch,loss\n1,2,3\n",
        b"epoch,loss\n1,a\n",
        b"epoch,loss\n1e9,2\n",
        b"loss\n2\n",
        b"\xff\n",
    ],
)
def test_a_damaged_history_is_named(tmp_path, content):
    run = RunFolder.create(tmp_path / "mine", CONFIG, CLASS_MAP)
    (run.path / "history.csv").write_bytes(content)
    with pytest.raises(ValueError, match="mine/history.csv is damaged"):
        run.read_history()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", r"expected scores by name, got \[\]"),
        ("{}", "epoch must be a number, got None"),
        ('{"epoch": true}', "epoch must be a number, got True"),
        ('{"epoch": 1, "mean_iou": "0.5"}', "mean_iou must be a number, got '0.5'"),
    ],
)
def test_damaged_metrics_are_named(tmp_path, content, message):
    run = RunFolder.create(tmp_path / "mine", CONFIG, CLASS_MAP)
    run.metrics_file.write_text(content)
    with pytest.raises(ValueError, match=f"mine/metrics.json: {message}"):
        run.read_metrics()


def test_a_damaged_network_is_named(packed_run, tmp_path):
    run = RunFolder(shutil.copytree(packed_run.path, tmp_path / "run"))
    run.best_model.write_bytes(run.best_model.read_bytes()[:5000])
    with pytest.raises(ValueError, match="best.keras can't be loaded: it is damaged"):
        run.load_model()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout of some project, with a copy of `runs/folder.py` that is not in it."""
    path = tmp_path / "project"
    package = path / "lib/keras_fcn/runs"
    package.mkdir(parents=True)
    copy = shutil.copy(Path(folder_module.__file__), package)
    git(tmp_path, "init", "--quiet", path)
    git(path, "commit", "--quiet", "--allow-empty", "--message", "first")
    monkeypatch.setattr(folder_module, "__file__", str(copy))
    return path


def test_the_commit_is_that_of_the_packages_checkout(checkout):
    git(checkout, "add", "lib")
    git(checkout, "commit", "--quiet", "--message", "the package")
    assert git_commit() == git(checkout, "rev-parse", "HEAD")


def test_a_package_within_the_checkout_of_another_project_has_no_commit(checkout):
    assert git(checkout, "rev-parse", "HEAD")
    assert git_commit() is None


def test_without_git_there_is_no_commit(checkout, monkeypatch):
    git(checkout, "add", "lib")
    monkeypatch.setenv("PATH", "")
    assert git_commit() is None
