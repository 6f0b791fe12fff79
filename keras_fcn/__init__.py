"""Fully convolutional networks (FCN-32s, 16s, 8s) on VGG16, in Keras.

Importing the package registers its layers, so that `keras.saving.load_model` reads a
saved network in safe mode.
"""

from keras_fcn.startup import without_startup_lines

with without_startup_lines():
    from keras_fcn.models import FCN
    from keras_fcn.pretrained import from_pretrained
    from keras_fcn.stitching import shift_and_stitch

FCN.from_pretrained = from_pretrained

__all__ = ["FCN", "shift_and_stitch"]
