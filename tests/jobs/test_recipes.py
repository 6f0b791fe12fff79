"""Recipes, and options that exclude one another."""

import re

import pytest

from keras_fcn.commands import train
from keras_fcn.config import TrainingConfig
from keras_fcn.jobs.recipes import (
    check_options,
    find_recipe,
    read_recipe,
    recipe_names,
    with_recipe,
)
from keras_fcn.runs.folder import RunFolder
from tests.support.commands import outcome, refusal
from tests.support.data import PROJECT

RECIPES = [find_recipe(name) for name in recipe_names()]


@pytest.fixture
def write(tmp_path):
    """Function from a recipe's text to its path."""

    def write(text):
        path = tmp_path / "recipe.toml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_each_recipe_of_the_project_is_read(path):
    recipe = read_recipe(path)
    config = TrainingConfig(**recipe)
    named = re.search(r"fcn(\d+s)", path.name)
    assert named is None or named[1] == config.variant
    assert {type(value) for value in recipe.values()} <= {str, int, float, tuple, bool}


def test_there_is_a_recipe_for_make_train():
    makefile = (PROJECT / "Makefile").read_text()
    assert [p.name for p in RECIPES if f"--config {p.stem} " in makefile]


def test_values_are_read_as_toml_or_as_flags(write):
    expected = {"crop": (320, 416), "scale": (0.5, 2.0), "epochs": 3, "flip": False}
    as_toml = "crop = [320, 416]\nscale = [0.5, 2]\nepochs = 3\nflip = false\n"
    assert read_recipe(write(as_toml)) == expected
    as_typed = 'crop = "320x416"\nscale = "0.5,2"\nepochs = 3\nflip = false\n'
    recipe = read_recipe(write(as_typed))
    assert recipe == expected
    assert type(recipe["epochs"]) is int and type(recipe["scale"][1]) is float


def test_integers_are_accepted_for_floats(write):
    rotation = read_recipe(write("rotation = 0"))["rotation"]
    assert rotation == 0 and type(rotation) is float


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("epoch = 3", r"there is no option epoch \(did you mean epochs\?\)$"),
        ("learning-rate = 1e-3", r"learning-rate \(did you mean learning_rate\?\)$"),
        ("qqqqq = 3", "there is no option qqqqq$"),
        ("[schedule]\nepochs = 3", "there is no option schedule"),
        ("epochs = 1.5", "epochs: expected a positive integer, got 1.5"),
        ("epochs = true", "epochs: expected a positive integer, got True"),
        (
            'variant = "7s"',
            r"one of 32s, 16s, 8s, 4s, got 7s \(did you mean 8s\?\)$",
        ),
        ("crop = 320", "crop: expected HEIGHTxWIDTH in pixels.*, got 320$"),
        ("crop = [320]", r"crop: expected HEIGHTxWIDTH in pixels.*, got \[320\]$"),
        ('flip = "no"', "flip: expected true or false, got no"),
        ("flip = 0", "flip: expected true or false, got 0"),
        ('epochs = "3"', "epochs: expected a positive integer, got the text '3'"),
        ('rotation = "3"', "rotation: expected an angle.*, got the text '3'"),
        (f"epochs = {'9' * 6000}", "is not TOML: "),
        (f"epochs = {'[' * 3000}{']' * 3000}", "too many levels|is not TOML"),
        (
            "image_size = [99999999, 99999999]",
            "image_size: .*, 100 million at most",
        ),
        ("head_filters = 1000000000000", "head_filters: .* from 1 to 8192, got 1000"),
        ("epochs = = 3", "is not TOML: "),
        ("variant = 8s", "is not TOML: "),
    ],
)
def test_invalid_recipes_are_refused(write, text, needed):
    path = write(text)
    with pytest.raises(ValueError, match=needed) as caught:
        read_recipe(path)
    assert str(caught.value).startswith(str(path))


def test_a_recipe_may_have_a_byte_order_mark(tmp_path):
    (tmp_path / "recipe.toml").write_text("\ufeffepochs = 3\n", encoding="utf-8")
    assert read_recipe(tmp_path / "recipe.toml") == {"epochs": 3}


def test_a_binary_file_is_refused(tmp_path):
    (tmp_path / "recipe.toml").write_bytes(b"epochs = \xff\xfe")
    with pytest.raises(ValueError, match="recipe.toml is not TOML: "):
        read_recipe(tmp_path / "recipe.toml")


@pytest.mark.parametrize("name", ["own-clases", "recipes/own-classes.toml"])
def test_an_unknown_recipe_is_answered_with_all_names(capsys, name):
    line = refusal(train, capsys, "--config", name)
    assert "--config must be a TOML file or one of camvid-1-streets, " in line
    assert f"Received: --config {name} (did you mean own-classes?)" in line


def test_a_folder_is_no_recipe(tmp_path, capsys):
    assert f"Received: --config {tmp_path}\n" in refusal(
        train, capsys, "--config", tmp_path
    )


def test_recipes_are_listed_with_their_first_sentence(capsys):
    status, out, _ = outcome(train, capsys, "--config", "list")
    assert status == 0
    names = [line.split()[0] for line in out.splitlines() if line[0] != " "]
    assert names == recipe_names()
    assert "own-classes       Your own images and classes, starting from" in out


def test_a_recipe_with_conflicting_options_is_refused(write, capsys):
    path = write('init_from = "pretrained"\nweights = "none"\n')
    line = refusal(train, capsys, "--config", path)
    assert f"{path}: --weights has no effect with --init-from" in line


@pytest.mark.parametrize("mix", ["no/such", "streets:0", "qqq"])
def test_a_recipe_with_a_wrong_second_data_set_is_named(write, capsys, mix):
    path = write(f'mix = "{mix}"\n')
    assert f"error: {path}: " in refusal(train, capsys, "--config", path)


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("momentum = 0.5", {"optimizer": "sgd"}),  # the flag gives it an effect
        ("rotation = 20", {"augment": False}),  # the flag takes its effect away
        ('mix = "no/such"', {"mix": "none"}),
        ('init_from = "pretrained"\nweights = "none"', {"weights": "imagenet"}),
        ('weights = "none"', {"init_from": "pretrained"}),
    ],
)
def test_flags_override_a_recipe_before_it_is_checked(write, text, flags):
    options = with_recipe(flags, str(write(text)))
    assert {name: options[name] for name in flags} == flags


@pytest.mark.parametrize(
    ("values", "useless", "because"),
    [
        ({"augment": False, "flip": True}, "flip", "augment"),
        ({"augment": False, "rotation": 5.0}, "rotation", "augment"),
        ({"augment": False, "scale": (1.0, 1.5)}, "scale", "augment"),
        ({"augment": False, "hue": 0.1}, "hue", "augment"),
        ({"init_from": "run", "weights": "imagenet"}, "weights", "init_from"),
        ({"init_from": "run", "weights": "none"}, "weights", "init_from"),
        ({"momentum": 0.5}, "momentum", "optimizer"),
        ({"momentum": 0.5, "optimizer": "adamw"}, "momentum", "optimizer"),
        ({"num_images": 100}, "num_images", "dataset"),
        ({"image_size": (96, 96), "dataset": "folder"}, "image_size", "dataset"),
        ({"data_dir": "x", "dataset": "streets"}, "data_dir", "dataset"),
        ({"head_filters": 64}, "head_filters", "head"),
        ({"head_filters": 64, "head": "vgg"}, "head_filters", "head"),
        (
            {"freeze_upsampling": True, "upsampling": "bilinear"},
            "freeze_upsampling",
            "upsampling",
        ),
        ({"freeze_blocks": 2, "weights": "none"}, "freeze_blocks", "weights"),
        ({"encoder_rate": 0.2, "weights": "none"}, "encoder_rate", "weights"),
    ],
)
def test_options_without_effect_are_refused(values, useless, because):
    needed = f"^`{useless}` has no effect with `{because}`.*: leave one of them out$"
    with pytest.raises(ValueError, match=needed):
        check_options(values, values.keys())


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"augment": False},
        {"augment": False, "crop": (32, 32)},
        {"augment": False, "rotation": 0.0, "hue": 0.0, "contrast": 0.0},
        {"augment": False, "flip": False, "scale": (1.0, 1.0)},
        {"augment": True, "flip": True, "rotation": 5.0},
        {"init_from": "run"},
        {"weights": "none"},
        {"momentum": 0.5, "optimizer": "sgd"},
        {"num_images": 100, "image_size": (96, 96), "dataset": "streets"},
        {"data_dir": "x", "dataset": "folder"},
        {"data_dir": "x"},
        {"head_filters": 64, "head": "compact"},
        {"head_filters": 64, "init_from": "run"},  # whose head it may be
        {"freeze_upsampling": True, "upsampling": "max-unpooling"},
        {"freeze_blocks": 0, "encoder_rate": 1.0, "weights": "none"},
        {"freeze_blocks": 2, "encoder_rate": 0.2, "init_from": "run"},
    ],
)
def test_options_that_can_be_combined_are_accepted(values):
    check_options(values, values.keys())


def test_options_that_were_not_given_are_not_refused():
    check_options({"momentum": 0.5, "num_images": 100}, {"epochs"})


def test_recipes_of_two_stages_run_one_after_the_other(tiny_camvid, tmp_path, capsys):
    """On few images and filters, with the stages' own options otherwise."""
    few = ("--epochs", 1, "--batch-size", 2, "--crop", "32x32", "--head-filters", 8)
    first = ("--config", "camvid-1-streets", "--num-images", 3)
    first += ("--image-size", "48x64", "--weights", "none", "--freeze-blocks", 0)
    first += ("--encoder-rate", 1, "--run-dir", tmp_path / "streets")
    second = ("--config", "camvid-2", "--mix", "streets:3")
    second += ("--init-from", tmp_path / "streets", "--data-dir", tiny_camvid)
    second += ("--run-dir", tmp_path / "camvid")
    for stage in (first, second):
        status, _, err = outcome(train, capsys, *stage, *few)
        assert status == 0, err
    config = RunFolder.open(tmp_path / "camvid").read_config()
    assert (config.mix, config.dataset, config.variant) == ("streets:3", "camvid", "8s")


def test_the_folder_of_recipes_holds_recipes_only():
    assert {path.suffix for path in RECIPES[0].parent.iterdir()} == {".toml"}
