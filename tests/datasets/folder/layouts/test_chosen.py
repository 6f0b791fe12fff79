"""Folders that are used, and those that are not."""

import pytest

from keras_fcn.datasets.folder.layouts.detect import find_layout
from tests.support.folders import write_image, write_labels, write_pairs


def unused(folder):
    problems = find_layout(folder).problems
    return [one.examples for one in problems if one.kind == "unused-folder"]


def test_folders_with_images_in_no_split_are_named(tmp_path):
    for split in ("train", "val", "eval"):
        write_pairs(tmp_path / "images" / split, tmp_path / "labels" / split, "abc")
    write_image(tmp_path / "preview/a.png")
    (tmp_path / "docs").mkdir()
    assert unused(tmp_path) == [["preview/"], ["images/eval/"], ["labels/eval/"]]


@pytest.mark.parametrize("place", ["{split}/{kind}", "{kind}/{split}", "{kind}"])
def test_folders_of_images_and_labels_are_used(tmp_path, place):
    for split in ("train", "val"):
        images, labels = (
            tmp_path / place.format(split=split, kind=kind)
            for kind in ("images", "masks")
        )
        write_pairs(images, labels, "abc")
    assert not unused(tmp_path)


def test_folders_of_masks_of_each_class_are_used(tmp_path):
    for name in "abcdef":
        write_image(tmp_path / f"images/{name}.png")
        for class_name in ("road", "car"):
            write_labels(tmp_path / f"masks/{class_name}/{name}.png", (0, 255))
    assert not unused(tmp_path)
