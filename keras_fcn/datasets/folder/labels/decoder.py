"""From the values or colours of a label file to class ids, exactly."""

from collections.abc import Mapping

import numpy as np

from keras_fcn.datasets.folder.labels.files import StoredLabels
from keras_fcn.errors import summarize
from keras_fcn.typing import Color

VOID_ID = 255
_UNKNOWN = -1
_NUM_VALUES = 2**16


class LabelDecoder:
    """Turns what a label file stores into class ids by a table.

    Args:
        values: class id, or `VOID_ID`, of each value that may be stored; values are
            then ids, also those of a palette.
        colors: class id, or `VOID_ID`, of each colour; grey values and palette indices
            are then taken by their colour. One of the two is given.
    """

    def __init__(
        self,
        values: Mapping[int, int] | None = None,
        colors: Mapping[Color, int] | None = None,
    ):
        self.takes_colors = colors is not None
        if self.takes_colors:
            # One entry for each RGB colour, 32 MiB, so that decoding is one look-up.
            values = {int(pack(color)): class_id for color, class_id in colors.items()}
        size = 2**24 if self.takes_colors else _NUM_VALUES
        self._ids = np.full(size, _UNKNOWN, dtype="int16")
        self._ids[list(values)] = list(values.values())

    def decode(self, stored: StoredLabels) -> np.ndarray:
        """Class ids, uint8 `(height, width)`.

        Args:
            stored: what `read_labels` gave.

        Raises:
            ValueError: if a value or colour belongs to no class; says how many pixels.
        """
        keys = self._keys(stored)
        ids = self._ids[keys]
        is_unknown = ids == _UNKNOWN
        if is_unknown.any():
            unknown, counts = np.unique(keys[is_unknown], return_counts=True)
            raise ValueError(f"has {self.name_unknown(unknown, counts)}")
        return ids.astype("uint8")

    def class_ids(self, keys: np.ndarray) -> np.ndarray:
        """Class ids of values or packed colours, int16; -1 where there is none.

        Args:
            keys: integers, values in [0, 65535] or packed colours.
        """
        return self._ids[keys]

    def name_unknown(self, keys: np.ndarray, counts: np.ndarray) -> str:
        """Name values or colours of no class, those of most pixels first.

        Args:
            keys: values or packed colours.
            counts: pixels of each.
        """
        by_count = np.argsort(-counts, kind="stable")
        named = [
            f"{rgb(keys[i]) if self.takes_colors else keys[i]} ({counts[i]} pixels)"
            for i in by_count
        ]
        what = "colours" if self.takes_colors else "ids"
        return f"{what} of no class: {summarize(named)}"

    def _keys(self, stored):
        """Values or packed colours, `(height, width)`."""
        values = stored.values
        if not self.takes_colors:
            if values.ndim == 3:
                if not is_grey(values):
                    raise ValueError("has colours, and labels were read as ids")
                values = values[..., 0]
            return values
        if values.ndim == 3:
            return pack(values)
        if stored.palette is not None:
            return pack(stored.palette)[values]
        if values.size and values.max() > 255:
            raise ValueError(f"has the value {values.max()}, which is no grey colour")
        return grey(values)


def is_grey(colors: np.ndarray) -> bool:
    """Say whether all pixels of an RGB picture are grey.

    Args:
        colors: uint8 `(height, width, 3)`.
    """
    red, green, blue = np.moveaxis(colors, -1, 0)
    return bool((red == green).all() and (green == blue).all())


def pack(colors: np.ndarray | Color) -> np.ndarray:
    """One integer for each RGB colour, int32 without the last axis.

    Args:
        colors: in [0, 255], `(..., 3)`.
    """
    red, green, blue = np.moveaxis(np.asarray(colors).astype("int32"), -1, 0)
    return red << 16 | green << 8 | blue


def grey(values: np.ndarray) -> np.ndarray:
    """Packed colours of grey values, int32.

    Args:
        values: integers in [0, 255].
    """
    return values.astype("int32") * 0x010101


def rgb(packed: int) -> str:
    """Write a packed colour as `red,green,blue`.

    Args:
        packed: what `pack` gave.
    """
    return f"{packed >> 16},{packed >> 8 & 255},{packed & 255}"
