"""`evaluate`: data, scores and output folders."""

import dataclasses
import json
import logging

import pytest

from keras_fcn.commands import evaluate
from keras_fcn.evaluation.data import data_config
from keras_fcn.runs.folder import RunFolder
from keras_fcn.storage.atomic import write_json
from tests.support.commands import outcome, refusal
from tests.support.data import write_folder
from tests.support.runs import change_config


def first_line(capsys, *arguments):
    status, out, _ = outcome(evaluate, capsys, *arguments)
    assert status == 0
    return out.splitlines()[0]


def test_scores_are_printed_and_written(run, tmp_path, capsys):
    scores = tmp_path / "scores.json"
    flags = ("--model", run.path, "--split", "val", "--json", scores)
    status, out, _ = outcome(evaluate, capsys, *flags)
    assert status == 0
    assert "class_2" in out and "mean IoU" in out
    assert out.splitlines()[-1] == f"Scores and overlays: {run.path}/evaluation-val/"
    report = json.loads(scores.read_text())
    assert report["split"] == "val"
    assert report["mean_iou"] == pytest.approx(run.read_metrics()["mean_iou"])
    beside = json.loads((run.path / "evaluation-val/scores.json").read_text())
    assert beside["confusion_matrix"] == report["confusion_matrix"]
    assert (run.path / "evaluation-val/confusion_matrix.png").exists()


def test_the_report_names_test_time_augmentation(run, capsys):
    line = first_line(capsys, "--model", run.path, "--tta")
    assert "test-time augmentation" in line
    scores = json.loads((run.path / "evaluation-test-tta/scores.json").read_text())
    assert scores["prediction"] == "test-time augmentation"


@pytest.mark.slow
def test_the_report_names_shift_and_stitch(run, capsys):
    flags = ("--model", run.path, "--dense", "shift-and-stitch", "--stride-factor", "2")
    assert "shift-and-stitch, 2x2 shifts" in first_line(capsys, *flags)
    scores = run.path / "evaluation-test-shift-and-stitch-2" / "scores.json"
    report = json.loads(scores.read_text())
    assert report["prediction"] == "shift-and-stitch, 2x2 shifts"


def test_val_is_the_validation_split_of_the_training(run, capsys):
    change_config(run, val_pattern="train_0*")  # one of 4 + 2
    flags = ("--model", run.path, "--split")
    assert " val: 1 images" in first_line(capsys, *flags, "val")
    assert " train: 5 images" in first_line(capsys, *flags, "train")
    assert " test: 2 images" in first_line(capsys, *flags, "test")


def test_other_data_of_the_same_classes_can_be_evaluated(run, tmp_path, capsys):
    other = write_folder(tmp_path / "other", {"test": 3})
    flags = ("--model", run.path, "--data-dir", other, "--output-dir", tmp_path / "out")
    assert " test: 3 images" in first_line(capsys, *flags)
    assert (tmp_path / "out/scores.json").exists()
    assert not list(run.path.glob("evaluation*"))


def test_the_data_set_of_a_folder_is_recognized(run, folder, tmp_path, capsys):
    change_config(run, dataset="camvid", val_pattern="0016E5*")
    flags = ("--model", run.path, "--data-dir", folder)
    assert " val: 2 images" in first_line(capsys, *flags, "--split", "val")
    assert (run.path / "evaluation-folder-val/scores.json").exists()
    line = refusal(evaluate, capsys, "--model", run.path, "--data-dir", tmp_path / "no")
    assert "--data-dir must be a folder" in line and "does not exist" in line


@pytest.mark.parametrize(
    ("trained", "labels", "expected"),
    [
        ("camvid", "trainannot", "camvid"),
        ("camvid", "train_labels", "camvid32"),
        ("camvid32", "train_labels", "camvid32"),
        ("camvid32-with-void", "train_labels", "camvid32-with-void"),
        ("camvid32-merged", "train_labels", "camvid32-merged"),
        ("camvid32-merged", "test_labels", "camvid32-merged"),
        ("camvid32-merged", "trainannot", "camvid"),
        ("camvid32-merged", "labels", "folder"),
        ("streets", "trainannot", "camvid"),
        ("folder", "trainannot", "folder"),
    ],
)
def test_a_folder_in_the_layout_of_the_training_keeps_its_data_set(
    run, tmp_path, trained, labels, expected
):
    change_config(run, dataset=trained)
    for name in ("train", labels):
        (tmp_path / "data" / name).mkdir(parents=True)
    (tmp_path / "data/train/0001TP_0.png").touch()
    changes = {"data_dir": str(tmp_path / "data")}
    assert data_config(run, changes).dataset == expected
    assert data_config(run, {**changes, "dataset": "folder"}).dataset == "folder"
    assert data_config(run, {}) == run.read_config()


def test_val_is_used_if_there_is_no_test_split(run, tmp_path, capsys, caplog):
    other = write_folder(tmp_path / "other", {"train": 1, "val": 3})
    flags = ("--model", run.path, "--data-dir", other, "--output-dir", tmp_path / "out")
    with caplog.at_level(logging.WARNING, "keras_fcn"):
        assert " val: 3 images" in first_line(capsys, *flags)
    assert "There is no test split: using val" in caplog.text


def test_a_missing_split_is_one_line(tmp_path, run, capsys):
    other = write_folder(tmp_path / "other", {"train": 1})
    flags = ("--model", run.path, "--data-dir", other, "--split", "test")
    line = refusal(evaluate, capsys, *flags)
    assert "has no test images" in line


def test_an_unknown_network_is_one_line(tmp_path, capsys):
    line = refusal(evaluate, capsys, "--model", tmp_path / "nothing")
    assert "is not a run" in line and "fcn8s-camvid" in line


@pytest.mark.vgg16
def test_the_bundled_network_is_evaluated_on_its_own_classes_only(tmp_path, capsys):
    folder = write_folder(tmp_path / "mine")  # ids 0 to 2, and 255 for void
    arguments = ("--dataset", "folder", "--data-dir", folder)
    output = ("--output-dir", tmp_path / "scores")
    status, out, _ = outcome(evaluate, capsys, *arguments, *output)
    assert status == 0
    assert "11 classes; pixels labelled 255 are ignored" in out
    classes = "name,r,g,b\na,0,0,0\nb,1,1,1\nc,2,2,2\nvoid,255,255,255\n"
    (folder / "class_dict.csv").write_text(classes)
    line = refusal(evaluate, capsys, *arguments, *output)
    assert "was trained for the classes sky, building" in line


def test_scores_of_a_packed_network_are_written_elsewhere(
    packed, folder, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    before = sorted(packed.path.iterdir())
    flags = ("--dataset", "folder", "--data-dir", folder)
    assert outcome(evaluate, capsys, "--model", packed.path, *flags)[0] == 0
    assert (tmp_path / "evaluations/packed-folder-test/scores.json").exists()
    assert sorted(packed.path.iterdir()) == before


def test_a_folder_for_json_must_exist(run, tmp_path, capsys):
    file = tmp_path / "no/x.json"
    line = refusal(evaluate, capsys, "--model", run.path, "--json", file)
    assert "--json must be a file in an existing folder" in line


def test_an_output_folder_that_is_a_file_is_one_line(run, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    flags = ("--model", run.path, "--output-dir", tmp_path / "file")
    assert "--output-dir must be a folder" in refusal(evaluate, capsys, *flags)
    assert (tmp_path / "file").read_text() == "mine"


def test_an_invalid_configuration_is_one_line(run, capsys):
    config = dataclasses.asdict(run.read_config())
    write_json(run.config_file, {"config": {**config, "epoch": 3}})
    line = refusal(evaluate, capsys, "--model", run.path)
    assert "config.json is not a training configuration" in line
    assert RunFolder.open(run.path).best_model.exists()


def test_a_different_image_scale_is_warned_of(run, capsys, caplog):
    config = json.loads(run.config_file.read_text())
    write_json(run.config_file, {**config, "training_size": 320})
    caplog.set_level(logging.WARNING)
    assert "shorter side" not in first_line(capsys, "--model", run.path)
    assert "that of the training images 320: use `size` auto" in caplog.text
    caplog.clear()
    line = first_line(capsys, "--model", run.path, "--size", "auto")
    assert "shorter side 320" in line
    assert not caplog.text


def test_scores_do_not_replace_inputs(run, folder, capsys):
    for path in (run.config_file, run.best_model, folder / "images/test/test_0.png"):
        before = path.read_bytes()
        message = refusal(evaluate, capsys, "--model", run.path, "--json", path)
        assert str(path) in message and "would" in message and "replace" in message
        assert path.read_bytes() == before


def test_scores_replace_only_scores(run, tmp_path, capsys):
    path, folder = tmp_path / "scores.json", tmp_path / "out"
    flags = ("--model", run.path, "--output-dir", folder, "--json", path)
    for _ in range(2):
        assert outcome(evaluate, capsys, *flags)[0] == 0
    path.write_text('{"scores": "of another program"}')
    assert f"{path} was not written by this command" in refusal(
        evaluate, capsys, *flags
    )
    (folder / "scores.json").write_bytes(path.read_bytes())
    line = refusal(evaluate, capsys, *flags[:-2])
    assert f"{folder} contains other files than an evaluation" in line
