"""Minimal runs for tests of single features."""

import json

import keras
import numpy as np

from keras_fcn.classes import ClassMap
from keras_fcn.config import TrainingConfig
from keras_fcn.images.encoding import write_label_map
from keras_fcn.models.fcn import FCN
from keras_fcn.runs.folder import RunFolder
from tests.support.data import draw_blocks, tiny_config


def network_with_random_logits():
    """An FCN-32s of three classes whose random logits have mean 0 and deviation 4."""
    keras.utils.set_random_seed(0)
    model = FCN("32s", 3, "compact", None, head_filters=8)
    layer = model.get_layer("score_fr")
    kernel = np.random.default_rng(0).normal(size=layer.kernel.shape)
    layer.set_weights([kernel, np.zeros(3)])
    logits = model.predict_on_batch(draw_blocks(64, 64, 3, seed=0)[0][None])
    mean, deviation = logits.mean(axis=(0, 1, 2)), logits.std(axis=(0, 1, 2))
    layer.set_weights([4 * kernel / deviation, -4 * mean / deviation])
    return model


def write_untrained_run(path, model):
    """A run on a folder without `training_size`: images are predicted at their size."""
    config = TrainingConfig(
        variant="32s", head="compact", head_filters=8, dataset="folder"
    )
    names, colors = ("sky", "road", "tree"), ((0, 0, 255), (90, 90, 90), (0, 90, 0))
    run = RunFolder.create(path, config, ClassMap(names, colors, void_id=255))
    model.save(run.best_model)
    return run


def make_sampled_run(path, variant, epochs, size=(20, 200)):
    """A run that only contains the prediction of one sample after each epoch.

    Odd epochs show the second class, even ones the first.
    """
    class_map = ClassMap(("a", "b"), ((200, 0, 0), (0, 200, 0)), 255)
    run = RunFolder.create(path, tiny_config(path, variant=variant), class_map)
    for epoch in range(1, epochs + 1):
        prediction = np.full(size, epoch % 2, "uint8")
        write_label_map(
            run.samples / f"epoch-{epoch:04}-sample-1.png", prediction, class_map
        )
    return run


def change_config(folder, **changes):
    """Change the stored configuration of a run or a packed network."""
    description = json.loads(folder.config_file.read_text())
    description["config"] |= changes
    folder.config_file.write_text(json.dumps(description))
