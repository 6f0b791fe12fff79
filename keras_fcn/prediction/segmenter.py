"""A trained network with its classes: from images of any kind to label maps."""

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path

import keras
import numpy as np
from PIL import Image

from keras_fcn.classes import ClassMap
from keras_fcn.config import DEFAULT_NETWORK, MAX_IMAGE_PIXELS
from keras_fcn.drawing.overlays import overlay, overlay_with_legend
from keras_fcn.images.opening import check_pixels
from keras_fcn.images.reading import read_image, to_rgb
from keras_fcn.models.devices import allow_memory_growth
from keras_fcn.prediction.confidence import mark_unknown
from keras_fcn.prediction.predictor import make_predictor
from keras_fcn.prediction.scaling import resolve_size
from keras_fcn.runs.bundled import find_network
from keras_fcn.typing import Size

AnyImage = str | PathLike | Image.Image | np.ndarray

_BATCH_SIZE = 4  # images that are predicted at a time, of a batch of one size


class Segmenter:
    """Labels the pixels of images.

    An image is a path, a Pillow image, or an array of RGB values from 0 to 255:
    `(height, width, 3)`, or 1 or 4 channels or none (grey; an alpha channel is
    dropped). Files and Pillow images are turned as their EXIF orientation says.

    Attributes:
        model: the network, a Keras model of `keras_fcn.FCN`.
        class_map: names and colours of its classes.
        predictor: how it looks at an image, and at which size.
        unknown_below: probability below which a pixel is labelled void; 0 labels all.
    """

    def __init__(
        self,
        model: keras.Model,
        class_map: ClassMap,
        *,
        tta: bool = False,
        dense: str = "upsampling",
        stride_factor: int | None = None,
        size: int | None = None,
        tile: Size | None = None,
        overlap: int | None = None,
        uncertainty: int = 0,
        temperature: float = 1.0,
        unknown_below: float = 0.0,
        max_pixels: int = MAX_IMAGE_PIXELS,
    ):
        """Make a segmenter of a network.

        Args:
            model: a network of `FCN`.
            class_map: its classes.
            tta: as for `keras_fcn.load`; so are the others.
            dense: likewise.
            stride_factor: likewise.
            size: what the shorter side of an image is brought to before the network
                looks, pixels; None for the image's own size.
            tile: as for `keras_fcn.load`; so are the next two.
            overlap: likewise.
            uncertainty: likewise.
            temperature: by which scores are divided before they become probabilities.
            unknown_below: as for `keras_fcn.load`.
            max_pixels: likewise.

        Raises:
            ValueError: if the choices do not go together, or one is impossible.
        """
        if not 0 <= unknown_below <= 1:
            raise ValueError(
                "`unknown_below` must be a probability, 0 to 1. "
                f"Received: unknown_below={unknown_below}"
            )
        self.model = model
        self.class_map = class_map
        self.max_pixels = max_pixels
        self.unknown_below = unknown_below
        self.predictor = make_predictor(
            model,
            tta,
            dense,
            stride_factor,
            uncertainty=uncertainty,
            temperature=temperature,
            size=size,
            tile=tile,
            overlap=overlap,
        )

    def __call__(
        self, images: AnyImage | Sequence[AnyImage]
    ) -> np.ndarray | list[np.ndarray]:
        """Return the label map of an image, or those of several.

        Args:
            images: an image; a list of images of any sizes; or an array of several of
                one size, `(batch, height, width, 3)`.

        Returns:
            Class ids, uint8 `(height, width)`; a list of these for a list; `(batch,
            height, width)` for a batch. With `unknown_below`, void for the pixels that
            are less sure.

        Raises:
            OSError: if a file is missing.
            ValueError: if one is no image, or an array is none of RGB values from 0 to
                255.
        """
        return self._map(self._label_maps, images)

    def confidence(
        self, images: AnyImage | Sequence[AnyImage]
    ) -> np.ndarray | list[np.ndarray]:
        """Return how sure each pixel's class is: its probability.

        Args:
            images: as for a call.

        Returns:
            float32 `(height, width)` in [0, 1]; a list of these for a list; `(batch,
            height, width)` for a batch.

        Raises:
            OSError, ValueError: as a call.
        """
        return self._map(
            lambda batch: self._label_maps_and_confidence(batch)[1], images
        )

    def label_and_confidence(self, images: AnyImage) -> tuple[np.ndarray, np.ndarray]:
        """Return the label map and the confidence, of one look.

        Args:
            images: an image; or an array of several, `(batch, height, width, 3)`.

        Returns:
            What a call and what `confidence` give.

        Raises:
            OSError, ValueError: as a call.
        """
        if getattr(images, "ndim", None) != 4:
            label_maps, confidence = self._label_maps_and_confidence(
                _one_image(images, self.max_pixels)[None]
            )
            return label_maps[0], confidence[0]
        images = as_rgb(images)
        answers = [
            self._label_maps_and_confidence(images[first : first + _BATCH_SIZE])
            for first in range(0, len(images), _BATCH_SIZE)
        ]
        label_maps, confidence = map(np.concatenate, zip(*answers, strict=True))
        return label_maps, confidence

    def probabilities(
        self, images: AnyImage | Sequence[AnyImage]
    ) -> np.ndarray | list[np.ndarray]:
        """Return the probability of each class at each pixel.

        Args:
            images: as for a call.

        Returns:
            float32 `(height, width, num_classes)`, which add up to 1; a list of these
            for a list; `(batch, height, width, num_classes)` for a batch.

        Raises:
            OSError, ValueError: as a call.
        """
        return self._map(self.predictor.probabilities, images)

    def overlay(
        self, image: AnyImage, label_map: np.ndarray | None = None, legend: bool = False
    ) -> np.ndarray:
        """Lay the classes' colours over an image.

        Args:
            image: one image.
            label_map: integer `(height, width)`; predicted when None.
            legend: name the classes that are found below the image.

        Returns:
            uint8 RGB `(height, width, 3)`; higher with a legend.

        Raises:
            OSError, ValueError: as a call; or if the label map has another size.
        """
        image = _one_image(image, self.max_pixels)
        label_map = self(image) if label_map is None else np.asarray(label_map)
        if label_map.shape != image.shape[:2]:
            raise ValueError(
                f"`label_map` must be of the image's height and width, "
                f"{image.shape[:2]}. Received: label_map.shape={label_map.shape}"
            )
        draw = overlay_with_legend if legend else overlay
        return draw(image.astype("uint8"), label_map, self.class_map)

    def _label_maps(self, images):
        if self.unknown_below == 0:
            return self.predictor.label_maps(images)
        return self._label_maps_and_confidence(images)[0]

    def _label_maps_and_confidence(self, images):
        label_maps, confidence = self.predictor.label_maps_and_confidence(images)
        if self.unknown_below > 0:
            label_maps = mark_unknown(
                label_maps, confidence, self.unknown_below, self.class_map
            )
        return label_maps, confidence

    def _map(self, predict: Callable, images):
        if isinstance(images, list | tuple):
            # Batches of one, (1, H, W, 3): sizes may differ.
            return [
                predict(_one_image(image, self.max_pixels)[None])[0] for image in images
            ]
        if getattr(images, "ndim", None) == 4:  # also a tensor
            images = as_rgb(images)
            batches = range(0, len(images), _BATCH_SIZE)
            return np.concatenate(
                [predict(images[first : first + _BATCH_SIZE]) for first in batches]
            )
        return predict(_one_image(images, self.max_pixels)[None])[0]


def load(
    name: str | Path = DEFAULT_NETWORK,
    *,
    tta: bool = False,
    dense: str = "upsampling",
    stride_factor: int | None = None,
    size: int | str = "auto",
    tile: Size | None = None,
    overlap: int | None = None,
    uncertainty: int = 0,
    unknown_below: float = 0.0,
    max_pixels: int = MAX_IMAGE_PIXELS,
) -> Segmenter:
    """Load a trained network, ready to label images.

    Args:
        name: "fcn8s-camvid", FCN-8s for CamVid's 11 classes of street scenes, which is
            bundled; the folder of a run; or that of a packed network.
        tta: test-time augmentation: average the probabilities over five enlargements,
            0.75 to 1.75, each as it is and mirrored; takes about 17 times as long.
        dense: "upsampling", the network's own; or "shift-and-stitch", scores of every
            pixel from shifted images.
        stride_factor: shifts along each axis, as for `shift_and_stitch`.
        size: the scale at which the network looks at an image. "auto" brings it to that
            of the training images, by its shorter side, or leaves it where `tile` is
            given; a number is the shorter side, pixels; "native" leaves it. The answer
            has the image's own size.
        tile: height and width of the tiles in which the network looks, pixels, at least
            32; memory is that of a tile. None takes an image whole, up to 4 million
            pixels.
        overlap: pixels that two tiles share, below a tile's height and width; None for
            416, or half of a smaller tile. From the receptive field of 404 on, the
            answer is that of the whole image.
        uncertainty: Monte-Carlo dropout: the probabilities are the mean of as many
            passes with dropout, and take as many times as long; 0 for none.
        unknown_below: label the pixels void whose class is less probable than this.
        max_pixels: pixels that a file or a Pillow image may have.

    Returns:
        The segmenter. On a GPU it takes memory as it needs it, where the GPU has not
        been used before.

    Raises:
        FileNotFoundError: if there is no such network.
        ValueError: if it is damaged, or the choices do not go together.
    """
    allow_memory_growth()
    network = find_network(name, exported=True)
    return Segmenter(
        network.load_model(),
        network.read_class_map(),
        tta=tta,
        dense=dense,
        stride_factor=stride_factor,
        size=resolve_size(
            "native" if network.scales_images else size,
            network.read_training_size(),
            tile,
        ),
        tile=tile,
        overlap=overlap,
        uncertainty=uncertainty,
        temperature=network.read_temperature(),
        unknown_below=unknown_below,
        max_pixels=max_pixels,
    )


def as_rgb(image: AnyImage, max_pixels: int = MAX_IMAGE_PIXELS) -> np.ndarray:
    """Return an image as RGB values, or refuse what is none.

    Args:
        image: a path, a Pillow image, or an array `(height, width)`, `(height, width,
            channels)` or `(batch, height, width, channels)` of values from 0 to 255
            with 1, 3 or 4 channels.
        max_pixels: pixels that a file or a Pillow image may have.

    Returns:
        uint8 or float32 `(..., height, width, 3)` in [0, 255].

    Raises:
        OSError: if there is no such file.
        ValueError: if it is no image.
    """
    if isinstance(image, str | PathLike):
        return read_image(Path(image), max_pixels)
    if isinstance(image, Image.Image):
        check_pixels("An image", image.size, max_pixels)
        return to_rgb(image)[0]
    if isinstance(image, list | tuple):  # numbers; images are arrays
        raise ValueError(
            "An image must be a path, a Pillow image or an array (height, width, 3). "
            f"Received: {_describe(image)}"
        )
    array = np.asarray(image)
    array = array[..., None] if array.ndim == 2 else array  # (H, W, 1)
    if array.ndim not in (3, 4) or array.shape[-1] not in (1, 3, 4) or not array.size:
        raise ValueError(
            "An image must be a path, a Pillow image or an array (height, width, 3). "
            f"Received: {_describe(image)}"
        )
    if array.dtype.kind not in "uif":
        raise ValueError(
            "An image must have numbers from 0 to 255, uint8 as a rule. "
            f"Received: {_describe(image)}"
        )
    low, high = array.min(), array.max()
    if not (0 <= low and high <= 255):
        raise ValueError(
            "An image must have values from 0 to 255. "
            f"Received: {_describe(image)} with values from {low:g} to {high:g}"
        )
    # Many libraries scale to [0, 1]; the network would see darkness.
    if array.dtype.kind == "f" and high <= 1:
        raise ValueError(
            "An image must have values from 0 to 255: multiply these by 255. "
            f"Received: {_describe(image)} with values from {low:g} to {high:g}"
        )
    array = array.astype("float32" if array.dtype.kind == "f" else "uint8")
    if array.shape[-1] == 1:
        return np.repeat(array, 3, axis=-1)
    return array[..., :3]  # without alpha


def _one_image(image, max_pixels):
    """An image as RGB values; a batch is refused."""
    rgb = as_rgb(image, max_pixels)
    if rgb.ndim != 3:
        raise ValueError(
            "An image must be a path, a Pillow image or an array (height, width, 3), "
            f"not a batch. Received: {_describe(image)}"
        )
    return rgb


def _describe(value):
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return type(value).__name__
