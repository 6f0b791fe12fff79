"""Usual layouts, detected from folders and names."""

import json

import pytest

from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.folder.layouts.detect import find_layout
from keras_fcn.datasets.folder.read import read_folder
from tests.support.folders import write_image, write_labels, write_pairs

NAMES = ("a", "b")


def names_of(layout):
    return {
        split: [sample.name for sample in samples]
        for split, samples in layout.splits.items()
    }


LAYOUTS = {
    "kinds, then splits": [
        ("images/train", "labels/train", "train"),
        ("images/val", "labels/val", "val"),
    ],
    "splits, then kinds": [
        ("train/images", "train/masks", "train"),
        ("valid/images", "valid/masks", "val"),
        ("test/images", "test/masks", "test"),
    ],
    "siblings": [("train", "train_labels", "train"), ("val", "val_labels", "val")],
    "SegNet's siblings": [
        ("train", "trainannot", "train"),
        ("test", "testannot", "test"),
    ],
    "masks first in siblings": [("train", "masks_train", "train")],
    "other words and case": [("Img", "Annotations", "all")],
    "within one folder": [("archive/Images", "archive/Masks", "all")],
}


@pytest.mark.parametrize("parts", LAYOUTS.values(), ids=LAYOUTS)
def test_a_layout_of_two_folders_is_found(tmp_path, parts):
    for images, labels, split in parts:
        write_pairs(
            tmp_path / images, tmp_path / labels, [f"{split}_{n}" for n in NAMES]
        )
    layout = find_layout(tmp_path)
    assert names_of(layout) == {
        split: [f"{split}_a", f"{split}_b"] for _, _, split in parts
    }
    assert not layout.problems


def test_nested_folders_are_matched_by_their_whole_path(tmp_path):
    for drive in ("x", "y"):
        write_pairs(tmp_path / f"images/{drive}", tmp_path / f"masks/{drive}", NAMES)
    layout = find_layout(tmp_path)
    assert names_of(layout) == {"all": ["x/a", "x/b", "y/a", "y/b"]}
    for sample in layout.splits["all"]:
        assert sample.image.endswith(f"images/{sample.name}.png")
        assert sample.label.endswith(f"masks/{sample.name}.png")


def test_lists_make_splits(tmp_path):
    write_pairs(tmp_path / "images", tmp_path / "labels", ("0", "1", "2", "3"))
    (tmp_path / "train.txt").write_text("2\nimages/0.png labels/0.png\n\n1.jpg\n")
    (tmp_path / "valid.txt").write_text("\ufeff3\n")
    layout = find_layout(tmp_path)
    assert names_of(layout) == {"train": ["0", "1", "2"], "val": ["3"]}
    assert "lists train.txt, valid.txt" in layout.description


def test_lists_name_images_in_subfolders(tmp_path):
    for folder in ("x", "y"):
        names = ("1", "2", folder)
        write_pairs(tmp_path / "images" / folder, tmp_path / "labels" / folder, names)
    (tmp_path / "train.txt").write_text("x/1\ny/2\nother/x\n")
    (tmp_path / "val.txt").write_text("y/1\ny\n")
    layout = find_layout(tmp_path)
    assert names_of(layout) == {"train": ["x/1", "x/x", "y/2"], "val": ["y/1", "y/y"]}
    (tmp_path / "val.txt").write_text("1\n")
    [problem] = [one for one in find_layout(tmp_path).problems if one.is_fatal]
    assert "1 (2 images in subfolders have this name)" in problem.message


def test_pascal_voc_is_found_by_its_lists(tmp_path):
    voc = tmp_path / "VOCdevkit" / "VOC2012"
    for name in ("2007_1", "2007_2", "2007_3"):
        write_image(voc / f"JPEGImages/{name}.jpg")
        (voc / "Annotations").mkdir(exist_ok=True)
        (voc / f"Annotations/{name}.xml").write_text("<annotation/>")
    for name in ("2007_1", "2007_2"):
        write_labels(voc / f"SegmentationClass/{name}.png", (0, 1, 255))
    lists = voc / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("2007_1\n")
    (lists / "val.txt").write_text("2007_2\n")
    layout = find_layout(tmp_path)
    assert names_of(layout) == {"train": ["2007_1"], "val": ["2007_2"]}
    assert not layout.problems


def test_cityscapes_gives_its_19_classes(tmp_path):
    for split, city in (("train", "ulm"), ("val", "bonn")):
        for number in range(2):
            stem = f"{city}_{number:06}_000019"
            write_image(tmp_path / f"leftImg8bit/{split}/{city}/{stem}_leftImg8bit.png")
            for kind, values in (("labelIds", (7, 26, 4, 33)), ("color", (1, 2))):
                path = tmp_path / f"gtFine/{split}/{city}/{stem}_gtFine_{kind}.png"
                write_labels(path, values)
    data = read_folder(tmp_path)
    assert [sample.name for sample in data.splits["val"]] == [
        "bonn/bonn_000000_000019",
        "bonn/bonn_000001_000019",
    ]
    names = data.encoding.class_map.names
    assert len(names) == 19
    shown = data.class_pixels["train"].sum(axis=0)
    assert {name for name, n in zip(names, shown, strict=True) if n} == {
        "road",
        "car",
        "bicycle",
    }
    assert not [problem for problem in data.problems if problem.is_fatal]


def test_an_ending_of_the_labels_is_found_and_described(tmp_path):
    write_pairs(
        tmp_path / "images", tmp_path / "masks", ("1", "10", "2"), suffix="_mask"
    )
    layout = find_layout(tmp_path)
    assert names_of(layout) == {"all": ["1", "10", "2"]}
    assert layout.description == "images/ with masks/, labels end in _mask"


def test_two_endings_of_the_labels_are_refused_without_label_suffix(tmp_path):
    write_pairs(tmp_path / "images", tmp_path / "masks", NAMES, suffix="_mask")
    write_pairs(tmp_path / "images", tmp_path / "masks", NAMES, suffix="_color")
    with pytest.raises(ValueError, match="end in _color and in _mask.*`label_suffix`"):
        find_layout(tmp_path)
    layout = find_layout(tmp_path, "_mask")
    assert all(sample.label.endswith("_mask.png") for sample in layout.splits["all"])


def test_images_and_labels_may_differ_in_their_first_word(tmp_path):
    write_labels(tmp_path / "masks/mask_15.png")  # of no image
    for number in (10, 20, 120):  # the last digit, which they share, is no ending
        write_image(tmp_path / f"images/image_{number}.jpg")
        write_labels(tmp_path / f"masks/mask_{number}.png")
    layout = find_layout(tmp_path)
    for sample in layout.splits["all"]:
        assert sample.label.endswith(sample.name.replace("image", "mask") + ".png")
    assert "the labels of image_* are named mask_*" in layout.description


@pytest.mark.parametrize("split", ["", "train/"])
def test_labels_may_be_next_to_their_images(tmp_path, split):
    write_pairs(tmp_path / split, tmp_path / split, ("1", "10"), suffix="_mask")
    layout = find_layout(tmp_path)
    assert names_of(layout) == {split.strip("/") or "all": ["1", "10"]}
    assert "ending in _mask" in layout.description


def test_labelme_files_may_be_next_to_their_images(tmp_path):
    for name, label in (("a", "cat"), ("b", "dog"), ("c", "cat")):
        write_image(tmp_path / f"{name}.jpg")
        points = [[5, 5], [15, 5], [15, 15], [5, 15]]
        shapes = [{"label": label, "points": points, "shape_type": "polygon"}]
        content = {"shapes": shapes, "imageHeight": 32, "imageWidth": 40}
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    data = read_folder(tmp_path)
    assert data.layout.description == "labelme files next to the images"
    assert data.encoding.class_map.names == ("background", "cat", "dog")


def test_hidden_files_are_named_and_ignored(tmp_path):
    write_pairs(tmp_path / "images", tmp_path / "labels", NAMES)
    for hidden in ("images/._a.png", "labels/Thumbs.db", "images/.DS_Store"):
        (tmp_path / hidden).write_bytes(b"\0\5\26\7")
    (tmp_path / "images/__MACOSX").mkdir()
    write_image(tmp_path / "images/__MACOSX/a.png")
    layout = find_layout(tmp_path)
    assert names_of(layout) == {"all": ["a", "b"]}
    [problem] = layout.problems
    assert not problem.is_fatal
    assert problem.count == 4
    assert "4 hidden files are ignored: " in problem.message


def test_two_layouts_at_once_are_refused_by_name(tmp_path):
    write_pairs(tmp_path / "images", tmp_path / "labels", NAMES)
    write_labels(tmp_path / "masks/a.png")
    with pytest.raises(
        ValueError, match="images/ with labels/ or as images/ with masks/"
    ):
        find_layout(tmp_path)


def test_labels_of_another_task_are_no_second_layout(tmp_path):
    write_pairs(tmp_path / "images", tmp_path / "masks", NAMES)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.txt").write_text("0 0.5 0.5 0.1 0.1")
    assert find_layout(tmp_path).description == "images/ with masks/"


def test_an_unknown_layout_is_refused_with_the_folders_found(tmp_path):
    write_image(tmp_path / "stuff/a.png")
    write_image(tmp_path / "more/a.png")
    message = "Received: more/; stuff/.* expected images/ and labels/"
    with pytest.raises(FileNotFoundError, match=message):
        find_layout(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing, which does not exist"):
        find_layout(tmp_path / "nothing")


def test_images_without_labels_are_named_and_may_be_left_out(tmp_path):
    write_pairs(tmp_path / "images", tmp_path / "labels", ("a", "b", "c", "d"))
    write_image(tmp_path / "images/e.png")
    data = read_folder(tmp_path)
    with pytest.raises(ValueError, match="1 of 5 images have no label .*images/e.png"):
        data.refuse_problems()
    read_folder(tmp_path, options=TrainingConfig(accept="unlabelled")).refuse_problems()


def test_labels_without_images_are_counted(tmp_path):
    write_pairs(tmp_path / "images", tmp_path / "labels", NAMES)
    write_labels(tmp_path / "labels/z.png")
    [problem] = find_layout(tmp_path).problems
    assert problem.message == "1 labels have no image: labels/z.png"
    assert not problem.is_fatal


def test_a_folder_may_have_only_a_test_split(tmp_path):
    write_pairs(tmp_path / "images/test", tmp_path / "labels/test", NAMES)
    data = read_folder(tmp_path, ("test",))
    data.refuse_problems()
    assert list(data.splits) == ["test"]


def test_a_split_without_labels_is_noted(tmp_path):
    write_pairs(tmp_path / "train/images", tmp_path / "train/masks", NAMES)
    write_image(tmp_path / "test/images/z.png")
    [problem] = find_layout(tmp_path).problems
    assert problem.message == "test/ has no labels and is not used"
