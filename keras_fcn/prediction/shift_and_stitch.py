"""Dense prediction by shifts of the image instead of an enlargement of the scores.

The coarse scores of a network of stride `s` are one for each cell of `s * s` pixels.
Shifted by a pixel, the image gives those of cells a pixel further; from all `s * s`
shifts, interlaced, come scores a pixel apart. Such a cell's centre lies between four
pixels, and a pixel takes the mean of its four scores. The same scores come from the
network itself with the strides of its poolings taken out and the filters behind them
rarefied ("à trous"), which is the identity that the paper shows.

The shifts are those of the finest scores. The coarser streams of FCN-16s and FCN-8s see
no more of them, and are enlarged as ever before the scores are fused.

Reference: Long, Shelhamer and Darrell, 2015, "Shift-and-stitch is filter rarefaction";
Giusti et al., "Fast image scanning with deep max-pooling convolutional neural
networks", 2013.
"""

from collections.abc import Callable
from numbers import Integral

import keras
import numpy as np

from keras_fcn.models.inference import inference_model
from keras_fcn.models.layers import MEAN_RGB

_COARSE_LAYER = {
    "fcn32s": "score_fr",
    "fcn16s": "fuse_pool4",
    "fcn8s": "fuse_pool3",
    "fcn4s": "fuse_pool2",
}
# Pixels that a pass may hold at a time; with VGG16's features, 4 million take 2 GiB.
_PIXELS_A_PASS = 4_000_000


def coarse_stride(model: keras.Model) -> int:
    """Return the stride of a network's finest scores: 32, 16, 8 or 4.

    Args:
        model: a network of `FCN`.
    """
    return int(model.name.removeprefix("fcn").removesuffix("s"))


def check_factor(model: keras.Model, factor: int | None) -> int:
    """Return the shifts along each axis that a network makes.

    Args:
        model: a network of `FCN`.
        factor: what was asked for; None for the network's stride.

    Returns:
        The factor.

    Raises:
        ValueError: if it does not divide the stride, or the model is no FCN.
    """
    if model.name not in _COARSE_LAYER:
        raise ValueError(
            f"Shift-and-stitch needs a network of FCN. Received: {model.name}"
        )
    stride = coarse_stride(model)
    factor = stride if factor is None else factor
    if not isinstance(factor, Integral) or factor < 1 or stride % factor:
        raise ValueError(
            f"The stride factor must be a whole number that divides the stride of "
            f"{model.name}, {stride}. Received: {factor}"
        )
    return int(factor)


def coarse_logits_model(model: keras.Model) -> keras.Model:
    """Return the network up to its finest scores, before they are enlarged.

    It maps images, `(batch, height, width, 3)`, to float32 scores, `(batch, height / s,
    width / s, num_classes)` rounded up, `s` being 32, 16, 8 or 4.

    Args:
        model: a network of `FCN`; its weights are shared.

    Returns:
        A functional `keras.Model`.
    """
    scores = model.get_layer(_COARSE_LAYER[model.name]).output
    return inference_model(model, scores, "coarse")


def interlace(
    run: Callable[[np.ndarray], np.ndarray],
    image: np.ndarray,
    stride: int,
    factor: int,
    batch_size: int = 1,
) -> np.ndarray:
    """Run a function of stride `stride` on shifted images and interlace its outputs.

    Args:
        run: maps `(batch, rows, columns, channels)` to coarse scores, `(batch, rows,
            columns, ...)`, one for each `stride` pixels.
        image: `(height, width, channels)`; the last `stride - stride / factor` rows and
            columns are seen by the shifted views alone.
        stride: pixels between two outputs.
        factor: shifts along each axis, a divisor of `stride`; they are `stride /
            factor` pixels apart.
        batch_size: shifts in one call of `run`.

    Returns:
        Scores `(rows, columns, ...)` of every `stride / factor`-th pixel, the first
        those of the unshifted image.

    """
    step = stride // factor
    rows, columns = (length - (stride - step) for length in image.shape[:2])
    shifts = [(down, right) for down in range(factor) for right in range(factor)]
    dense = None
    for first in range(0, len(shifts), batch_size):
        group = shifts[first : first + batch_size]
        views = np.stack(  # (batch, rows, columns, channels)
            [
                image[down * step :, right * step :][:rows, :columns]
                for down, right in group
            ]
        )
        for (down, right), scores in zip(group, np.asarray(run(views)), strict=True):
            if dense is None:
                height, width = scores.shape[:2]
                size = (height * factor, width * factor, *scores.shape[2:])
                dense = np.empty(size, dtype=scores.dtype)
            dense[down::factor, right::factor] = scores
    return dense


def shift_and_stitch(
    model: keras.Model, image: np.ndarray, factor: int | None = None
) -> np.ndarray:
    """Return logits of every pixel from shifted images, without learned upsampling.

    The network sees the image `factor * factor` times, so it takes about that many
    times as long. The scores are `stride / factor` pixels apart, and are interpolated
    bilinearly at the pixels.

    Args:
        model: a network of `FCN`.
        image: RGB, uint8 or float in [0, 255], `(height, width, 3)`.
        factor: shifts along each axis, a divisor of the network's stride (32 to 4);
            the stride itself when None.

    Returns:
        float32 logits `(height, width, num_classes)`.

    Raises:
        ValueError: if `factor` does not divide the stride, the image is of another
            shape, or the model is no FCN.
    """
    return make_shift_and_stitch(model, factor)(image)


def make_shift_and_stitch(
    model: keras.Model, factor: int | None = None
) -> Callable[[np.ndarray], np.ndarray]:
    """Return `shift_and_stitch` of a network and a factor, for many images.

    Args:
        model: a network of `FCN`.
        factor: as for `shift_and_stitch`.

    Returns:
        Function of an image to its logits.

    Raises:
        ValueError: if `factor` does not divide the stride, or the model is no FCN.
    """
    factor = check_factor(model, factor)
    coarse, stride = coarse_logits_model(model), coarse_stride(model)

    def stitch(image):
        if image.ndim != 3 or image.shape[-1] != 3:
            raise ValueError(
                "Shift-and-stitch needs an image of the shape (height, width, 3). "
                f"Received: {image.shape}"
            )
        return _stitch(coarse, image, stride, factor)

    return stitch


def _stitch(coarse, image, stride, factor):
    step = stride // factor
    height, width = image.shape[:2]
    # A score belongs to the centre of its cell, half a stride into it.
    before = stride // 2
    # The network pads to multiples of 32, which would move its cells: done here.
    rows, columns = (-(-(length + before) // 32) * 32 for length in (height, width))
    canvas = np.empty(
        (rows + stride - step, columns + stride - step, 3), dtype="float32"
    )
    canvas[:] = MEAN_RGB  # what the network's own padding is
    canvas[before : before + height, before : before + width] = image
    batch_size = max(1, _PIXELS_A_PASS // (rows * columns))
    # (rows / step, columns / step, C)
    dense = interlace(coarse.predict_on_batch, canvas, stride, factor, batch_size)
    return _at_pixels(dense, step, before, stride, (height, width))


def _at_pixels(dense, step, before, stride, size):
    """Scores at the image's pixels, of those `step` pixels apart.

    The first lies at the centre of the canvas's first cell, `(stride - 1) / 2`, which
    is half a pixel above and left of the image's first pixel.
    """
    weights = []
    for count, length in zip(dense.shape[:2], size, strict=True):
        position = (np.arange(length) + before - (stride - 1) / 2) / step
        low = np.clip(np.floor(position).astype(int), 0, count - 1)
        high = np.minimum(low + 1, count - 1)
        weights.append((low, high, (position - low).clip(0, 1).astype("float32")))
    (top, bottom, down), (left, right, across) = weights
    # Along the columns (height, columns / step, C), then along the rows.
    rows = dense[top] * (1 - down)[:, None, None] + dense[bottom] * down[:, None, None]
    return (  # (height, width, C)
        rows[:, left] * (1 - across)[None, :, None]
        + rows[:, right] * across[None, :, None]
    )
