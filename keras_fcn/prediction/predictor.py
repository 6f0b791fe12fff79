"""Prediction at the inference size, whole or in tiles, in the images' own size."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from keras_fcn.images.scale import scaled_size
from keras_fcn.options import MAX_PIXELS
from keras_fcn.prediction.confidence import decide, label_map_of, probabilities_of
from keras_fcn.prediction.modes import InferenceMode, make_mode
from keras_fcn.prediction.options import PredictionOptions, resolve_size
from keras_fcn.prediction.scaling import resize_images, resize_logits, split_logits
from keras_fcn.prediction.tiles import tiled_logits
from keras_fcn.runs.exported import ExportedModel
from keras_fcn.runs.network_folder import NetworkFolder
from keras_fcn.typing import Size

if TYPE_CHECKING:
    import keras

# Larger images are processed in tiles: whole, 4 million pixels take about 2 GiB.
WHOLE_PIXELS = 2**22
AUTOMATIC_TILE = (1024, 1024)


@dataclass(frozen=True)
class Predictor:
    """Label maps, probabilities and confidence of images of any size.

    Images are RGB, uint8 or float in [0, 255], `(batch, height, width, 3)`.

    Attributes:
        mode: the inference mode.
        options: `size`, `tile` and `overlap` are used here. Without `tile`, images that
            have more than 4 million pixels at the inference size are processed in tiles
            of 1024x1024.
    """

    mode: InferenceMode
    options: PredictionOptions = PredictionOptions()

    def __post_init__(self):
        if self.options.size == "auto":
            raise ValueError(
                "`size` auto requires the training size of a network: give pixels, or "
                "native"
            )

    @property
    def description(self) -> str:
        """The mode, the inference size and the tiles, for reports."""
        parts, options = [self.mode.description], self.options
        if options.size != "native":
            parts.append(f"shorter side {options.size}")
        if options.tile is not None:
            height, width = options.tile
            overlap = options.tile_overlap(options.tile)
            parts.append(f"tiles {height}x{width}, overlap {overlap}")
        return ", ".join(parts)

    def label_maps(self, images: np.ndarray) -> np.ndarray:
        """Return class ids, uint8 `(batch, height, width)`.

        Args:
            images: a batch.
        """
        if self.mode.label_maps and self._is_direct(images):
            return self.mode.label_maps(images)
        size = images.shape[1:3]
        inference_size = self._inference_size(size)
        # The logits of a larger image would need too much memory.
        is_small = size[0] * size[1] <= WHOLE_PIXELS
        if (
            self.mode.resized_label_maps
            and is_small
            and self._tile_for(inference_size) is None
        ):
            images = resize_images(images, inference_size)
            return self.mode.resized_label_maps(images, size)
        return self._join(label_map_of, images)

    def label_maps_and_confidence(
        self, images: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return class ids, and the probability of each pixel's class.

        Args:
            images: a batch.

        Returns:
            uint8 and float32, both `(batch, height, width)`.
        """
        if self.mode.label_maps_and_confidence and self._is_direct(images):
            return self.mode.label_maps_and_confidence(images)
        joined = [
            [np.concatenate(parts) for parts in zip(*map(decide, strips), strict=True)]
            for strips in self._strips(images)
        ]
        label_maps, confidence = map(np.stack, zip(*joined, strict=True))
        return label_maps, confidence

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return the probability of each class at each pixel.

        Args:
            images: a batch.

        Returns:
            float32 `(batch, height, width, num_classes)`.
        """
        return self._join(probabilities_of, images)

    def _join(self, function, images) -> np.ndarray:
        """Apply a function to the strips of each image and join its outputs."""
        return np.stack(
            [
                np.concatenate([function(strip) for strip in strips])
                for strips in self._strips(images)
            ]
        )

    def _inference_size(self, size: Size) -> Size:
        side = self.options.size
        height, width = scaled_size(size, side if isinstance(side, int) else None)
        if side != "native" and height * width > MAX_PIXELS:
            raise ValueError(
                f"the inference size {side} would resize an image of {size[1]}x"
                f"{size[0]} pixels to {width}x{height}: expected at most {MAX_PIXELS} "
                "pixels"
            )
        return height, width

    def _tile_for(self, size: Size) -> Size | None:
        """Size of the tiles for an image at the inference size; None for the whole."""
        pixels = size[0] * size[1] * self.mode.max_scale**2
        if self.options.tile is None and pixels > WHOLE_PIXELS:
            return AUTOMATIC_TILE
        return self.options.tile

    def _is_direct(self, images):
        """Whether images are neither resized nor cut: the device decides then."""
        size = images.shape[1:3]
        return self._inference_size(size) == size and self._tile_for(size) is None

    def _strips(self, images) -> Iterator[Iterator[np.ndarray]]:
        """Logits of each image, in strips `(num_classes, rows, width)`."""
        size = images.shape[1:3]
        inference_size = self._inference_size(size)
        is_resized = inference_size != size
        if is_resized:
            images = resize_images(images, inference_size)  # (N, h, w, 3)
        tile = self._tile_for(inference_size)
        if tile is None:
            for logits in self.mode.logits(images):  # (h, w, C)
                yield (
                    resize_logits(logits, size) if is_resized else split_logits(logits)
                )
            return
        overlap = self.options.tile_overlap(tile)
        for image in images:
            bands = tiled_logits(self.mode.logits, image, tile, overlap)
            if is_resized:
                yield resize_logits(np.concatenate(list(bands)), size)
            else:
                yield (strip for band in bands for strip in split_logits(band))


def make_predictor(
    model: "keras.Model | ExportedModel",
    options: PredictionOptions = PredictionOptions(),
) -> Predictor:
    """Return the predictor of a network.

    Args:
        model: a network of `FCN`, or an exported network.
        options: how it is applied to images; `size` is not "auto".

    Raises:
        ValueError: if the network does not support the options.
    """
    return Predictor(make_mode(model, options), options)


def resolve_options(
    options: PredictionOptions, network: NetworkFolder
) -> PredictionOptions:
    """Replace the size "auto" and other options that are None by those of a network.

    Args:
        options: how the network is applied to images.
        network: folder of the network. One that resizes images itself is given them in
            their own size.

    Raises:
        ValueError: if a file of the folder is damaged.
    """
    size = "native" if network.scales_images else options.size
    side = resolve_size(size, network.read_training_size(), options.tile)
    return dataclasses.replace(
        options,
        size=side or "native",
        temperature=options.temperature or network.read_temperature(),
        value_range=options.value_range or network.read_config().value_range,
    )
