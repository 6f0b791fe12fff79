"""Augmentation of images with their label maps, inside the compiled step.

It consists of Keras operations on a whole batch, so it runs on the network's device and
backend.
"""

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_fcn.config import TrainingConfig
from keras_fcn.images.scale import MEAN_RGB
from keras_fcn.models.replicas import num_replicas, replica_id
from keras_fcn.typing import Tensor

# NTSC's luma and chroma; the first row is luma.
_RGB_TO_YIQ = (
    (0.299, 0.587, 0.114),
    (0.595716, -0.274453, -0.321263),
    (0.211456, -0.522591, 0.311135),
)


@keras.saving.register_keras_serializable(package="keras_fcn")
class Augment(keras.layers.Layer):
    """Flip, scale, rotate, crop and change the colors of each example at random.

    It is used in tf.data, or as a layer of a model. In inference, `training=False`, it
    changes nothing but the dtypes.

    Examples:
        >>> augment = keras_fcn.Augment(crop=(320, 416), ignore_class=255)
        >>> dataset = dataset.map(augment)  # pairs (image, label_map), batched or not
        >>> augmented = augment({"image": images, "label_map": label_maps})

    Image and label map are transformed by the same function: bilinear interpolation for
    the image, nearest neighbor for the label map. Outside the image, pixels are void
    and have ImageNet's mean color, before the colors are changed. The crop is placed at
    random within the image, or so that it contains the whole image if it is larger.

    Args:
        crop: `(height, width)` of the output, pixels.
        ignore_class: id of void. If None, `batches` of a data set uses that of the data
            set.
        flip: mirror examples from left to right with probability 0.5.
        scale: `(low, high)` of the zoom factor; its logarithm is uniform.
        rotation: maximum angle in either direction, degrees.
        brightness: maximum shift in either direction, as a fraction of 255.
        contrast: maximum relative change of the distance to the crop's mean gray.
        saturation: maximum relative change of the distance to gray.
        hue: maximum rotation of the hue, as a fraction of a full turn.
        seed: seed of the random numbers.
        kwargs: other arguments of `keras.layers.Layer`, such as `name`.
    """

    def __init__(
        self,
        crop: tuple[int, int],
        ignore_class: int | None = None,
        *,
        flip: bool = True,
        scale: tuple[float, float] = (0.5, 1.5),
        rotation: float = 5.0,
        brightness: float = 0.2,
        contrast: float = 0.2,
        saturation: float = 0.2,
        hue: float = 0.02,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(dtype="float32", **kwargs)
        if not isinstance(crop, list | tuple) or len(crop) != 2 or min(crop) < 1:
            raise ValueError(
                "`crop` must be (height, width), at least 1 pixel each. "
                f"Received: crop={crop}"
            )
        self.crop = tuple(crop)
        self.ignore_class = ignore_class
        self.flip = flip
        self.scale = scale
        self.rotation = rotation
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Augment examples; see `call`."""
        first = keras.tree.flatten(inputs)[0]
        is_foreign = keras.backend.backend() != "tensorflow"
        if is_foreign and type(first).__module__.startswith("tensorflow"):
            return self._call_in_tf_data(inputs, *args)
        return super().__call__(inputs, *args, **kwargs)

    def call(
        self,
        inputs: Tensor | tuple[Tensor, Tensor] | Mapping[str, Tensor],
        label_map: Tensor | None = None,
        size: Tensor | None = None,
        training: bool = True,
    ) -> tuple[Tensor, Tensor] | dict[str, Tensor]:
        """Augment a batch or an example.

        Args:
            inputs: uint8 or float `(batch, height, width, 3)` or `(height, width, 3)`,
                RGB in [0, 255]; a pair of it and the label map; or a dictionary of
                `image`, `label_map` and, if needed, `size`.
            label_map: integer `(batch, height, width)` or `(height, width)`, if
                `inputs` is an image.
            size: int32 `(batch, 2)`, height and width of each image, which is in the
                upper left corner of its padded array; None if images are not padded.
            training: False returns the images and label maps as they are.

        Returns:
            A pair, or a dictionary with the other entries of `inputs`, without `size`:
            image float32 `(batch, *crop, 3)` in [0, 255] and label map int32 `(batch,
            *crop)`, without the first axis for an example.

        Raises:
            ValueError: if `ignore_class` is None, or there is no label map.
        """
        image = inputs
        if isinstance(inputs, Mapping):
            image, label_map = inputs["image"], inputs["label_map"]
            size = inputs.get("size")
        elif isinstance(inputs, list | tuple):
            image, label_map = inputs
        if label_map is None:
            raise ValueError("`label_map` is required: image and label map are changed")
        return _like(inputs, *self._augment(image, label_map, size, training))

    def _augment(self, image, label_map, size, training):
        if self.ignore_class is None:
            raise ValueError(
                "`ignore_class` is required, the id of the pixels outside the image"
            )
        if not training:
            return ops.cast(image, "float32"), ops.cast(label_map, "int32")
        if len(image.shape) == 3:
            image, label_map = self._augment(image[None], label_map[None], size, True)
            return image[0], label_map[0]
        if size is None:
            shape = ops.shape(label_map)
            size = ops.broadcast_to(
                ops.cast(ops.stack(shape[1:3]), "int32"), (shape[0], 2)
            )
        row, column = self._sample_view(ops.cast(size, "float32"))
        image, label_map = warp(image, label_map, row, column, size, self.ignore_class)
        return self._change_colors(image), label_map

    def _call_in_tf_data(self, inputs, *args):
        """Augment TensorFlow's tensors on another backend, outside of their graph."""
        import tensorflow as tf

        if isinstance(inputs, Mapping):
            names = ["image", "label_map", *(["size"] if "size" in inputs else [])]
            tensors = [inputs[name] for name in names]
        else:
            tensors = [*keras.tree.flatten(inputs), *args]

        def augment(*arrays):
            image, label_map = self(*map(ops.convert_to_tensor, arrays))
            return np.asarray(image), np.asarray(label_map)

        image, label_map = tf.numpy_function(augment, tensors, (tf.float32, tf.int32))
        first = tensors[0].shape[:-3]
        image.set_shape((*first, *self.crop, 3))
        label_map.set_shape((*first, *self.crop))
        return _like(inputs, image, label_map)

    def compute_output_spec(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the shapes and dtypes of the outputs."""
        image = inputs[0] if isinstance(inputs, list | tuple) else inputs
        if isinstance(inputs, Mapping):
            image = inputs["image"]
        first = image.shape[:-3]
        return _like(
            inputs,
            keras.KerasTensor((*first, *self.crop, 3), "float32"),
            keras.KerasTensor((*first, *self.crop), "int32"),
        )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, for saved networks."""
        names = (
            *("crop", "ignore_class", "flip", "scale", "rotation"),
            *("brightness", "contrast", "saturation", "hue", "seed"),
        )
        own = {name: getattr(self, name) for name in names}
        return {"name": self.name, "trainable": self.trainable, **own}

    def _uniform(self, batch: Tensor, low: float, high: float) -> Tensor:
        """Return a random float32 in [low, high) for each example, `(batch, 1, 1)`.

        All replicas sample the same numbers for the whole batch and take those of their
        part, so that the number of devices does not change the augmentation.
        """
        length = ops.shape(batch)[0]
        shape = (length * num_replicas(), 1, 1)
        numbers = keras.random.uniform(shape, low, high, seed=self.seed_generator)
        if num_replicas() == 1:
            return numbers
        return ops.slice(numbers, (replica_id() * length, 0, 0), (length, 1, 1))

    def _sample_view(self, size: Tensor) -> tuple[Tensor, Tensor]:
        """Return the row and column in its image of each pixel of the crop."""
        height, width = self.crop
        low, high = (math.log(bound) for bound in self.scale)
        # Random numbers of each example: (N, 1, 1)
        zoom = ops.exp(self._uniform(size, low, high))
        angle = self._uniform(size, -self.rotation, self.rotation) * (math.pi / 180)
        row_share, column_share = self._uniform(size, 0, 1), self._uniform(size, 0, 1)
        mirror = 1.0
        if self.flip:
            mirror = ops.where(self._uniform(size, 0, 1) < 0.5, -1.0, 1.0)

        # Offsets from the center of the crop to the centers of its pixels, scaled to
        # pixels of the image: (N, H', 1) and (N, 1, W')
        down = (ops.arange(height, dtype="float32") - (height - 1) / 2)[None, :, None]
        right = (ops.arange(width, dtype="float32") - (width - 1) / 2)[None, None, :]
        down, right = down / zoom, right / zoom * mirror
        cos, sin = ops.cos(angle), ops.sin(angle)
        image_height, image_width = size[:, 0, None, None], size[:, 1, None, None]
        center_row = _view_center(row_share, image_height, height / zoom)
        center_column = _view_center(column_share, image_width, width / zoom)
        # Rotated by `angle` around the center of the crop: (N, H', W')
        row = center_row + cos * down + sin * right
        column = center_column - sin * down + cos * right
        return row, column

    def _change_colors(self, image: Tensor) -> Tensor:
        """Change brightness, contrast, saturation and hue; clip to [0, 255]."""

        def change(most: float) -> Tensor:
            return self._uniform(image, -most, most)[..., None]  # (N, 1, 1, 1)

        # Clipped once at the end: in between, values may leave the range and return.
        if self.brightness:
            image = image + 255 * change(self.brightness)
        if self.contrast:
            mean = ops.mean(_grey(image), axis=(1, 2), keepdims=True)  # (N, 1, 1, 1)
            image = mean + (image - mean) * (1 + change(self.contrast))
        if self.saturation:
            grey = _grey(image)  # (N, H', W', 1)
            image = grey + (image - grey) * (1 + change(self.saturation))
        if self.hue:
            turn = change(self.hue)
            image = rotate_hue(image, ops.squeeze(turn, axis=-1))
        return ops.clip(image, 0, 255)


def _like(inputs, image, label_map):
    """Outputs in the form of the inputs: a pair, or a dictionary without the size."""
    if not isinstance(inputs, Mapping):
        return image, label_map
    others = {k: v for k, v in inputs.items() if k != "size"}
    return {**others, "image": image, "label_map": label_map}


def make_augment(
    config: TrainingConfig, crop: tuple[int, int], ignore_class: int
) -> Augment:
    """Return the augmentation of a configuration; without `augment` it only crops.

    Args:
        config: the training.
        crop: `(height, width)` of the output, pixels.
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
    """Sample images and label maps at given positions.

    Args:
        image: uint8 or float `(N, H, W, 3)`, RGB.
        label_map: integer `(N, H, W)`.
        row: float32 `(N, H', W')`, the row of the image that each pixel of the output
            shows; 0 is the center of the first row.
        column: float32 `(N, H', W')`, the same for columns.
        size: int32 `(N, 2)`, height and width of each image within its padded array.
        ignore_class: label of positions outside the image.

    Returns:
        image float32 `(N, H', W', 3)`, by bilinear interpolation, ImageNet's mean color
        outside the image; and label map int32 `(N, H', W')`, by nearest neighbor.
    """
    batch, height, width = ops.shape(image)[:3]
    # All pixels of the batch in one array, so that one gather reads a position of every
    # example: (N * H * W, 3)
    pixels = ops.cast(ops.reshape(image, (-1, image.shape[-1])), "float32")
    last_row, last_column = size[:, 0, None, None] - 1, size[:, 1, None, None] - 1
    first_pixel = ops.reshape(ops.arange(batch) * (height * width), (-1, 1, 1))

    def index_of(row: Tensor, column: Tensor) -> Tensor:
        # Clipped: positions outside read the border, which is replaced below.
        row = ops.clip(ops.cast(row, "int32"), 0, last_row)
        column = ops.clip(ops.cast(column, "int32"), 0, last_column)
        return first_pixel + row * width + column

    top, left = ops.floor(row), ops.floor(column)
    down, right = (row - top)[..., None], (column - left)[..., None]

    def blend(row: Tensor) -> Tensor:
        """Interpolate between two columns of a row, `(N, H', W', 3)`."""
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


def rotate_hue(image: Tensor, turn: Tensor) -> Tensor:
    """Rotate the hue of RGB images; the luma stays the same.

    Args:
        image: float32 `(batch, height, width, 3)`.
        turn: float32 `(batch, 1, 1)`, share of a full turn; 0 changes nothing.

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


def _grey(image: Tensor) -> Tensor:
    """Return the luma of RGB, `(batch, height, width, 1)`."""
    luma = ops.convert_to_tensor(_RGB_TO_YIQ[0], dtype="float32")
    return ops.sum(image * luma, axis=-1, keepdims=True)


def _view_center(share: Tensor, length: Tensor, view_length: Tensor) -> Tensor:
    """Return the center of a view whose start is `share` of its possible range.

    The start is an integer, so that a crop without scaling copies pixels exactly.
    """
    start = ops.round(share * (length - view_length))
    return start + (view_length - 1) / 2
