"""The signatures of an exported SavedModel: TensorFlow functions without Keras.

serving_default: `image_bytes`, string `(batch,)`, PNG or JPEG files of any sizes, to
    `label_png_bytes`, string `(batch,)`, gray PNGs of class ids of each image's own
    size.
confidence: `image_bytes` to `label_png_bytes` and `confidence_png_bytes`, gray PNGs of
    the probability of each pixel's class; 255 is a probability of 1.
label_map: `image`, uint8 RGB `(batch, height, width, 3)`, to `label_map`, uint8
    `(batch, height, width)`.
probabilities: `image` to `probabilities`, float32 `(batch, height, width,
    num_classes)`.

Each checks its input and fails with INVALID_ARGUMENT and a message that names the
problem.
"""

import keras
import tensorflow as tf

from keras_fcn.options import ValueRange
from keras_fcn.serving.image_decoding import check_images, check_pixels, decode_image
from keras_fcn.serving.inference_size import (
    resize_to_inference_size,
    upsample_in_strips,
)

IMAGE_BYTES = tf.TensorSpec([None], tf.string, name="image_bytes")
IMAGE = tf.TensorSpec([None, None, None, 3], tf.uint8, name="image")


def serving_functions(
    network: keras.Model,
    max_pixels: int,
    inference_size: int | None = None,
    temperature: float = 1.0,
    value_range: ValueRange = "auto",
) -> dict[str, tf.types.experimental.PolymorphicFunction]:
    """Return the functions of the signatures, by name.

    Args:
        network: a network of `FCN`, on TensorFlow's backend.
        max_pixels: limit for an image, padded to multiples of 32.
        inference_size: shorter side that images are resized to, pixels; None for the
            images' own size.
        temperature: divides the logits before the softmax.
        value_range: of 16-bit PNG files, as for `read_image`.
    """

    @tf.function(input_signature=[IMAGE], autograph=False)
    def logits_of(image):
        resized = resize_to_inference_size(image, inference_size)
        return network(resized, training=False) / temperature

    def label_maps(image):
        if inference_size is None:
            return [_label_map(logits_of(image))]
        size = tf.shape(image)[1:3]
        return upsample_in_strips(
            lambda strip: [_label_map(strip)], logits_of(image), size, [tf.uint8]
        )

    def label_maps_and_confidence(image):
        def reduce(strip):
            largest = tf.reduce_max(tf.nn.softmax(strip), axis=-1)
            return [_label_map(strip), tf.cast(tf.round(255 * largest), tf.uint8)]

        size = tf.shape(image)[1:3]
        return upsample_in_strips(reduce, logits_of(image), size, [tf.uint8] * 2)

    @tf.function(input_signature=[IMAGE], autograph=False)
    def label_map(image):
        (labels,) = label_maps(_checked_image(image, max_pixels))
        return {"label_map": labels}

    @tf.function(input_signature=[IMAGE], autograph=False)
    def probabilities(image):
        image = _checked_image(image, max_pixels)
        logits = logits_of(image)
        if inference_size is not None:
            logits = tf.image.resize(logits, tf.shape(image)[1:3])
        return {"probabilities": tf.nn.softmax(logits)}

    def encoded(outputs_of, image_bytes, num_outputs):
        """PNGs of each output of each file, string `(batch,)`."""
        with tf.control_dependencies([_check_rank(image_bytes, 1, "image_bytes")]):
            image_bytes = tf.identity(image_bytes)
        with tf.control_dependencies(check_images(image_bytes, max_pixels)):
            image_bytes = tf.identity(image_bytes)
        return tf.map_fn(
            lambda file: [
                tf.io.encode_png(output[0, :, :, None])  # (1, H, W) to (H, W, 1)
                for output in outputs_of(decode_image(file, value_range)[None])
            ],
            image_bytes,
            fn_output_signature=[tf.string] * num_outputs,
            parallel_iterations=1,  # one at a time, for the memory of one
        )

    @tf.function(input_signature=[IMAGE_BYTES], autograph=False)
    def serving_default(image_bytes):
        (labels,) = encoded(label_maps, image_bytes, 1)
        return {"label_png_bytes": labels}

    @tf.function(input_signature=[IMAGE_BYTES], autograph=False)
    def confidence(image_bytes):
        labels, confidences = encoded(label_maps_and_confidence, image_bytes, 2)
        return {"label_png_bytes": labels, "confidence_png_bytes": confidences}

    return {
        "serving_default": serving_default,
        "confidence": confidence,
        "label_map": label_map,
        "probabilities": probabilities,
    }


def _label_map(logits):
    return tf.cast(tf.argmax(logits, axis=-1, output_type=tf.int32), tf.uint8)


def _checked_image(image, max_pixels):
    """The image; fails unless it is `(batch, height, width, 3)` within the limit."""
    has_rank = _check_rank(image, 4, "image")
    with tf.control_dependencies([has_rank]):
        shape = tf.shape(_without_static_shape(image))
    message = tf.strings.join(
        [
            "image must have the shape (batch, height, width, 3), with at least one "
            "image. Received: ",
            _format_shape(shape),
        ]
    )
    problem = check_pixels(shape[1:3], max_pixels)
    checks = [
        has_rank,
        tf.debugging.Assert((shape[0] > 0) & (shape[-1] == 3), [message]),
        tf.debugging.Assert(
            tf.equal(problem, ""), [tf.strings.join(["image ", problem])]
        ),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(image)


def _check_rank(tensor, rank, name):
    hidden = _without_static_shape(tensor)
    message = tf.strings.join(
        [
            f"{name} must have rank {rank}. Received a tensor of shape ",
            _format_shape(tf.shape(hidden)),
        ]
    )
    return tf.debugging.Assert(tf.equal(tf.rank(hidden), rank), [message])


def _format_shape(shape):
    sizes = tf.strings.reduce_join(tf.strings.as_string(shape), separator=", ")
    return tf.strings.join(["(", sizes, ")"])


def _without_static_shape(tensor):
    """The tensor with a shape that is unknown until the graph runs.

    A server feeds requests unchecked. A check against the declared shape would always
    hold, and be removed when the graph is optimized.
    """
    return tf.raw_ops.PlaceholderWithDefault(input=tensor, shape=tf.TensorShape(None))
