"""Names, colours and void of a data set's classes; they travel with every artefact."""

import colorsys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from keras_fcn.errors import shown
from keras_fcn.storage.atomic import read_json, write_json
from keras_fcn.typing import Color

LONGEST_NAME = 100  # characters
MAX_CLASSES = 255  # label maps are uint8, and void needs an id too


@dataclass(frozen=True)
class ClassMap:
    """The classes of a data set; the class id is the position in `names`.

    Attributes:
        names: one name per class, void not among them.
        colors: one RGB colour in [0, 255] per class.
        void_id: id of pixels without a class, outside `range(num_classes)`, at most
            255.
        void_color: RGB colour in which void is drawn.
    """

    names: tuple[str, ...]
    colors: tuple[Color, ...]
    void_id: int
    void_color: Color = (0, 0, 0)

    def __post_init__(self):
        for name in self.names:
            if not isinstance(name, str) or not 1 <= len(name) <= LONGEST_NAME:
                raise ValueError(
                    f"A class's name must be a text of 1 to {LONGEST_NAME} "
                    f"characters. Received: {shown(name)}"
                )
        if not 1 <= len(self.names) <= MAX_CLASSES:
            raise ValueError(
                f"There must be 1 to {MAX_CLASSES} classes. Received: {len(self.names)}"
            )
        if len(self.names) != len(self.colors):
            raise ValueError(
                "There must be one colour per class. "
                f"Received: {len(self.names)} names and {len(self.colors)} colours"
            )
        for color in (*self.colors, self.void_color):
            if len(color) != 3 or not all(map(_is_byte, color)):
                raise ValueError(
                    "A colour must be three whole numbers from 0 to 255. "
                    f"Received: {shown(color)}"
                )
        if not _is_byte(self.void_id) or not self.num_classes <= self.void_id <= 255:
            raise ValueError(
                f"`void_id` must be {self.num_classes} to 255. "
                f"Received: void_id={shown(self.void_id)}"
            )

    @property
    def num_classes(self) -> int:
        """Number of classes, void not counted."""
        return len(self.names)

    def palette(self) -> np.ndarray:
        """Colour of every id, uint8 RGB `(256, 3)`; void's where no class has it."""
        palette = np.empty((256, 3), dtype="uint8")
        palette[:] = self.void_color
        palette[: self.num_classes] = self.colors
        return palette

    def save(self, path: Path) -> None:
        """Write the classes as JSON.

        Args:
            path: the file; it is replaced whole.
        """
        write_json(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> "ClassMap":
        """Read what `save` wrote.

        Args:
            path: the JSON file.

        Raises:
            ValueError: if the file is damaged; names it.
            OSError: if it is not there.
        """
        written = read_json(path)
        lists = ("names", "colors", "void_color")
        is_described = (
            isinstance(written, dict)
            and "void_id" in written
            and all(isinstance(written.get(name), list) for name in lists)
            and all(isinstance(color, list) for color in written["colors"])
        )
        if not is_described:
            raise ValueError(
                f"{path} must have names, colors, void_id and void_color, as a "
                f"training writes them. Received: {shown(written)}"
            )
        try:
            return cls(
                names=tuple(written["names"]),
                colors=tuple(tuple(color) for color in written["colors"]),
                void_id=written["void_id"],
                void_color=tuple(written["void_color"]),
            )
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def _is_byte(value):
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return is_whole and 0 <= value <= 255


def distinct_colors(count: int) -> Sequence[Color]:
    """Return `count` RGB colours that differ in hue and brightness.

    Args:
        count: how many, 0 to `MAX_CLASSES`.

    Returns:
        `(red, green, blue)` in [0, 255], always the same in the same order.
    """
    golden_ratio = 0.618034  # steps of it never come close to an earlier hue
    return tuple(
        tuple(
            round(255 * value)
            for value in colorsys.hsv_to_rgb(
                index * golden_ratio % 1, 0.75, (1.0, 0.7, 0.45)[index % 3]
            )
        )
        for index in range(count)
    )
