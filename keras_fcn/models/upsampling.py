"""Ways to enlarge maps of class scores, each as Keras layers.

`upsample` puts them together for the decoder of `fcn.py`. `transposed` learns its
kernel and starts as bilinear interpolation; `bilinear` and `nearest` have none;
`bed-of-nails` and `max-unpooling` leave most of the new cells empty, and are followed
by a convolution that fills them.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops

from keras_fcn.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_fcn")
class BilinearUpsampling(keras.initializers.Initializer):
    """Kernel of a `Conv2DTranspose` that interpolates each channel bilinearly.

    For a kernel of `k = 2s` and stride `s` with `padding="same"`, the layer then
    enlarges its input `s` times as `cv2.resize(..., INTER_LINEAR)` does (half-pixel
    centres), except in the outer `s / 2` pixels, where zeros lie beyond the border.
    Weight between different channels is zero: one kernel per class.

    Reference: Long, Shelhamer and Darrell, 2015, section 3.3; the formula is that of
    `surgery.py` in shelhamer/fcn.berkeleyvision.org.
    """

    def __call__(self, shape, dtype=None):
        """Return the kernel.

        Args:
            shape: `(height, width, filters, channels)` with `height == width` and
                `filters == channels`.
            dtype: floating dtype of the kernel.

        Returns:
            Tensor of `shape`; weights in [0, 1].

        Raises:
            ValueError: if the kernel is not square or the channel counts differ.
        """
        height, width, filters, channels = shape
        if height != width or filters != channels:
            raise ValueError(
                "A bilinear kernel needs a square window and as many filters as "
                f"channels. Received: shape={tuple(shape)}"
            )
        kernel = np.zeros(shape, dtype="float32")  # (k, k, C, C)
        diagonal = np.arange(channels)
        kernel[:, :, diagonal, diagonal] = bilinear_window(height)[:, :, None]
        return keras.ops.convert_to_tensor(kernel, dtype=dtype)

    def get_config(self):
        return {}


def bilinear_window(size: int) -> np.ndarray:
    """Return the `(size, size)` float32 window of bilinear interpolation.

    The enlargement it belongs to is `ceil(size / 2)`; its weights fall linearly from
    the centre, which lies between two pixels where `size` is even.

    Args:
        size: height and width of the kernel, from 1 on.
    """
    factor = (size + 1) // 2
    center = factor - 1 if size % 2 == 1 else factor - 0.5
    weights = 1 - np.abs(np.arange(size) - center) / factor
    return np.outer(weights, weights).astype("float32")


@keras.saving.register_keras_serializable(package="keras_fcn")
class BilinearInterpolation(layers.Layer):
    """Bilinear interpolation about half-pixel centres; the border goes on beyond it.

    The values are those of Keras's `UpSampling2D`, which can't be exported for images
    of any size.

    Args:
        factor: rows and columns that a cell becomes, an even number.

    Raises:
        ValueError: if `factor` is odd or less than 2.
    """

    def __init__(self, factor: int, **kwargs):
        super().__init__(**kwargs)
        if factor < 2 or factor % 2:
            raise ValueError(
                f"`factor` must be an even number from 2 on. Received: factor={factor}"
            )
        self.factor = factor

    def call(self, scores: Tensor) -> Tensor:
        """Enlarge float `(batch, height, width, channels)`; the dtype is kept."""
        factor, channels = self.factor, scores.shape[-1]
        # A cell more on each side, which is the border again: (N, h + 2, w + 2, C).
        scores = ops.concatenate([scores[:, :1], scores, scores[:, -1:]], axis=1)
        scores = ops.concatenate([scores[:, :, :1], scores, scores[:, :, -1:]], axis=2)
        kernel = BilinearUpsampling()(
            (2 * factor, 2 * factor, channels, channels), scores.dtype
        )
        # (N, factor * (h + 2), factor * (w + 2), C)
        enlarged = ops.conv_transpose(scores, kernel, factor, padding="same")
        return enlarged[:, factor:-factor, factor:-factor]  # without those cells

    def compute_output_shape(self, scores_shape):
        return _enlarged(scores_shape, self.factor)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


@keras.saving.register_keras_serializable(package="keras_fcn")
class BedOfNails(layers.Layer):
    """Each value in the upper left corner of its cell, zeros elsewhere.

    A convolution after it fills the zeros. With a cell of 2, a kernel of 4, and two
    rows and columns of zeros before and one after, the two are exactly the transposed
    convolution of stride 2 with the mirrored kernel.

    Args:
        factor: rows and columns of a cell.
    """

    def __init__(self, factor: int = 2, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, scores: Tensor) -> Tensor:
        """Enlarge `(batch, height, width, channels)`; the dtype is kept."""
        empty = ops.zeros_like(scores)
        num_empty = self.factor - 1
        upper = [scores, *[empty] * num_empty]
        return _weave(  # (N, factor * h, factor * w, C)
            [upper, *[[empty] * self.factor] * num_empty]
        )

    def compute_output_shape(self, scores_shape):
        return _enlarged(scores_shape, self.factor)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


@keras.saving.register_keras_serializable(package="keras_fcn")
class MaxUnpooling(layers.Layer):
    """Each value where 2x2 max pooling found its maximum, zeros elsewhere.

    Of equal values the first counts, row by row from the upper left, always.

    Reference: Zeiler and Fergus, "Visualizing and Understanding Convolutional
    Networks", 2014, section 2.1.
    """

    def call(self, values: Tensor, pooled: Tensor) -> Tensor:
        """Put values back.

        Args:
            values: `(batch, height, width, channels)`.
            pooled: what the pooling saw, `(batch, 2 * height, 2 * width, channels)`, or
                with one channel, whose maximum then holds for all channels.

        Returns:
            `(batch, 2 * height, 2 * width, channels)`, of the values' dtype.
        """
        # The four places of a cell, row by row, each (N, h, w, C) or (N, h, w, 1).
        places = [pooled[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]
        largest = ops.maximum(
            ops.maximum(places[0], places[1]), ops.maximum(places[2], places[3])
        )
        cells = []
        is_found = ops.zeros_like(largest, dtype="bool")
        for place in places:
            is_largest = place == largest
            is_first = ops.logical_and(is_largest, ops.logical_not(is_found))
            cells.append(ops.where(is_first, values, ops.zeros_like(values)))
            is_found = ops.logical_or(is_found, is_largest)
        return _weave([cells[:2], cells[2:]])  # (N, 2h, 2w, C)

    def compute_output_shape(self, values_shape, pooled_shape):
        return _enlarged(values_shape, 2)


@keras.saving.register_keras_serializable(package="keras_fcn")
class ChannelSum(layers.Layer):
    """Sum over the channels, `(batch, height, width, 1)`."""

    def call(self, features: Tensor) -> Tensor:
        """Add up the channels of `(batch, height, width, channels)`."""
        return ops.sum(ops.cast(features, self.compute_dtype), axis=-1, keepdims=True)

    def compute_output_shape(self, features_shape):
        return (*features_shape[:-1], 1)


def upsample(
    scores: keras.KerasTensor,
    stride: int,
    method: str,
    name: str,
    pooled: Sequence[keras.KerasTensor],
    trainable: bool = True,
) -> keras.KerasTensor:
    """Enlarge scores `stride` times with the layers of a method.

    The methods that leave empty cells go on in steps of two, each with the convolution
    that fills them, which starts as bilinear interpolation. Max unpooling needs the
    places of maxima for maps of class scores, while VGG16 pools features, each channel
    with a place of its own: here the place is where the sum over the channels is
    largest, one for all classes.

    Args:
        scores: `(batch, height, width, num_classes)`.
        stride: enlargement, a power of two.
        method: one of `UPSAMPLING`.
        name: name of the layer; or how those of several begin.
        pooled: what VGG16's poolings saw that made the steps down, the deepest first,
            as many as there are steps of two.
        trainable: whether kernels are learned.

    Returns:
        float32 `(batch, stride * height, stride * width, num_classes)`.
    """
    if method == "bilinear":
        return BilinearInterpolation(stride, name=name, dtype="float32")(scores)
    if method == "nearest":
        return layers.UpSampling2D(stride, name=name, dtype="float32")(scores)
    if method == "transposed":
        # A kernel of 2s on a stride of s: each pixel gets a share of the four cells
        # whose centres lie around it, as in bilinear interpolation.
        return layers.Conv2DTranspose(
            kernel_size=2 * stride,
            strides=stride,
            padding="same",
            name=name,
            **_kernel_options(scores, trainable),
        )(scores)
    for step, features in enumerate(pooled, start=1):  # (N, h, w, C) to (N, 2h, 2w, C)
        step_name = f"{name}_step{step}"
        if method == "bed-of-nails":
            scores = BedOfNails(name=f"{step_name}_nails", dtype="float32")(scores)
            # Two before and one after, and a kernel of 4: see BedOfNails.
            scores = layers.ZeroPadding2D(
                ((2, 1), (2, 1)), name=f"{step_name}_padding", dtype="float32"
            )(scores)
            kernel = {"kernel_size": 4, "padding": "valid"}
        else:
            strength = ChannelSum(name=f"{step_name}_strength", dtype="float32")(
                features
            )
            scores = MaxUnpooling(name=f"{step_name}_unpooling", dtype="float32")(
                scores, strength
            )
            kernel = {"kernel_size": 3, "padding": "same"}
        scores = layers.Conv2D(
            **kernel, name=step_name, **_kernel_options(scores, trainable)
        )(scores)
    return scores


def _weave(maps):
    """One map of cells, in which `maps[r][c]` gives row r and column c of each.

    In four dimensions: LiteRT's runtime takes no slices or pads of more than five.
    """
    batch, height, width, channels = ops.shape(maps[0][0])
    width *= len(maps[0])
    rows = [  # each (N, h, columns * w, C)
        ops.reshape(ops.concatenate(row, axis=-1), (batch, height, width, channels))
        for row in maps
    ]
    # A row of cells is now as many rows side by side: (N, h, rows * columns * w, C).
    cells = ops.concatenate(rows, axis=2)
    return ops.reshape(cells, (batch, height * len(maps), width, channels))


def _kernel_options(scores, trainable):
    return {
        "filters": scores.shape[-1],
        "use_bias": False,
        "kernel_initializer": BilinearUpsampling(),
        "trainable": trainable,
        "dtype": "float32",
    }


def _enlarged(shape, factor):
    batch, height, width, channels = shape
    rows, columns = (
        None if length is None else factor * length for length in (height, width)
    )
    return batch, rows, columns, channels
