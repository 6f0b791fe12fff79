"""`train`: flags and recipes, resuming, and bad input."""

import json
import signal
import subprocess
import sys
import time

import pytest

from keras_fcn.commands import calibrate, evaluate, train
from keras_fcn.config import TrainingConfig
from keras_fcn.runs.folder import RunFolder
from keras_fcn.runs.names import reserved_folder
from keras_fcn.training.train import is_finished
from tests.support.commands import call, outcome, refusal, training_arguments
from tests.support.data import PROJECT, write_folder


@pytest.fixture
def trained(monkeypatch):
    """The configurations that would have been trained; nothing is."""
    seen = []

    def keep(config, run_path, *others):
        seen.append((config, run_path))
        raise ValueError("as far as this")

    monkeypatch.setattr("keras_fcn.training.train.train", keep)
    return seen


def test_a_training_prints_its_scores_and_files(folder, tmp_path, capsys):
    run_dir = tmp_path / "run"
    status, out, _ = outcome(train, capsys, *training_arguments(folder, run_dir))
    assert status == 0
    best, _, header, *classes, _, network, samples, curves = out.splitlines()
    metrics = RunFolder.open(run_dir).read_metrics()
    assert best == (
        f"Best epoch 1: validation mean IoU {metrics['mean_iou']:.1%}, "
        f"pixel accuracy {metrics['pixel_accuracy']:.1%}"
    )
    assert header.split() == ["class", "IoU", "accuracy"]
    assert [line.split()[0] for line in classes] == ["class_0", "class_1", "class_2"]
    assert network == f"Network:     {run_dir}/best.keras"
    assert samples == f"Samples:     {run_dir}/samples/"
    assert curves == f"Curves:      tensorboard --logdir {tmp_path}"


def test_training_validation_and_evaluation_use_the_size(folder, tmp_path, capsys):
    run_dir = tmp_path / "run"
    arguments = training_arguments(folder, run_dir)
    flags = ["--size", "72", "--crop", "64x96"]  # of images of 48x64
    assert outcome(train, capsys, *arguments, *flags)[0] == 0
    run = RunFolder.open(run_dir)
    assert run.read_metrics()["image_sizes"] == ["96x72"]
    assert run.read_training_size() == 72
    status, out, _ = outcome(evaluate, capsys, "--model", run_dir, "--split", "val")
    assert status == 0
    assert "(64x48 pixels)" in out and "shorter side 72" in out
    assert out.splitlines()[-1] == f"Scores and overlays: {run_dir}/evaluation-val/"
    flags = ["--split", "val", "--size", "native"]
    _, out, _ = outcome(evaluate, capsys, "--model", run_dir, *flags)
    assert "shorter side" not in out
    temperature = run.read_temperature()
    assert outcome(calibrate, capsys, "--model", run_dir)[0] == 0
    assert run.read_temperature() == temperature  # fitted at the same size


def test_a_second_data_set_is_in_the_runs_configuration(folder, tmp_path, capsys):
    second = write_folder(tmp_path / "second")
    arguments = training_arguments(folder, tmp_path / "run", mix=f"{second}:2")
    status, _, err = outcome(train, capsys, *arguments)
    assert status == 0, err
    assert RunFolder.open(tmp_path / "run").read_config().mix == f"{second}:2"
    line = refusal(train, capsys, "--resume", tmp_path / "run", "--mix", "streets:3")
    assert f"--mix {second}:2. Received: --mix streets:3" in line


@pytest.mark.parametrize(
    ("mix", "needed"),
    [
        ("street:3", "--mix expects one of camvid, "),
        ("street:3", "got street (did you mean streets?)"),
        ("no/such/folder", "There is no folder no/such/folder: --mix takes camvid"),
        ("streets:0", "--mix expects a positive integer after streets:, got 0"),
        ("{folder}:9", "--mix expects at most 4 images, as many as are in"),
        ("streets:3", "(class_0, class_1, class_2), got streets:3 with sky, building"),
        ("camvid32", "--mix camvid32 expects the folder of its images"),
    ],
)
def test_an_unusable_second_data_set_is_one_line(folder, tmp_path, capsys, mix, needed):
    mix = mix.format(folder=folder)
    arguments = training_arguments(folder, tmp_path / "run", mix=mix)
    assert needed in refusal(train, capsys, *arguments)
    assert not (tmp_path / "run").exists()


def test_flags_reach_the_configuration(folder, tmp_path, capsys, trained):
    arguments = training_arguments(folder, tmp_path / "run", variant="16s", seed=3)
    flags = ["--no-flip", "--scale", "1,1", "--hue", "0", "--freeze-upsampling"]
    refusal(train, capsys, *arguments, *flags)
    ((config, run_path),) = trained
    assert run_path == tmp_path / "run"
    assert config == TrainingConfig(
        dataset="folder",
        data_dir=str(folder),
        head="compact",
        weights="none",
        epochs=1,
        batch_size=4,
        crop=(32, 32),
        precision="float32",
        variant="16s",
        seed=3,
        flip=False,
        scale=(1.0, 1.0),
        hue=0.0,
        freeze_upsampling=True,
    )


@pytest.fixture
def keras_home(tmp_path, monkeypatch):
    """Keras's cache, without a file, and a working folder next to it."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "cache"


def started(trained, capsys, *flags):
    """Network and data of the configuration for some flags, and the run's name."""
    outcome(train, capsys, *flags)
    config, run_path = trained.pop()
    found = (config.variant, config.head, config.init_from, config.weights)
    return found, config.dataset, run_path


def test_without_a_network_training_starts_from_the_bundled_one(
    capsys, trained, keras_home
):
    start, dataset, run_path = started(trained, capsys, "--epochs", 3)
    assert start == ("8s", "compact", "fcn8s-camvid", "imagenet")
    assert dataset == "camvid" and str(run_path).startswith("runs/camvid-fcn8s-")
    assert not run_path.exists()  # nor an empty folder of a failed training
    file_name = "models/vgg16_weights_tf_dim_ordering_tf_kernels.h5"
    (keras_home / file_name).parent.mkdir(parents=True)
    (keras_home / file_name).touch()
    assert started(trained, capsys)[0] == ("8s", "compact", None, "imagenet")


@pytest.mark.parametrize(
    ("flags", "start"),
    [
        ("--variant 32s", ("32s", "vgg", None, "imagenet")),
        ("--head compact", ("32s", "compact", None, "imagenet")),
        ("--weights none", ("32s", "vgg", None, "none")),
        ("--init-from pretrained", ("8s", "compact", "pretrained", "imagenet")),
    ],
)
def test_an_option_of_the_network_selects_the_documented_defaults(
    capsys, trained, keras_home, flags, start
):
    assert started(trained, capsys, *flags.split())[0] == start


def test_the_data_set_of_a_folder_is_recognized(
    capsys, trained, keras_home, folder, tmp_path
):
    for name in ("train/0001TP_0.png", "trainannot/0001TP_0.png"):
        (tmp_path / "copy" / name).parent.mkdir(parents=True)
        (tmp_path / "copy" / name).touch()
    for flags, expected in (
        (("--data-dir", folder), "folder"),
        (("--data-dir", tmp_path / "copy"), "camvid"),
        (("--data-dir", tmp_path / "copy", "--void", "sky"), "folder"),
        (("--data-dir", tmp_path / "copy", "--dataset", "folder"), "folder"),
        (("--data-dir", folder, "--dataset", "camvid"), "camvid"),
    ):
        assert started(trained, capsys, *flags)[1] == expected, flags
    (tmp_path / "copy/trainannot").rename(tmp_path / "copy/train_labels")
    assert started(trained, capsys, "--data-dir", tmp_path / "copy")[1] == "camvid32"


def test_runs_that_start_in_the_same_second_take_the_next_names(tmp_path, monkeypatch):
    with reserved_folder(tmp_path / "runs", "a") as first:
        with reserved_folder(tmp_path / "runs", "a") as second:
            (second / "config.json").touch()
            assert (first.name, second.name) == ("a", "a-2")
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["a-2"]


def test_a_finished_run_keeps_no_checkpoints(run, capsys):
    assert not list(run.path.glob("checkpoint-*")) and is_finished(run)
    assert run.best_model.is_file() and run.read_checkpoint().epoch == 1
    line = refusal(train, capsys, "--resume", run.path)
    assert f"{run.path} has finished its 1 epochs: start a new run from it" in line
    assert outcome(train, capsys, "--auto-resume", "--run-dir", run.path)[0] == 0


def test_flags_override_a_recipe_that_overrides_defaults(tmp_path, capsys, trained):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('variant = "8s"\nepochs = 7\nflip = true\ncrop = [32, 64]\n')
    flags = ("--epochs", 30, "--no-augment")  # 30 is the default; flip is made useless
    refusal(train, capsys, "--config", recipe, *flags)
    ((config, _),) = trained
    assert (config.variant, config.crop, config.flip) == ("8s", (32, 64), True)
    assert (config.epochs, config.augment) == (30, False)


@pytest.mark.parametrize(
    ("recipe", "flags", "expected"),
    [
        ('weights = "none"', ("--init-from", "pretrained"), ("imagenet", "pretrained")),
        ('init_from = "pretrained"', ("--weights", "none"), ("none", None)),
        ('init_from = "pretrained"', (), ("imagenet", "pretrained")),
    ],
)
def test_a_flag_for_initial_weights_replaces_those_of_the_recipe(
    tmp_path, capsys, trained, recipe, flags, expected
):
    (tmp_path / "recipe.toml").write_text(recipe)
    refusal(train, capsys, "--config", tmp_path / "recipe.toml", *flags)
    ((config, _),) = trained
    assert (config.weights, config.init_from) == expected


def test_recipe_and_flags_override_the_architecture_of_init_from(
    tmp_path, capsys, trained
):
    (tmp_path / "recipe.toml").write_text('variant = "16s"\n')
    recipe, start = (
        ("--config", tmp_path / "recipe.toml"),
        ("--init-from", "pretrained"),
    )
    refusal(train, capsys, *start)
    refusal(train, capsys, *start, *recipe)
    refusal(train, capsys, *start, *recipe, "--variant", "32s")
    found = [(config.variant, config.head) for config, _ in trained]
    assert found == [("8s", "compact"), ("16s", "compact"), ("32s", "compact")]


def test_the_runs_configuration_contains_the_recipe(folder, tmp_path, capsys):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'dataset = "folder"\nhead = "compact"\nhead_filters = 8\nweights = "none"\n'
        'epochs = 1\nbatch_size = 4\ncrop = "32x32"\nhue = 0.5\n'
    )
    flags = ("--data-dir", folder, "--run-dir", tmp_path / "run", "--seed", 5)
    assert outcome(train, capsys, "--config", recipe, *flags)[0] == 0
    written = json.loads((tmp_path / "run/config.json").read_text())["config"]
    assert written["head_filters"] == 8 and written["crop"] == [32, 32]
    assert written["hue"] == 0.5 and written["seed"] == 5
    assert written["rotation"] == TrainingConfig.rotation


@pytest.mark.parametrize(
    ("flags", "needed"),
    [
        ("--no-augment --flip", "--flip has no effect with --no-augment"),
        (
            "--init-from pretrained --weights none",
            "--weights has no effect with --init-from",
        ),
        ("--momentum 0.5", "--momentum has no effect with --optimizer adamw"),
        ("--weights none --freeze-blocks 2", "--freeze-blocks has no effect with"),
        (
            "--dataset streets --data-dir x",
            "--data-dir has no effect with --dataset streets",
        ),
    ],
)
def test_flags_without_effect_are_one_line(capsys, trained, flags, needed):
    assert needed in refusal(train, capsys, *flags.split())
    assert not trained


@pytest.mark.parametrize("flags", [(), ("--dataset", "camvid")])
def test_a_missing_data_folder_is_one_line(tmp_path, capsys, caplog, flags):
    line = refusal(train, capsys, "--data-dir", tmp_path / "nothing", *flags)
    assert "--data-dir must be a folder" in line and "does not exist" in line
    assert not caplog.messages  # nothing is read before


def test_camvid_requires_its_layout(tmp_path, capsys):
    flags = ("--dataset", "camvid", "--data-dir", tmp_path)
    assert "trainannot" in refusal(train, capsys, *flags, "--run-dir", tmp_path / "run")


def test_the_data_set_folder_requires_a_data_dir(capsys, tmp_path):
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


def test_an_invalid_init_from_is_one_line(folder, tmp_path, capsys):
    start = {"init-from": tmp_path / "nothing"}
    values = training_arguments(folder, tmp_path / "run", **start)
    arguments = [value for value in values if value not in ("--weights", "none")]
    assert "is not a run" in refusal(train, capsys, *arguments)


@pytest.mark.parametrize(
    ("flags", "needed"),
    [
        (("--batch-size", 7), "has --batch-size 2. Received: --batch-size 7"),
        (("--crop", "64x32"), "has --crop 32x32. Received: --crop 64x32"),
        (("--batch-size", 2), "has finished its 1 epochs: start a new run from it by"),
        (("--precision", "float32"), "has finished its 1 epochs"),
        (("--epochs", 5), "by --init-from {run} --epochs N. Received: --epochs 5"),
        (("--run-dir", "x"), "--resume RUN names the run: leave out --run-dir"),
        (("--config", "x"), "the run's own configuration: leave out --config"),
    ],
)
def test_a_resumed_run_keeps_its_configuration(run, capsys, flags, needed):
    line = refusal(train, capsys, "--resume", run.path, *flags)
    assert needed.format(run=run.path) in line


def test_the_suggested_command_for_more_epochs_works(run, tmp_path, capsys):
    line = refusal(train, capsys, "--resume", run.path, "--epochs", 2)
    _, _, hint = line.partition("by --init-from ")
    start = hint.split()[0]
    flags = ("--init-from", start, "--epochs", 2, "--dataset", "folder")
    data = ("--data-dir", run.read_config().data_dir, "--crop", "32x32")
    next_run = ("--run-dir", tmp_path / "next")
    assert outcome(train, capsys, *flags, *data, *next_run)[0] == 0
    assert RunFolder.open(tmp_path / "next").read_config().init_from == str(run.path)


def test_resuming_a_folder_that_is_not_a_run_is_one_line(tmp_path, capsys):
    assert "is not a run" in refusal(train, capsys, "--resume", tmp_path)


@pytest.mark.vgg16
def test_a_training_for_other_classes_can_start_from_the_bundled_network(
    folder, tmp_path, capsys, caplog
):
    values = training_arguments(folder, tmp_path / "run", **{"init-from": "pretrained"})
    own = ("--head", "compact", "--weights", "none")
    arguments = [value for value in values if value not in own]
    status, _, _ = outcome(train, capsys, *arguments)
    assert status == 0
    assert "has other classes; re-initialized: score_fr" in caplog.text
    config = RunFolder.open(tmp_path / "run").read_config()
    assert (config.variant, config.init_from) == ("8s", "fcn8s-camvid")


@pytest.mark.slow
def test_no_line_of_tensorflow_is_printed(folder, tmp_path):
    arguments = training_arguments(folder, tmp_path / "run", precision="auto")
    process = call("train.py", *arguments)
    said = [line.split(" ")[0] for line in process.stderr.splitlines()]
    data = str(folder)
    assert said == [
        "Reading", f"{data}:", "train", "labels", "folder:", "Class", "fcn32s,",
        "The", "epoch", "Temperature", "No",
    ], process.stderr  # fmt: skip


@pytest.mark.slow
def test_an_interrupted_training_prints_the_command_to_resume(tmp_path):
    folder, path = write_folder(tmp_path / "my data"), tmp_path / "my run"
    arguments = training_arguments(folder, path, epochs=1000)
    command = [sys.executable, "-m", "keras_fcn", "train", *map(str, arguments)]
    with subprocess.Popen(
        command, cwd=PROJECT, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 120
        while not (path / "config.json").exists() and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read().splitlines()
    assert process.returncode == 130
    assert f"To resume: keras-fcn train --resume '{path}'" in said
    assert said[-1] == "keras-fcn train: interrupted"


def test_changed_data_are_accepted_only_when_resuming(folder, tmp_path, capsys):
    flags = training_arguments(folder, tmp_path / "run")
    message = refusal(train, capsys, *flags, "--accept-changed-data")
    assert "--accept-changed-data requires --resume or --auto-resume" in message
