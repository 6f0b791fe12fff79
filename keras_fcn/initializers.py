"""The kernel with which a transposed convolution starts as bilinear interpolation."""

import keras
import numpy as np


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
        kernel = np.zeros(shape, dtype="float32")
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
