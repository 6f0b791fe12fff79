"""The console command `keras-fcn`, and its imports."""

from pathlib import Path

import pytest

import keras_fcn
from keras_fcn import commands
from keras_fcn.commands import main as dispatcher
from tests.support.commands import call, call_and_watch, calls_in_a_new_process
from tests.support.data import PROJECT

NAMES = (
    "train",
    "evaluate",
    "calibrate",
    "predict",
    "demo",
    "export",
    "inspect",
    "pack",
    "curves",
    "samples",
    "completion",
)
HEAVY = {"tensorflow", "keras", "tensorflow_datasets", "jax"}


@pytest.fixture(scope="module")
def keras_fcn_command():
    with calls_in_a_new_process() as run:
        yield run


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_names_every_command(capsys, arguments):
    assert dispatcher.main(arguments) == 0
    out, err = capsys.readouterr()
    assert out.startswith("usage: keras-fcn COMMAND") and err == ""
    commands = out.partition("\ncommands:\n")[2].partition("\n\n")[0]
    listed = [line.split()[0] for line in commands.splitlines()]
    assert tuple(listed) == NAMES


def test_every_module_with_a_command_is_listed():
    files = Path(commands.__file__).parent.glob("*.py")
    with_command = {f.stem for f in files if "\nmain = Command(" in f.read_text()}
    assert with_command == {name.replace("-", "_") for name in NAMES}


def test_version_is_the_packages():
    process, imported = call_and_watch("-m", "keras_fcn", "--version")
    assert process.stdout == f"keras-fcn {keras_fcn.__version__}\n"
    assert process.returncode == 0 and process.stderr == ""
    assert not HEAVY & imported


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("predcit", " (did you mean predict?)"),
        ("sample", " (did you mean samples?)"),
        ("--verison", ""),
        ("qqq", ""),
    ],
)
def test_an_unknown_command_is_one_line_with_the_nearest(capsys, name, hint):
    assert dispatcher.main([name, "x.png"]) == 2
    out, err = capsys.readouterr()
    line = f"keras-fcn: error: there is no command {name}{hint} (see keras-fcn --help)"
    assert (out, err) == ("", f"{line}\n")


@pytest.mark.slow
def test_an_image_is_predicted(tmp_path):
    image = PROJECT / "docs/streets.png"
    arguments = ("predict", image, "--output-dir", tmp_path / "out")
    process = call("-m", "keras_fcn", *arguments)
    first, last = process.stdout.splitlines()
    assert first.startswith(f"[1/1] {image}: ") and "road" in first
    assert last.startswith(f"Outputs: {tmp_path}/out/ (")
    assert process.stderr == "Network: fcn8s-camvid\n"
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"streets_labels.png", "streets_overlay.png"}


@pytest.mark.parametrize("name", NAMES)
def test_help_imports_no_backend(name, keras_fcn_command):
    status, out, err, imported = keras_fcn_command(name, "--help")
    assert status == 0 and err == ""
    assert out.startswith(f"usage: keras-fcn {name} ")
    assert f"\nexamples:\n  keras-fcn {name}" in out
    assert not HEAVY & imported


@pytest.mark.parametrize("name", ["train", "evaluate", "predict", "export"])
def test_the_scripts_are_the_commands(name):
    process, imported = call_and_watch(f"{name}.py", "--help")
    assert process.returncode == 0 and process.stderr == ""
    assert process.stdout.startswith(f"usage: {name}.py ")
    assert f"keras_fcn.commands.{name}" in imported
    assert not HEAVY & imported


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        ("train --epoch 3", "there is no flag --epoch (did you mean --epochs?)"),
        ("train --variant 8", "got 8 (did you mean 8s?)"),
        ("train --epochs 0", "expected a positive integer, got 0"),
        ("train --no-augment --flip", "--flip has no effect with --no-augment"),
        ("train --resume {run} --run-dir y", "leave out --run-dir"),
        ("train --resume no", "argument --resume: no is not a run"),
        ("train --resume {packed}", "start a run from it with --init-from {packed}"),
        ("train --init-from no", "no is not a run (it has no config.json)"),
        (
            "train --config no.toml",
            "--config must be a TOML file or one of camvid-1-st",
        ),
        ("train --config {recipe}", "no option epoch (did you mean epochs?)"),
        ("evaluate --model fcn8s", "not a run (it has no config.json), nor a bundled"),
        ("evaluate --model fcn8s", "(did you mean fcn8s-camvid?)"),
        ("evaluate --split tset", "got tset (did you mean test?)"),
        ("evaluate --json no/x.json", "--json must be a file in an existing folder"),
        (
            "evaluate --tta --dense shift-and-stitch",
            "--dense and --tta cannot be combined",
        ),
        ("predict x.png --modle y", "there is no flag --modle (did you mean --model?)"),
        ("predict x.png --timeout 3", "--timeout requires --server"),
        ("export --format onxn --output-dir x", "got onxn (did you mean onnx?)"),
        ("export", "the following arguments are required: --output-dir"),
        (
            "export --output-dir x --format onnx --max-pixels 4096",
            "--max-pixels requires --format savedmodel",
        ),
        ("pack {run}", "the following arguments are required: --output-dir"),
        ("curves {run} --output x.bmp", "--output must be a file in .png or .svg"),
        ("curves {run} no", "argument RUN: no is not a run"),
        ("samples {run} --output x.jpg", "--output must be a file in .png or .gif"),
        ("samples run --frame 3", "(did you mean --frames?)"),
    ],
)
def test_errors_in_flags_are_one_line_without_a_backend(
    tmp_path, keras_fcn_command, arguments, needed
):
    paths = {"recipe": tmp_path / "recipe.toml", "run": tmp_path / "run"}
    paths["packed"] = tmp_path / "packed"
    paths["recipe"].write_text("epoch = 3\n")
    for name in ("run/config.json", "packed/config.json", "packed/weights.safetensors"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    arguments, needed = arguments.format(**paths).split(), needed.format(**paths)
    status, out, err, imported = keras_fcn_command(*arguments)
    assert status == 2 and out == ""
    assert err.startswith(f"keras-fcn {arguments[0]}: error: ")
    assert err.count("\n") == 1
    assert needed in err
    assert not HEAVY & imported


def test_an_imported_backend_is_detected():
    _, imported = call_and_watch("-c", "import jax")
    assert "jax" in imported
