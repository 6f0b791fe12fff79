"""The polygons of a label map give it again, drawn by the readers of this project."""

import json

import cv2
import numpy as np
import pytest

from keras_fcn.classes import ClassMap
from keras_fcn.datasets.folder.labels.class_table import read_class_table
from keras_fcn.datasets.folder.labels.image_shapes import BACKGROUND, draw_shapes
from keras_fcn.datasets.folder.labels.shapes import CocoLabel, draw_coco
from keras_fcn.prediction.annotations import (
    VOID_LABEL,
    class_masks,
    find_regions,
    to_coco,
    to_geojson,
    to_labelme,
    write_labelme_names,
)

_CLASSES = ClassMap(("road", "car", "sky"), ((90, 0, 0), (0, 90, 0), (0, 0, 90)), 255)
_IDS = (0, 1, 2, 255)
# Car around sky and a hole of void that holds road; both touch the border of the image.
_NESTED = np.array(
    [
        [1, 1, 1, 1, 1, 1, 0],
        [1, 2, 1, 255, 1, 1, 0],
        [1, 1, 255, 0, 255, 1, 0],
        [1, 2, 1, 255, 1, 1, 0],
        [1, 1, 1, 1, 1, 1, 0],
    ],
    dtype="uint8",
)


def _label_maps():
    yield _NESTED
    yield np.array([[255]], dtype="uint8")
    yield np.array([[0, 1, 1]], dtype="uint8")
    rng = np.random.default_rng(0)
    for index in range(40):
        size = tuple(rng.integers(1, 30, 2))
        noise = rng.random(size).astype("float32")
        if index % 2:  # regions; every second map is noise of single pixels
            noise = cv2.GaussianBlur(noise, (7, 7), 0)
        borders = np.quantile(noise, [0.3, 0.6, 0.8])
        yield np.array(_IDS, dtype="uint8")[np.digitize(noise, borders)]


@pytest.mark.parametrize("label_map", list(_label_maps()))
def test_labelme_polygons_give_the_label_map(label_map, tmp_path):
    path = tmp_path / "image.json"
    path.write_text(json.dumps(to_labelme(label_map, _CLASSES, "image.png")))
    values = {"road": 0, "car": 1, "sky": 2, VOID_LABEL: 255, BACKGROUND: 77}
    np.testing.assert_array_equal(draw_shapes(path, values, 10_000), label_map)


@pytest.mark.parametrize("label_map", list(_label_maps()))
def test_coco_polygons_give_the_label_map_in_any_order(label_map):
    coco = to_coco({"image.png": label_map}, _CLASSES)
    shapes = [[a["category_id"] - 1, a["segmentation"]] for a in coco["annotations"]]
    for ordered in (shapes, shapes[::-1]):
        text = json.dumps([77, ordered]).encode()
        drawn = draw_coco(CocoLabel("", 1, label_map.shape, text), 10_000)
        np.testing.assert_array_equal(drawn, label_map)
    for one, region in zip(coco["annotations"], find_regions(label_map), strict=True):
        assert one["area"] == region.mask.sum()
        corners = np.reshape(one["segmentation"][0], (-1, 2))
        assert one["bbox"][:2] == corners.min(axis=0).tolist()
        assert one["bbox"][2:] == list(region.mask.shape[::-1])


@pytest.mark.parametrize("label_map", list(_label_maps()))
def test_geojson_polygons_have_the_holes_of_the_label_map(label_map):
    height, width = label_map.shape
    drawn = np.full(label_map.shape, 77)
    x = np.arange(width) + 0.5  # of the centers of the pixels
    for feature in to_geojson(label_map, _CLASSES)["features"]:
        inside = np.zeros(label_map.shape, dtype=bool)
        for ring in feature["geometry"]["coordinates"]:
            assert ring[0] == ring[-1]
            for (x0, y0), (x1, y1) in zip(ring, ring[1:], strict=False):
                assert (x0 == x1) != (y0 == y1)  # along the edges of pixels
                if x0 == x1:  # a ray from each center to the right
                    inside[min(y0, y1) : max(y0, y1)] ^= x < x0
        assert feature["properties"]["area"] == inside.sum()
        drawn[inside] = feature["properties"]["class_id"]
    np.testing.assert_array_equal(drawn, label_map)


def test_holes_are_interior_rings_of_geojson():
    features = to_geojson(_NESTED, _CLASSES)["features"]
    car = next(f for f in features if f["properties"]["class_id"] == 1)
    assert len(car["geometry"]["coordinates"]) == 1 + 3
    # Counted in the corners of pixels: the right one ends where column 6 begins.
    outer = np.array(car["geometry"]["coordinates"][0])
    assert outer.min() == 0 and outer.max() == 6
    assert car["properties"]["classification"] == {"name": "car", "color": [0, 90, 0]}


def test_the_list_of_labels_begins_with_that_of_void(tmp_path):
    write_labelme_names(tmp_path / "out/labels.txt", _CLASSES)
    lines = (tmp_path / "out/labels.txt").read_text().splitlines()
    assert lines == [VOID_LABEL, "road", "car", "sky"]


def test_coco_names_images_and_categories():
    coco = to_coco({"a.png": _NESTED, "below/b.png": _NESTED}, _CLASSES)
    assert [one["file_name"] for one in coco["images"]] == ["a.png", "below/b.png"]
    names = {one["id"]: one["name"] for one in coco["categories"]}
    assert names == {1: "road", 2: "car", 3: "sky", 256: "void"}
    ids = [one["id"] for one in coco["annotations"]]
    assert ids == list(range(1, len(ids) + 1))
    assert {one["image_id"] for one in coco["annotations"]} == {1, 2}


def test_class_masks_are_those_of_all_classes():
    masks = dict(class_masks(_NESTED, _CLASSES))
    assert list(masks) == ["road", "car", "sky"]
    np.testing.assert_array_equal(masks["sky"], _NESTED == 2)


@pytest.mark.parametrize("between", " \u2028\x0b\x0c\x1c\x85")
def test_the_list_of_labels_has_the_names_of_the_classes(tmp_path, between):
    class_map = ClassMap((f"traffic{between}light", "sky"), ((1, 2, 3), (4, 5, 6)), 255)
    write_labelme_names(tmp_path / "labels.txt", class_map)
    entries = read_class_table(tmp_path / "labels.txt")
    assert [entry.name for entry in entries] == [VOID_LABEL, *class_map.names]


def test_a_class_of_two_lines_is_in_no_list_of_labels(tmp_path):
    class_map = ClassMap(("traffic\nlight",), ((1, 2, 3),), 255)
    with pytest.raises(ValueError, match=r"can't contain the class 'traffic\\nlight'"):
        write_labelme_names(tmp_path / "labels.txt", class_map)
    assert not (tmp_path / "labels.txt").exists()
