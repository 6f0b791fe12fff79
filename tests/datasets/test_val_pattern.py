"""Validation images selected by a pattern of their names."""

import pytest

from keras_fcn.classes import ClassMap
from keras_fcn.datasets.dataset import SegmentationDataset
from keras_fcn.datasets.val_pattern import split_by_pattern
from tests.support.data import SHARED_DATA, split_of


@pytest.fixture
def dataset():
    """Five training and two validation images of three drives, of different sizes."""
    names = ["0001TP_1", "0006R0_1", "0006R0_2", "0016E5_1", "0016E5_2"]
    return SegmentationDataset(
        "drives",
        ClassMap(("a",), ((1, 2, 3),), 255),
        {"train": named(names, 1), "val": named(["0016E5_3", "0001TP_2"], 6)},
    )


def named(names, first_size):
    sizes = range(first_size, first_size + len(names))
    return split_of([(size, 9) for size in sizes], name=names)


def names_of(split):
    names = [example["name"].decode() for example in split.examples.as_numpy_iterator()]
    assert len(names) == split.num_images == int(split.examples.cardinality())
    return names


def test_matching_images_are_moved_from_training_to_validation(dataset):
    parts = split_by_pattern(dataset, "0001TP*")
    assert names_of(parts.split("val")) == ["0001TP_1", "0001TP_2"]
    assert parts.split("val").image_sizes == ((1, 9), (7, 9))
    assert names_of(parts.split("train")) == [
        "0006R0_1", "0006R0_2", "0016E5_1", "0016E5_2", "0016E5_3",
    ]  # fmt: skip
    assert parts.split("train").image_sizes == ((2, 9), (3, 9), (4, 9), (5, 9), (6, 9))
    assert parts.val_pattern == "0001TP*"


def test_a_pattern_matches_whole_names_case_sensitively(dataset):
    assert names_of(split_by_pattern(dataset, "*_3").split("val")) == ["0016E5_3"]
    with pytest.raises(ValueError, match="which matches 0 of 7"):
        split_by_pattern(dataset, "0016e5*")
    with pytest.raises(ValueError, match="which matches 0 of 7"):
        split_by_pattern(dataset, "0016E5")


@pytest.mark.parametrize(("pattern", "count"), [("x*", 0), ("*", 7)])
def test_a_pattern_that_matches_nothing_or_all_is_refused(dataset, pattern, count):
    with pytest.raises(ValueError, match=f"`val_pattern` must .* {count} of 7"):
        split_by_pattern(dataset, pattern)


@pytest.mark.skipif(
    not (SHARED_DATA / "camvid").is_dir(), reason="needs ../shared/data/camvid"
)
def test_drive_0001tp_of_camvid_has_the_published_number_of_images():
    """Uses file names only; the images are not decoded."""
    names = {
        split: [path.stem for path in (SHARED_DATA / "camvid" / split).iterdir()]
        for split in ("train", "val")
    }
    splits = {split: named(of_split, 1) for split, of_split in names.items()}
    camvid = SegmentationDataset("camvid", ClassMap(("a",), ((1, 2, 3),), 255), splits)
    parts = split_by_pattern(camvid, "0001TP*")
    assert parts.split("train").num_images == 406
    assert parts.split("val").num_images == 62
