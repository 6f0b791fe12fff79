"""Options of prediction, and the rules for their combinations.

Nothing here imports TensorFlow or Keras: the commands check their flags with it.
"""

import logging
from typing import Annotated, Literal

from pydantic import BeforeValidator

from keras_fcn.options import (
    AsTuple,
    ImageScale,
    Kind,
    NonNegativeInt,
    PositiveInt,
    Probability,
    Size,
    Temperature,
    ValueRange,
    validated,
)

logger = logging.getLogger(__name__)

GRID = 32  # pixels; networks pad images to multiples of their deepest stride
RECEPTIVE_FIELD = 404  # pixels, of fc7: 212 of the fifth pool, and six strides of 32
_DEFAULT_OVERLAP = 416  # the receptive field, rounded up to the grid

Dense = Literal["upsampling", "shift-and-stitch"]
OverlayFormat = Literal["png", "jpeg", "none"]
VideoLabels = Literal["png", "video"]
Annotations = Annotated[
    tuple[Literal["labelme", "coco", "geojson"], ...],
    AsTuple,
    BeforeValidator(lambda text: text.split(",") if isinstance(text, str) else text),
    Kind("some of labelme, coco and geojson, separated by commas", "KINDS"),
]
Ids = Literal["class", "stored"]


@validated
class PredictionOptions:
    """How a network is applied to images.

    Attributes:
        tta: test-time augmentation: average the probabilities over five scales, 0.75
            to 1.75, of the image and of its mirror image.
        dense: "upsampling" by the network's own layers, or "shift-and-stitch".
        stride_factor: number of shifts along each axis for shift-and-stitch, a divisor
            of the network's stride; None for the stride itself.
        uncertainty: number of passes of Monte-Carlo dropout; 0 for none.
        size: inference size: pixels of the shorter side that images are resized to;
            "auto" for the training size of the network; "native" to leave images as
            they are.
        tile: height and width of tiles, pixels, at least 32; None to process images of
            up to 4 million pixels whole.
        overlap: pixels that two neighboring tiles share; None for 416, or half of a
            smaller tile.
        temperature: divides the logits before the softmax, and changes no label; None
            for the temperature that the network was calibrated with, or 1.
        unknown_below: probability below which a pixel is labeled void.
        value_range: the values of images that become 0 and 255; "dtype" for the whole
            range of an image's type; "auto" to decide by each image; None for the range
            of the network's training.
    """

    tta: bool = False
    dense: Dense = "upsampling"
    stride_factor: PositiveInt | None = None
    uncertainty: NonNegativeInt = 0
    size: ImageScale = "native"
    tile: Size | None = None
    overlap: NonNegativeInt | None = None
    temperature: Temperature | None = None
    unknown_below: Probability = 0.0
    value_range: ValueRange | None = None

    def __post_init__(self) -> None:
        if self.dense == "upsampling" and self.stride_factor is not None:
            raise ValueError("`stride_factor` requires `dense` shift-and-stitch")
        if len(self.special_modes) > 1:
            first, second = self.special_modes[:2]
            raise ValueError(f"`{first}` and `{second}` cannot be combined")
        if self.tile is None:
            if self.overlap is not None:
                raise ValueError("`overlap` requires `tile`")
        elif min(self.tile) < GRID:
            height, width = self.tile
            raise ValueError(
                f"`tile` must be at least {GRID}x{GRID}. Received: {height}x{width}"
            )
        elif self.tile_overlap(self.tile) >= min(self.tile):
            raise ValueError(
                f"`overlap` must be below {min(self.tile)}, the tile's shorter side. "
                f"Received: overlap={self.overlap}"
            )

    @property
    def special_modes(self) -> list[str]:
        """Names of the options that select another mode than single-scale inference."""
        selected = {
            "dense": self.dense != "upsampling",
            "tta": self.tta,
            "uncertainty": self.uncertainty > 0,
        }
        return [name for name, is_selected in selected.items() if is_selected]

    def tile_overlap(self, tile: Size) -> int:
        """Return the pixels that two neighboring tiles share.

        Args:
            tile: height and width of the tiles, pixels.

        Returns:
            `overlap`; by default 416, or half of a smaller tile. 416 covers the
            receptive field, so that the result is that of the whole image.
        """
        if self.overlap is None:
            return min(_DEFAULT_OVERLAP, min(tile) // 2)
        return self.overlap


def resolve_size(
    size: ImageScale, training_size: int | None, tile: Size | None = None
) -> int | None:
    """Return the inference size of a network.

    Args:
        size: pixels of the shorter side; "auto" for the training size, or, with
            `tile`, for the images' own size; or "native" for the images' own size.
        training_size: median shorter side of the training images, pixels; None if
            unknown: "auto" is then "native", with a warning.
        tile: height and width of the tiles, if images are processed in tiles.

    Returns:
        Pixels of the shorter side; None for the images' own size.

    Raises:
        ValueError: if `size` is none of these.
    """
    size = PredictionOptions(size=size).size
    if isinstance(size, int):
        return size
    if size == "native" or tile is not None:
        return None
    if training_size is None:
        logger.warning(
            "The training size of the network is unknown: images keep their own size"
        )
    return training_size
