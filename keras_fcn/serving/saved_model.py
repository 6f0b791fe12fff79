"""Writes a network as a SavedModel for TensorFlow Serving.

FOLDER/
  saved_model.pb, variables/   the four signatures of `signatures.py`
  assets/classes.json          names, colors and void
  assets.extra/card.json       training options, classes, signatures and versions
  assets.extra/tf_serving_warmup_requests
                               requests that the server runs before the model is ready
"""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog, PredictLog

from keras_fcn.classes import ClassMap
from keras_fcn.serving.signatures import serving_functions
from keras_fcn.storage.atomic import write_json

_WARM_UP_SIZE = (256, 320)


def write_saved_model(
    network: keras.Model, class_map: ClassMap, card: dict, folder: Path, max_pixels: int
) -> None:
    """Write a network as a SavedModel that requires only TensorFlow.

    Args:
        network: a network of `FCN`, on TensorFlow's backend.
        class_map: its classes.
        card: description of the model, with the inference size, the temperature and
            the value range; the signatures and the limit are added.
        folder: an existing empty folder.
        max_pixels: as in `serving_functions`.

    Raises:
        OSError, tf.errors.OpError: if a file can't be written.
    """
    functions = serving_functions(
        network, max_pixels, card["size"], card["temperature"], card["value_range"]
    )
    module = tf.Module()
    module.network_variables = [variable.value for variable in network.variables]
    extra = folder / "assets.extra"
    extra.mkdir()
    classes = extra / "classes.json"
    class_map.save(classes)
    module.classes = tf.saved_model.Asset(str(classes))
    tf.saved_model.save(module, str(folder), signatures=functions)
    classes.unlink()  # the SavedModel contains a copy
    write_json(
        extra / "card.json",
        {
            **card,
            "max_pixels": max_pixels,
            "orientation": "pixels as stored in the file; EXIF is not applied",
            "signatures": {
                name: {
                    "inputs": {
                        spec.name: _describe(spec) for spec in function.input_signature
                    },
                    "outputs": {
                        output: _describe(spec)
                        for output, spec in (
                            function.get_concrete_function().structured_outputs.items()
                        )
                    },
                }
                for name, function in functions.items()
            },
        },
    )
    with tf.io.TFRecordWriter(str(extra / "tf_serving_warmup_requests")) as writer:
        for request in warm_up_requests(max_pixels):
            log = PredictionLog(predict_log=PredictLog(request=request))
            writer.write(log.SerializeToString())


def warm_up_requests(max_pixels: int) -> list[PredictRequest]:
    """Return a small constant request for each signature and image format.

    Args:
        max_pixels: limit of the model; the images have fewer pixels.
    """
    side = int(max_pixels**0.5) // 32 * 32  # a multiple of 32 is not padded
    height, width = (min(side, length) for length in _WARM_UP_SIZE)
    rows, columns = np.mgrid[:height, :width] % 256
    image = np.stack([rows, columns, rows // 2 + columns // 2], -1).astype("uint8")
    files = [tf.io.encode_png(image).numpy(), tf.io.encode_jpeg(image).numpy()]
    inputs = [
        *(("serving_default", "image_bytes", [file]) for file in files),
        *(("confidence", "image_bytes", [file]) for file in files),
        ("label_map", "image", image[None]),
        ("probabilities", "image", image[None]),
    ]
    requests = []
    for signature, name, value in inputs:
        request = PredictRequest()
        request.model_spec.signature_name = signature
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        requests.append(request)
    return requests


def _describe(spec):
    return {"dtype": spec.dtype.name, "shape": spec.shape.as_list()}
