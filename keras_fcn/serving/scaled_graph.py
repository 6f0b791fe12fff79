"""`prediction/scaling.py` in a TensorFlow graph: there and back, with the same answers.

Image files of any size come to a server; what is computed has the scale that the
network was trained at, and answers are made in strips of rows.
"""

from collections.abc import Callable

import tensorflow as tf

from keras_fcn.images.scale import MAX_ASPECT_RATIO

_VALUES_A_STRIP = 2**22  # scores, 16 MiB


def seen_at(images: tf.Tensor, side: int | None) -> tf.Tensor:
    """Bring images to the size at which a network looks at them.

    Args:
        images: uint8 RGB `(batch, height, width, 3)`.
        side: what the shorter side becomes, pixels, as in `scaled_size`; None leaves
            the images as they are.

    Returns:
        float32 of the new size, or the images.
    """
    if side is None:
        return images
    size = tf.cast(tf.shape(images)[1:3], tf.float64)
    scale = tf.minimum(
        side / tf.reduce_min(size),
        MAX_ASPECT_RATIO * side / tf.reduce_max(size),
    )
    scaled = tf.maximum(tf.cast(tf.round(scale * size), tf.int32), 1)
    return tf.image.resize(images, scaled, antialias=True)


def in_strips(
    decide: Callable[[tf.Tensor], list[tf.Tensor]],
    scores: tf.Tensor,
    size: tf.Tensor,
    dtypes: list[tf.DType],
) -> list[tf.Tensor]:
    """Decide on scores at an image's size, some rows at a time.

    Args:
        decide: from scores, float32 `(batch, rows, width, num_classes)`, to tensors
            `(batch, rows, width)`.
        scores: float32 `(batch, height, width, num_classes)`, of any size.
        size: int32 `(2,)`, the images' height and width.
        dtypes: of what `decide` gives.

    Returns:
        What `decide` gives, at the images' size.
    """
    height, width = size[0], size[1]
    batch, num_classes = tf.shape(scores)[0], scores.shape[-1]
    # In int64: a batch of large images has more values than int32 counts.
    values = tf.cast(batch, tf.int64) * tf.cast(width, tf.int64) * num_classes
    rows = tf.cast(tf.maximum(_VALUES_A_STRIP // values, 1), tf.int32)
    rows = tf.minimum(rows, height)
    low, high, down = _neighbours(tf.shape(scores)[1], height)

    def of_strip(first):
        strip = tf.minimum(first + tf.range(rows), height - 1)
        share = tf.gather(down, strip)[:, None, None]
        above = tf.gather(scores, tf.gather(low, strip), axis=1)
        below = tf.gather(scores, tf.gather(high, strip), axis=1)
        narrow = above * (1 - share) + below * share  # (N, rows, w, C)
        return decide(tf.image.resize(narrow, (rows, width)))

    strips = tf.map_fn(  # one after the other, so that memory is that of one
        of_strip,
        tf.range(0, height, rows),
        fn_output_signature=dtypes,
        parallel_iterations=1,
    )

    def joined(parts):  # (strips, N, rows, W)
        whole = tf.reshape(
            tf.transpose(parts, (1, 0, 2, 3)), (batch, tf.shape(parts)[0] * rows, width)
        )
        return whole[:, :height]

    return [joined(parts) for parts in strips]


def _neighbours(count, length):
    """As in `prediction/scaling.py`."""
    count, length = tf.cast(count, tf.float64), tf.cast(length, tf.float64)
    position = (tf.range(length, dtype=tf.float64) + 0.5) * count / length - 0.5
    position = tf.clip_by_value(position, 0.0, count - 1)
    low = tf.cast(position, tf.int32)
    high = tf.minimum(low + 1, tf.cast(count, tf.int32) - 1)
    return low, high, tf.cast(position - tf.cast(low, tf.float64), tf.float32)
