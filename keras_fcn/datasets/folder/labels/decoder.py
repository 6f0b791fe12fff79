"""From the values or colors of a label file to class ids, exactly."""

from collections.abc import Mapping

import numpy as np

from keras_fcn.datasets.folder.labels.files import StoredLabels
from keras_fcn.errors import summarize
from keras_fcn.typing import Color

VOID_ID = 255
_UNKNOWN = -1


class LabelDecoder:
    """Turns the values or colors of a label file into class ids by a table.

    Args:
        table: class id, or `VOID_ID`, of each value that may be stored, or of each
            color as returned by `pack`.
        uses_colors: whether the keys are colors; gray values and palette indices are
            then replaced by their color. Otherwise the values of palette files are
            their indices.
    """

    def __init__(self, table: Mapping[int, int], uses_colors: bool):
        self.uses_colors = uses_colors
        # An entry for each RGB color, 32 MiB, makes decoding a single look-up. int16,
        # so that -1 marks values of no class.
        self._ids = np.full(2**24 if uses_colors else 2**16, _UNKNOWN, dtype="int16")
        self._ids[list(table)] = list(table.values())

    def decode(self, stored: StoredLabels) -> np.ndarray:
        """Return class ids, uint8 `(height, width)`.

        Args:
            stored: what `read_labels` returned.

        Raises:
            ValueError: if a value or color has no class; gives its number of pixels.
        """
        keys = stored.values  # (H, W), or (H, W, 3) of RGB files
        if not self.uses_colors:
            if keys.ndim == 3:
                if not is_grey(keys):
                    raise ValueError("has colors, but the labels are read as ids")
                keys = keys[..., 0]
        elif keys.ndim == 3:
            keys = pack(keys)
        elif stored.palette is not None:
            keys = pack(stored.palette)[keys]
        elif keys.size and keys.max() > 255:
            raise ValueError(f"has the value {keys.max()}, which is no gray color")
        else:
            keys = grey(keys)
        ids = self._ids[keys]  # (H, W)
        is_unknown = ids == _UNKNOWN
        if is_unknown.any():
            unknown, counts = np.unique(keys[is_unknown], return_counts=True)
            named = [
                f"{rgb(key) if self.uses_colors else key} ({count} pixels)"
                for count, key in sorted(
                    zip(counts.tolist(), unknown.tolist(), strict=True),
                    key=lambda pair: -pair[0],
                )
            ]
            what = "colors" if self.uses_colors else "ids"
            raise ValueError(f"has {what} of no class: {summarize(named)}")
        return ids.astype("uint8")

    def class_ids(self, keys: np.ndarray) -> np.ndarray:
        """Return the class ids of values or packed colors, int16; -1 for none.

        Args:
            keys: integers, values in [0, 65535] or packed colors.
        """
        return self._ids[keys]


def is_grey(colors: np.ndarray) -> bool:
    """Return whether all pixels of an RGB image are gray.

    Args:
        colors: uint8 `(height, width, 3)`.
    """
    red, green, blue = np.moveaxis(colors, -1, 0)
    return bool((red == green).all() and (green == blue).all())


def pack(colors: np.ndarray | Color) -> np.ndarray:
    """Return one integer for each RGB color, int32 without the last axis.

    Args:
        colors: in [0, 255], `(..., 3)`.
    """
    red, green, blue = np.moveaxis(np.asarray(colors).astype("int32"), -1, 0)
    return red << 16 | green << 8 | blue


def unpack(packed: int) -> Color:
    """Return red, green and blue of a packed color.

    Args:
        packed: what `pack` returned.
    """
    return packed >> 16, packed >> 8 & 255, packed & 255


def rgb(packed: int) -> str:
    """Return a packed color as `red,green,blue`.

    Args:
        packed: what `pack` returned.
    """
    return ",".join(map(str, unpack(packed)))


def grey(values: np.ndarray) -> np.ndarray:
    """Return the packed colors of gray values, int32.

    Args:
        values: integers in [0, 255].
    """
    return values.astype("int32") * 0x010101
