"""train.py, evaluate.py and predict.py as a user calls them."""

import json
import os
import subprocess
import sys

import pytest
from PIL import Image

import evaluate
import predict
import train
from keras_fcn.runs.folder import RunFolder
from keras_fcn.training.train import train as train_network
from tests.support.commands import outcome, refusal, training_arguments
from tests.support.data import PROJECT, tiny_config, write_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("data") / "mine")


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    """A finished run of one epoch."""
    path = tmp_path_factory.mktemp("runs") / "run"
    return train_network(tiny_config(folder, epochs=1), path)


def test_train_evaluate_predict(folder, tmp_path, capsys):
    run_dir = tmp_path / "run"
    status, out, _ = outcome(train, capsys, *training_arguments(folder, run_dir))
    assert status == 0
    assert "Best epoch 1: validation mean IoU" in out
    assert f"tensorboard --logdir {tmp_path}" in out

    scores = tmp_path / "scores.json"
    status, out, _ = outcome(
        evaluate, capsys, "--model", run_dir, "--split", "test", "--json", scores
    )
    assert status == 0
    assert "class_2" in out and "mean IoU" in out
    assert json.loads(scores.read_text())["split"] == "test"
    assert (run_dir / "evaluation-test" / "confusion_matrix.png").exists()

    image = folder / "images/test/test_0.png"
    output_dir = tmp_path / "predicted"
    status, out, _ = outcome(
        predict, capsys, image, "--model", run_dir, "--output-dir", output_dir
    )
    assert status == 0
    assert out.startswith(f"[1/1] {image}: class_")
    with Image.open(output_dir / "test_0_labels.png") as labels:
        assert labels.mode == "P" and labels.size == (64, 48)


def test_flags_of_training_reach_the_run(folder, tmp_path, capsys):
    arguments = training_arguments(folder, tmp_path / "run", variant="16s", seed=3)
    flags = ["--no-flip", "--scale", "1,1", "--hue", "0", "--freeze-upsampling"]
    assert outcome(train, capsys, *arguments, *flags)[0] == 0
    written = json.loads((tmp_path / "run/config.json").read_text())["config"]
    assert written["flip"] is False and written["freeze_upsampling"] is True
    assert written["scale"] == [1.0, 1.0] and written["hue"] == 0
    assert written["variant"] == "16s" and written["seed"] == 3


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (["--variant", "7s"], "invalid choice: '7s'"),
        (["--crop=-3x4"], "needed HEIGHTxWIDTH in pixels"),
        (["--crop", "0x32"], "needed HEIGHTxWIDTH in pixels"),
        (["--epochs", "0"], "needed a whole number from 1 on. Received: 0"),
        (["--batch-size", "-1"], "whole number from 1 on"),
        (["--learning-rate", "nan"], "needed a number above 0. Received: nan"),
        (["--scale", "2,1"], "needed LEAST,MOST"),
        (["--image-size", "360"], "needed HEIGHTxWIDTH"),
        (["--bogus"], "unrecognized arguments: --bogus"),
    ],
)
def test_bad_flags_are_one_line(capsys, arguments, needed):
    assert needed in refusal(train, capsys, *arguments)


def test_a_missing_data_folder_is_one_line(tmp_path, capsys):
    arguments = training_arguments(tmp_path / "nothing", tmp_path / "run")
    assert "There is no data folder" in refusal(train, capsys, *arguments)
    assert not (tmp_path / "run").exists()


def test_camvid_needs_its_layout(tmp_path, capsys):
    line = refusal(train, capsys, "--data-dir", tmp_path, "--run-dir", tmp_path / "run")
    assert "trainannot" in line


def test_folder_needs_a_data_dir(capsys, tmp_path):
    line = refusal(train, capsys, "--dataset", "folder", "--run-dir", tmp_path / "run")
    assert "--data-dir" in line


def test_a_crop_larger_than_the_image_is_one_line(folder, tmp_path, capsys):
    arguments = training_arguments(folder, tmp_path / "run", crop="96x64")
    assert "Received: 96x64" in refusal(train, capsys, *arguments)


def test_wrong_weights_are_one_line(folder, tmp_path, capsys):
    (tmp_path / "cut.h5").write_bytes(b"\x89HDF\r\n\x1a\n cut")
    arguments = training_arguments(
        folder, tmp_path / "run", weights=tmp_path / "cut.h5"
    )
    assert "truncated" in refusal(train, capsys, *arguments)
    assert not (tmp_path / "run").exists()


def test_an_existing_run_is_one_line(folder, run, capsys):
    line = refusal(train, capsys, *training_arguments(folder, run.path))
    assert f"--resume {run.path}" in line


def test_resuming_with_another_configuration_is_one_line(run, capsys):
    line = refusal(train, capsys, "--resume", run.path, "--batch-size", 7)
    assert "has batch-size 2. Received: 7" in line


def test_resuming_with_the_same_configuration_is_accepted_as_far(run, capsys):
    line = refusal(train, capsys, "--resume", run.path, "--batch-size", 2)
    assert "has finished its 1 epochs" in line


def test_resuming_what_is_no_run_is_one_line(tmp_path, capsys):
    assert "is not a run" in refusal(train, capsys, "--resume", tmp_path)


def test_init_from_what_is_no_run_is_one_line(folder, tmp_path, capsys):
    arguments = training_arguments(
        folder, tmp_path / "run", **{"init-from": tmp_path / "nothing"}
    )
    assert "is not a run" in refusal(train, capsys, *arguments)


def test_evaluating_a_split_that_is_missing_is_one_line(tmp_path, run, capsys):
    other = write_folder(tmp_path / "other", {"train": 1})
    line = refusal(evaluate, capsys, "--model", run.path, "--data-dir", other)
    assert "has no test images" in line


def test_what_is_neither_a_run_nor_a_pretrained_network_is_one_line(tmp_path, capsys):
    line = refusal(evaluate, capsys, "--model", tmp_path / "nothing")
    assert "is not a run of train.py" in line and "fcn8s-camvid" in line


def test_predicting_needs_no_training(tmp_path, capsys, folder):
    image = folder / "images/test/test_0.png"
    status, out, _ = outcome(predict, capsys, image, "--output-dir", tmp_path)
    assert status == 0
    assert out.startswith(f"[1/1] {image}: ")
    assert {path.name for path in tmp_path.iterdir()} == {
        "test_0_labels.png",
        "test_0_overlay.png",
    }


def test_what_comes_along_is_scored_on_its_own_classes_alone(tmp_path, capsys):
    folder = write_folder(tmp_path / "mine")  # ids 0 to 2, and 255 for void
    arguments = ("--dataset", "folder", "--data-dir", folder)
    output = ("--output-dir", tmp_path / "scores")
    status, out, _ = outcome(evaluate, capsys, *arguments, *output)
    assert status == 0
    assert "11 classes; pixels labelled 255 count nowhere" in out
    classes = "name,r,g,b\na,0,0,0\nb,1,1,1\nc,2,2,2\nvoid,255,255,255\n"
    (folder / "class_dict.csv").write_text(classes)
    line = refusal(evaluate, capsys, *arguments, *output)
    assert "was trained for the classes sky, building" in line


def test_training_starts_from_what_comes_along(folder, tmp_path, capsys, caplog):
    values = training_arguments(folder, tmp_path / "run", **{"init-from": "pretrained"})
    arguments = [value for value in values if value not in ("--head", "compact")]
    status, out, _ = outcome(train, capsys, *arguments)
    assert status == 0
    assert "fcn8s-camvid, which has other classes; anew: score_fr" in caplog.text
    config = RunFolder.open(tmp_path / "run").read_config()
    assert (config.variant, config.init_from) == ("8s", "fcn8s-camvid")


def test_test_time_augmentation_is_said(run, folder, tmp_path, capsys):
    status, out, _ = outcome(evaluate, capsys, "--model", run.path, "--tta")
    assert status == 0
    assert "test-time augmentation" in out.splitlines()[0]
    scores = json.loads((run.path / "evaluation-test-tta/scores.json").read_text())
    assert scores["prediction"] == "test-time augmentation"
    image = folder / "images" / "test" / "test_0.png"
    flags = ("--model", run.path, "--tta", "--output-dir", tmp_path)
    assert outcome(predict, capsys, image, *flags)[0] == 0


@pytest.mark.slow
def test_shift_and_stitch_by_both_commands(run, folder, tmp_path, capsys):
    flags = ("--model", run.path, "--dense", "shift-and-stitch", "--stride-factor", "2")
    status, out, _ = outcome(evaluate, capsys, *flags)
    assert status == 0
    assert "shift-and-stitch, 2x2 shifts" in out.splitlines()[0]
    scores = run.path / "evaluation-test-shift-and-stitch-2" / "scores.json"
    report = json.loads(scores.read_text())
    assert report["prediction"] == "shift-and-stitch, 2x2 shifts"
    image = folder / "images" / "test" / "test_0.png"
    assert outcome(predict, capsys, image, *flags, "--output-dir", tmp_path)[0] == 0
    assert (tmp_path / "test_0_labels.png").exists()


def test_what_a_run_was_validated_on_is_what_is_scored(folder, tmp_path, capsys):
    config = tiny_config(folder, partition="train+val", epochs=1)
    run = train_network(config, tmp_path / "run")
    flags = ("--model", run.path, "--split")
    _, out, _ = outcome(evaluate, capsys, *flags, "val")
    assert "partition train+val; these images were trained on" in out.splitlines()[0]
    _, out, _ = outcome(evaluate, capsys, *flags, "train")
    assert "train: 6 images" in out.splitlines()[0]
    _, out, _ = outcome(evaluate, capsys, *flags, "test")
    assert "partition" not in out.splitlines()[0]


def test_scores_of_a_packed_network_do_not_go_among_its_files(
    packed, folder, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    flags = ("--dataset", "folder", "--data-dir", folder)
    status, _, _ = outcome(evaluate, capsys, "--model", packed.path, *flags)
    assert status == 0
    assert (tmp_path / "evaluations/packed-folder-test/scores.json").exists()
    assert not list(packed.path.glob("evaluation*"))


def test_a_folder_for_json_must_exist(run, tmp_path, capsys):
    line = refusal(
        evaluate, capsys, "--model", run.path, "--json", tmp_path / "no/x.json"
    )
    assert "--json needs a file" in line


def test_an_output_folder_that_is_a_file_is_one_line(run, folder, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    flags = ("--model", run.path, "--output-dir", tmp_path / "file")
    line = refusal(predict, capsys, folder / "images/test", *flags)
    assert "--output-dir must be a folder" in line
    line = refusal(evaluate, capsys, *flags)
    assert "--output-dir must be a folder" in line
    assert (tmp_path / "file").read_text() == "mine"


def test_a_damaged_model_is_one_line(run, tmp_path, capsys, folder):
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for name in ("config.json", "classes.json"):
        (damaged / name).write_bytes((run.path / name).read_bytes())
    (damaged / "best.keras").write_bytes(run.best_model.read_bytes()[:5000])
    image = folder / "images/test/test_0.png"
    line = refusal(predict, capsys, image, "--model", damaged)
    assert "best.keras can't be loaded" in line


@pytest.mark.parametrize("content", ["", "{}", "[]"])
def test_damaged_classes_are_one_line(run, tmp_path, capsys, content):
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "config.json").write_bytes((run.path / "config.json").read_bytes())
    (damaged / "classes.json").write_text(content)
    image = PROJECT / "docs/streets.png"
    line = refusal(predict, capsys, image, "--model", damaged)
    assert f"{damaged / 'classes.json'} must have names, colors" in line


def test_predicting_what_does_not_exist_is_one_line(run, tmp_path, capsys):
    line = refusal(predict, capsys, tmp_path / "no.png", "--model", run.path)
    assert "There is no image, folder or match" in line


@pytest.mark.parametrize("content", [b"", b"just words"])
def test_predicting_nothing_readable_is_one_line_and_status_2(
    run, tmp_path, capsys, caplog, content
):
    (tmp_path / "bad.png").write_bytes(content)
    status, out, _ = outcome(
        predict, capsys, tmp_path / "bad.png", "--model", run.path,
        "--output-dir", tmp_path / "out",
    )  # fmt: skip
    assert status == 2 and out == ""
    assert len(caplog.records) == 1 and "bad.png" in caplog.text
    assert not (tmp_path / "out").exists()


def test_an_unreadable_image_among_others_is_status_1(run, folder, tmp_path, capsys):
    (tmp_path / "bad.png").write_bytes(b"")
    good = folder / "images/test/test_0.png"
    status, out, _ = outcome(
        predict, capsys, tmp_path / "bad.png", good, "--model", run.path,
        "--output-dir", tmp_path / "out",
    )  # fmt: skip
    assert status == 1
    assert "[2/2]" in out
    assert (tmp_path / "out/test_0_overlay.png").exists()


@pytest.mark.slow
def test_no_line_of_tensorflow_reaches_the_terminal(folder, tmp_path):
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "TF_CPP_MIN_LOG_LEVEL"
    }
    arguments = training_arguments(folder, tmp_path / "run", precision="auto")
    result = subprocess.run(
        [sys.executable, "train.py", *map(str, arguments)],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    said = [line.split(" ")[0] for line in result.stderr.splitlines()]
    assert said == ["folder:", "fcn32s,", "epoch"], result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", ["train.py", "evaluate.py", "predict.py"])
def test_help_names_every_flag_and_nothing_else_is_printed(command):
    result = subprocess.run(
        [sys.executable, command, "--help"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr == ""
    assert "usage:" in result.stdout
