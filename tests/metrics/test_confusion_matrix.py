import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_fcn.metrics.confusion_matrix import (
    ConfusionMatrix,
    confusion_matrix_of,
    constant_mean_iou,
    count_on_device,
    segmentation_scores,
)

VOID = 255
SCALARS = ("pixel_accuracy", "mean_accuracy", "mean_iou", "frequency_weighted_iou")


def logits_of(prediction, num_classes):
    return np.eye(num_classes, dtype="float32")[prediction]


def counted(label_map, prediction, num_classes, void_id=VOID):
    metric = ConfusionMatrix(num_classes, void_id)
    metric.update_state(label_map, logits_of(prediction, num_classes))
    return metric


def random_maps(seed, num_classes=5, shape=(3, 8, 9)):
    rng = np.random.default_rng(seed)
    label_map = rng.integers(0, num_classes, shape)
    prediction = np.where(
        rng.random(shape) < 0.5, label_map, rng.integers(0, num_classes, shape)
    )
    label_map[rng.random(shape) < 0.2] = VOID
    return label_map, prediction


def scalars(metric):
    return {name: float(value) for name, value in metric.result().items()}


@pytest.fixture
def three_classes():
    """Six labeled pixels and one of void.

    Confusion matrix, rows true:
        [2 1 0]
        [0 1 0]
        [1 0 1]
    Rows add up to 3, 1, 2; columns to 3, 2, 1; IoU 2/4, 1/2, 1/2.
    """
    label_map = np.array([[[0, 0, 0, 1, 2, 2, VOID]]])
    prediction = np.array([[[0, 0, 1, 1, 0, 2, 1]]])
    return label_map, prediction


def test_rows_are_true_and_columns_predicted_classes(three_classes):
    matrix = counted(*three_classes, 3).matrix()
    assert matrix.dtype == np.int64
    np.testing.assert_array_equal(matrix, [[2, 1, 0], [0, 1, 0], [1, 0, 1]])


def test_scores_of_a_matrix_worked_by_hand(three_classes):
    expected = {
        "pixel_accuracy": 4 / 6,
        "mean_accuracy": (2 / 3 + 1 + 1 / 2) / 3,
        "mean_iou": (2 / 4 + 1 / 2 + 1 / 2) / 3,
        "frequency_weighted_iou": (3 * 2 / 4 + 1 * 1 / 2 + 2 * 1 / 2) / 6,
    }
    metric = counted(*three_classes, 3)
    assert scalars(metric) == pytest.approx(expected)
    scores = segmentation_scores(metric.matrix())
    assert {name: scores[name] for name in SCALARS} == pytest.approx(expected)
    np.testing.assert_allclose(scores["per_class_accuracy"], [2 / 3, 1, 1 / 2])
    np.testing.assert_allclose(scores["per_class_iou"], [1 / 2, 1 / 2, 1 / 2])


def test_void_pixels_do_not_change_mean_iou(three_classes):
    label_map, prediction = three_classes
    wider = np.pad(label_map, ((0, 0), (0, 4), (0, 2)), constant_values=VOID)
    wider_prediction = np.pad(prediction, ((0, 0), (0, 4), (0, 2)), constant_values=2)
    assert scalars(counted(wider, wider_prediction, 3)) == scalars(
        counted(label_map, prediction, 3)
    )


@pytest.mark.parametrize("void_id", [3, 11, 255])
def test_void_may_have_any_id_above_the_classes(three_classes, void_id):
    label_map, prediction = three_classes
    label_map = np.where(label_map == VOID, void_id, label_map)
    for dtype in ("uint8", "int32", "int64"):
        matrix = counted(label_map.astype(dtype), prediction, 3, void_id).matrix()
        np.testing.assert_array_equal(matrix, [[2, 1, 0], [0, 1, 0], [1, 0, 1]])


def test_a_class_absent_from_labels_and_predictions_is_not_in_the_mean():
    # [2 1 .]        IoU 2/3 and 1/2; the third class is in neither.
    # [0 1 .]
    label_map, prediction = np.array([[[0, 0, 0, 1]]]), np.array([[[0, 0, 1, 1]]])
    metric = counted(label_map, prediction, 3)
    scores = segmentation_scores(metric.matrix())
    assert np.isnan(scores["per_class_iou"][2])
    assert np.isnan(scores["per_class_accuracy"][2])
    for result in (scores, scalars(metric)):
        assert result["mean_iou"] == pytest.approx((2 / 3 + 1 / 2) / 2)
        assert result["mean_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
        weighted = (3 * 2 / 3 + 1 * 1 / 2) / 4
        assert result["frequency_weighted_iou"] == pytest.approx(weighted)


def test_a_class_only_in_predictions_has_iou_0_and_no_accuracy():
    # [1 1]        accuracy 1/2 over the one class in the labels; IoU 1/2 and 0.
    # [0 0]
    metric = counted(np.array([[[0, 0]]]), np.array([[[0, 1]]]), 2)
    scores = segmentation_scores(metric.matrix())
    np.testing.assert_array_equal(scores["per_class_iou"], [0.5, 0])
    assert np.isnan(scores["per_class_accuracy"][1])
    for result in (scores, scalars(metric)):
        assert result["mean_iou"] == pytest.approx(0.25)
        assert result["mean_accuracy"] == pytest.approx(0.5)
        assert result["frequency_weighted_iou"] == pytest.approx(0.5)


def test_without_pixels_scores_are_nan_and_logs_are_0():
    metric = ConfusionMatrix(3, VOID)
    scores = segmentation_scores(metric.matrix())
    assert all(np.isnan(scores[name]) for name in SCALARS)
    assert np.isnan(scores["per_class_iou"]).all()
    assert scalars(metric) == dict.fromkeys(SCALARS, 0.0)


def test_a_void_label_map_adds_no_counts():
    metric = counted(np.full((2, 3, 3), VOID), np.ones((2, 3, 3), int), 3)
    np.testing.assert_array_equal(metric.matrix(), np.zeros((3, 3)))
    assert scalars(metric) == dict.fromkeys(SCALARS, 0.0)


def test_perfect_prediction_scores_one():
    label_map = np.arange(4).reshape(1, 2, 2)
    result = scalars(counted(label_map, label_map, 4))
    assert result == pytest.approx(dict.fromkeys(SCALARS, 1.0))


def test_scores_of_a_single_class():
    metric = counted(np.array([[[0, VOID]]]), np.array([[[0, 0]]]), 1)
    np.testing.assert_array_equal(metric.matrix(), [[1]])
    assert scalars(metric) == dict.fromkeys(SCALARS, 1.0)


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_those_of_scikit_learn(seed):
    from sklearn import metrics  # slow to import

    label_map, prediction = random_maps(seed)
    metric = counted(label_map, prediction, 5)
    is_labelled = label_map != VOID
    true, predicted = label_map[is_labelled], prediction[is_labelled]
    matrix = metrics.confusion_matrix(true, predicted, labels=range(5))
    np.testing.assert_array_equal(metric.matrix(), matrix)
    ious = metrics.jaccard_score(true, predicted, average=None)
    scores = segmentation_scores(metric.matrix())
    np.testing.assert_allclose(scores["per_class_iou"], ious)
    for result in (scores, scalars(metric)):
        assert [result[name] for name in SCALARS] == pytest.approx(
            [
                metrics.accuracy_score(true, predicted),
                metrics.balanced_accuracy_score(true, predicted),
                metrics.jaccard_score(true, predicted, average="macro"),
                metrics.jaccard_score(true, predicted, average="weighted"),
            ]
        )


@pytest.mark.parametrize("sizes", [(1, 1, 1), (2, 1)])
def test_batches_add_up_to_the_whole_split(sizes):
    label_map, prediction = random_maps(7)
    metric, start = ConfusionMatrix(5, VOID), 0
    for size in sizes:
        batch = slice(start, start + size)
        metric.update_state(label_map[batch], logits_of(prediction[batch], 5))
        start += size
    whole = counted(label_map, prediction, 5)
    np.testing.assert_array_equal(metric.matrix(), whole.matrix())
    assert scalars(metric) == scalars(whole)


def test_mean_iou_is_computed_from_the_split_and_not_averaged_over_batches():
    # First image [1 0 / 0 0], second [0 3 / 0 1]: means 1 and (0 + 1/4) / 2;
    # together [1 3 / 0 1]: 1/4 and 1/4.
    metric = ConfusionMatrix(2, VOID)
    metric.update_state(np.array([[[0]]]), logits_of(np.array([[[0]]]), 2))
    metric.update_state(
        np.array([[[0, 0, 0, 1]]]), logits_of(np.array([[[1, 1, 1, 1]]]), 2)
    )
    assert scalars(metric)["mean_iou"] == pytest.approx(0.25)


def test_reset_state_clears_the_counts(three_classes):
    metric = counted(*three_classes, 3)
    metric.reset_state()
    np.testing.assert_array_equal(metric.matrix(), np.zeros((3, 3)))


def test_the_metric_has_the_given_name():
    assert ConfusionMatrix(3, VOID).name == "confusion_matrix"
    assert ConfusionMatrix(3, VOID, name="validation").name == "validation"


@pytest.mark.parametrize("compile_update", [False, True])
def test_pixels_count_as_often_as_their_weight(three_classes, compile_update):
    label_map, prediction = three_classes
    logits = logits_of(prediction, 3)
    metric = ConfusionMatrix(3, VOID)
    update = tf.function(metric.update_state) if compile_update else metric.update_state
    weights = np.float32([[[0.5, 0, 2, 1.25, 1, 1, 9]]])
    for _ in range(4):  # fractions add up
        update(tf.constant(label_map), tf.constant(logits), tf.constant(weights))
    expected = 4 * np.array([[0.5, 2, 0], [0, 1.25, 0], [1, 0, 1]])
    np.testing.assert_array_equal(metric.matrix(), expected)
    update(tf.constant(label_map), tf.constant(logits), tf.constant([0.25]))
    expected += 0.25 * np.array([[2, 1, 0], [0, 1, 0], [1, 0, 1]])
    np.testing.assert_array_equal(metric.matrix(), expected)
    scores = segmentation_scores(expected)
    assert scalars(metric)["mean_iou"] == pytest.approx(scores["mean_iou"])


@pytest.mark.parametrize("jit_compile", [False, True])
def test_compiled_updates_equal_eager_ones(jit_compile):
    label_map, prediction = random_maps(8)
    metric = ConfusionMatrix(5, VOID)
    update = tf.function(metric.update_state, jit_compile=jit_compile)
    logits = logits_of(prediction, 5)
    for _ in range(2):
        update(tf.constant(label_map), tf.constant(logits))
    whole = counted(label_map, prediction, 5)
    np.testing.assert_array_equal(metric.matrix(), 2 * whole.matrix())
    assert scalars(metric) == pytest.approx(scalars(whole))


def test_counts_on_the_device_are_int32_for_unsigned_label_maps():
    label_map = np.array([[[0, 1, VOID]]], "uint8")
    prediction = np.array([[[1, 1, 0]]], "uint8")
    counts = ops.convert_to_numpy(count_on_device(label_map, prediction, 2, VOID))
    assert counts.dtype == np.int32
    np.testing.assert_array_equal(counts, [[0, 1], [0, 1]])


def test_ids_out_of_range_are_not_counted():
    """Otherwise TensorFlow's error could come before that of `check_ids`."""
    label_map = np.array([[[0, 1, 2, 9, -1, -9, 255]]])
    counts = count_on_device(label_map, np.ones_like(label_map), 2, VOID)
    assert ops.convert_to_numpy(counts).tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("num_classes", "void_id"), [(1, 1), (2, 255), (5, 5), (11, 11), (254, 255)]
)
def test_counts_on_the_host_are_those_on_the_device(seed, num_classes, void_id):
    rng = np.random.default_rng(seed)
    shape = (1, 17, 23)
    label_map = rng.integers(0, num_classes, shape).astype("uint8")
    prediction = rng.integers(0, num_classes, shape).astype("uint8")
    label_map[rng.random(shape) < 0.2] = void_id
    on_device = count_on_device(label_map, prediction, num_classes, void_id)
    matrix = confusion_matrix_of(label_map[0], prediction[0], num_classes, void_id)
    assert matrix.dtype == np.int64
    np.testing.assert_array_equal(matrix, ops.convert_to_numpy(on_device))
    assert 0 < matrix.sum() == (label_map != void_id).sum() < label_map.size


def test_rows_of_the_matrix_on_the_host_are_true_classes(three_classes):
    (label_map,), (prediction,) = three_classes
    matrix = confusion_matrix_of(label_map, prediction, 3, VOID)
    np.testing.assert_array_equal(matrix, [[2, 1, 0], [0, 1, 0], [1, 0, 1]])
    nothing = confusion_matrix_of(np.full((2, 2), VOID), np.ones((2, 2), int), 3, VOID)
    np.testing.assert_array_equal(nothing, np.zeros((3, 3)))


def test_255_classes_are_counted_from_uint8_maps():
    label_map = np.arange(256, dtype="uint8").reshape(1, 16, 16)  # 255 is void
    prediction = label_map % 255
    counts = ops.convert_to_numpy(count_on_device(label_map, prediction, 255, VOID))
    np.testing.assert_array_equal(counts, np.eye(255))


@pytest.mark.parametrize("compile_update", [False, True])
def test_counts_beyond_int32_carry_to_the_high_digit(compile_update):
    metric = ConfusionMatrix(2, VOID)
    start = 5 * 2**30 + 2**30 - 2  # in one cell; the next update carries
    metric._high.assign([[5, 0], [0, 0]])
    metric._low.assign([[2**30 - 2, 0], [0, 0]])
    np.testing.assert_array_equal(metric.matrix(), [[start, 0], [0, 0]])
    update = tf.function(metric.update_state) if compile_update else metric.update_state
    label_map, prediction = np.zeros((1, 1, 4), int), np.array([[[0, 0, 0, 1]]])
    update(tf.constant(label_map), tf.constant(logits_of(prediction, 2)))
    np.testing.assert_array_equal(metric.matrix(), [[start + 3, 1], [0, 0]])
    assert metric.matrix()[0, 0] > 2**31
    np.testing.assert_array_equal(metric._low, [[1, 1], [0, 0]])
    np.testing.assert_array_equal(metric._high, [[6, 0], [0, 0]])


def test_scores_of_counts_beyond_int32():
    # [3 1]
    # [0 4]  times 2**31; IoU 3/4 and 4/5.
    metric = ConfusionMatrix(2, VOID)
    metric._high.assign(2 * np.array([[3, 1], [0, 4]]))
    result = scalars(metric)
    assert result["mean_iou"] == pytest.approx((3 / 4 + 4 / 5) / 2)
    assert result["pixel_accuracy"] == pytest.approx(7 / 8)
    scores = segmentation_scores(metric.matrix())
    assert scores["mean_iou"] == pytest.approx((3 / 4 + 4 / 5) / 2)


def test_mean_iou_of_predicting_one_class():
    # 6 pixels of class 0, 2 of class 1, none of class 2: all as 0 has IoU 6/8 and 0.
    matrix = np.array([[1, 2, 3], [0, 1, 1], [0, 0, 0]])
    assert constant_mean_iou(matrix) == 6 / 8 / 2
    assert constant_mean_iou(np.zeros((2, 2), int)) == 0
    all_as_0 = np.array([[6, 0, 0], [2, 0, 0], [0, 0, 0]])
    assert segmentation_scores(all_as_0)["mean_iou"] == constant_mean_iou(matrix)
