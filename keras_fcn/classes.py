"""Names, colors and void of a data set's classes, which every artefact contains."""

import colorsys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from keras_fcn.errors import located, shown
from keras_fcn.options import AsTuple, Byte, Kind, WideInt, validated
from keras_fcn.storage.atomic import read_json, write_json
from keras_fcn.typing import Color

LONGEST_NAME = 100  # characters
MAX_CLASSES = 255  # label maps are uint8, and void needs an id too

_Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
_Names = Annotated[
    tuple[_Name, ...], AsTuple, Kind(f"texts of 1 to {LONGEST_NAME} characters")
]
_RGB = Annotated[
    tuple[Byte, Byte, Byte], AsTuple, Kind("three integers from 0 to 255 (RGB)")
]
_Value = WideInt | _RGB
_StoredValues = Annotated[
    tuple[_Value, ...],
    AsTuple,
    Kind("integers from 0 to 65535, or colors of three integers from 0 to 255 (RGB)"),
]
_Colors = Annotated[
    tuple[_RGB, ...], AsTuple, Kind("colors of three integers from 0 to 255 (RGB)")
]


@validated
class ClassMap:
    """The classes of a data set; the class id is the position in `names`.

    Attributes:
        names: one name per class, without void.
        colors: one RGB color in [0, 255] per class.
        void_id: id of pixels without a class: at least the number of classes, at most
            255.
        void_color: RGB color in which void is drawn.
        stored_values: what the label files of the training store for each class: an
            id, or an RGB color; None if they store the class ids.
        stored_void: what they store for void, or a value that no class has.
    """

    names: _Names
    colors: _Colors
    void_id: Byte
    void_color: _RGB = (0, 0, 0)
    stored_values: _StoredValues | None = None
    stored_void: _Value | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.num_classes <= MAX_CLASSES:
            raise ValueError(
                f"expected 1 to {MAX_CLASSES} classes, got {self.num_classes}"
            )
        if len(self.colors) != self.num_classes:
            raise ValueError(
                f"expected {self.num_classes} colors, one per class, got "
                f"{len(self.colors)}"
            )
        if self.stored_values is not None:
            stored = (*self.stored_values, self.stored_void)
            kinds = {type(value) for value in stored}
            if len(stored) != self.num_classes + 1 or len(kinds) != 1:
                raise ValueError(
                    f"`stored_values` and `stored_void` must be {self.num_classes + 1} "
                    f"ids or {self.num_classes + 1} colors. Received: {stored}"
                )
        if self.void_id < self.num_classes:
            raise ValueError(
                f"`void_id` must be an integer from {self.num_classes} to 255. "
                f"Received: void_id={self.void_id}"
            )

    @property
    def num_classes(self) -> int:
        """Number of classes, without void."""
        return len(self.names)

    def palette(self) -> np.ndarray:
        """Return the colors of all ids, uint8 RGB `(256, 3)`."""
        palette = np.empty((256, 3), dtype="uint8")
        palette[:] = self.void_color
        palette[: self.num_classes] = self.colors
        return palette

    def stored_table(self) -> np.ndarray:
        """Return what label files store for each class id.

        Returns:
            uint16 `(256,)`, or uint8 RGB `(256, 3)`; ids without a class are void.

        Raises:
            ValueError: if the values are the class ids, or are not known.
        """
        if self.stored_values is None:
            raise ValueError(
                "The network has no stored ids: it was trained by an earlier version, "
                "or on label maps of class ids. Use `ids` class"
            )
        has_colors = isinstance(self.stored_void, tuple)
        values = np.array([*self.stored_values, self.stored_void])
        table = values[np.minimum(np.arange(256), self.num_classes)]
        return table.astype("uint8" if has_colors else "uint16")

    def save(self, path: Path) -> None:
        """Write the classes as JSON; the file is replaced atomically."""
        write_json(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> "ClassMap":
        """Read a file that `save` wrote.

        Raises:
            ValueError: if the file is damaged; names it.
            OSError: if it can't be read.
        """
        values = read_json(path)
        if not isinstance(values, dict):
            raise ValueError(
                f"{path}: expected names, colors, void_id and void_color, got "
                f"{shown(values)}"
            )
        with located(path):
            return cls(**values)


def distinct_colors(count: int) -> tuple[Color, ...]:
    """Return `count` RGB colors that differ in hue and brightness.

    Args:
        count: number of colors, 0 to `MAX_CLASSES`.

    Returns:
        `(red, green, blue)` in [0, 255]; the same colors in the same order each time.
    """
    golden_ratio = 0.618034  # multiples of it are far from one another modulo 1
    colors = []
    for index in range(count):
        hue, value = index * golden_ratio % 1, (1.0, 0.7, 0.45)[index % 3]
        red, green, blue = colorsys.hsv_to_rgb(hue, 0.75, value)
        colors.append((round(255 * red), round(255 * green), round(255 * blue)))
    return tuple(colors)
