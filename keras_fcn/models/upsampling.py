"""Methods of upsampling logits, each as Keras layers.

`upsample` applies one of them for the decoder of `fcn.py`. `transposed` learns its
kernel, which starts as bilinear interpolation; `bilinear` and `nearest` have no kernel;
`bed-of-nails` and `max-unpooling` leave most of the new cells zero, and are followed by
a convolution that fills them.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops

from keras_fcn.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_fcn")
class BilinearUpsampling(keras.initializers.Initializer):
    """Kernel of a `Conv2DTranspose` that interpolates each channel bilinearly.

    With a kernel of `k = 2s`, stride `s` and `padding="same"`, the layer then upsamples
    its input by `s` like `cv2.resize(..., INTER_LINEAR)` (half-pixel centers), except
    in the outer `s / 2` pixels, because the input is padded with zeros. Weights between
    different channels are zero: one kernel per class.

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
                "A bilinear kernel must have equal height and width, and as many "
                f"filters as channels. Received: shape={tuple(shape)}"
            )
        kernel = np.zeros(shape, dtype="float32")  # (k, k, C, C)
        diagonal = np.arange(channels)
        kernel[:, :, diagonal, diagonal] = bilinear_window(height)[:, :, None]
        return keras.ops.convert_to_tensor(kernel, dtype=dtype)

    def get_config(self):
        """Return the arguments of the constructor, for saved networks."""
        return {}


def bilinear_window(size: int) -> np.ndarray:
    """Return the `(size, size)` float32 window of bilinear interpolation.

    It upsamples by `ceil(size / 2)`. Its weights fall linearly from the center, which
    lies between two pixels if `size` is even.

    Args:
        size: height and width of the kernel, at least 1.
    """
    factor = (size + 1) // 2
    center = factor - 1 if size % 2 == 1 else factor - 0.5
    weights = 1 - np.abs(np.arange(size) - center) / factor
    return np.outer(weights, weights).astype("float32")


@keras.saving.register_keras_serializable(package="keras_fcn")
class BilinearInterpolation(layers.Layer):
    """Bilinear interpolation with half-pixel centers; the border values are repeated.

    The values are those of Keras's `UpSampling2D`, which can't be exported for images
    of any size.

    Args:
        factor: rows and columns of the output for each of the input; even.

    Raises:
        ValueError: if `factor` is odd or less than 2.
    """

    def __init__(self, factor: int, **kwargs):
        super().__init__(**kwargs)
        if factor < 2 or factor % 2:
            raise ValueError(
                f"`factor` must be even and at least 2. Received: factor={factor}"
            )
        self.factor = factor

    def call(self, logits: Tensor) -> Tensor:
        """Upsample float `(batch, height, width, channels)`; the dtype is kept."""
        factor, channels = self.factor, logits.shape[-1]
        # Repeat the border once on each side: (N, h + 2, w + 2, C).
        logits = ops.concatenate([logits[:, :1], logits, logits[:, -1:]], axis=1)
        logits = ops.concatenate([logits[:, :, :1], logits, logits[:, :, -1:]], axis=2)
        kernel = BilinearUpsampling()(
            (2 * factor, 2 * factor, channels, channels), logits.dtype
        )
        # (N, factor * (h + 2), factor * (w + 2), C)
        upsampled = ops.conv_transpose(logits, kernel, factor, padding="same")
        return upsampled[
            :, factor:-factor, factor:-factor
        ]  # (N, factor*h, factor*w, C)

    def compute_output_shape(self, logits_shape):
        """Return the shape of the output, with None where it is unknown."""
        return _upsampled_shape(logits_shape, self.factor)

    def get_config(self):
        """Return the arguments of the constructor, for saved networks."""
        return {**super().get_config(), "factor": self.factor}


@keras.saving.register_keras_serializable(package="keras_fcn")
class BedOfNails(layers.Layer):
    """Each value in the upper left corner of its cell, zeros elsewhere.

    A convolution after it fills the zeros. With `factor` 2, a kernel of 4, and padding
    by two rows and columns of zeros before and one after, the two together equal the
    transposed convolution of stride 2 with the mirrored kernel.

    Args:
        factor: rows and columns of a cell.
    """

    def __init__(self, factor: int = 2, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, logits: Tensor) -> Tensor:
        """Upsample `(batch, height, width, channels)`; the dtype is kept."""
        empty = ops.zeros_like(logits)
        num_empty = self.factor - 1
        upper = [logits, *[empty] * num_empty]
        return _weave(  # (N, factor * h, factor * w, C)
            [upper, *[[empty] * self.factor] * num_empty]
        )

    def compute_output_shape(self, logits_shape):
        """Return the shape of the output, with None where it is unknown."""
        return _upsampled_shape(logits_shape, self.factor)

    def get_config(self):
        """Return the arguments of the constructor, for saved networks."""
        return {**super().get_config(), "factor": self.factor}


@keras.saving.register_keras_serializable(package="keras_fcn")
class MaxUnpooling(layers.Layer):
    """Each value at the position of the maximum of 2x2 max pooling, zeros elsewhere.

    Of equal values the first one counts, row by row from the upper left.

    Reference: Zeiler and Fergus, "Visualizing and Understanding Convolutional
    Networks", 2014, section 2.1.
    """

    def call(self, values: Tensor, pooled: Tensor) -> Tensor:
        """Place the values.

        Args:
            values: `(batch, height, width, channels)`.
            pooled: the input of the pooling, `(batch, 2 * height, 2 * width,
                channels)`, or with one channel, whose maximum then counts for all.

        Returns:
            `(batch, 2 * height, 2 * width, channels)`, of the values' dtype.
        """
        # The four positions of a cell, row by row, each (N, h, w, C) or (N, h, w, 1).
        positions = [
            pooled[:, row::2, column::2] for row in (0, 1) for column in (0, 1)
        ]
        largest = ops.maximum(
            ops.maximum(positions[0], positions[1]),
            ops.maximum(positions[2], positions[3]),
        )
        cells = []
        is_found = ops.zeros_like(largest, dtype="bool")
        for position in positions:
            is_largest = position == largest
            is_first = ops.logical_and(is_largest, ops.logical_not(is_found))
            cells.append(ops.where(is_first, values, ops.zeros_like(values)))
            is_found = ops.logical_or(is_found, is_largest)
        return _weave([cells[:2], cells[2:]])  # (N, 2h, 2w, C)

    def compute_output_shape(self, values_shape, pooled_shape):
        """Return the shape of the output, with None where it is unknown."""
        return _upsampled_shape(values_shape, 2)


@keras.saving.register_keras_serializable(package="keras_fcn")
class ChannelSum(layers.Layer):
    """Sum over the channels, `(batch, height, width, 1)`."""

    def call(self, features: Tensor) -> Tensor:
        """Return the sum over the channels of `(batch, height, width, channels)`."""
        return ops.sum(ops.cast(features, self.compute_dtype), axis=-1, keepdims=True)

    def compute_output_shape(self, features_shape):
        """Return the shape of the output, with None where it is unknown."""
        return (*features_shape[:-1], 1)


def upsample(
    logits: keras.KerasTensor,
    stride: int,
    method: str,
    name: str,
    pooled: Sequence[keras.KerasTensor],
    trainable: bool = True,
) -> keras.KerasTensor:
    """Upsample logits by `stride` with the layers of a method.

    The methods that leave cells empty work in steps of two, each followed by the
    convolution that fills them, which starts as bilinear interpolation. Max unpooling
    needs one position of the maximum for all classes, but VGG16's poolings have one for
    each channel of their features: here it is the position where the sum over the
    channels is largest.

    Args:
        logits: `(batch, height, width, num_classes)`.
        stride: factor of the upsampling, a power of two.
        method: one of `UPSAMPLING`.
        name: name of the layer, or the prefix of the names of several layers.
        pooled: the inputs of the poolings of VGG16 that the upsampling inverts, the
            deepest first, one for each step of two.
        trainable: whether kernels are learned.

    Returns:
        float32 `(batch, stride * height, stride * width, num_classes)`.
    """
    if method == "bilinear":
        return BilinearInterpolation(stride, name=name, dtype="float32")(logits)
    if method == "nearest":
        return layers.UpSampling2D(stride, name=name, dtype="float32")(logits)
    if method == "transposed":
        # Kernel 2s at stride s: each output pixel gets a share of the 2x2 input cells
        # whose centers surround it, which is what bilinear interpolation needs. With
        # "same" padding s / 2 is cropped on each side, so that the grids stay aligned
        # at half-pixel centers and no crop offset is needed.
        return layers.Conv2DTranspose(
            kernel_size=2 * stride,
            strides=stride,
            padding="same",
            name=name,
            **_kernel_options(logits, trainable),
        )(logits)
    for step, features in enumerate(pooled, start=1):  # (N, h, w, C) -> (N, 2h, 2w, C)
        step_name = f"{name}_step{step}"
        if method == "bed-of-nails":
            logits = BedOfNails(name=f"{step_name}_nails", dtype="float32")(logits)
            # Kernel 4 and padding 2 + 1 keep the grids aligned: see BedOfNails.
            logits = layers.ZeroPadding2D(
                ((2, 1), (2, 1)), name=f"{step_name}_padding", dtype="float32"
            )(logits)
            kernel = {"kernel_size": 4, "padding": "valid"}
        else:
            strength = ChannelSum(name=f"{step_name}_strength", dtype="float32")(
                features
            )
            logits = MaxUnpooling(name=f"{step_name}_unpooling", dtype="float32")(
                logits, strength
            )
            kernel = {"kernel_size": 3, "padding": "same"}
        logits = layers.Conv2D(
            **kernel, name=step_name, **_kernel_options(logits, trainable)
        )(logits)
    return logits


def _weave(maps):
    """Interleave maps: `maps[r][c]` becomes row r and column c of each cell.

    With four dimensions, because LiteRT's runtime slices and pads at most five.
    """
    batch, height, width, channels = ops.shape(maps[0][0])
    width *= len(maps[0])
    rows = [  # each (N, h, columns * w, C)
        ops.reshape(ops.concatenate(row, axis=-1), (batch, height, width, channels))
        for row in maps
    ]
    # The rows of a cell lie next to each other: (N, h, rows * columns * w, C).
    cells = ops.concatenate(rows, axis=2)
    return ops.reshape(cells, (batch, height * len(maps), width, channels))


def _kernel_options(logits, trainable):
    return {
        "filters": logits.shape[-1],
        "use_bias": False,
        "kernel_initializer": BilinearUpsampling(),
        "trainable": trainable,
        "dtype": "float32",
    }


def _upsampled_shape(shape, factor):
    batch, height, width, channels = shape
    rows, columns = (
        None if length is None else factor * length for length in (height, width)
    )
    return batch, rows, columns, channels
