"""Losses for semantic segmentation: `keras.losses.Loss` of label maps and logits.

>>> loss = keras_fcn.losses.CrossEntropy(ignore_class=255, label_smoothing=0.1)
>>> loss = keras_fcn.losses.CrossEntropy(255) + 0.5 * keras_fcn.losses.Dice(255)
>>> loss = keras_fcn.losses.get("ce+dice", ignore_class=255)
>>> model.compile("adam", loss=loss)
"""

from collections.abc import Sequence

import numpy as np

from keras_fcn.config import parse_loss
from keras_fcn.losses.base import SegmentationLoss, Sum
from keras_fcn.losses.pixelwise import CrossEntropy, Focal, HardExampleMining
from keras_fcn.losses.regions import Dice, Lovasz, Tversky

__all__ = [
    "CrossEntropy",
    "Dice",
    "Focal",
    "HardExampleMining",
    "Lovasz",
    "SegmentationLoss",
    "Sum",
    "Tversky",
    "get",
]
_PIXELWISE = {"ce": CrossEntropy, "focal": Focal, "ohem": HardExampleMining}
_REGIONS = {"dice": Dice, "tversky": Tversky, "lovasz": Lovasz}


def get(
    name: str,
    ignore_class: int | None = None,
    class_weights: Sequence[float] | np.ndarray | None = None,
) -> SegmentationLoss:
    """Return a loss, or a sum of losses, by name.

    Args:
        name: ce (`CrossEntropy`), focal, ohem (`HardExampleMining`), dice, tversky or
            lovasz, or several with factors, such as "ce+dice" or "ce+0.5*lovasz".
        ignore_class: id of void; None if there is none.
        class_weights: `(num_classes,)`, the weight of a pixel of each class in ce,
            focal and ohem; the others do not use them. None for equal weights.

    Raises:
        ValueError: if there is no loss of that name.
    """
    terms = parse_loss(name)
    losses = [
        _REGIONS[term](ignore_class)
        if term in _REGIONS
        else _PIXELWISE[term](ignore_class, class_weights)
        for _, term in terms
    ]
    factors = [factor for factor, _ in terms]
    return losses[0] if factors == [1.0] else Sum(losses, factors)
