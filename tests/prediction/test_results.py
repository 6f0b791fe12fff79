"""Per-image results as a line of text."""

import numpy as np

from keras_fcn.classes import ClassMap
from keras_fcn.prediction.results import Result, count_ids

CLASS_MAP = ClassMap(("a", "b", "c"), ((255, 0, 0), (0, 255, 0), (0, 0, 255)), 255)


def test_classes_are_described_largest_first():
    counts = count_ids(np.array([[1, 1, 1, 0]], "uint8"))
    assert Result("x", counts=counts).describe(CLASS_MAP) == "b 75.0%, a 25.0%"
