"""The networks: FCN-32s, 16s and 8s over VGG16, their layers and their weights."""

from keras_fcn.models.fcn import FCN

__all__ = ["FCN"]
