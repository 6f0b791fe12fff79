"""Minimal runs for tests of single features."""

import json

import numpy as np

from keras_fcn.classes import ClassMap
from keras_fcn.images.encoding import write_label_map
from keras_fcn.runs.folder import RunFolder
from tests.support.data import tiny_config


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
