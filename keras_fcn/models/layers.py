"""The layers at both ends of the network: preprocessing, padding, cropping.

Importing this module registers them, so that `keras.saving.load_model` reads a saved
network in safe mode.
"""

import keras
from keras import layers, ops

from keras_fcn.images.scale import MEAN_RGB
from keras_fcn.typing import Tensor

DEEPEST_STRIDE = 32  # VGG16 pools five times by 2


@keras.saving.register_keras_serializable(package="keras_fcn")
class VGGPreprocessing(layers.Layer):
    """Preprocessing of RGB images in [0, 255] for VGG16's ImageNet weights.

    Reverses the order of the channels to blue, green, red and subtracts the ImageNet
    mean of each, without scaling, like `keras.applications.vgg16.preprocess_input`.
    """

    def call(self, image: Tensor) -> Tensor:
        """Return BGR images without the mean, in the layer's compute dtype."""
        image = ops.cast(image, self.compute_dtype)
        mean = ops.convert_to_tensor(MEAN_RGB, dtype=self.compute_dtype)
        return ops.flip(image - mean, axis=-1)  # RGB to BGR, (N, H, W, 3)

    def compute_output_shape(self, image_shape):
        """Return the shape of the output, with None where it is unknown."""
        return image_shape


@keras.saving.register_keras_serializable(package="keras_fcn")
class PadToMultiple(layers.Layer):
    """Zero padding up to the next multiple of `multiple`, half of it on each side.

    If the number of missing rows (columns) is odd, the odd one comes after the image.
    `CropToImage` removes the padding.

    Args:
        multiple: divisor of the padded height and width, pixels.
    """

    def __init__(self, multiple: int = DEEPEST_STRIDE, **kwargs):
        super().__init__(**kwargs)
        self.multiple = multiple

    def call(self, image: Tensor) -> Tensor:
        """Return the padded image; one whose size fits is returned unchanged."""
        batch, height, width, channels = ops.shape(image)
        rows, columns = self._padding(height), self._padding(width)
        padded = ops.pad(image, [(0, 0), rows, columns, (0, 0)])  # (N, 32h, 32w, C)
        # TensorFlow loses the static number of channels; LiteRT's converter needs it.
        return ops.reshape(
            padded, (batch, height + sum(rows), width + sum(columns), channels)
        )

    def _padding(self, length):
        # Not `-length % multiple`: in ONNX the remainder has the sign of the dividend.
        missing = (self.multiple - length % self.multiple) % self.multiple
        return missing // 2, missing - missing // 2

    def compute_output_shape(self, image_shape):
        """Return the shape of the output, with None where it is unknown."""
        batch, height, width, channels = image_shape
        return batch, self._padded(height), self._padded(width), channels

    def _padded(self, length):
        return None if length is None else length + -length % self.multiple

    def get_config(self):
        """Return the arguments of the constructor, for saved networks."""
        return {**super().get_config(), "multiple": self.multiple}


@keras.saving.register_keras_serializable(package="keras_fcn")
class CropToImage(layers.Layer):
    """Removes the padding of `PadToMultiple`."""

    def call(self, padded: Tensor, image: Tensor) -> Tensor:
        """Return the center of a padded map, of the image's height and width.

        Args:
            padded: `(batch, padded height, padded width, channels)`.
            image: `(batch, height, width, 3)`; only its size is used.
        """
        height, width = ops.shape(image)[1:3]
        padded_height, padded_width = ops.shape(padded)[1:3]
        # Rounded down: the smaller half of the padding comes before the image.
        top, left = (padded_height - height) // 2, (padded_width - width) // 2
        return padded[:, top : top + height, left : left + width, :]  # (N, H, W, C)

    def compute_output_shape(self, padded_shape, image_shape):
        """Return the shape of the output, with None where it is unknown."""
        return (*image_shape[:3], padded_shape[3])


class SeededDropout(layers.Dropout):
    """Dropout that is also applied in inference."""

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Return the inputs with some of them zero, regardless of `training`."""
        return super().call(inputs, training=True)
