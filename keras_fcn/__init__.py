"""Fully convolutional networks (FCN-32s, 16s, 8s) for semantic segmentation, in Keras.

    >>> import keras_fcn
    >>> segmenter = keras_fcn.load("fcn8s-camvid")   # a bundled network or a run
    >>> label_map = segmenter("street.jpg")          # uint8 (height, width), class ids
    >>> segmenter.class_map.names[label_map[0, 0]]
    'sky'

    >>> result = segmenter.predict("street.jpg")     # with confidence and polygons
    >>> result.shares, result.polygons("car"), result.save("predictions")

A `Segmenter` takes a path, a Pillow image or a uint8 RGB array, or a list of them. It
also has `probabilities(image)`, `overlay(image, label_map)` and `model`, the Keras
model if `load` has the argument `runtime="tensorflow"`. `FCN` and `from_pretrained`
return networks to train, with `datasets`, `Augment`, `losses`, `metrics` and
`callbacks` that follow Keras's conventions:

    >>> data = keras_fcn.datasets.load("folder", data_dir="my_data")
    >>> model = keras_fcn.from_pretrained("fcn8s-camvid", num_classes=data.num_classes)
    >>> model.compile(
    ...     optimizer=keras.optimizers.AdamW(1e-4),
    ...     loss=keras_fcn.losses.CrossEntropy(ignore_class=data.void_id),
    ...     metrics=[keras_fcn.metrics.MeanIoU(data.num_classes, data.void_id)],
    ... )
    >>> batches = data.train.batches(8, augment=keras_fcn.Augment(crop=(256, 256)))
    >>> model.fit(batches, validation_data=data.val.batches(8), epochs=10)

`train`, `evaluate` and `export` do what the commands of these names do:

    >>> run = keras_fcn.train(data_dir="my_data", init_from="pretrained", epochs=15)
    >>> run.best["mean_iou"], run.history["val_loss"]
    >>> segmenter = run.segmenter()
    >>> report = keras_fcn.evaluate(run, split="test")
    >>> keras_fcn.export(run, "export/fcn")

Keras is imported when it is first needed. `keras.saving.load_model` reads the
`best.keras` of a run once both packages have been imported, in any order.
"""

import importlib
import importlib.abc
import importlib.machinery
import sys
from typing import TYPE_CHECKING, Any

from keras_fcn.version import __version__

if TYPE_CHECKING:
    from keras_fcn import callbacks, datasets, losses, metrics
    from keras_fcn.classes import ClassMap
    from keras_fcn.jobs.evaluate import evaluate
    from keras_fcn.jobs.export import export
    from keras_fcn.jobs.predict_on_ray import predict_on_ray
    from keras_fcn.jobs.run import Run
    from keras_fcn.jobs.train import train
    from keras_fcn.models.fcn import FCN
    from keras_fcn.prediction.segmentation_result import SegmentationResult
    from keras_fcn.prediction.segmenter import Segmenter, load
    from keras_fcn.prediction.shift_and_stitch import shift_and_stitch
    from keras_fcn.runs.bundled import from_pretrained
    from keras_fcn.training.augment import Augment

__all__ = [
    "Augment",
    "FCN",
    "ClassMap",
    "Run",
    "SegmentationResult",
    "Segmenter",
    "__version__",
    "callbacks",
    "datasets",
    "evaluate",
    "export",
    "from_pretrained",
    "load",
    "losses",
    "metrics",
    "predict_on_ray",
    "shift_and_stitch",
    "train",
]
# Imported on first use: `keras_fcn.version` must not take the seconds of TensorFlow.
_MODULES = {
    "Augment": "training.augment",
    "FCN": "models.fcn",
    "ClassMap": "classes",
    "Run": "jobs.run",
    "SegmentationResult": "prediction.segmentation_result",
    "Segmenter": "prediction.segmenter",
    "evaluate": "jobs.evaluate",
    "export": "jobs.export",
    "from_pretrained": "runs.bundled",
    "load": "prediction.segmenter",
    "predict_on_ray": "jobs.predict_on_ray",
    "shift_and_stitch": "prediction.shift_and_stitch",
    "train": "jobs.train",
}


# `ray` is not in `__all__`: it requires the extra `ray`.
_SUBPACKAGES = ("callbacks", "datasets", "losses", "metrics", "ray")


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return importlib.import_module(f"keras_fcn.{name}")
    if name in _MODULES:
        return getattr(importlib.import_module(f"keras_fcn.{_MODULES[name]}"), name)
    from keras_fcn.errors import did_you_mean

    nearest = did_you_mean(name, __all__)
    raise AttributeError(f"module 'keras_fcn' has no attribute {name!r}{nearest}")


def __dir__() -> list[str]:
    return sorted(__all__)


# They register the classes of saved networks with Keras.
_REGISTERED = ("models", "losses", "metrics", "training.augment")


def _register() -> None:
    for name in _REGISTERED:
        importlib.import_module(f"keras_fcn.{name}")


class _RegisterAfterKeras(importlib.abc.MetaPathFinder):
    """Imports the registered classes as soon as somebody has imported Keras."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != "keras":
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: Any) -> None:
                execute(module)
                _register()

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


if "keras" in sys.modules:
    _register()
else:
    sys.meta_path.insert(0, _RegisterAfterKeras())
