"""labelme files: shapes become label maps in the order of the file."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from keras_fcn.datasets.folder.labels.image_shapes import draw_shapes
from keras_fcn.datasets.folder.read import read_folder
from tests.support.folders import write_image

VALUES = {"_background_": 0, "cat": 1, "dog": 2}
MAX_PIXELS = 1000


def write(path, *shapes):
    path.parent.mkdir(exist_ok=True)
    content = {"shapes": shapes, "imageHeight": 20, "imageWidth": 30}
    path.write_text(json.dumps(content))
    return path


def draw(folder, *shapes):
    return draw_shapes(write(folder / "a.json", *shapes), VALUES, MAX_PIXELS)


def shape(label, points, kind="polygon", **more):
    return {"label": label, "points": points, "shape_type": kind, **more}


BOX = [[5, 5], [14, 5], [14, 14], [5, 14]]


def test_polygons_cover_their_edges_and_later_ones_lie_above(tmp_path):
    values = draw(
        tmp_path, shape("cat", BOX), shape("dog", [[8, 8], [10, 8], [10, 10]])
    )
    assert (values[5:15, 5:15] > 0).all() and (values > 0).sum() == 100
    assert values[8, 9] == 2
    assert (draw(tmp_path, shape("dog", BOX), shape("cat", BOX)) == 2).sum() == 0


def test_rectangles_circles_and_masks_are_drawn(tmp_path):
    assert (draw(tmp_path, shape("cat", [[14, 14], [5, 5]], "rectangle"))).sum() == 100
    circle = draw(tmp_path, shape("cat", [[10, 10], [15, 10]], "circle"))
    assert circle[10, 14] == 1 and circle[5, 5] == 0 and 70 < circle.sum() < 100
    stored = io.BytesIO()
    Image.fromarray(np.full((3, 4), 255, "uint8")).convert("1").save(stored, "PNG")
    text = base64.b64encode(stored.getvalue()).decode()
    mask = draw(tmp_path, shape("dog", [[2, 6], [5, 8]], "mask", mask=text))
    assert (mask[6:9, 2:6] == 2).all() and (mask > 0).sum() == 12


def test_the_outline_of_a_hole_is_part_of_its_shape(tmp_path):
    hole = [[7, 7], [11, 7], [11, 11], [7, 11]]
    points = {"exterior": BOX, "interior": [hole]}
    item = {"classTitle": "cat", "geometryType": "polygon", "points": points}
    content = {"size": {"height": 20, "width": 30}, "objects": [item]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    values = draw_shapes(tmp_path / "a.json", VALUES, MAX_PIXELS)
    assert (values[8:11, 8:11] == 0).all() and values.sum() == 100 - 9


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (shape("cat", [[1, 1], [5, 5]], "cone"), "a cone cat that can't be drawn"),
        (shape("cat", [[1, 1], [5, 5]]), "a polygon cat that can't be drawn"),
        (shape("cow", BOX), "the label cow, which is no class"),
        (shape("cat", "xy"), "can't be drawn"),
    ],
)
def test_shapes_that_are_no_area_of_a_class_are_refused(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        draw(tmp_path, wrong)


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"shapes": 3}'])
def test_what_is_no_labelme_file_is_refused(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(ValueError, match="is no labelme file"):
        draw_shapes(tmp_path / "a.json", VALUES, MAX_PIXELS)


def test_a_folder_has_the_classes_of_its_shapes_and_ignored_ones_are_void(tmp_path):
    for name, label in (("a", "dog"), ("b", "cat"), ("c", "__ignore__")):
        write_image(tmp_path / f"images/{name}.jpg", (20, 30))
        write(tmp_path / f"labels/{name}.json", shape(label, BOX))
    data = read_folder(tmp_path)
    data.refuse_problems()
    assert data.encoding.class_map.names == ("background", "cat", "dog")
    pixels = sum(part.sum(axis=0) for part in data.class_pixels.values())
    assert pixels.tolist() == [3 * 600 - 300, 100, 100]
