"""Label maps, probabilities and confidence from logits."""

from io import BytesIO

import numpy as np
from PIL import Image

from keras_fcn.classes import ClassMap
from keras_fcn.prediction.confidence import (
    decide,
    encode_confidence,
    label_map_of,
    mark_unknown,
    probabilities_of,
)

CLASS_MAP = ClassMap(("sky", "road", "tree"), ((0, 0, 255),) * 3, void_id=255)


def random_logits():
    return np.random.default_rng(0).normal(size=(4, 5, 7)).astype("float32") * 5


def softmax(logits):
    shares = np.exp(logits.astype("float64"))
    return shares / shares.sum(axis=0)


def test_the_largest_logit_is_the_label_and_its_softmax_the_confidence():
    logits = random_logits()
    label_map, confidence = decide(logits.copy())
    assert label_map.dtype == np.uint8 and confidence.dtype == np.float32
    np.testing.assert_array_equal(label_map, logits.argmax(axis=0))
    np.testing.assert_array_equal(label_map_of(logits), label_map)
    expected = softmax(logits)
    np.testing.assert_allclose(confidence, expected.max(axis=0), rtol=1e-5)
    found = probabilities_of(logits.copy())
    np.testing.assert_allclose(found, np.moveaxis(expected, 0, -1), rtol=1e-4)


def test_large_logits_do_not_overflow():
    label_map, confidence = decide(np.float32([[[900.0, -900.0]], [[0.0, -901.0]]]))
    np.testing.assert_array_equal(label_map, [[0, 0]])
    np.testing.assert_allclose(confidence, [[1, 1 / (1 + np.exp(-1))]], rtol=1e-5)


def test_the_first_of_equal_logits_is_the_label():
    np.testing.assert_array_equal(
        label_map_of(np.zeros((3, 1, 2), "float32")), [[0, 0]]
    )


def test_pixels_below_the_threshold_are_void():
    label_map = np.uint8([[0, 1, 2]])
    confidence = np.float32([[0.4, 0.5, 0.9]])
    unknown = mark_unknown(label_map, confidence, 0.5, CLASS_MAP)
    np.testing.assert_array_equal(unknown, [[255, 1, 2]])
    assert unknown.dtype == np.uint8
    np.testing.assert_array_equal(label_map, [[0, 1, 2]])


def test_confidence_is_encoded_in_8_bits_and_1_is_255():
    content = encode_confidence(np.float32([[0, 0.5, 0.999, 1.0]]))
    with Image.open(BytesIO(content)) as image:
        assert image.mode == "L"
        np.testing.assert_array_equal(image, [[0, 128, 255, 255]])
