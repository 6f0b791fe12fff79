"""`inspect`: the check of a folder before training."""

import json

import numpy as np
import pytest
from PIL import Image

from keras_fcn.commands import inspect
from keras_fcn.datasets import camvid
from keras_fcn.images.encoding import marked, write_content
from tests.support.commands import call_and_watch, outcome, refusal
from tests.support.folders import write_image, write_labels, write_pairs


@pytest.fixture
def flags(tmp_path):
    write_pairs(tmp_path / "train/images", tmp_path / "train/masks", "abcd", (0, 1, 2))
    write_pairs(tmp_path / "val/images", tmp_path / "val/masks", "ef", (0, 1, 255))
    return ("--data-dir", tmp_path, "--samples", tmp_path / "page.png")


def test_the_content_of_a_folder_is_printed(flags, tmp_path, capsys):
    file = tmp_path / "all.json"
    status, out, err = outcome(inspect, capsys, *flags, "--json", file)
    assert status == 0, err
    assert "train 4, val 2 images (40x32)" in out
    assert "labels are read as ids, 255 is void" in out
    assert "This folder can be trained on." in out
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line.split()}
    assert rows["class_2"][2:6] == ["32.500%", "4", "0.000%", "0"]
    assert rows["void"][-1] == "32.500%"
    described = json.loads(file.read_text())
    assert described["can_be_trained"]
    assert described["splits"]["train"]["image_sizes"] == {"40x32": 4}
    assert described["classes"][2]["splits"]["train"] == {"pixels": 1664, "images": 4}
    images = [
        np.asarray(Image.open(tmp_path / f"train/images/{n}.png")) for n in "abcd"
    ]
    mean = np.stack(images).reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(described["mean_color"], mean, atol=0.06)


def test_the_weights_are_those_of_the_training(flags, tmp_path, capsys):
    file = tmp_path / "all.json"
    outcome(
        inspect, capsys, *flags, "--json", file, "--class-weights", "median-frequency"
    )
    weights = [one["weight"] for one in json.loads(file.read_text())["classes"]]
    # 416 or 448 of 1280 pixels an image: the median is 416's
    np.testing.assert_allclose(weights, [416 / 448, 1, 1], atol=1e-3)


def test_the_page_has_image_labels_and_overlay(flags, tmp_path, capsys):
    outcome(inspect, capsys, *flags, "--num-samples", 2)
    page = np.asarray(Image.open(tmp_path / "page.png"))
    assert page.shape[1] == 320  # three images of 40 columns, widened for the text
    assert page.shape[0] == 2 * (22 + 32 + 24)


def test_all_problems_are_listed_with_their_counts(flags, tmp_path, capsys):
    write_image(tmp_path / "train/images/x.png")
    write_image(tmp_path / "train/images/y.png")
    write_labels(tmp_path / "train/masks/y.png", size=(30, 40))
    (tmp_path / "train/images/a.png").write_bytes(b"")
    copy = (tmp_path / "train/images/b.png").read_bytes()
    (tmp_path / "val/images/e.png").write_bytes(copy)
    (tmp_path / "train/images/._a.png").write_bytes(b"\0")
    file = tmp_path / "all.json"
    status, out, _ = outcome(inspect, capsys, *flags, "--json", file)
    assert status == 2
    for line in (
        "1 of 6 images of train have no label",
        "1 of 7 images or their labels can't be read",
        "1 of 7 label maps have another size than their image",
        "1 images are in train and val: train/images/b.png = val/images/e.png",
        "1 hidden files are ignored: train/images/._a.png",
    ):
        assert line in out
    assert "can be trained on" not in out
    kinds = {
        one["kind"]: one["count"] for one in json.loads(file.read_text())["problems"]
    }
    assert kinds["size"] == kinds["duplicates"] == kinds["unreadable"] == 1


def test_control_characters_are_escaped_and_arguments_are_named_as_flags(
    flags, tmp_path, capsys
):
    table = "id,name\n0,red\x1b[31m\n1,b\n2,c\n"
    (tmp_path / "class_dict.csv").write_text(table)
    write_image(tmp_path / "train/images/x.png")
    status, out, _ = outcome(inspect, capsys, *flags)
    assert status == 2
    assert "red\\x1b[31m" in out and "\x1b" not in out
    assert "--accept unlabelled leaves these images out" in out


def test_nothing_is_written_without_a_flag(flags, tmp_path, capsys, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    before = sorted(tmp_path.rglob("*"))
    assert outcome(inspect, capsys, tmp_path)[0] == 0  # without --data-dir
    assert sorted(tmp_path.rglob("*")) == before
    line = refusal(inspect, capsys, *flags[:2], "--num-samples", 3)
    assert "--num-samples requires --samples" in line
    line = refusal(inspect, capsys, tmp_path / "other", *flags)
    assert f"{tmp_path / 'other'} and --data-dir {tmp_path}" in line


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_split_that_training_needs_is_an_error(tmp_path, capsys, split):
    write_pairs(tmp_path / "test/images", tmp_path / "test/masks", "ab", (0, 1))
    if split == "val":  # one image can't be divided
        write_pairs(tmp_path / "train/images", tmp_path / "train/masks", "c", (0, 1))
    status, out, err = outcome(inspect, capsys, tmp_path)
    assert status == 2, out + err
    assert "can be trained on" not in out


def test_colors_without_names_are_answered_with_a_table(tmp_path, capsys):
    for name in "abcdefgh":
        write_image(tmp_path / f"images/{name}.png")
        label_map = np.zeros((32, 40, 3), "uint8")
        label_map[:8] = (255, 0, 10)
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(label_map).save(tmp_path / f"masks/{name}.png")
    status, out, _ = outcome(inspect, capsys, tmp_path)
    assert status == 2
    table = out.partition("class_dict.csv, and replace the names:\n\n")[2]
    (tmp_path / "class_dict.csv").write_text(table.partition("\n\n")[0])
    status, out, _ = outcome(inspect, capsys, tmp_path)
    assert status == 0 and "class_1" in out


def test_camvid_is_checked_as_in_a_training(tiny_camvid, tmp_path, capsys):
    for path in sorted(tiny_camvid.rglob("*.png")):
        path.rename(path.with_name(f"0001TP_{path.name}"))
        if not path.parent.name.endswith("annot"):  # other images in each split
            write_image(path.with_name(f"0001TP_{path.name}"), (48, 64))
    file = tmp_path / "report.json"
    status, out, err = outcome(inspect, capsys, tiny_camvid, "--json", file)
    assert status == 0, out + err
    described = json.loads(file.read_text())
    assert [c["name"] for c in described["classes"]] == [*camvid.CLASS_MAP.names]
    assert described["splits"]["train"]["void_pixels"] == 4 * 3 * 64
    next((tiny_camvid / "valannot").iterdir()).unlink()
    line = refusal(inspect, capsys, tiny_camvid)
    assert "1 of 2 label maps of val" in line


def test_a_folder_is_required(capsys, tmp_path):
    assert "expected a folder: " in refusal(inspect, capsys)
    line = refusal(inspect, capsys, "--data-dir", tmp_path / "nothing")
    assert "nothing, which does not exist" in line


def test_an_unknown_error_to_accept_is_refused_in_one_line(flags, capsys):
    line = refusal(inspect, capsys, *flags, "--accept", "anything")
    assert (
        "expected one or more of duplicates, one-class, unlabelled, got anything"
        in line
    )


def test_a_page_in_a_missing_folder_is_refused(flags, tmp_path, capsys):
    line = refusal(inspect, capsys, *flags[:2], "--samples", tmp_path / "no/page.png")
    assert "--samples must be a file in an existing folder" in line


def test_tensorflow_is_not_imported(flags):
    process, imported = call_and_watch("-m", "keras_fcn", "inspect", *flags)
    assert process.returncode == 0, process.stderr
    assert process.stderr.startswith("Reading ")
    assert not {"tensorflow", "keras"} & imported


def test_reports_replace_earlier_reports_but_no_data(flags, tmp_path, capsys):
    data, report = tmp_path / "train/images/a.png", tmp_path / "report.json"
    (tmp_path / "annotations.json").write_text('{"images": []}')
    for flag, path in (("--samples", data), ("--json", tmp_path / "annotations.json")):
        before = path.read_bytes()
        message = refusal(inspect, capsys, *flags, flag, path)
        assert f"would replace the input {path}" in message
        assert path.read_bytes() == before
    (tmp_path / "annotations.json").unlink()
    for _ in range(2):
        assert outcome(inspect, capsys, *flags, "--json", report)[0] == 0
    # A label map that `predict` has written is an input too.
    label_map = tmp_path / "train/masks/a.png"
    write_content(label_map, marked(label_map.read_bytes()))
    message = refusal(inspect, capsys, *flags, "--samples", label_map)
    assert f"would replace the input {label_map}" in message


def test_more_samples_than_images_are_all_images(flags, tmp_path, capsys):
    assert outcome(inspect, capsys, *flags, "--num-samples", 10**15)[0] == 0
    with Image.open(tmp_path / "page.png") as page:
        assert page.height < 2000
