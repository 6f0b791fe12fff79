import numpy as np
import pytest

from keras_fcn.classes import ClassMap, distinct_colors, read_class_dict
from tests.support.data import SHARED_DATA

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


def test_palette_has_the_class_colours_and_void_elsewhere(class_map):
    palette = class_map.palette()
    assert palette.shape == (256, 3)
    assert palette.dtype == np.uint8
    np.testing.assert_array_equal(palette[:2], [RED, GREEN])
    np.testing.assert_array_equal(palette[2:], np.tile(GREY, (254, 1)))


def test_palette_of_255_classes_has_one_colour_for_void():
    colors = distinct_colors(255)
    class_map = ClassMap(tuple(map(str, range(255))), colors, 255, GREY)
    np.testing.assert_array_equal(class_map.palette(), [*colors, GREY])


def test_json_gives_the_classes_back(class_map, tmp_path):
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
        (lambda text: "", "JSONDecodeError"),
        (lambda text: text[:-9], "JSONDecodeError"),
        (lambda text: "{}", "KeyError: 'names'"),
        (lambda text: "[]", "TypeError"),
        (lambda text: "null", "TypeError"),
        (lambda text: text.replace('"void_id": 255', '"void_id": "x"'), "TypeError"),
        (lambda text: text.replace('"void_id": 255', '"void_id": 1'), "void_id=1"),
        (lambda text: text.replace('"sky"', '"sky", "tree"'), "3 names and 2 colours"),
        (lambda text: text.replace('"void_color"', '"color"'), "KeyError"),
        (lambda text: text.replace("0", "256"), r"Received: \(255, 256, 256\)"),
    ],
)
def test_damaged_json_is_refused_by_name(class_map, tmp_path, damage, message):
    path = tmp_path / "classes.json"
    class_map.save(path)
    text = path.read_text()
    path.write_text(damage(text))
    assert path.read_text() != text
    with pytest.raises(ValueError, match=message) as caught:
        ClassMap.load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("color", [(1, 2), (1, 2, 256), (-1, 2, 3)])
def test_colours_are_three_bytes(color):
    with pytest.raises(ValueError, match="three whole numbers from 0 to 255"):
        ClassMap(("a", "b"), (RED, color), void_id=2)
    with pytest.raises(ValueError, match="three whole numbers from 0 to 255"):
        ClassMap(("a", "b"), (RED, GREEN), void_id=2, void_color=color)


@pytest.mark.parametrize("count", [0, 256])
def test_fewer_than_1_or_more_than_255_classes_are_refused(count):
    with pytest.raises(ValueError, match=f"Received: {count}"):
        ClassMap(("a",) * count, (RED,) * count, void_id=255)


def test_as_many_colours_as_names_are_needed():
    with pytest.raises(ValueError, match="Received: 2 names and 1 colours"):
        ClassMap(("a", "b"), (RED,), void_id=2)


@pytest.mark.parametrize("void_id", [-1, 0, 1, 256])
def test_void_may_be_no_class_and_must_fit_into_a_byte(void_id):
    with pytest.raises(ValueError, match=f"Received: void_id={void_id}"):
        ClassMap(("a", "b"), (RED, GREEN), void_id=void_id)


def test_class_dict_is_read_in_its_order(tmp_path):
    path = write_csv(tmp_path, "name,r,g,b\nsky,255,0,0\nVoid,7,8,9\n")
    assert read_class_dict(path) == [("sky", RED), ("Void", GREY)]


@pytest.mark.parametrize(
    "text",
    [
        "name, r, g, b\nsky, 255, 0, 0\nVoid , 7, 8, 9",
        " name ,r ,g ,b \nsky,255,0,0\n\nVoid,7,8,9\n",
        '"name","r","g","b"\r\n"sky","255","0","0"\r\n"Void","7","8","9"\r\n',
        "name,r,g,b,comment\nsky,255,0,0,above\nVoid,7,8,9,\n",
        "\ufeffname,r,g,b\nsky,255,0,0\nVoid,7,8,9\n",
    ],
    ids=["spaces", "blank line", "quotes and CRLF", "more columns", "byte order mark"],
)
def test_class_dict_may_be_written_in_many_ways(tmp_path, text):
    path = write_csv(tmp_path, text)
    assert read_class_dict(path) == [("sky", RED), ("Void", GREY)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Received: an empty file"),
        ("sky,255,0,0\n", "Received: sky,255,0,0"),
        ("name,red,green,blue\nsky,255,0,0\n", "header name,r,g,b"),
        ("name,r,g,b\n", "lists no class"),
        ("name,r,g,b\nsky,256,0,0\n", "line 2: .* Received: 256,0,0"),
        ("name,r,g,b\na,1,2,3\nsky,-1,0,0\n", "line 3: .* Received: -1,0,0"),
        ("name,r,g,b\nsky,1.5,0,0\n", "line 2: .* Received: 1.5,0,0"),
        ("name,r,g,b\nsky,1,2\n", "line 2: .* Received: 1,2,None"),
        ("name,r,g,b\nsky,1,2,3\nsky,4,5,6\n", "has the name sky twice"),
        ("name,r,g,b\nsky,1,2,3\nroad,1,2,3\n", r"has the colour \(1, 2, 3\) twice"),
    ],
)
def test_class_dict_that_is_wrong_says_where(tmp_path, text, message):
    path = write_csv(tmp_path, text)
    with pytest.raises(ValueError, match=message) as caught:
        read_class_dict(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_class_dict_without_a_name_is_refused(tmp_path):
    path = write_csv(tmp_path, "name,r,g,b\n ,1,2,3\n")
    with pytest.raises(ValueError, match="line 2"):
        read_class_dict(path)


def test_class_dict_that_is_no_utf8_is_refused_by_name(tmp_path):
    path = write_csv(tmp_path, "name,r,g,b\nGehölz,1,2,3\n", encoding="latin-1")
    with pytest.raises(ValueError, match="class_dict.csv"):
        read_class_dict(path)


def test_class_dict_of_camvid_is_read():
    path = SHARED_DATA / "camvid32_sample" / "class_dict.csv"
    if not path.is_file():
        pytest.skip(f"CamVid's class_dict.csv is not at {path}")
    entries = read_class_dict(path)
    assert len(entries) == 32
    assert entries[0] == ("Animal", (64, 128, 64))
    assert dict(entries)["Void"] == (0, 0, 0)


@pytest.mark.parametrize("count", [0, 1, 32, 255])
def test_distinct_colours_are_distinct(count):
    colors = distinct_colors(count)
    assert len(set(colors)) == len(colors) == count
    assert all(0 <= value <= 255 for color in colors for value in color)


def test_neighbouring_colours_are_far_apart():
    colors = np.array(distinct_colors(32))
    assert np.abs(np.diff(colors, axis=0)).sum(axis=1).min() > 100
