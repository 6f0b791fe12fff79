import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from street_rendering import __main__, folder, render_street

ROOT = Path(__file__).parents[2]


def run(working_dir, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "street_rendering", *arguments],
        cwd=working_dir,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


def files_below(path):
    return sorted(str(file.relative_to(path)) for file in path.rglob("*.*"))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder of scenes 7 and 8 of seed 5, and the finished process."""
    working_dir = tmp_path_factory.mktemp("elsewhere")
    done = run(
        working_dir, "--num-images", "2", "--output-dir", "made/streets",
        "--image-size", "60x80", "--seed", "5", "--first-index", "7",
    )  # fmt: skip
    return working_dir / "made" / "streets", done


def test_each_scene_has_an_image_and_a_label_map_with_its_number(written):
    path, done = written
    assert done.returncode == 0
    assert files_below(path) == [
        "class_dict.csv",
        "images/00007.png",
        "images/00008.png",
        "labels/00007.png",
        "labels/00008.png",
    ]


def test_the_files_contain_the_arrays_of_render_street(written):
    path, _ = written
    for number in (7, 8):
        image, label_map = render_street(5, number, 60, 80)
        with Image.open(path / "images" / f"0000{number}.png") as stored:
            assert stored.mode == "RGB"
            np.testing.assert_array_equal(np.asarray(stored), image)
        with Image.open(path / "labels" / f"0000{number}.png") as stored:
            assert stored.mode == "P"
            np.testing.assert_array_equal(np.asarray(stored), label_map)


def test_class_dict_lists_the_classes_in_the_order_of_ids(written):
    lines = (written[0] / "class_dict.csv").read_text().splitlines()
    assert lines[:3] == ["name,r,g,b", "sky,128,128,128", "building,128,0,0"]
    assert len(lines) == 13
    assert lines[9] == "car,64,0,128"
    assert lines[12] == "void,0,0,0"


def test_the_palette_of_a_label_map_is_that_of_class_dict(written):
    path, _ = written
    with (path / "class_dict.csv").open() as file:
        rows = list(csv.DictReader(file))
    colors = np.array([[int(row[channel]) for channel in "rgb"] for row in rows])
    with Image.open(path / "labels" / "00007.png") as stored:
        ids, shown = np.asarray(stored), np.asarray(stored.convert("RGB"))
    np.testing.assert_array_equal(shown, colors[ids])


def test_the_last_line_summarizes_the_written_files(written):
    assert written[1].stdout.splitlines()[-1] == (
        "made/streets: 2 images and label maps of 60x80, scenes 7 to 8 of seed 5, "
        "and class_dict.csv"
    )


def test_an_empty_folder_is_accepted(tmp_path):
    done = run(
        tmp_path, "--num-images", "1", "--image-size", "9x9", "--output-dir", "."
    )
    assert done.returncode == 0
    assert len(files_below(tmp_path)) == 3


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "--output-dir"),
        (("--output-dir", "new", "--num-images", "0"), "at least 1, got 0"),
        (("--output-dir", "new", "--num-images", "few"), "got few"),
        (("--output-dir", "new", "--seed", "-1"), "at least 0, got -1"),
        (("--output-dir", "new", "--first-index", "-1"), "at least 0, got -1"),
        (("--output-dir", "new", "--image-size", "0x5"), "got 0x5"),
        (("--output-dir", "new", "--image-size", "5"), "HEIGHTxWIDTH"),
        (("--output-dir", "new", "--image-size", "5x5x5"), "HEIGHTxWIDTH"),
        (("--output-dir", "new", "--image-size", "5x8193"), "1 to 8192 pixels"),
        (("--output-dir", "new", "--line\nbreak"), "--line break"),
        (("--output-dir", "notes.txt"), "must be new or empty. Received: notes.txt"),
        (("--output-dir", "notes.txt/new"), "Not a directory"),
        (("--output-dir", "."), "must be new or empty. Received: ."),
    ],
)
def test_bad_input_is_one_line_and_status_2_and_writes_nothing(
    arguments, complaint, tmp_path
):
    (tmp_path / "notes.txt").write_text("mine")
    done = run(tmp_path, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("python -m street_rendering: error: ")
    assert complaint in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_help_shows_defaults_units_and_an_example(tmp_path):
    text = " ".join(run(tmp_path, "--help").stdout.split())
    assert "pixels (default: 360x480)" in text
    assert "(default: 10)" in text
    assert "example: python -m street_rendering --num-images 10" in text


def test_a_failed_write_leaves_no_partial_file(tmp_path, monkeypatch):
    def fail(image, path, **options):
        path.write_bytes(b"half an image")
        raise OSError("No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="No space left"):
        folder.write_scenes(tmp_path, 1, (9, 9))
    assert files_below(tmp_path) == ["class_dict.csv"]


def test_file_names_sort_in_the_order_of_the_scenes(tmp_path):
    folder.write_scenes(tmp_path, 2, (9, 9), first_index=99_999)
    assert files_below(tmp_path / "images") == ["099999.png", "100000.png"]


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (KeyboardInterrupt, 130, "interrupted"),
        (MemoryError, 1, "out of memory: lower --image-size"),
    ],
)
def test_an_interruption_and_lack_of_memory_are_one_line_each(
    error, status, line, tmp_path, monkeypatch, capsys
):
    def stop(*arguments):
        raise error

    monkeypatch.setattr(folder, "render_street", stop)
    assert __main__.main(["--output-dir", str(tmp_path)]) == status
    assert capsys.readouterr() == (
        "",
        f"python -m street_rendering: error: {line}\n",
    )
