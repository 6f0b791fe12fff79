"""The public names of the package, which `keras_fcn` imports when they are used."""

from keras_fcn.classes import ClassMap
from keras_fcn.models.fcn import FCN
from keras_fcn.prediction.segmenter import Segmenter, load
from keras_fcn.prediction.shift_and_stitch import shift_and_stitch
from keras_fcn.runs.bundled import from_pretrained

FCN.from_pretrained = from_pretrained

__all__ = ["FCN", "ClassMap", "Segmenter", "load", "shift_and_stitch"]
