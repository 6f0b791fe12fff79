"""Untrusted data folders: hangs, crashes, too much memory, paths outside the folder."""

import base64
import json
import os

import numpy as np
import pytest
from PIL import Image

from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.folder.labels.class_table import read_class_table
from keras_fcn.datasets.folder.labels.files import read_labels
from keras_fcn.datasets.folder.labels.image_shapes import draw_shapes, read_shapes
from keras_fcn.datasets.folder.labels.shapes import (
    CocoLabel,
    decode_run_lengths,
    draw_coco,
)
from keras_fcn.datasets.folder.layouts.coco import find_coco
from keras_fcn.datasets.folder.layouts.label_studio import find_label_studio
from keras_fcn.datasets.folder.layouts.listing import list_files
from keras_fcn.datasets.folder.layouts.splits import read_list
from keras_fcn.datasets.folder.read import read_folder
from tests.support.data import write_folder
from tests.support.image_files import encode

MANY = 10**6


def draw_shape(segmentation, size=(48, 64), max_pixels=MANY):
    text = json.dumps([0, [[1, segmentation]]]).encode()
    return draw_coco(CocoLabel("a.json", 7, size, text), max_pixels)


@pytest.mark.parametrize(
    "points",
    [
        [0, 0, 1e9, 1e9, 5, 40],
        [0, 0, float("inf"), 3, 4, 4],
        [0, 0, float("nan"), 3, 4, 4],
        [0, 0, 600, 600] * 5000,
    ],
)
def test_a_polygon_far_outside_is_refused_before_it_is_drawn(points):
    with pytest.raises(ValueError, match="that can't be drawn .its (points|outline)"):
        draw_shape([points])


@pytest.mark.parametrize("side", [2000, 10**400])
def test_shapes_on_a_huge_image_are_not_drawn(side):
    with pytest.raises(ValueError, match="must have at most 1000000 pixels"):
        draw_shape([[0, 0, 9, 0, 9, 9]], size=(side, side))


def test_a_polygon_that_leaves_the_image_by_a_little_is_drawn():
    label_map = draw_shape([[-20, -20, 100, -20, 100, 100, -20, 100]])
    assert (label_map == 1).all()


@pytest.mark.parametrize(
    "counts",
    [
        *("abc", "\xff\xfe zzz~~~", "o" * 1000, 7),
        *([5], [-5, 48 * 64 + 5], [2**32], [0.5, 48 * 64 - 0.5]),
    ],
)
def test_run_lengths_that_do_not_fit_are_refused(counts):
    with pytest.raises(ValueError, match="that can't be drawn"):
        draw_shape({"size": [48, 64], "counts": counts})


def test_run_lengths_are_read_as_pycocotools_writes_them():
    from pycocotools import mask

    for seed in range(20):
        rng = np.random.default_rng(seed)
        drawn = rng.random((48, 64)) < rng.random()
        coded = mask.encode(np.asfortranarray(drawn.astype("uint8")))
        assert sum(decode_run_lengths(coded["counts"])) == drawn.size
        text = {"size": [48, 64], "counts": coded["counts"].decode()}
        np.testing.assert_array_equal(draw_shape(text) == 1, drawn)


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_lists_without_names_are_refused(tmp_path, content):
    (tmp_path / "train.txt").write_text(content)
    with pytest.raises(ValueError, match="train.txt must have a name or path on each"):
        read_list(tmp_path / "train.txt")


def test_a_name_in_a_list_may_contain_unusual_line_breaks(tmp_path):
    (tmp_path / "train.txt").write_text("a\u2028b.png\r\nc\x0cd.png\n")
    assert read_list(tmp_path / "train.txt") == ["a\u2028b", "c\x0cd"]


@pytest.mark.parametrize(
    ("label", "problem"),
    [([["x"] * 50], "a label of more than 100 char"), ("", "an empty label")],
)
def test_a_label_that_is_no_name_of_a_class_is_refused_with_its_file(
    tmp_path, label, problem
):
    shape = {"label": label, "points": [[1, 1], [9, 1], [9, 9]]}
    content = {"imageHeight": 20, "imageWidth": 20, "shapes": [shape]}
    for name in "abc":
        Image.new("RGB", (20, 20)).save(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"a.json.* has {problem}"):
        read_folder(tmp_path).refuse_problems()


def test_labels_drawn_of_a_huge_size_are_refused():
    with pytest.raises(ValueError, match="image 7 of a.json must have at most 1000000"):
        draw_shape([], size=(10**6, 10**6))


@pytest.mark.parametrize(
    "change",
    [
        {"categories": 7}, {"categories": [7]}, {"categories": [{"id": "x"}]},
        {"categories": [{"id": float("inf"), "name": "a"}]},
        {"categories": [{"id": 1, "name": "x" * 101}]},
        {"categories": [{"id": 1, "name": ""}]},
        {"annotations": [7]}, {"annotations": [{"image_id": [], "category_id": 1}]},
        {"images": [{"id": 1, "file_name": "a.png", "height": -1, "width": -9}]},
        {"images": [{"id": 1, "file_name": "../a.png", "height": 1, "width": 9}]},
        {"images": [{"id": 1, "file_name": "/a.png", "height": 1, "width": 9}]},
        {"images": [{"id": 1, "file_name": "", "height": 1, "width": 9}]},
    ],
)  # fmt: skip
def test_coco_files_of_another_form_are_refused_by_name(tmp_path, change):
    content = {
        "images": [{"id": 1, "file_name": "a.png", "height": 48, "width": 64}],
        "categories": [{"id": 1, "name": "a"}],
        "annotations": [],
    } | change
    (tmp_path / "instances.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="instances.json is no COCO file"):
        find_coco(tmp_path)


def labelme(tmp_path, size=(48, 64), **shape):
    shape = {"label": "a", "points": [[0, 0], [9, 0], [9, 9]], **shape}
    content = {"imageHeight": size[0], "imageWidth": size[1], "shapes": [shape]}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    return path


VALUES = {"_background_": 0, "a": 1}


@pytest.mark.parametrize(
    "shape",
    [
        {"points": [[0, 0], [1e300, 1], [2, 2]]},
        {"points": [[0, 0], [float("nan"), 1], [2, 2]]},
        {"points": [[0, 0], [1e9, 0]], "shape_type": "circle"},
        {"points": [[0, 0], [9, 9]], "shape_type": "mask", "mask": "AAAA"},
        {"points": 7},
    ],
)
def test_labelme_shapes_far_outside_are_refused(tmp_path, shape):
    with pytest.raises(ValueError, match="that can't be drawn|is no labelme file"):
        draw_shapes(labelme(tmp_path, **shape), VALUES, MANY)


@pytest.mark.parametrize("size", [(10**6, 10**6), (float("inf"), 3), ("x", 3), (0, 3)])
def test_labelme_files_of_a_huge_size_or_none_are_refused(tmp_path, size):
    with pytest.raises(ValueError, match="at most 1000000 pixels|is no labelme file"):
        draw_shapes(labelme(tmp_path, size), VALUES, MANY)


def test_masks_in_labelme_files_must_be_pngs_of_at_most_the_images_size(tmp_path):
    mask = np.full((5, 6), 255, "uint8")
    whole = {"points": [[2, 3], [7, 7]], "shape_type": "mask"}

    def drawn(content):
        mask = base64.b64encode(content).decode()
        return draw_shapes(labelme(tmp_path, mask=mask, **whole), VALUES, MANY)

    assert (drawn(encode(mask))[3:8, 2:8] == 1).all()
    for content in (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",  # for Ghostscript
        encode(mask, "TIFF"),
        encode(np.zeros((49, 6), "uint8")),
    ):
        with pytest.raises(ValueError, match="that can't be drawn"):
            drawn(content)


def test_arrays_shorter_than_their_header_says_are_refused(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((4, 5), "uint8"))
    content = path.read_bytes()
    path.write_bytes(content.replace(b"(4, 5)", b"(99999, 99999999)").ljust(128, b" "))
    with pytest.raises(ValueError, match="a.npy can't be read as an array"):
        read_labels(path)
    np.save(path, np.zeros((40, 50), "uint8"))
    with pytest.raises(ValueError, match="at most 1999 pixels"):
        read_labels(path, max_pixels=1999)
    np.save(path, np.zeros((40, 50, 3), "uint8"))
    assert read_labels(path, max_pixels=2000).values.shape == (40, 50, 3)


@pytest.mark.parametrize(
    ("content", "needed"),
    [
        ("name,r,g,b\n" + "x" * 2_000_000, "must have at most 1048576 bytes"),
        ('name,r,g,b\n"a\0",1,2,3\n', "must be text"),
    ],
)
def test_tables_of_classes_have_limits(tmp_path, content, needed):
    path = tmp_path / "class_dict.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=needed) as caught:
        read_class_table(path)
    assert str(path) in str(caught.value)


def test_names_of_classes_may_be_numbers(tmp_path):
    (tmp_path / "class_dict.csv").write_text("name,r,g,b\n1,0,0,0\n0,9,9,9\n")
    entries = read_class_table(tmp_path / "class_dict.csv")
    assert [entry.name for entry in entries] == ["1", "0"]


@pytest.mark.parametrize(
    ("read", "name"),
    [
        (read_class_table, "a.csv"),
        (read_list, "a.txt"),
        (read_labels, "a.png"),
        (read_labels, "a.npy"),
        (read_shapes, "a.json"),
        (lambda path: find_coco(path.parent), "instances.json"),
        (lambda path: find_label_studio(path.parent), "project.json"),
    ],
)
def test_fifos_are_refused(tmp_path, time_limit, read, name):
    path = tmp_path / name
    os.mkfifo(path)
    with pytest.raises(ValueError, match="must be a regular file"):
        read(path)


def test_a_fifo_among_the_images_is_named(tmp_path, time_limit):
    folder = write_folder(tmp_path / "mine")
    image = folder / "images/train/train_0.png"
    image.unlink()
    os.mkfifo(image)
    data = read_folder(folder, ("train", "val"))
    errors = " ".join(one.message for one in data.problems if one.is_fatal)
    assert "train_0.png" in errors and "must be a regular file" in errors


def test_links_to_a_parent_folder_are_followed_once(tmp_path, time_limit):
    (tmp_path / "a/b").mkdir(parents=True)
    Image.new("L", (4, 4)).save(tmp_path / "a/x.png")
    for name in ("one", "two", "three"):
        (tmp_path / "a/b" / name).symlink_to(tmp_path / "a")
    assert list(list_files(tmp_path, (".png",)).files) == ["a/x"]


def test_images_and_labels_of_too_many_pixels_are_named(tmp_path):
    folder = write_folder(tmp_path / "mine")  # 48x64
    options = TrainingConfig(max_pixels=48 * 64 - 1)
    data = read_folder(folder, ("train",), options)
    errors = " ".join(one.message for one in data.problems if one.is_fatal)
    assert "images/train/train_0.png must have at most 3071 pixels" in errors
    assert "labels/train/train_0.png must have at most 3071 pixels" in errors
