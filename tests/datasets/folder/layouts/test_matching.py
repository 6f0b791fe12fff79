"""Images and label maps are matched by name, without exception for known data sets."""

import pytest

from keras_fcn.datasets.folder.layouts.matching import find_suffix, pair_files
from tests.support.folders import write_pairs


def pairs(folder):
    return pair_files("val", folder / "val", folder / "val_labels", "needs val/", "_L")


@pytest.fixture
def folder(tmp_path):
    write_pairs(tmp_path / "val", tmp_path / "val_labels", "ba", suffix="_L")
    return tmp_path


def test_each_image_has_its_label_map_by_name(folder):
    (folder / "val/._a.png").write_bytes(b"")
    assert [(image.name, label.name) for image, label in pairs(folder)] == [
        ("a.png", "a_L.png"),
        ("b.png", "b_L.png"),
    ]


@pytest.mark.parametrize(
    ("removed", "error", "message"),
    [
        (
            ["val_labels/a_L.png"],
            FileNotFoundError,
            "1 of 2 .* val are missing .*: a_L",
        ),
        (["val/a.png"], ValueError, "1 label maps in .* have no image in .*: a_L.png"),
        (["val/a.png", "val/b.png"], FileNotFoundError, "no images in .*: needs val/"),
    ],
)
def test_files_without_a_partner_are_named(folder, removed, error, message):
    for name in removed:
        (folder / name).unlink()
    with pytest.raises(error, match=message):
        pairs(folder)


def test_two_files_of_one_name_are_refused(folder):
    (folder / "val/a.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="a.jpg and .*a.png have the same name"):
        pairs(folder)


def test_digits_are_no_ending_of_a_label():
    assert find_suffix(["1", "2"], ["1_mask", "10_mask", "2_mask"]) == "_mask"
    assert find_suffix(["1", "2"], ["10", "20"]) == ""
