"""Options of an export; imports neither TensorFlow nor Keras."""

from typing import Annotated, Literal

from pydantic import Field

from keras_fcn.options import ImageScale, Kind, NonNegativeFloat, PositiveInt, validated

ExportFormat = Literal["savedmodel", "onnx", "litert", "openvino"]
ExportPrecision = Literal["float32", "bfloat16", "float16", "int8"]

# Pixels of an image that is sent to a SavedModel, padded to multiples of 32. Computing
# at the image's own size takes about 4 GiB for 2**22 pixels with the compact head; with
# an inference size it is the same for all images, and the limit is higher.
DEFAULT_MAX_PIXELS = 2**22
SCALED_MAX_PIXELS = 2**25
MaxPixels = Annotated[
    int,
    Field(ge=1024, lt=2**31),  # one pixel with its padding, to the greatest int32
    Kind("an integer from 1024 to 2147483647", "N"),
]


@validated
class ExportOptions:
    """What `keras_fcn.serving.export.export` writes.

    Attributes:
        format: "savedmodel" has signatures that decode and check image files. The
            others map `image`, float32 RGB in [0, 255] `(batch, height, width, 3)`, to
            the class probabilities, float32 `(batch, height, width, num_classes)`.
        precision: independent of the precision of the training. A SavedModel in
            bfloat16 computes in bfloat16. float16 halves the size of the file, and the
            runtime chooses its arithmetic. int8 requires calibration images.
        max_pixels: limit for an image sent to a SavedModel, padded to multiples of 32;
            None for 2**22 with `size` "native", else for 2**25.
        size: inference size, which a SavedModel resizes images to: the shorter side,
            pixels; "auto" for that of the training; "native" for none. The other
            formats do not resize; their card contains the size.
        num_calibration: number of training images that determine the ranges of int8.
        max_loss: points of mean IoU, out of 100, that int8 may lose on the validation
            images.
    """

    format: ExportFormat = "savedmodel"
    precision: ExportPrecision = "float32"
    max_pixels: MaxPixels | None = None
    size: ImageScale = "auto"
    num_calibration: PositiveInt = 64
    max_loss: NonNegativeFloat = 0.5

    def __post_init__(self) -> None:
        is_saved_model = self.format == "savedmodel"
        others = ("bfloat16",) if is_saved_model else ("float16", "int8")
        if self.precision not in ("float32", *others):
            raise ValueError(
                f"`precision` of `format` {self.format} must be one of "
                f"{', '.join(('float32', *others))}. Received: "
                f"precision={self.precision}"
            )
        if self.max_pixels is not None and not is_saved_model:
            raise ValueError("`max_pixels` requires `format` savedmodel")
