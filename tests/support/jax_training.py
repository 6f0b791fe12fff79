"""Trainings that give the same losses on TensorFlow and on JAX."""

from pathlib import Path
from unittest import mock

import keras
import numpy as np

from keras_fcn.training.loop import TrainingLoop
from keras_fcn.training.train import resume, train
from tests.support.data import tiny_config
from tests.support.narrow import narrow_vgg16

# Each backend has its own random numbers: weights come from a run, there is no dropout,
# and augmentation uses fixed numbers (`spread_evenly`). AdamW would amplify
# differences in rounding.
SIZE = (32, 32)
SAME = {"head_filters": 8, "variant": "8s", "dropout": 0.0, "crop": SIZE}
SAME |= {"optimizer": "sgd", "learning_rate": 0.02}


class Stopped(Exception):
    """Ends a training after its first epoch."""


def train_all(folder, second, start, runs):
    """Histories of trainings without augmentation, with augmentation, and resumed.

    The resumed training runs on JAX only.
    """
    config = tiny_config(
        folder, mix=second, weights="imagenet", init_from=start, **SAME
    )
    plain = {"augment": False}
    runs = Path(runs)
    with narrow_vgg16(), mock.patch.object(keras.random, "uniform", spread_evenly):
        histories = {"plain": history(train(changed(config, plain), runs / "plain"))}
        augmented = train(changed(config, {"epochs": 1}), runs / "augmented")
        histories["augmented"] = history(augmented)
        if keras.backend.backend() == "tensorflow":
            return histories
        run_epoch = TrainingLoop._run_epoch

        def stop_in_epoch_2(loop, epoch):
            if epoch == 2:
                raise Stopped
            run_epoch(loop, epoch)

        with mock.patch.object(TrainingLoop, "_run_epoch", stop_in_epoch_2):
            try:
                train(changed(config, plain), runs / "stopped")
            except Stopped:
                pass
        histories["resumed"] = history(resume(runs / "stopped"))
    return histories


def changed(config, values):
    return tiny_config(config.data_dir, **{**vars(config), **values})


def history(run):
    return [
        {name: row[name] for name in ("loss", "val_loss", "mean_iou", "val_mean_iou")}
        for row in run.read_checkpoint().history
    ]


def spread_evenly(shape, minval=0.0, maxval=1.0, seed=None, **_):
    """Replacement of `keras.random.uniform` that is equal on all backends."""
    shares = np.linspace(0.1, 0.9, shape[0])
    shares = np.roll(shares, int(1000 * (maxval - minval))).reshape(shape)
    values = minval + shares * (maxval - minval)
    return keras.ops.convert_to_tensor(values.astype("float32"))
