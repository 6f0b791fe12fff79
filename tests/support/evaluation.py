"""A data set with a known number of errors in each image."""

import numpy as np

from keras_fcn.classes import ClassMap
from keras_fcn.datasets.dataset import SegmentationDataset
from tests.support.data import split_of

CLASS_MAP = ClassMap(("sky", "road"), ((0, 0, 255), (90, 90, 90)), void_id=255)


def with_errors(wrong, split_name="val", val_pattern=None):
    """A data set of images of 20 pixels of sky; `wrong` gives the errors by image.

    `red` reads its prediction from the image. The IoU of sky is `(20 - errors) / 20`,
    that of road 0 if there are errors: the mean is `(20 - errors) / 40`, or 1 without
    errors. None is an image whose label map is all void.
    """
    images, label_maps = [], []
    for count in wrong.values():
        prediction = np.zeros(20, "uint8")
        prediction[: count or 0] = 1
        image = np.stack([prediction, prediction + 100, prediction + 200], axis=-1)
        images.append(image.reshape(4, 5, 3))
        label_maps.append(np.full((4, 5), 255 if count is None else 0, "uint8"))
    split = split_of(
        [(4, 5)] * len(wrong),
        name=list(wrong),
        image=np.array(images),
        label_map=np.array(label_maps),
    )
    return SegmentationDataset("squares", CLASS_MAP, {split_name: split}, val_pattern)


def red(images):
    """Predict the red channel, with a confidence of 90 %."""
    return images[..., 0], np.full(images.shape[:3], 0.9, dtype="float32")


WRONG = {"fair": 4, "worst": 20, "void": None, "perfect": 0, "bad": 10, "as fair": 4}
