"""Validation by a hash of names: it stays the same when images are added."""

import pytest

from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.folder.read import read_folder
from keras_fcn.datasets.folder.samples import Sample
from keras_fcn.datasets.folder.validation_split import assign_validation
from tests.support.folders import write_pairs


def samples_of(names):
    return [Sample(name, f"{name}.png", f"{name}.png") for name in names]


def names_of(samples):
    return {sample.name for sample in samples}


@pytest.mark.parametrize(
    ("count", "share", "expected"),
    [
        (2000, 0.2, 400),
        (10, 0.2, 2),
        (6, 0.2, 1),
        (4, 0.2, 1),
        (9, 0.5, 4),
        (3, 0.9, 2),
    ],
)
def test_the_share_is_met_to_the_nearest_image(count, share, expected):
    for prefix in "abcde":
        samples = samples_of(f"{prefix}_{number}" for number in range(count))
        train, val = assign_validation(samples, share, None)
        assert len(val) == expected
        assert names_of(train) | names_of(val) == names_of(samples)
        assert len(train) + len(val) == count


def test_an_added_image_moves_at_most_one_other():
    names = [f"image_{number}" for number in range(300)]
    before = None
    for count in range(2, 300):
        val = names_of(assign_validation(samples_of(names[:count]), 0.2, None)[1])
        if before is not None:
            assert len((before ^ val) - {names[count - 1]}) <= 1
        before = val


def test_most_images_keep_their_split_when_as_many_are_added():
    names = [f"image_{number}" for number in range(300)]
    _, before = assign_validation(samples_of(names[::2]), 0.2, None)
    _, after = assign_validation(samples_of(names), 0.2, None)
    assert len(names_of(before) ^ (names_of(after) & set(names[::2]))) <= 6


def test_the_share_is_met_as_nearly_as_groups_allow():
    samples = samples_of(
        f"{d}_{n}" for d, size in enumerate([6, 1, 2, 1]) for n in range(size)
    )
    _, val = assign_validation(samples, 0.5, "^[0-9]+")
    assert 4 <= len(val) <= 6


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("share", [0.01, 0.99])
def test_neither_split_is_empty(count, share):
    train, val = assign_validation(samples_of(map(str, range(count))), share, None)
    assert train and val


def test_groups_stay_together():
    samples = samples_of(f"drive{d}_{n:03}" for d in range(30) for n in range(10))
    train, val = assign_validation(samples, 0.3, "^drive[0-9]+")
    groups = [
        {name.partition("_")[0] for name in names_of(side)} for side in (train, val)
    ]
    assert not groups[0] & groups[1]
    assert len(groups[0] | groups[1]) == 30


def test_the_first_group_of_the_expression_counts():
    samples = samples_of(["a_x_1", "b_x_2", "c_y_3"])
    train, val = assign_validation(samples, 0.5, "^[a-z]_([xy])_")
    assert {"a_x_1", "b_x_2"} in (names_of(train), names_of(val))


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", r"must be a regular expression .*Received: group_by=\("),
        ("a|(b)", "must match every name; 1 do not match: a"),
        ("^a", "must match every name; 1 do not match: b"),
        ("^.", None),
        ("$", "at least two groups .* Received: 1"),
    ],
)
def test_an_expression_that_makes_no_groups_is_refused(pattern, message):
    if message is None:
        assert assign_validation(samples_of("ab"), 0.5, pattern)
        return
    with pytest.raises(ValueError, match=message):
        assign_validation(samples_of("ab"), 0.5, pattern)


def test_the_assigned_split_is_described(tmp_path):
    write_pairs(tmp_path / "images", tmp_path / "labels", [f"{n}" for n in range(9)])
    data = read_folder(tmp_path, options=TrainingConfig(val_share=0.5))
    count = len(data.splits["val"])
    words = f"{count} of 9 images are assigned to it by a hash of their names"
    assert words in data.decisions[1]
    assert "(`val_share` 0.5)" in data.decisions[1]


def test_val_is_taken_from_train_if_there_is_no_val_folder(tmp_path):
    names = [f"{n}" for n in range(9)]
    write_pairs(tmp_path / "train/images", tmp_path / "train/masks", names)
    write_pairs(tmp_path / "test/images", tmp_path / "test/masks", ["z"])
    data = read_folder(tmp_path)
    assert len(data.splits["train"]) + len(data.splits["val"]) == 9
    assert names_of(data.splits["test"]) == {"z"}


def test_refusals_name_the_folder(tmp_path):
    write_pairs(tmp_path / "images", tmp_path / "labels", ["a"])
    with pytest.raises(ValueError, match=f"^{tmp_path}: .* at least two images"):
        read_folder(tmp_path)
    write_pairs(tmp_path / "images", tmp_path / "labels", "bc", (0,))
    write_pairs(tmp_path / "images", tmp_path / "labels", "a", (0,))
    with pytest.raises(ValueError, match=f"^{tmp_path}: All labels of train are"):
        read_folder(tmp_path).refuse_problems()


def test_the_split_is_the_same_in_every_process():
    # By the BLAKE2b hashes of the names, as any other program can compute them.
    _, val = assign_validation(samples_of("abcdefghij"), 0.4, None)
    assert names_of(val) == set("cefj")
