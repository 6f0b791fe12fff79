"""A network as TensorFlow functions that need neither Keras nor this package.

`serving_functions` gives the four signatures of an exported SavedModel. Each
checks what it gets and fails with INVALID_ARGUMENT and a clear text.
"""

import keras
import tensorflow as tf

from keras_fcn.serving.image_decoding import check_images, check_pixels, decode_image
from keras_fcn.serving.scaled_graph import in_strips, seen_at

IMAGE_BYTES = tf.TensorSpec([None], tf.string, name="image_bytes")
IMAGE = tf.TensorSpec([None, None, None, 3], tf.uint8, name="image")


def serving_functions(
    network: keras.Model,
    max_pixels: int,
    size: int | None = None,
    temperature: float = 1.0,
) -> dict[str, tf.types.experimental.PolymorphicFunction]:
    """Return the functions of the signatures, by name.

    serving_default: `image_bytes`, string `(batch,)`, PNG or JPEG files of any sizes,
        to `label_png_bytes`, string `(batch,)`, grey PNGs of class ids of each image's
        own size.
    confidence: `image_bytes` to `label_png_bytes` and `confidence_png_bytes`, grey PNGs
        of the probability of each pixel's class, 255 for certain.
    label_map: `image`, uint8 RGB `(batch, height, width, 3)`, to `label_map`, uint8
        `(batch, height, width)`.
    probabilities: `image` to `probabilities`, float32
        `(batch, height, width, num_classes)`.

    Args:
        network: a network of `FCN`, on TensorFlow's backend.
        max_pixels: pixels that an image may have, padded to multiples of 32.
        size: what an image's shorter side is brought to before the network looks,
            pixels; None for the image's own size.
        temperature: by which scores are divided before they become probabilities.
    """

    @tf.function(input_signature=[IMAGE], autograph=False)
    def scores(image):
        return network(seen_at(image, size), training=False) / temperature

    def label_maps(image):
        """Label maps at the images' own size, uint8 `(batch, height, width)`."""
        if size is None:
            return _label_map(scores(image))
        return in_strips(
            lambda strip: [_label_map(strip)],
            scores(image),
            tf.shape(image)[1:3],
            [tf.uint8],
        )[0]

    def label_maps_and_confidence(image):
        def decide(strip):
            largest = tf.reduce_max(tf.nn.softmax(strip), axis=-1)
            return [_label_map(strip), tf.cast(tf.round(255 * largest), tf.uint8)]

        return in_strips(
            decide, scores(image), tf.shape(image)[1:3], [tf.uint8, tf.uint8]
        )

    @tf.function(input_signature=[IMAGE], autograph=False)
    def label_map(image):
        with tf.control_dependencies(_check_image(image, max_pixels)):
            image = tf.identity(image)
        return {"label_map": label_maps(image)}

    @tf.function(input_signature=[IMAGE], autograph=False)
    def probabilities(image):
        with tf.control_dependencies(_check_image(image, max_pixels)):
            image = tf.identity(image)
        seen = scores(image)
        if size is not None:
            seen = tf.image.resize(seen, tf.shape(image)[1:3])
        return {"probabilities": tf.nn.softmax(seen)}

    def by_file(answer, image_bytes, num_pngs):
        """PNGs of each file; one after the other: memory is that of one image."""
        with tf.control_dependencies([_check_rank(image_bytes, 1, "image_bytes")]):
            image_bytes = tf.identity(image_bytes)
        with tf.control_dependencies(check_images(image_bytes, max_pixels)):
            image_bytes = tf.identity(image_bytes)
        return tf.map_fn(
            lambda file: [
                tf.io.encode_png(picture[0, :, :, None])
                for picture in answer(decode_image(file)[None])
            ],
            image_bytes,
            fn_output_signature=[tf.string] * num_pngs,
            parallel_iterations=1,
        )

    @tf.function(input_signature=[IMAGE_BYTES], autograph=False)
    def serving_default(image_bytes):
        (label_pngs,) = by_file(lambda image: [label_maps(image)], image_bytes, 1)
        return {"label_png_bytes": label_pngs}

    @tf.function(input_signature=[IMAGE_BYTES], autograph=False)
    def confidence(image_bytes):
        label_pngs, pictures = by_file(label_maps_and_confidence, image_bytes, 2)
        return {"label_png_bytes": label_pngs, "confidence_png_bytes": pictures}

    return {
        "serving_default": serving_default,
        "confidence": confidence,
        "label_map": label_map,
        "probabilities": probabilities,
    }


def _label_map(logits):
    return tf.cast(tf.argmax(logits, axis=-1, output_type=tf.int32), tf.uint8)


def _check_image(image, max_pixels):
    """Operations that fail unless `image` is `(batch, height, width, 3)`."""
    has_rank = _check_rank(image, 4, "image")
    with tf.control_dependencies([has_rank]):
        shape = tf.shape(_without_static_shape(image))
    needs = tf.strings.join(
        [
            "image must be of the shape (batch, height, width, 3), with one image or "
            "more. Received: ",
            _format_shape(shape),
        ]
    )
    fits = (shape[0] > 0) & (shape[-1] == 3)
    problem = check_pixels(shape[1:3], max_pixels)
    return [
        has_rank,
        tf.debugging.Assert(fits, [needs]),
        tf.debugging.Assert(
            tf.equal(problem, ""), [tf.strings.join(["image ", problem])]
        ),
    ]


def _check_rank(tensor, rank, name):
    hidden = _without_static_shape(tensor)
    message = tf.strings.join(
        [
            f"{name} must be of rank {rank}. Received a tensor of the shape ",
            _format_shape(tf.shape(hidden)),
        ]
    )
    return tf.debugging.Assert(tf.equal(tf.rank(hidden), rank), [message])


def _format_shape(shape):
    sizes = tf.strings.reduce_join(tf.strings.as_string(shape), separator=", ")
    return tf.strings.join(["(", sizes, ")"])


def _without_static_shape(tensor):
    """The tensor, of a shape that only the run knows.

    A server feeds what it is sent. A check against the declared shape would be found
    to hold, and left out, when the graph is optimised.
    """
    return tf.raw_ops.PlaceholderWithDefault(input=tensor, shape=tf.TensorShape(None))
