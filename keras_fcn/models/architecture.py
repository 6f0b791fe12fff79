"""The options that determine the graph of a network; neither Keras nor TensorFlow."""

from dataclasses import fields
from typing import Annotated, Literal

from keras_fcn.config import Head, SkipScales, TrainingConfig, Upsampling, Variant
from keras_fcn.options import (
    BlockCount,
    FilterCount,
    Kind,
    PositiveInt,
    Share,
    validated,
)

InputShape = Annotated[
    tuple[PositiveInt | None, PositiveInt | None, Literal[3]],
    Kind("(height, width, 3), with None for a free size"),
]
# Of fc6 and fc7. 4096 is VGG16's; 512 keeps most of the accuracy with 17 M instead of
# 134 M parameters.
_DEFAULT_FILTERS = {"vgg": 4096, "compact": 512}


@validated
class Architecture:
    """The options of `FCN` except its weights, where they are described.

    Raises:
        ValueError: if a value is out of range, or `head_filters` is not 4096 with the
            vgg head.
    """

    variant: Variant
    num_classes: PositiveInt
    head: Head = "vgg"
    head_filters: FilterCount | None = None
    dropout: Share = 0.5
    skip_scales: SkipScales = "batch-norm"
    upsampling: Upsampling = "transposed"
    freeze_upsampling: bool = False
    freeze_blocks: BlockCount = 0
    input_shape: InputShape = (None, None, 3)

    def __post_init__(self) -> None:
        if self.head == "vgg" and self.filters != _DEFAULT_FILTERS["vgg"]:
            raise ValueError(
                "`head_filters` must be 4096 with the vgg head, as in VGG16; only the "
                "compact head takes other numbers. "
                f"Received: head_filters={self.head_filters}"
            )

    @classmethod
    def from_config(cls, config: TrainingConfig, num_classes: int) -> "Architecture":
        """Return the architecture that a training configuration describes.

        Args:
            config: the configuration, resolved.
            num_classes: number of classes, without void.
        """
        names = {field.name for field in fields(cls)} - {"num_classes", "input_shape"}
        options = {name: getattr(config, name) for name in names}
        options["freeze_blocks"] = config.freeze_blocks or 0
        return cls(num_classes=num_classes, **options)

    @property
    def stride(self) -> int:
        """Pixels between neighbors in the finest logits that are fused: 32 to 4."""
        return int(self.variant.removesuffix("s"))

    @property
    def filters(self) -> int:
        """Filters of fc6 and fc7."""
        return self.head_filters or _DEFAULT_FILTERS[self.head]
