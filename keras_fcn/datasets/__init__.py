"""Data sets: images and label maps, from files to batches.

Examples:
    >>> data = keras_fcn.datasets.load("camvid", data_dir="data/CamVid")
    >>> model.fit(data.train.batches(8), validation_data=data.val.batches(8))
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_fcn.datasets.dataset import LabeledImages, SegmentationDataset
    from keras_fcn.datasets.loading import load

__all__ = ["LabeledImages", "SegmentationDataset", "load"]
# Imported on first use: `keras-fcn inspect` needs no TensorFlow.
_MODULES = {
    "LabeledImages": "dataset",
    "SegmentationDataset": "dataset",
    "load": "loading",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        module = importlib.import_module(f"keras_fcn.datasets.{_MODULES[name]}")
        return getattr(module, name)
    raise AttributeError(f"module 'keras_fcn.datasets' has no attribute {name!r}")
