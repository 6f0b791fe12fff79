"""Names of types that stand in signatures all over the package."""

from typing import Any, Literal

Color = tuple[int, int, int]  # red, green and blue, 0 to 255
Size = tuple[int, int]  # height and width, pixels
Scale = Literal["auto", "native"] | int  # of images: pixels of the shorter side
# Of pixel values: those that become 0 and 255.
ValueRange = Literal["auto", "dtype"] | tuple[float, float]
Tensor = Any  # a tensor of Keras's backend or a NumPy array
