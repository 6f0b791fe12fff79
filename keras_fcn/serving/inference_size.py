"""Resizing to the inference size and back in a TensorFlow graph.

The counterpart of `prediction/scaling.py`, with the same results: images of any size
are resized to the size that the network was trained at, and the logits are upsampled
to the images' own size in strips of rows, so that memory is bounded.
"""

from collections.abc import Callable

import tensorflow as tf

from keras_fcn.images.scale import MAX_ASPECT_RATIO

_VALUES_PER_STRIP = 2**22  # upsampled logits, 16 MiB


def resize_to_inference_size(
    images: tf.Tensor, inference_size: int | None
) -> tf.Tensor:
    """Resize images so that their shorter side has a given length.

    Args:
        images: uint8 RGB `(batch, height, width, 3)`.
        inference_size: pixels, less for very long images as in `scaled_size`; None
            leaves the images as they are.

    Returns:
        float32 images of the new size, or `images`.
    """
    if inference_size is None:
        return images
    size = tf.cast(tf.shape(images)[1:3], tf.float64)
    scale = tf.minimum(
        inference_size / tf.reduce_min(size),
        MAX_ASPECT_RATIO * inference_size / tf.reduce_max(size),
    )
    scaled = tf.maximum(tf.cast(tf.round(scale * size), tf.int32), 1)
    return tf.image.resize(images, scaled, antialias=True)


def upsample_in_strips(
    reduce: Callable[[tf.Tensor], list[tf.Tensor]],
    logits: tf.Tensor,
    size: tf.Tensor,
    dtypes: list[tf.DType],
) -> list[tf.Tensor]:
    """Upsample logits bilinearly and reduce the classes, some rows at a time.

    Args:
        reduce: function from logits, float32 `(batch, rows, width, num_classes)`, to
            tensors `(batch, rows, width)`.
        logits: float32 `(batch, height, width, num_classes)`, of any size.
        size: int32 `(2,)`, height and width of the images.
        dtypes: of the tensors that `reduce` returns.

    Returns:
        The tensors of `reduce`, `(batch, size[0], size[1])`.
    """
    height, width = size[0], size[1]
    batch, num_classes = tf.shape(logits)[0], logits.shape[-1]
    # int64: a batch of large images has more values than int32 counts.
    values = tf.cast(batch, tf.int64) * tf.cast(width, tf.int64) * num_classes
    rows = tf.cast(tf.maximum(_VALUES_PER_STRIP // values, 1), tf.int32)
    rows = tf.minimum(rows, height)
    # Logits lie at the centers of their cells, as in tf.image.resize, and keep their
    # value beyond the outermost centers.
    count = tf.cast(tf.shape(logits)[1], tf.float64)
    centers = tf.range(tf.cast(height, tf.float64), dtype=tf.float64) + 0.5
    position = centers * count / tf.cast(height, tf.float64) - 0.5
    position = tf.clip_by_value(position, 0.0, count - 1)
    upper = tf.cast(position, tf.int32)
    lower = tf.minimum(upper + 1, tf.shape(logits)[1] - 1)
    lower_weight = tf.cast(position - tf.cast(upper, tf.float64), tf.float32)

    def reduce_strip(first):
        strip = tf.minimum(first + tf.range(rows), height - 1)
        weight = tf.gather(lower_weight, strip)[:, None, None]
        above = tf.gather(logits, tf.gather(upper, strip), axis=1)
        below = tf.gather(logits, tf.gather(lower, strip), axis=1)
        narrow = above * (1 - weight) + below * weight  # (N, rows, w, C)
        return reduce(tf.image.resize(narrow, (rows, width)))  # (N, rows, W, C)

    strips = tf.map_fn(
        reduce_strip,
        tf.range(0, height, rows),
        fn_output_signature=dtypes,
        parallel_iterations=1,  # one at a time, for the memory of one
    )

    def join(parts):  # (strips, N, rows, W) to (N, H, W)
        whole = tf.reshape(
            tf.transpose(parts, (1, 0, 2, 3)), (batch, tf.shape(parts)[0] * rows, width)
        )
        return whole[:, :height]

    return [join(parts) for parts in strips]
