"""Names of types that stand in signatures all over the package."""

from typing import Any

Color = tuple[int, int, int]  # red, green and blue, 0 to 255
Size = tuple[int, int]  # height and width, pixels
Tensor = Any  # a tensor of Keras's backend or a NumPy array
