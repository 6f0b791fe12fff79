"""From scores to labels and how sure they are."""

import numpy as np

from keras_fcn.classes import ClassMap
from keras_fcn.prediction.confidence import (
    confidence_picture,
    decide,
    label_of,
    mark_unknown,
    probabilities_of,
)

CLASS_MAP = ClassMap(("sky", "road", "tree"), ((0, 0, 255),) * 3, void_id=255)


def random_scores():
    return np.random.default_rng(0).normal(size=(4, 5, 7)).astype("float32") * 5


def softmax(scores):
    shares = np.exp(scores.astype("float64"))
    return shares / shares.sum(axis=0)


def test_the_largest_score_is_the_label_and_its_softmax_the_confidence():
    scores = random_scores()
    label_map, confidence = decide(scores.copy())
    assert label_map.dtype == np.uint8 and confidence.dtype == np.float32
    np.testing.assert_array_equal(label_map, scores.argmax(axis=0))
    np.testing.assert_array_equal(label_of(scores), label_map)
    expected = softmax(scores)
    np.testing.assert_allclose(confidence, expected.max(axis=0), rtol=1e-5)
    found = probabilities_of(scores.copy())
    np.testing.assert_allclose(found, np.moveaxis(expected, 0, -1), rtol=1e-4)


def test_large_scores_do_not_overflow():
    label_map, confidence = decide(np.float32([[[900.0, -900.0]], [[0.0, -901.0]]]))
    np.testing.assert_array_equal(label_map, [[0, 0]])
    np.testing.assert_allclose(confidence, [[1, 1 / (1 + np.exp(-1))]], rtol=1e-5)


def test_of_equal_scores_the_first_class_is_taken():
    np.testing.assert_array_equal(label_of(np.zeros((3, 1, 2), "float32")), [[0, 0]])


def test_what_is_less_sure_than_asked_for_is_void():
    label_map = np.uint8([[0, 1, 2]])
    confidence = np.float32([[0.4, 0.5, 0.9]])
    unknown = mark_unknown(label_map, confidence, 0.5, CLASS_MAP)
    np.testing.assert_array_equal(unknown, [[255, 1, 2]])
    assert unknown.dtype == np.uint8
    np.testing.assert_array_equal(label_map, [[0, 1, 2]])


def test_certain_is_255():
    picture = confidence_picture(np.float32([[0, 0.5, 0.999, 1.0]]))
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, [[0, 128, 255, 255]])
