"""The networks: FCN-32s, 16s and 8s over VGG16, their layers and their weights."""

import logging

import keras

from keras_fcn.models.fcn import FCN

__all__ = ["FCN"]

logger = logging.getLogger(__name__)

# `keras.json` may set others, for which neither the networks nor VGG16's weights are.
if keras.config.image_data_format() != "channels_last":
    logger.warning("image_data_format is set to channels_last, which keras_fcn needs")
    keras.config.set_image_data_format("channels_last")
if keras.config.floatx() != "float32":
    logger.warning("floatx is set to float32, which keras_fcn needs")
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
