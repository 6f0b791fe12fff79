import numpy as np

from keras_fcn.evaluation.trimap import trimap


def test_a_trimap_lies_on_both_sides_of_an_edge():
    label_map = np.zeros((5, 8), int)
    label_map[:, 4:] = 1
    for width, columns in ((1, (3, 5)), (2, (2, 6)), (3, (1, 7))):
        expected = np.zeros((5, 8), bool)
        expected[:, slice(*columns)] = True
        np.testing.assert_array_equal(trimap(label_map, 255, width), expected)


def test_a_border_to_void_is_not_an_edge_and_void_is_not_in_the_trimap():
    label_map = np.zeros((6, 6), int)
    label_map[:, 2:4] = 255
    assert not trimap(label_map, 255, 3).any()
    label_map[3:, :2] = 1
    mask = trimap(label_map, 255, 6)
    assert mask[:, :2].all() and not mask[:, 2:4].any()


def test_the_trimap_of_a_single_class_is_empty():
    assert not trimap(np.ones((4, 4), int), 255, 2).any()
