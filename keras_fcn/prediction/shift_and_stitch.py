"""Dense prediction from shifted images instead of upsampled logits.

A network of stride `s` computes coarse logits, one vector for each cell of `s * s`
pixels. An image shifted by a pixel gives the logits of cells that lie a pixel further;
the outputs of all `s * s` shifts, interlaced, are logits a pixel apart. A cell's center
lies between four pixels, so a pixel takes the mean of four cells. The same logits
result from removing the strides of the pooling layers and dilating the filters behind
them, which is the equivalence that the paper shows.

The shifts are those of the finest logits. The coarser streams of FCN-16s and FCN-8s are
upsampled by the network before they are fused, as without shifts.

Reference: Long, Shelhamer and Darrell, 2015, "Shift-and-stitch is filter rarefaction";
Giusti et al., "Fast image scanning with deep max-pooling convolutional neural
networks", 2013.
"""

from collections.abc import Callable
from numbers import Integral

import keras
import numpy as np

from keras_fcn.images.scale import MEAN_RGB
from keras_fcn.models.inference import inference_model

_COARSE_LAYER = {
    "fcn32s": "score_fr",
    "fcn16s": "fuse_pool4",
    "fcn8s": "fuse_pool3",
    "fcn4s": "fuse_pool2",
}
# Pixels of the shifted images in one batch; VGG16's features of 4 million take 2 GiB.
_PIXELS_PER_BATCH = 4_000_000


def coarse_stride(model: keras.Model) -> int:
    """Return the stride of a network's finest coarse logits: 32, 16, 8 or 4.

    Args:
        model: a network of `FCN`.
    """
    return int(model.name.removeprefix("fcn").removesuffix("s"))


def resolve_factor(model: keras.Model, factor: int | None) -> int:
    """Return the number of shifts along each axis.

    Args:
        model: a network of `FCN`.
        factor: a divisor of the network's stride; None for the stride.

    Raises:
        ValueError: if it does not divide the stride, or the model is not an FCN.
    """
    if model.name not in _COARSE_LAYER:
        raise ValueError(
            f"Shift-and-stitch requires a network of FCN. Received: {model.name}"
        )
    stride = coarse_stride(model)
    factor = stride if factor is None else factor
    if not isinstance(factor, Integral) or factor < 1 or stride % factor:
        raise ValueError(
            f"The stride factor must be a positive integer that divides the stride of "
            f"{model.name}, {stride}. Received: {factor}"
        )
    return int(factor)


def coarse_logits_model(model: keras.Model) -> keras.Model:
    """Return the network up to its finest coarse logits, before the last upsampling.

    It maps images, `(batch, height, width, 3)`, to float32 logits, `(batch, height / s,
    width / s, num_classes)` rounded up, where `s` is the stride: 32, 16, 8 or 4.

    Args:
        model: a network of `FCN`; its weights are shared.

    Returns:
        A functional `keras.Model`.
    """
    logits = model.get_layer(_COARSE_LAYER[model.name]).output
    return inference_model(model, logits, "coarse")


def interlace(
    run: Callable[[np.ndarray], np.ndarray],
    image: np.ndarray,
    stride: int,
    factor: int,
    batch_size: int = 1,
) -> np.ndarray:
    """Run a function of stride `stride` on shifted images and interlace its outputs.

    Args:
        run: maps `(batch, rows, columns, channels)` to coarse outputs, `(batch, rows /
            stride, columns / stride, ...)`.
        image: `(height, width, channels)`; its last `stride - stride / factor` rows and
            columns appear in shifted images only.
        stride: pixels between two outputs.
        factor: number of shifts along each axis, a divisor of `stride`; they are
            `stride / factor` pixels apart.
        batch_size: shifts in one call of `run`.

    Returns:
        Outputs `(rows, columns, ...)` of every `stride / factor`-th pixel, beginning
        with that of the image without a shift.
    """
    step = stride // factor
    rows, columns = (length - (stride - step) for length in image.shape[:2])
    shifts = [(down, right) for down in range(factor) for right in range(factor)]
    for first in range(0, len(shifts), batch_size):
        group = shifts[first : first + batch_size]
        views = np.stack(  # (batch, rows, columns, channels)
            [
                image[down * step :, right * step :][:rows, :columns]
                for down, right in group
            ]
        )
        outputs = np.asarray(run(views))  # (batch, rows / stride, columns / stride, C)
        if first == 0:
            height, width = outputs.shape[1:3]
            dense = np.empty(  # (rows / step, columns / step, C)
                (height * factor, width * factor, *outputs.shape[3:]), outputs.dtype
            )
        for (down, right), output in zip(group, outputs, strict=True):
            # The output of cell k at shift d belongs to pixel k * stride + d * step.
            dense[down::factor, right::factor] = output
    return dense


def shift_and_stitch(
    model: keras.Model, image: np.ndarray, factor: int | None = None
) -> np.ndarray:
    """Return logits of every pixel from shifted images, without learned upsampling.

    The network runs on `factor * factor` shifted images. Their logits are
    `stride / factor` pixels apart, and are interpolated bilinearly at the pixels.

    Args:
        model: a network of `FCN`.
        image: RGB, uint8 or float in [0, 255], `(height, width, 3)`.
        factor: number of shifts along each axis, a divisor of the network's stride (32,
            16, 8 or 4); None for the stride.

    Returns:
        float32 logits `(height, width, num_classes)`.

    Raises:
        ValueError: if `factor` does not divide the stride, the image has another
            shape, or the model is not an FCN.
    """
    return make_shift_and_stitch(model, factor)(image)


def make_shift_and_stitch(
    model: keras.Model, factor: int | None = None
) -> Callable[[np.ndarray], np.ndarray]:
    """Return `shift_and_stitch` for one network and factor, to use on many images.

    Args:
        model: a network of `FCN`.
        factor: number of shifts along each axis; None for the network's stride.

    Returns:
        Function from an image to its logits.

    Raises:
        ValueError: if `factor` does not divide the stride, or the model is not an FCN.
    """
    factor = resolve_factor(model, factor)
    coarse, stride = coarse_logits_model(model), coarse_stride(model)
    step = stride // factor

    def stitch(image: np.ndarray) -> np.ndarray:
        if image.ndim != 3 or image.shape[-1] != 3:
            raise ValueError(
                "Shift-and-stitch requires an image of shape (height, width, 3). "
                f"Received: {image.shape}"
            )
        height, width = image.shape[:2]
        # An output belongs to the center of its cell, half a stride into it.
        before = stride // 2
        # The network would pad to multiples of 32, and so move its cells.
        rows, columns = (-(-(length + before) // 32) * 32 for length in (height, width))
        canvas = np.empty(
            (rows + stride - step, columns + stride - step, 3), dtype="float32"
        )
        canvas[:] = MEAN_RGB  # as the network's own padding
        canvas[before : before + height, before : before + width] = image
        batch_size = max(1, _PIXELS_PER_BATCH // (rows * columns))
        # (rows / step, columns / step, C)
        dense = interlace(coarse.predict_on_batch, canvas, stride, factor, batch_size)
        # The first output lies at the center of the canvas's first cell,
        # (stride - 1) / 2: half a pixel above and left of the image's first pixel.
        offset = before - (stride - 1) / 2
        dense = _interpolate(dense, height, offset, step)  # (H, columns / step, C)
        columns_first = _interpolate(dense.swapaxes(0, 1), width, offset, step)
        return columns_first.swapaxes(0, 1)  # (H, W, C)

    return stitch


def _interpolate(values, length, offset, step):
    """Values at `length` pixels along the first axis, from values `step` apart."""
    position = (np.arange(length) + offset) / step
    low = np.clip(np.floor(position).astype(int), 0, len(values) - 1)
    high = np.minimum(low + 1, len(values) - 1)
    share = (position - low).clip(0, 1).astype("float32")[:, None, None]
    return values[low] * (1 - share) + values[high] * share
