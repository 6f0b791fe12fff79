"""Tables of classes in their usual forms."""

import pytest

from keras_fcn.datasets.folder.labels.class_table import ClassEntry, read_class_table
from keras_fcn.datasets.folder.labels.table_files import find_class_table, read_table
from tests.support.data import SHARED_DATA

SKY = ClassEntry("sky", (255, 0, 0), None, False)
VOID = ClassEntry("Void", (7, 8, 9), None, True)


def write(folder, content, name="class_dict.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        "name,r,g,b\nsky,255,0,0\nVoid,7,8,9\n",
        "name, r, g, b\nsky, 255, 0, 0\nVoid , 7, 8, 9",
        " name ,r ,g ,b \nsky,255,0,0\n\nVoid,7,8,9\n",
        '"name","r","g","b"\r\n"sky","255","0","0"\r\n"Void","7","8","9"\r\n',
        "name,r,g,b,comment\nsky,255,0,0,above\nVoid,7,8,9,\n",
        "\ufeffname,r,g,b\nsky,255,0,0\nVoid,7,8,9\n",
        "B;G;R;class_name\n0;0;255;sky\n9;8;7;Void\n",
        "Class Name\tRed\tGreen\tBlue\nsky\t255\t0\t0\nVoid\t7\t8\t9\n",
        "sky,255,0,0\nVoid,7,8,9\n",
        "255;0;0;sky\n7;8;9;Void\n",
        "name,r,g,b\nsky,255,0,0\nVoid,7,8,9\n".encode("utf-16"),
    ],
)
def test_a_table_of_colors_may_have_many_forms(tmp_path, text):
    assert read_class_table(write(tmp_path, text)) == [SKY, VOID]


@pytest.mark.parametrize(
    "text",
    [
        "id,name\n7,road\n9,sky\n",
        "road,7\nsky,9\n",
        "Pixel Value, Class\n7, road\n9, sky",
    ],
)
def test_a_table_may_have_ids(tmp_path, text):
    entries = read_class_table(write(tmp_path, text))
    assert [(entry.value, entry.name) for entry in entries] == [(7, "road"), (9, "sky")]


def test_a_column_marks_void_classes(tmp_path):
    path = write(tmp_path, "name,r,g,b,void\nroad,1,2,3,\nedge,4,5,6,1\nsky,7,7,7,no\n")
    assert [entry.is_void for entry in read_class_table(path)] == [False, True, False]


def test_a_table_may_have_names_only(tmp_path):
    path = write(tmp_path, "background\ntraffic light\n", "classes.txt")
    assert [entry.name for entry in read_class_table(path)] == [
        "background",
        "traffic light",
    ]


@pytest.mark.parametrize("space", [" ", "   ", "\t", "\t\t"])
def test_colors_and_names_may_be_separated_by_spaces(tmp_path, space):
    """The original `label_colors.txt` of CamVid has tabs before the names."""
    text = f"255 0 0{space}sky\n7 8 9{space}Void\n1 2 3{space}traffic light\n"
    path = write(tmp_path, text, "label_colors.txt")
    *entries, light = read_class_table(path)
    assert entries == [SKY, VOID] and light.name == "traffic light"


def test_latin_1_is_read(tmp_path):
    path = write(tmp_path, "name,r,g,b\nGehölz,1,2,3\n".encode("latin-1"))
    assert read_class_table(path)[0].name == "Gehölz"


def test_lines_end_in_line_feeds_and_carriage_returns_only(tmp_path):
    names = ["a\u2028b", "c\x0bd", "e\x0cf", "g\x85h"]
    for end in ("\n", "\r\n", "\r"):
        path = write(tmp_path, end.join(names), "labels.txt")
        assert [entry.name for entry in read_class_table(path)] == names
    path = write(tmp_path, "a\u2028b:1,2,3::\r\nc:4,5,6::\r\n", "labelmap.txt")
    assert [entry.name for entry in read_table(path)] == ["a\u2028b", "c"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lists no class: it is empty"),
        ("name,red,green\nsky,255,0,0\n", "needs a column b: "),
        ("road,1,2,3,7\n", "header name,r,g,b or id,name. Received: road,1,2,3,7"),
        ("a,b,1,c\n", "header name,r,g,b or id,name. Received: a,b,1,c"),
        ("name,r,g,b\n", "lists no class"),
        ("name,r,g,b\nsky,256,0,0\n", "line 2: .* Received: 256,0,0"),
        ("name,r,g,b\n\na,1,2,3\nsky,-1,0,0\n", "line 4: .* Received: -1,0,0"),
        ("name,r,g,b\nsky,1.5,0,0\n", "line 2: .* Received: 1.5,0,0"),
        ("name,r,g,b\nsky,1,2\n", "line 2: .* Received: 1,2,$"),
        ("name,r,g,b\n ,1,2,3\n", "line 2: the class has no name"),
        ("id,name\n-1,sky\n", "line 2: an id must be .* Received: -1"),
        ("name,void\nsky,perhaps\n", "line 2: void must be 1 or 0. Received: perhaps"),
        ("name,r,g,b\nsky,1,2,3\nsky,4,5,6\n", "has the name sky twice"),
        ("name,r,g,b\nsky,1,2,3\nroad,1,2,3\n", "the color 1,2,3 twice: sky and road"),
        ("id,name\n1,sky\n1,road\n", "has the id 1 twice: sky and road"),
    ],
)
def test_the_line_of_an_error_is_named(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=message) as caught:
        read_class_table(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_is_found_by_its_usual_names(tmp_path):
    assert find_class_table([tmp_path]) is None
    other = write(tmp_path, "a\nb\n", "classes.txt")
    assert find_class_table([tmp_path])[0] == other
    first = write(tmp_path, "id,name\n0,a\n", "Class_Dict.csv")
    assert find_class_table([tmp_path])[0] == first


def test_class_dict_of_camvid_is_read():
    path = SHARED_DATA / "camvid32_sample" / "class_dict.csv"
    if not path.is_file():
        pytest.skip(f"CamVid's class_dict.csv is not at {path}")
    entries = read_class_table(path)
    assert len(entries) == 32
    assert entries[0] == ClassEntry("Animal", (64, 128, 64), None, False)
    assert [entry.color for entry in entries if entry.is_void] == [(0, 0, 0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"name,r,g,b\n{'x' * 200_000},1,2,3\n", "line 2: field larger than"),
        (
            f"name,r,g,b\n{'x' * 101},1,2,3\n",
            "line 2: the name of a class may have at most 100 characters. "
            r"Received: x{57}\.\.\.$",
        ),
        (f"name,r,g,b\nsky,{'1' * 50_000},2,3\n", "line 2: r, g and b must be"),
        (f"name,id\nsky,{'1' * 50_000}\n", "line 2: an id must be"),
        (f"name,{'y' * 50_000}r,g\nsky,1,2\n", "needs a column b, r"),
        (
            "name,r,g,b\n"
            + "".join(f"c{i},{i % 256},{i // 256},0\n" for i in range(300)),
            "at most 255 classes and void. Received: 300",
        ),
    ],
)
def test_a_table_that_is_far_too_large_is_refused_in_one_line(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=message) as caught:
        read_class_table(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 200


_LEVELS = "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 10)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        # As text, 10**9 names.
        ("data.yaml", f"a: &a [x]\n{_LEVELS}names: [*i]\n", "must be text, not list"),
        ("data.yaml", "names: {0: road, 1: ~}", "must be text, not NoneType"),
        ("id2label.json", '{"0": {"name": "road"}}', "must be text, not dict"),
        (
            "meta.json",
            '{"classes": [{"title": "road", "color": 7}]}',
            "color of road must be three numbers or #RRGGBB. Received: 7",
        ),
        ("meta.json", '{"classes": [{"title": "road", "color": [1, 2]}]}', "three"),
        ("meta.json", '{"classes": [{"title": "road", "color": [1, 2, 999]}]}', "255"),
    ],
)
def test_tables_of_tools_are_untrusted(tmp_path, name, text, message):
    path = write(tmp_path, text, name)
    with pytest.raises(ValueError, match=f"{name}: .*{message}"):
        read_table(path)


@pytest.mark.parametrize("text", ["[" * 600, "names: [road\n"])
def test_damaged_yaml_is_refused_in_one_line(tmp_path, text):
    path = write(tmp_path, text, "data.yaml")
    with pytest.raises(ValueError, match="data.yaml is not YAML: .*$") as caught:
        read_table(path)
    assert "\n" not in str(caught.value)


def test_classes_may_have_numbers_as_names(tmp_path):
    path = write(tmp_path, "name,r,g,b\n1,1,2,3\n2,4,5,6\n")
    assert [entry.name for entry in read_class_table(path)] == ["1", "2"]
