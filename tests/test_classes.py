"""Class names, colors and void."""

import numpy as np
import pytest

from keras_fcn.classes import ClassMap, distinct_colors

RED, GREEN, GREY = (255, 0, 0), (0, 255, 0), (7, 8, 9)


def write_csv(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "class_dict.csv"
    path.write_text(text, encoding=encoding)
    return path


@pytest.fixture
def class_map():
    return ClassMap(("road", "sky"), (RED, GREEN), void_id=255, void_color=GREY)


def test_num_classes_does_not_count_void(class_map):
    assert class_map.num_classes == 2


def test_palette_has_the_class_colors_and_void_elsewhere(class_map):
    palette = class_map.palette()
    assert palette.shape == (256, 3)
    assert palette.dtype == np.uint8
    np.testing.assert_array_equal(palette[:2], [RED, GREEN])
    np.testing.assert_array_equal(palette[2:], np.tile(GREY, (254, 1)))


def test_palette_of_255_classes_has_one_color_for_void():
    colors = distinct_colors(255)
    class_map = ClassMap(tuple(map(str, range(255))), colors, 255, GREY)
    np.testing.assert_array_equal(class_map.palette(), [*colors, GREY])


def test_json_restores_the_classes(class_map, tmp_path):
    path = tmp_path / "classes.json"
    class_map.save(path)
    assert ClassMap.load(path) == class_map


def test_names_beyond_ascii_survive_json(tmp_path):
    class_map = ClassMap(("Gehölz", "天空"), (RED, GREEN), void_id=2)
    class_map.save(tmp_path / "classes.json")
    assert ClassMap.load(tmp_path / "classes.json") == class_map


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: "", "is not JSON"),
        (lambda text: text[:-9], "is not JSON"),
        (lambda text: "[" * 200_000, "is not JSON"),
        (lambda text: "{}", "`colors` is required|`names` is required"),
        (lambda text: "[]", r"expected names, .*, got \[\]"),
        (lambda text: "null", "got None"),
        (lambda text: text.replace('"void_id": 255', '"void_id": "x"'), "void_id='x'"),
        (lambda text: text.replace('"void_id": 255', '"void_id": 1'), "void_id=1"),
        (
            lambda text: text.replace('"sky"', '"sky", "tree"'),
            "expected 3 colors, one per class, got 2",
        ),
        (
            lambda text: text.replace('"void_color"', '"color"'),
            "no option color .did you",
        ),
        (lambda text: text.replace("0", "256"), "Received: colors=256"),
        (
            lambda text: text.replace('"sky"', "7"),
            "`names` must be texts .*Received: names=7",
        ),
        (lambda text: text.replace("sky", "y" * 200_000), "1 to 100 characters"),
        (lambda text: text.replace("0", '"0"'), "three integers"),
        (lambda text: text.replace("0", "0.0"), "three integers"),
        (lambda text: text.replace("0", "[0]"), "three integers"),
        (lambda text: '{"names": "sky", ' + text.split(",", 1)[1], "is not JSON|must"),
        (lambda text: text.replace("sky", "\udcff"), "is not JSON"),
    ],
)
def test_damaged_json_is_refused_by_name(class_map, tmp_path, damage, message):
    path = tmp_path / "classes.json"
    class_map.save(path)
    text = path.read_text()
    assert damage(text) != text
    path.write_bytes(damage(text).encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=message) as caught:
        ClassMap.load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 200


@pytest.mark.parametrize("color", [(1, 2), (1, 2, 256), (-1, 2, 3)])
def test_colors_are_three_bytes(color):
    with pytest.raises(ValueError, match="three integers from 0 to 255"):
        ClassMap(("a", "b"), (RED, color), void_id=2)
    with pytest.raises(ValueError, match="three integers from 0 to 255"):
        ClassMap(("a", "b"), (RED, GREEN), void_id=2, void_color=color)


@pytest.mark.parametrize("count", [0, 256])
def test_fewer_than_1_or_more_than_255_classes_are_refused(count):
    with pytest.raises(ValueError, match=f"got {count}"):
        ClassMap(("a",) * count, (RED,) * count, void_id=255)


def test_there_must_be_one_color_per_class():
    with pytest.raises(ValueError, match="expected 2 colors, one per class, got 1"):
        ClassMap(("a", "b"), (RED,), void_id=2)


@pytest.mark.parametrize("void_id", [-1, 0, 1, 256])
def test_the_void_id_is_above_the_classes_and_at_most_255(void_id):
    with pytest.raises(
        ValueError, match=f"`void_id` must be .*Received: void_id={void_id}"
    ):
        ClassMap(("a", "b"), (RED, GREEN), void_id=void_id)


@pytest.mark.parametrize("count", [0, 1, 32, 255])
def test_distinct_colors_are_distinct(count):
    colors = distinct_colors(count)
    assert len(set(colors)) == len(colors) == count
    assert all(0 <= value <= 255 for color in colors for value in color)


def test_successive_colors_differ_clearly():
    colors = np.array(distinct_colors(32))
    assert np.abs(np.diff(colors, axis=0)).sum(axis=1).min() > 100
