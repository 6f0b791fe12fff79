"""From a look to answers: at which size, in how many tiles, and how sure."""

from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np

from keras_fcn.images.scale import scaled_size
from keras_fcn.prediction.confidence import decide, label_of, probabilities_of
from keras_fcn.prediction.modes import InferenceMode, make_mode
from keras_fcn.prediction.options import (
    AUTOMATIC_TILE,
    WHOLE_PIXELS,
    resolve_overlap,
)
from keras_fcn.prediction.scaling import (
    resize_images,
    resized_strips,
    strips_of,
)
from keras_fcn.prediction.tiles import tiled_scores
from keras_fcn.typing import Size


@dataclass(frozen=True)
class Predictor:
    """From images of any size to label maps and how sure they are.

    Images are RGB, uint8 or float in [0, 255], `(batch, height, width, 3)`.

    Attributes:
        look: how the network looks at an image of the size that it is given.
        size: what the shorter side of an image is brought to first, pixels; None for
            the image's own size.
        tile: height and width of the tiles in which it looks, pixels. With None, an
            image is taken whole, or, where it has more than 4 million pixels when it
            is looked at, in tiles of 1024x1024.
        overlap: pixels that two tiles share; None for 416, or half the tile.
    """

    look: InferenceMode
    size: int | None = None
    tile: Size | None = None
    overlap: int | None = None

    def __post_init__(self):
        if self.tile is not None:
            resolve_overlap(self.tile, self.overlap)
        elif self.overlap is not None:
            raise ValueError("`overlap` is for `tile`, which is missing")

    @property
    def description(self) -> str:
        """How it is predicted, for people."""
        parts = [self.look.description]
        if self.size is not None:
            parts.append(f"shorter side {self.size}")
        if self.tile is not None:
            overlap = resolve_overlap(self.tile, self.overlap)
            parts.append(f"tiles {self.tile[0]}x{self.tile[1]}, overlap {overlap}")
        return ", ".join(parts)

    def label_maps(self, images: np.ndarray) -> np.ndarray:
        """Return class ids, uint8 `(batch, height, width)`.

        Args:
            images: a batch.
        """
        if self._sees_as_it_is(images):
            return self.look.label_maps(images)
        return np.stack(
            [
                np.concatenate([label_of(strip) for strip in strips])
                for strips in self._strips(images)
            ]
        )

    def label_maps_and_confidence(
        self, images: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return class ids, and the probability of each pixel's class.

        Args:
            images: a batch.

        Returns:
            uint8 and float32, both `(batch, height, width)`.
        """
        if self._sees_as_it_is(images):
            return self.look.label_maps_and_confidence(images)
        label_maps, confidences = [], []
        for strips in self._strips(images):
            decided = [decide(strip) for strip in strips]
            label_map, confidence = map(np.concatenate, zip(*decided, strict=True))
            label_maps.append(label_map)
            confidences.append(confidence)
        return np.stack(label_maps), np.stack(confidences)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return the probability of each class at each pixel.

        Args:
            images: a batch.

        Returns:
            float32 `(batch, height, width, num_classes)`.
        """
        return np.stack(
            [
                np.concatenate([probabilities_of(strip) for strip in strips])
                for strips in self._strips(images)
            ]
        )

    def _sees_as_it_is(self, images):
        """Whether the look is at the images whole and in their own size."""
        size = images.shape[1:3]
        return scaled_size(size, self.size) == size and self._tile_for(size) is None

    def _strips(self, images) -> Iterator[Iterator[np.ndarray]]:
        """Scores of each image, in strips `(num_classes, rows, width)`."""
        size = images.shape[1:3]
        inference_size = scaled_size(size, self.size)
        seen = (
            images if inference_size == size else resize_images(images, inference_size)
        )
        tile = self._tile_for(inference_size)
        if tile is None:
            for scores in self.look.scores(seen):
                yield (
                    strips_of(scores)
                    if inference_size == size
                    else resized_strips(scores, size)
                )
            return
        for image in seen:
            bands = tiled_scores(self.look.scores, image, tile, self.overlap)
            if inference_size == size:
                yield (strip for band in bands for strip in strips_of(band))
            else:
                yield resized_strips(np.concatenate(list(bands)), size)

    def _tile_for(self, size):
        """The tiles in which an image of a size is looked at; None for the whole."""
        pixels = size[0] * size[1] * self.look.enlargement**2
        if self.tile is None and pixels > WHOLE_PIXELS:
            return AUTOMATIC_TILE
        return self.tile


def make_predictor(
    model: keras.Model,
    tta: bool = False,
    dense: str = "upsampling",
    stride_factor: int | None = None,
    *,
    uncertainty: int = 0,
    temperature: float = 1.0,
    size: int | None = None,
    tile: Size | None = None,
    overlap: int | None = None,
) -> Predictor:
    """Return the predictor of a network that looks as it is told.

    Args:
        model: a network of `FCN`.
        tta: as for `make_mode`; so are the next four.
        dense: likewise.
        stride_factor: likewise.
        uncertainty: likewise.
        temperature: likewise.
        size: as for `Predictor`; so are the others.
        tile: likewise.
        overlap: likewise.

    Raises:
        ValueError: if the choices do not go together, or one is impossible.
    """
    look = make_mode(model, tta, dense, stride_factor, uncertainty, temperature)
    return Predictor(look, size, tile, overlap)
