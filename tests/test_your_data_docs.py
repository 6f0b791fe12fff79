"""docs/your-data.md: its layouts can be read, and its rules are those of the code."""

import json
import re

import pytest

from keras_fcn.commands import inspect
from keras_fcn.datasets.folder.labels.encoding import rules_table
from tests.support.commands import outcome
from tests.support.data import PROJECT
from tests.support.folders import write_image, write_labels

PAGE = (PROJECT / "docs/your-data.md").read_text()
_BLOCK = r"((?:^\S.*\n)+)\n((?:^    .+\n)+)"
_SECTION = PAGE.partition("\n## Layouts\n")[2].partition("\n## ")[0]
# The end of each description, and its lines, indented by four spaces.
LAYOUTS = {
    " ".join(words.split())[-60:]: block
    for words, block in re.findall(_BLOCK, _SECTION, re.MULTILINE)
}
SQUARE = [[5, 5], [25, 5], [25, 25], [5, 25]]


def write_json(path, image):
    if path.name == "_annotations.coco.json":
        shape = [sum(SQUARE, [])]
        content = {
            "images": [{"id": 1, "file_name": image, "height": 32, "width": 40}],
            "annotations": [{"image_id": 1, "category_id": 4, "segmentation": shape}],
            "categories": [{"id": 4, "name": "crack"}],
        }
    else:
        shapes = [{"label": "crack", "points": SQUARE, "shape_type": "polygon"}]
        content = {"shapes": shapes, "imageHeight": 32, "imageWidth": 40}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_line(folder, line):
    """Write the files of a line: a list with its name, or an image and its labels."""
    if ": " in line:
        name, _, content = line.partition(": ")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{content}\n")
        return
    first, second = line.split()
    image, label = (second, first) if first.endswith(".json") else (first, second)
    write_image(folder / image)
    if label.endswith(".json"):
        write_json(folder / label, image.rpartition("/")[2])
    else:
        write_labels(folder / label, (7, 26) if "labelIds" in label else (0, 1))


@pytest.mark.parametrize("block", LAYOUTS.values(), ids=LAYOUTS)
def test_a_folder_with_a_layout_of_the_page_can_be_trained_on(tmp_path, capsys, block):
    folder = tmp_path / "my_data"
    for line in block.splitlines():
        write_line(folder, line.strip())
    flags = ("--data-dir", folder, "--samples", tmp_path / "page.png")
    status, out, err = outcome(inspect, capsys, *flags)
    assert status == 0, out + err
    assert "train 1, val 1 images" in out
    assert (tmp_path / "page.png").exists()


def test_the_page_has_all_layouts():
    assert len(LAYOUTS) == 15


def test_the_page_has_the_rules_for_reading_labels():
    table = re.sub(
        r"`(label_values|void)`",
        lambda match: f"`--{match[1].replace('_', '-')}`",
        rules_table(),
    )
    assert f"\n\n{table}\n\n" in PAGE
