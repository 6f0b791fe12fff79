"""Training with all images in the device's memory, as a user starts it."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from recipes.inference_size import scaled_from_native, seen_at

from keras_fcn.config import TrainingConfig
from keras_fcn.models.fcn import FCN
from keras_fcn.models.weights import variables_by_name
from tests.support.data import PROJECT, draw_blocks

pytest.importorskip("jax", reason="it runs on JAX")

SCRIPT = """
import runpy, sys
sys.modules["tensorflow"] = None  # as on a machine that has none
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""
COMMON = """
head = "compact"
head_filters = 8
freeze_blocks = 0
epochs = 1
batch_size = 2
learning_rate = 1e-3
encoder_rate = 1.0
crop = "32x32"
precision = "float32"
"""


def write_recipe(path, text):
    path.write_text(text + COMMON)
    return path


@pytest.mark.slow
def test_two_recipes_in_a_row_give_weights_without_tensorflow(tmp_path):
    for split, count in (("train", 3), ("val", 1)):
        for number in range(count):
            image, label_map = draw_blocks(48, 64, 11, seed=number)
            for folder, array in ((split, image), (f"{split}annot", label_map)):
                path = tmp_path / "CamVid" / folder / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(path)
    streets = 'dataset = "streets"\nnum_images = 3\nimage_size = "48x64"'
    recipes = [
        write_recipe(tmp_path / "first.toml", streets),
        write_recipe(tmp_path / "second.toml", 'dataset = "camvid"'),
    ]
    output = tmp_path / "weights.npz"
    command = [
        sys.executable, "-c", SCRIPT, PROJECT / "recipes" / "train_resident.py",
        *recipes, "--size", "540",
        "--variant", "4s", "--mix-streets", "3", "--weights", "none",
        "--data-dir", tmp_path / "CamVid", "--streets-dir", tmp_path / "streets",
        "--output", output, "--set", "epochs=2",
    ]  # fmt: skip
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    result = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert result.returncode == 0, result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(line["recipe"], line["epoch"]) for line in lines] == [
        ("first", 1), ("second", 2)
    ]  # fmt: skip
    assert all(0 <= line["mean_iou"] <= 1 for line in lines)
    network = FCN("4s", 11, "compact", None, head_filters=8)
    needed = variables_by_name(network)
    with np.load(output) as arrays:
        assert set(arrays.files) == set(needed)
        for name, variable in needed.items():
            assert arrays[name].shape == variable.shape
            assert np.isfinite(arrays[name]).all()
            dtype = "float16" if variable.ndim > 1 else "float32"
            assert arrays[name].dtype == dtype
        assert arrays["score_fr/kernel"].any()  # zeros before it learned


def test_a_recipe_seen_larger_shows_as_much_of_a_picture():
    config = TrainingConfig(crop=(320, 416), scale=(0.5, 1.5))
    seen = seen_at(config, 540)
    assert (seen.size, seen.crop, seen.scale) == (540, (480, 624), (0.5, 1.5))
    assert scaled_from_native(seen).scale == (0.75, 2.25)
    assert scaled_from_native(seen_at(config, None)) == config
