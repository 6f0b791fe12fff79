"""COCO files: shapes become label maps in the standard order, by COCO's own tools."""

import json

import numpy as np
import pytest

from keras_fcn.datasets.folder.labels.shapes import draw_coco
from keras_fcn.datasets.folder.read import read_folder
from tests.support.folders import write_image

SQUARE = [[10, 5, 20, 5, 20, 15, 10, 15]]
INNER = [[12, 7, 16, 7, 16, 11, 12, 11]]
CATEGORIES = [{"id": 7, "name": "cat"}, {"id": 3, "name": "dog"}]


def write_coco(path, images_dir, names, shapes, categories=CATEGORIES):
    """A file of 32x40 images that all have some shapes: (category, segmentation)."""
    for name in names:
        write_image(images_dir / name)
    images = [
        {"id": number, "file_name": name, "height": 32, "width": 40}
        for number, name in enumerate(names)
    ]
    annotations = [
        {"image_id": image["id"], "category_id": category, "segmentation": shape}
        for image in images
        for category, shape in shapes
    ]
    content = {"images": images, "annotations": annotations, "categories": categories}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def drawn(folder, shapes):
    write_coco(folder / "instances.json", folder / "images", ("a.jpg", "b.jpg"), shapes)
    data = read_folder(folder)
    return data, draw_coco(data.splits["train"][0].label, max_pixels=10**6)


def test_a_polygon_covers_the_same_pixels_as_with_coco_tools(tmp_path):
    data, values = drawn(tmp_path, [(7, SQUARE)])
    wanted = np.zeros((32, 40), int)
    wanted[5:15, 10:20] = 7
    np.testing.assert_array_equal(values, wanted)
    assert data.encoding.class_map.names == ("background", "dog", "cat")
    assert data.class_pixels["train"].tolist() == [[32 * 40 - 100, 0, 100]]


def test_later_shapes_lie_over_earlier_ones(tmp_path):
    _, values = drawn(tmp_path, [(7, SQUARE), (3, INNER)])
    assert (values == 3).sum() == 16 and (values == 7).sum() == 84
    _, values = drawn(tmp_path, [(3, INNER), (7, SQUARE)])
    assert (values == 3).sum() == 0 and (values == 7).sum() == 100


def test_run_lengths_are_decoded_by_columns(tmp_path):
    # 32 rows: a column of background, then 5 pixels of the second
    counts = [32, 5, 32 * 40 - 37]
    _, values = drawn(tmp_path, [(3, {"size": [32, 40], "counts": counts})])
    assert (values[:5, 1] == 3).all() and (values == 3).sum() == 5


def test_packed_run_lengths_are_decoded(tmp_path):
    from pycocotools import mask

    wanted = np.zeros((32, 40), "uint8", order="F")
    wanted[3:9, 4:30] = 1
    coded = mask.encode(wanted)
    coded["counts"] = coded["counts"].decode()
    _, values = drawn(tmp_path, [(3, coded)])
    np.testing.assert_array_equal(values == 3, wanted == 1)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ([[1, 2, 3]], "three points or more"),
        ([["x"] * 6], "can't be drawn"),
        ({"size": [3, 4], "counts": [12]}, "run lengths are of size"),
        ({"size": [32, 40], "counts": [7]}, "do not fill the image"),
    ],
)
def test_a_damaged_shape_is_named(tmp_path, shape, message):
    data, _ = drawn(tmp_path, [(7, SQUARE)])
    write_coco(
        tmp_path / "instances.json",
        tmp_path / "images",
        ("a.jpg", "b.jpg"),
        [(7, shape)],
    )
    with pytest.raises(ValueError, match=message) as caught:
        read_folder(tmp_path).refuse_problems()
    assert "instances.json" in str(caught.value)


def test_splits_of_roboflow_and_of_coco_itself_are_found(tmp_path):
    for split in ("train", "valid"):
        folder = tmp_path / "roboflow" / split
        names = [f"{split}_{n}.jpg" for n in "ab"]
        write_coco(folder / "_annotations.coco.json", folder, names, [(3, SQUARE)])
        folder = tmp_path / "coco" / split.replace("valid", "val")
        file = tmp_path / f"coco/annotations/instances_{folder.name}2017.json"
        images = folder.with_name(f"{folder.name}2017")
        write_coco(file, images, [f"{n}.jpg" for n in names], [(3, SQUARE)])
    for name in ("roboflow", "coco"):
        data = read_folder(tmp_path / name)
        assert {split: len(samples) for split, samples in data.splits.items()} == {
            "train": 2,
            "val": 2,
        }
        data.refuse_problems()


def test_missing_images_and_unknown_categories_are_named(tmp_path):
    drawn(tmp_path, [(7, SQUARE)])
    (tmp_path / "images/b.jpg").unlink()
    (tmp_path / "images/c.jpg").write_bytes((tmp_path / "images/a.jpg").read_bytes())
    with pytest.raises(ValueError, match="at least two images"):
        read_folder(tmp_path)
    write_coco(
        tmp_path / "instances.json", tmp_path / "images", ("a.jpg",), [(9, SQUARE)]
    )
    with pytest.raises(ValueError, match="category 9, which it does not list"):
        read_folder(tmp_path)


@pytest.mark.parametrize("category_id", [-1, 65535, 10**30])
def test_an_id_of_a_category_that_no_label_map_has_is_refused(tmp_path, category_id):
    categories = [{"id": category_id, "name": "cat"}]
    shapes = [(category_id, SQUARE)]
    names = ("a.jpg", "b.jpg")
    write_coco(
        tmp_path / "instances.json", tmp_path / "images", names, shapes, categories
    )
    with pytest.raises(ValueError, match="instances.json .*must be 0 to 65534"):
        read_folder(tmp_path)


def change_coco(folder, key, name, values):
    """Set a field of the first images or annotations of `drawn`'s file."""
    file = folder / "instances.json"
    content = json.loads(file.read_text())
    for item, value in zip(content[key], values, strict=False):
        item[name] = value
    file.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("image_ids", "message"),
    [
        (
            (9,),
            r"1 annotations have an image_id that is the id of no image, such as 9\)",
        ),
        (
            (0, "1"),
            r"1 annotations .* such as '1': an image has 1, but ids are compared",
        ),
        (
            ("0", "1"),
            r"2 annotations .* such as '0': an image has 0, but ids are compared",
        ),
    ],
)
def test_annotations_of_no_image_are_refused(tmp_path, image_ids, message):
    drawn(tmp_path, [(7, SQUARE)])
    change_coco(tmp_path, "annotations", "image_id", image_ids)
    with pytest.raises(ValueError, match=f"instances.json .*{message}"):
        read_folder(tmp_path)


def test_two_images_with_the_same_id_are_refused(tmp_path):
    drawn(tmp_path, [(7, SQUARE)])
    change_coco(tmp_path, "images", "id", (1, 1))
    message = r"instances.json .*a.jpg and b.jpg have the same id 1\)"
    with pytest.raises(ValueError, match=message):
        read_folder(tmp_path)
