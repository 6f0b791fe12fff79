"""From the values or colours of a label file to class ids."""

from collections.abc import Sequence

import numpy as np

from keras_fcn.classes import Color
from keras_fcn.errors import summarize

VOID_ID = 255
VOID_NAMES = ("void", "unlabelled", "unlabeled", "ignore")
_UNKNOWN = -1


class LabelDecoder:
    """Turns what a label file stores into class ids, exactly.

    Args:
        class_dict: `(name, (red, green, blue))` per class, void among them or not, in
            the order of their ids; None where the values are ids already.
    """

    def __init__(self, class_dict: Sequence[tuple[str, Color]] | None = None):
        self._id_of_color = None
        self._id_of_value = np.arange(256, dtype="int16")
        self._grey_colors = None
        if class_dict is None:
            return
        ids, next_id = [], 0
        for name, _ in class_dict:
            is_void = name.lower() in VOID_NAMES
            ids.append(VOID_ID if is_void else next_id)
            next_id += not is_void
        self._id_of_value = np.full(256, _UNKNOWN, dtype="int16")
        self._id_of_value[: len(ids)] = ids
        self._id_of_value[VOID_ID] = VOID_ID
        # One entry for each RGB colour, 32 MiB, so that decoding is one look-up.
        self._id_of_color = np.full(2**24, _UNKNOWN, dtype="int16")
        for (_, color), class_id in zip(class_dict, ids, strict=True):
            self._id_of_color[_pack(np.array(color))] = class_id
        if all(len(set(color)) == 1 for _, color in class_dict):
            self._grey_colors = [color[0] for _, color in class_dict]

    def decode(self, stored: np.ndarray) -> np.ndarray:
        """Class ids, uint8 `(height, width)`, of what `read_stored_values` gave.

        Args:
            stored: integer `(height, width)`, ids or grey colours, or uint8 RGB
                `(height, width, 3)`.

        Raises:
            ValueError: if a value or colour belongs to no class; says how many pixels.
        """
        if stored.ndim == 2 and self._holds_grey_colors(stored):
            stored = np.repeat(stored[..., None], 3, axis=-1)
        if stored.ndim == 3 and self._id_of_color is None:
            if not (stored == stored[..., :1]).all():
                raise ValueError(
                    "has colours, but there is no class_dict.csv (name,r,g,b) that "
                    "says which class each is"
                )
            stored = stored[..., 0]
        if stored.ndim == 3:
            packed = _pack(stored)  # (H, W, 3) to (H, W), 24 bits of colour
            ids = self._id_of_color[packed]
            self._refuse(packed[ids == _UNKNOWN], "colours not in class_dict.csv", _rgb)
        else:
            beyond = stored > 255
            self._refuse(stored[beyond], "ids above 255", str)
            ids = self._id_of_value[stored]
            self._refuse(stored[ids == _UNKNOWN], "ids of no class", str)
        return ids.astype("uint8")

    def _holds_grey_colors(self, stored):
        """Whether grey values are colours of the classes, and not their ids."""
        return (
            self._grey_colors is not None and np.isin(stored, self._grey_colors).all()
        )

    @staticmethod
    def _refuse(values, what, describe):
        if not values.size:
            return
        unknown, counts = np.unique(values, return_counts=True)
        by_count = np.argsort(-counts)
        named = [f"{describe(int(unknown[i]))} ({counts[i]} pixels)" for i in by_count]
        raise ValueError(f"has {what}: {summarize(named)}")


def _pack(color):
    red, green, blue = np.moveaxis(np.asarray(color).astype("int32"), -1, 0)
    return red << 16 | green << 8 | blue


def _rgb(packed):
    return f"{packed >> 16},{packed >> 8 & 255},{packed & 255}"
