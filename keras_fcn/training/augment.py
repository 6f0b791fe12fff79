"""Random changes of image and label map together, inside the compiled step.

Everything here is Keras operations on a whole batch, so it runs where the network
runs: on the GPU when there is one, on TensorFlow and on JAX.
"""

import math

import keras
import numpy as np
from keras import ops

from keras_fcn.config import TrainingConfig
from keras_fcn.models.layers import MEAN_RGB
from keras_fcn.models.replicas import num_replicas, replica_id
from keras_fcn.typing import Tensor

# NTSC's luma and chroma; the first row is luma, the weights of a grey picture.
_RGB_TO_YIQ = (
    (0.299, 0.587, 0.114),
    (0.595716, -0.274453, -0.321263),
    (0.211456, -0.522591, 0.311135),
)


class Augment(keras.layers.Layer):
    """Flip, scale, rotate, crop and recolour, drawn anew for each example.

    Image and label map go through one geometric transform, the image read bilinearly
    and the label map from the nearest pixel. Where the view leaves the picture, the
    image is ImageNet's mean colour and the label void. The position of the crop is
    drawn so that it lies in the picture where it can, and holds the whole picture
    where it is larger.

    Args:
        crop: `(height, width)` of what comes out, in pixels.
        ignore_class: id of void.
        flip: mirror half of the examples from left to right.
        scale: `(least, most)` enlargement, drawn evenly on a logarithmic scale.
        rotation: greatest angle in degrees, to either side.
        brightness: greatest shift, as a share of 255, to either side.
        contrast: greatest change of the distance to the mean grey, as a share.
        saturation: greatest change of the distance to grey, as a share.
        hue: greatest turn of the colour circle, as a share of a whole turn.
        seed: integer from which all draws follow.
    """

    def __init__(
        self,
        crop: tuple[int, int],
        ignore_class: int,
        *,
        flip: bool = TrainingConfig.flip,
        scale: tuple[float, float] = TrainingConfig.scale,
        rotation: float = TrainingConfig.rotation,
        brightness: float = TrainingConfig.brightness,
        contrast: float = TrainingConfig.contrast,
        saturation: float = TrainingConfig.saturation,
        hue: float = TrainingConfig.hue,
        seed: int = TrainingConfig.seed,
        **kwargs,
    ):
        super().__init__(dtype="float32", **kwargs)
        self.crop = crop
        self.ignore_class = ignore_class
        self.flip = flip
        self.scale = scale
        self.rotation = rotation
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(
        self, image: Tensor, label_map: Tensor, size: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Augment a batch.

        Args:
            image: uint8 or float `(batch, height, width, 3)`, RGB in [0, 255].
            label_map: integer `(batch, height, width)`.
            size: int32 `(batch, 2)`, height and width of each picture within the
                batch's, from the upper left corner.

        Returns:
            image float32 `(batch, *crop, 3)` in [0, 255] and label map int32
            `(batch, *crop)`.
        """
        row, column = self._draw_view(ops.cast(size, "float32"))
        image, label_map = warp(image, label_map, row, column, size, self.ignore_class)
        return self._recolor(image), label_map

    def compute_output_shape(self, image_shape, label_map_shape, size_shape):
        batch = image_shape[0]
        return (batch, *self.crop, 3), (batch, *self.crop)

    def _draw(self, batch, low, high):
        """One float32 per example, `(batch, 1, 1)`, evenly in [low, high).

        All replicas draw for the whole batch alike, and each takes its own part.
        """
        length = ops.shape(batch)[0]
        shape = (length * num_replicas(), 1, 1)
        drawn = keras.random.uniform(shape, low, high, seed=self.seed_generator)
        if num_replicas() == 1:
            return drawn
        return ops.slice(drawn, (replica_id() * length, 0, 0), (length, 1, 1))

    def _draw_view(self, size):
        """Where each pixel of the crop lies in its picture: rows and columns."""
        height, width = self.crop
        least, most = (math.log(bound) for bound in self.scale)
        zoom = ops.exp(self._draw(size, least, most))  # (N, 1, 1), as all draws
        angle = self._draw(size, -self.rotation, self.rotation) * (math.pi / 180)
        row_share, column_share = self._draw(size, 0, 1), self._draw(size, 0, 1)
        mirror = 1.0
        if self.flip:
            mirror = ops.where(self._draw(size, 0, 1) < 0.5, -1.0, 1.0)

        # Offsets from the crop's centre in the picture's pixels, half-pixel centres.
        down = (ops.arange(height, dtype="float32") - (height - 1) / 2)[None, :, None]
        right = (ops.arange(width, dtype="float32") - (width - 1) / 2)[None, None, :]
        down, right = down / zoom, right / zoom * mirror
        cos, sin = ops.cos(angle), ops.sin(angle)
        picture_height, picture_width = size[:, 0, None, None], size[:, 1, None, None]
        center_row = _view_center(row_share, picture_height, height / zoom)
        center_column = _view_center(column_share, picture_width, width / zoom)
        # A rotation by `angle`: (N, crop height, crop width), in the picture's pixels.
        row = center_row + cos * down + sin * right
        column = center_column - sin * down + cos * right
        return row, column

    def _recolor(self, image):
        """Brightness, contrast, saturation and hue of float RGB, clipped to 0-255."""
        if self.brightness:
            image = image + 255 * self._draw_change(image, self.brightness)
        if self.contrast:
            # Of each picture alone, (N, 1, 1, 1).
            mean = ops.mean(_grey(image), axis=(1, 2), keepdims=True)
            change = self._draw_change(image, self.contrast)
            image = mean + (image - mean) * (1 + change)
        if self.saturation:
            grey = _grey(image)
            change = self._draw_change(image, self.saturation)
            image = grey + (image - grey) * (1 + change)
        if self.hue:
            turn = self._draw_change(image, self.hue)
            image = turn_hue(image, ops.squeeze(turn, axis=-1))  # turn: (N, 1, 1)
        return ops.clip(image, 0, 255)

    def _draw_change(self, image, most):
        """One float32 per example, `(batch, 1, 1, 1)`, evenly in [-most, most)."""
        return self._draw(image, -most, most)[..., None]


def make_augment(
    config: TrainingConfig, crop: tuple[int, int], ignore_class: int
) -> Augment:
    """Return the augmentation of a configuration; without `augment` the crop alone.

    Args:
        config: the training.
        crop: `(height, width)` of what comes out, in pixels.
        ignore_class: id of void.
    """
    is_on = config.augment
    return Augment(
        crop,
        ignore_class,
        flip=config.flip and is_on,
        scale=config.scale if is_on else (1.0, 1.0),
        rotation=config.rotation * is_on,
        brightness=config.brightness * is_on,
        contrast=config.contrast * is_on,
        saturation=config.saturation * is_on,
        hue=config.hue * is_on,
        seed=config.seed,
    )


def warp(
    image: Tensor,
    label_map: Tensor,
    row: Tensor,
    column: Tensor,
    size: Tensor,
    ignore_class: int,
) -> tuple[Tensor, Tensor]:
    """Read image and label map at given positions, one position per new pixel.

    Args:
        image: uint8 or float `(batch, height, width, 3)`, RGB.
        label_map: integer `(batch, height, width)`.
        row: float32 `(batch, new height, new width)`: the row in the picture that each
            new pixel shows, counted from the centre of the first row.
        column: the same for columns.
        size: int32 `(batch, 2)`, height and width of each picture within the batch's.
        ignore_class: label of positions outside the picture.

    Returns:
        image float32 `(batch, new height, new width, 3)`, interpolated bilinearly,
        ImageNet's mean colour outside the picture, and label map int32 `(batch,
        new height, new width)`, of the nearest pixel.
    """
    batch, height, width = ops.shape(image)[:3]
    # All pixels of the batch in one row, (N * H * W, 3), to be read by number.
    pixels = ops.cast(ops.reshape(image, (-1, image.shape[-1])), "float32")
    last_row, last_column = size[:, 0, None, None] - 1, size[:, 1, None, None] - 1
    first_pixel = ops.reshape(ops.arange(batch) * (height * width), (-1, 1, 1))

    def index_of(row, column):
        row = ops.clip(ops.cast(row, "int32"), 0, last_row)
        column = ops.clip(ops.cast(column, "int32"), 0, last_column)
        return first_pixel + row * width + column

    top, left = ops.floor(row), ops.floor(column)
    down, right = (row - top)[..., None], (column - left)[..., None]

    def blend(row):
        """Pixels of a row between two columns, (N, H', W', 3)."""
        return (
            ops.take(pixels, index_of(row, left), axis=0) * (1 - right)
            + ops.take(pixels, index_of(row, left + 1), axis=0) * right
        )

    # (N, H', W', 3)
    new_image = blend(top) * (1 - down) + blend(top + 1) * down
    nearest_row, nearest_column = ops.floor(row + 0.5), ops.floor(column + 0.5)
    is_inside = (
        (nearest_row >= 0)
        & (nearest_row <= ops.cast(last_row, "float32"))
        & (nearest_column >= 0)
        & (nearest_column <= ops.cast(last_column, "float32"))
    )
    labels = ops.cast(ops.reshape(label_map, (-1,)), "int32")  # (N * H * W,)
    new_label_map = ops.take(labels, index_of(nearest_row, nearest_column), axis=0)
    mean_color = ops.convert_to_tensor(MEAN_RGB, dtype="float32")
    return (
        ops.where(is_inside[..., None], new_image, mean_color),
        ops.where(is_inside, new_label_map, ignore_class),
    )


def turn_hue(image: Tensor, turn: Tensor) -> Tensor:
    """Turn the colours of RGB images about the grey axis, brightness kept.

    Args:
        image: float32 `(batch, height, width, 3)`.
        turn: float32 `(batch, 1, 1)`, share of a whole turn; 0 changes nothing.

    Returns:
        float32 of the image's shape, not clipped.
    """
    to_yiq = ops.convert_to_tensor(_RGB_TO_YIQ, dtype="float32")
    to_rgb = ops.convert_to_tensor(np.linalg.inv(_RGB_TO_YIQ), dtype="float32")
    luma, in_phase, quadrature = ops.unstack(
        ops.matmul(image, ops.transpose(to_yiq)), axis=-1
    )
    angle = 2 * math.pi * turn
    cos, sin = ops.cos(angle), ops.sin(angle)
    turned = ops.stack(
        [luma, cos * in_phase - sin * quadrature, sin * in_phase + cos * quadrature],
        axis=-1,
    )
    return ops.matmul(turned, ops.transpose(to_rgb))


def _grey(image):
    """Luma of RGB, `(batch, height, width, 1)`."""
    luma = ops.convert_to_tensor(_RGB_TO_YIQ[0], dtype="float32")
    return ops.sum(image * luma, axis=-1, keepdims=True)


def _view_center(share, length, view_length):
    """Centre of a view that starts at `share` of the way it can move on a picture.

    The start is a whole pixel, so that a crop without scaling reads pixels as they are.
    """
    start = ops.round(share * (length - view_length))
    return start + (view_length - 1) / 2
