"""Fully convolutional networks (FCN-32s, 16s, 8s) for semantic segmentation, in Keras.

    >>> import keras_fcn
    >>> segmenter = keras_fcn.load("fcn8s-camvid")   # bundled; or a run's folder
    >>> label_map = segmenter("street.jpg")          # uint8 (height, width), class ids
    >>> segmenter.class_map.names[label_map[0, 0]]
    'sky'

A path, a Pillow image or a uint8 RGB array goes in, also several of them.
`segmenter.probabilities(image)` and `segmenter.overlay(image, label_map)` give more;
`segmenter.model` is the Keras model. `FCN` builds networks to train:

    >>> model = keras_fcn.FCN("8s", num_classes=11, head="compact", weights=None)
    >>> model = keras_fcn.FCN.from_pretrained("fcn8s-camvid", num_classes=3)

TensorFlow or JAX is imported when one of these names is first used. That also
registers the layers, so that `keras.saving.load_model` reads the `best.keras` of a run;
where Keras is there already, importing the package does.
"""

import importlib
import sys
from typing import TYPE_CHECKING, Any

from keras_fcn.version import __version__

if TYPE_CHECKING:
    from keras_fcn.api import FCN, ClassMap, Segmenter, load, shift_and_stitch

__all__ = ["FCN", "ClassMap", "Segmenter", "__version__", "load", "shift_and_stitch"]


def __getattr__(name: str) -> Any:
    """Import the public names when they are asked for."""
    if name in __all__:
        return getattr(importlib.import_module("keras_fcn.api"), name)
    raise AttributeError(f"module 'keras_fcn' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, without modules and imports."""
    return sorted(__all__)


if "keras" in sys.modules:
    importlib.import_module("keras_fcn.models")
