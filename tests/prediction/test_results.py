"""Per-image results as a line of text and as a table."""

import csv
from pathlib import Path

import numpy as np
import pytest

from keras_fcn.classes import ClassMap
from keras_fcn.prediction.results import Result, count_ids, result_table

CLASS_MAP = ClassMap(("a", "b", "c"), ((255, 0, 0), (0, 255, 0), (0, 0, 255)), 255)


def test_classes_are_described_largest_first():
    counts = count_ids(np.array([[1, 1, 1, 0]], "uint8"))
    assert Result(Path("x"), counts=counts).describe(CLASS_MAP) == "b 75.0%, a 25.0%"


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1", "@a", "\t=1"])
def test_names_are_not_formulas_in_a_table(tmp_path, name):
    class_map = ClassMap((name, "b=c"), ((255, 0, 0), (0, 255, 0)), 255)
    with result_table(tmp_path / "a.csv", class_map) as table:
        table.add(Result(Path(name), problem=f"{name} is an empty file"))
    with (tmp_path / "a.csv").open(newline="") as file:
        header, row = csv.reader(file)
    assert header[-3:] == [f"'{name}", "b=c", "void"]
    assert (row[0], row[6]) == (f"'{name}", f"'{name} is an empty file")


def test_carriage_return_in_a_name_does_not_end_the_row(tmp_path):
    with result_table(tmp_path / "a.csv", CLASS_MAP) as table:
        table.add(Result(Path("a\rb")))
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 2


def test_table_has_the_share_of_void(tmp_path):
    label_map = np.array([[0, 1, 255, 255]], "uint8")
    with result_table(tmp_path / "a.csv", CLASS_MAP) as table:
        table.add(Result(Path("a"), size=(1, 4), counts=count_ids(label_map)))
    with (tmp_path / "a.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert [row[name] for name in ("a", "b", "c", "void")] == [
        "0.250000", "0.250000", "0.000000", "0.500000"
    ]  # fmt: skip


def test_a_table_has_size_and_seconds_of_predicted_images_only(tmp_path):
    counts = count_ids(np.zeros((1, 4), "uint8"))
    with result_table(tmp_path / "a.csv", CLASS_MAP) as table:
        table.add(Result(Path("a"), None, (1, 4), 0.5, counts))
        table.add(Result(Path("b"), seconds=0.5, problem="b is an empty file"))
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = ("status", "height", "width", "seconds")
    assert [[row[name] for name in names] for row in rows] == [
        ["done", "1", "4", "0.5000"],
        ["failed", "", "", ""],
    ]


def test_rows_of_an_earlier_table_are_kept(tmp_path):
    counts = count_ids(np.zeros((2, 2), "uint8"))
    path = tmp_path / "a.csv"
    with result_table(path, CLASS_MAP) as table:
        for name in ("a.png", "b.png", "c.png"):
            table.add(Result(Path(name), None, (2, 2), 1.0, counts))
        for frame in (0, 1):
            table.add(Result(Path("d.gif"), frame, (2, 2), 1.0, counts))
    before = path.read_text().splitlines()
    with result_table(path, CLASS_MAP, keep_rows=True) as table:
        table.add(Result(Path("d.gif")))  # skipped, with all frames
        table.add(Result(Path("b.png")))
        table.add(Result(Path("a.png"), None, (2, 2), 2.0, counts))
    header, *rows = path.read_text().splitlines()
    changed = before[1].replace(",1.0000,", ",2.0000,")
    assert rows == [*before[4:], before[2], changed, before[3]]
    other = ClassMap(("x",), ((1, 2, 3),), 255)
    with pytest.raises(ValueError, match="no table of this network's classes"):
        with result_table(path, other, keep_rows=True):
            pass
    assert path.read_text().splitlines() == [header, *rows]


@pytest.mark.parametrize("end", ["x.png,\n", "x\0.png\n", f"{'x' * 200_000}\n"])
def test_rows_of_a_damaged_table_are_not_kept(tmp_path, end):
    path = tmp_path / "a.csv"
    path.write_text("")  # of `mktemp`
    counts = count_ids(np.zeros((2, 2), "uint8"))
    with result_table(path, CLASS_MAP, keep_rows=True) as table:
        table.add(Result(Path("a.png"), None, (2, 2), 1.0, counts))
    before = path.read_text()
    path.write_text(f"{before}\n\n")  # an editor's
    with result_table(path, CLASS_MAP, keep_rows=True):
        pass
    assert path.read_text() == before
    path.write_text(before + end)
    with pytest.raises(ValueError, match="no table of this network's classes"):
        with result_table(path, CLASS_MAP, keep_rows=True):
            pass
