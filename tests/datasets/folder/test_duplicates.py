"""The same image in two splits: by content, by name, by group."""

import shutil

import pytest
from PIL import Image

from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.folder import scan
from keras_fcn.datasets.folder.read import read_folder
from tests.support.folders import write_pairs


@pytest.fixture
def folder(tmp_path):
    for split, names in (("train", "abc"), ("val", "de")):
        write_pairs(tmp_path / f"images/{split}", tmp_path / f"labels/{split}", names)
    return tmp_path


def kinds(data):
    return {problem.kind: problem for problem in data.problems}


@pytest.mark.parametrize("limit", [2**28, 0], ids=["decoded", "by file"])
def test_the_same_image_in_train_and_val_is_refused(folder, monkeypatch, limit):
    monkeypatch.setattr(scan, "FULL_READ_BYTES", limit)
    shutil.copy(folder / "images/train/b.png", folder / "images/val/d.png")
    message = "1 images are in train and val: images/train/b.png = images/val/d.png"
    with pytest.raises(ValueError, match=message):
        read_folder(folder).refuse_problems()
    read_folder(folder, options=TrainingConfig(accept="duplicates")).refuse_problems()


def test_the_same_pixels_in_another_file_are_found(folder):
    Image.open(folder / "images/train/b.png").save(folder / "images/val/d.bmp")
    (folder / "images/val/d.png").unlink()
    assert kinds(read_folder(folder))["duplicates"].count == 1


def test_one_name_in_two_splits_is_noted(folder):
    write_pairs(folder / "images/val", folder / "labels/val", "a")
    data = read_folder(folder)
    data.refuse_problems()
    message = kinds(data)["same-names"].message
    assert message.endswith("splits: images/train/a.png and images/val/a.png")


def test_an_assigned_split_loses_images_that_are_in_train(tmp_path):
    names = [f"{number}" for number in range(12)]
    write_pairs(tmp_path / "images", tmp_path / "labels", names)
    before = read_folder(tmp_path).splits
    doubled, source = before["val"][0].name, before["train"][0].name
    shutil.copy(tmp_path / f"images/{source}.png", tmp_path / f"images/{doubled}.png")
    data = read_folder(tmp_path)
    data.refuse_problems()
    assert doubled not in [sample.name for sample in data.splits["val"]]
    assert doubled in kinds(data)["left-out-duplicates"].message
    assert len(data.facts["val"]) == len(data.splits["val"]) == len(before["val"]) - 1


def test_groups_in_two_splits_are_refused(tmp_path):
    write_pairs(tmp_path / "images/train", tmp_path / "labels/train", ("x_1", "y_1"))
    write_pairs(tmp_path / "images/val", tmp_path / "labels/val", ("x_2",))
    with pytest.raises(ValueError, match="1 groups of `group_by` are in two splits: x"):
        read_folder(
            tmp_path, options=TrainingConfig(group_by="^[xy]")
        ).refuse_problems()
