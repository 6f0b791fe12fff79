import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from keras_fcn.losses import CrossEntropy, Focal, HardExampleMining

VOID = 255


def cross_entropy(label_map, logits, ignore_class, class_weights=None):
    return CrossEntropy(ignore_class, class_weights)(label_map, logits)


def random_batch(seed, num_classes=4, shape=(2, 5, 6)):
    rng = np.random.default_rng(seed)
    label_map = rng.integers(0, num_classes, shape)
    label_map[rng.random(shape) < 0.2] = VOID
    return label_map, rng.normal(0, 3, (*shape, num_classes)).astype("float32")


def test_loss_of_two_pixels_is_the_hand_worked_mean():
    # Probabilities of the true class 3/4 and 1/2: mean of ln 4/3 and ln 2.
    logits = np.log([[[[1.0, 3.0], [1.0, 1.0]]]])
    loss = cross_entropy(np.array([[[1, 0]]]), logits, VOID)
    assert loss.shape == ()
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    np.testing.assert_allclose(loss, (np.log(4 / 3) + np.log(2)) / 2, rtol=1e-6)


def test_loss_of_zero_logits_is_the_logarithm_of_the_number_of_classes():
    label_map, logits = random_batch(0)
    loss = cross_entropy(label_map, 0 * logits, VOID)
    np.testing.assert_allclose(loss, np.log(4), rtol=1e-6)


def test_void_pixels_do_not_change_the_loss():
    label_map, logits = random_batch(1)
    loss = cross_entropy(label_map, logits, VOID)
    logits[label_map == VOID] = 1000 * np.arange(4)
    np.testing.assert_array_equal(cross_entropy(label_map, logits, VOID), loss)
    wider = np.pad(label_map, ((0, 0), (0, 0), (0, 3)), constant_values=VOID)
    wider_logits = np.pad(logits, ((0, 0), (0, 0), (0, 3), (0, 0)), constant_values=7)
    np.testing.assert_allclose(
        cross_entropy(wider, wider_logits, VOID), loss, rtol=1e-6
    )


def test_only_void_pixels_have_a_zero_gradient():
    label_map, logits = random_batch(2)
    logits = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = cross_entropy(label_map, logits, VOID, [1.0, 2.0, 3.0, 4.0])
    size = np.abs(tape.gradient(loss, logits)).sum(axis=-1)
    np.testing.assert_array_equal(size > 0, label_map != VOID)


def test_all_void_has_zero_loss_and_zero_gradient():
    label_map = np.full((2, 3, 3), VOID)
    logits = tf.random.stateless_normal((2, 3, 3, 4), seed=(1, 2))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = cross_entropy(label_map, logits, VOID)
    assert float(loss) == 0.0
    np.testing.assert_array_equal(tape.gradient(loss, logits), np.zeros((2, 3, 3, 4)))


@pytest.mark.parametrize("void_id", [4, 11, 255])
def test_void_may_have_any_id_above_the_classes(void_id):
    label_map, logits = random_batch(3)
    expected = cross_entropy(label_map, logits, VOID)
    label_map[label_map == VOID] = void_id
    for dtype in ("uint8", "int32", "int64"):
        np.testing.assert_array_equal(
            cross_entropy(label_map.astype(dtype), logits, void_id), expected
        )


def test_loss_of_a_single_class_is_zero():
    logits = np.ones((1, 1, 2, 1), "float32")
    assert float(cross_entropy(np.array([[[0, VOID]]]), logits, VOID)) == 0.0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("class_weights", [None, (0.5, 1.0, 2.0, 7.0)])
def test_loss_equals_log_loss_of_scikit_learn(seed, class_weights):
    from sklearn.metrics import log_loss  # slow to import

    label_map, logits = random_batch(seed)
    is_labelled = label_map != VOID
    truth = label_map[is_labelled]
    expected = log_loss(
        truth,
        softmax(logits[is_labelled].astype("float64"), axis=-1),
        labels=range(4),
        sample_weight=None if class_weights is None else np.take(class_weights, truth),
    )
    loss = cross_entropy(label_map, logits, VOID, class_weights)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_weighted_loss_is_the_hand_worked_one():
    # ln 4/3 with weight 3 and ln 2 with weight 1, over the sum of the weights, 4.
    logits = np.log([[[[1.0, 3.0], [1.0, 1.0]]]])
    loss = cross_entropy(np.array([[[1, 0]]]), logits, VOID, [1.0, 3.0])
    np.testing.assert_allclose(loss, (3 * np.log(4 / 3) + np.log(2)) / 4, rtol=1e-6)


def test_loss_does_not_depend_on_the_scale_of_the_class_weights():
    label_map, logits = random_batch(4)
    weights = np.array([0.1, 1.0, 2.0, 5.0])
    np.testing.assert_allclose(
        cross_entropy(label_map, logits, VOID, 1000 * weights),
        cross_entropy(label_map, logits, VOID, weights),
        rtol=1e-6,
    )


def test_16_bit_logits_are_summed_in_float32():
    label_map, logits = random_batch(5)
    short = keras.ops.cast(logits, "bfloat16")
    loss = cross_entropy(label_map, short, VOID)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    np.testing.assert_allclose(
        loss,
        cross_entropy(label_map, keras.ops.cast(short, "float32"), VOID),
        rtol=1e-6,
    )


def test_compiled_loss_equals_the_eager_one():
    label_map, logits = random_batch(6)
    compiled = tf.function(lambda label_map, logits: cross_entropy(
        label_map, logits, VOID, [1.0, 2.0, 3.0, 4.0]
    ))  # fmt: skip
    np.testing.assert_allclose(
        compiled(tf.constant(label_map), tf.constant(logits)),
        cross_entropy(label_map, logits, VOID, [1.0, 2.0, 3.0, 4.0]),
        rtol=1e-6,
    )


@pytest.mark.parametrize(
    ("label_shape", "logits_shape"),
    [
        ((None, None, None), (None, None, None, 4)),
        ((None, None, None), (2, 5, 6, 4)),
        ((2, 5, 6), (None, None, None, 4)),
        ((None, 5, 6), (2, 5, 6, 4)),
    ],
)
def test_unknown_sizes_are_accepted_while_compiling(label_shape, logits_shape):
    label_map, logits = random_batch(7)
    label_map = label_map.astype("int32")
    compiled = tf.function(
        lambda label_map, logits: cross_entropy(label_map, logits, VOID),
        input_signature=[
            tf.TensorSpec(label_shape, "int32"),
            tf.TensorSpec(logits_shape, "float32"),
        ],
    )
    np.testing.assert_allclose(
        compiled(label_map, logits),
        cross_entropy(label_map, logits, VOID),
        rtol=1e-6,
    )


@pytest.mark.parametrize("shape", [(2, 6, 6), (2, 5, 7)])
def test_different_sizes_are_refused(shape):
    _, logits = random_batch(0)
    message = rf"Received: \({', '.join(map(str, shape))}\) and \(2, 5, 6, 4\)"
    with pytest.raises(ValueError, match=message):
        cross_entropy(np.zeros(shape, "int32"), logits, VOID)


def log_probabilities(logits):
    return np.log(softmax(logits.astype("float64"), axis=-1))


def labelled(label_map, logits):
    """Labels, and log-probabilities of all classes and of the true one."""
    is_labelled = label_map != VOID
    truth, logs = label_map[is_labelled], log_probabilities(logits)[is_labelled]
    return truth, logs, logs[np.arange(len(truth)), truth]


def test_label_smoothing_is_the_hand_worked_one():
    # Probabilities 1/4 and 3/4, true class 1, smoothing 0.2:
    # 0.8 * ln 4/3 + 0.2 * (ln 4 + ln 4/3) / 2.
    logits = np.log([[[[1.0, 3.0]]]])
    loss = CrossEntropy(VOID, label_smoothing=0.2)(np.array([[[1]]]), logits)
    expected = 0.8 * np.log(4 / 3) + 0.1 * (np.log(4) + np.log(4 / 3))
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_label_smoothing_equals_the_cross_entropy_with_smoothed_targets(smoothing):
    label_map, logits = random_batch(8)
    weights = np.array([0.5, 1.0, 2.0, 7.0])
    truth, logs, _ = labelled(label_map, logits)
    target = np.eye(4)[truth] * (1 - smoothing) + smoothing / 4
    expected = np.average(-(target * logs).sum(axis=1), weights=weights[truth])
    loss = CrossEntropy(VOID, weights, smoothing)(label_map, logits)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_focal_loss_is_the_hand_worked_one():
    # Probability of the true class 3/4 and 1/2: (1/4)**2 ln 4/3 and (1/2)**2 ln 2.
    logits = np.log([[[[1.0, 3.0], [1.0, 1.0]]]])
    loss = Focal(VOID)(np.array([[[1, 0]]]), logits)
    expected = (np.log(4 / 3) / 16 + np.log(2) / 4) / 2
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_loss_equals_its_formula(gamma):
    label_map, logits = random_batch(9)
    weights = np.array([0.5, 1.0, 2.0, 7.0])
    truth, _, true_log = labelled(label_map, logits)
    losses = -((1 - np.exp(true_log)) ** gamma) * true_log
    loss = Focal(VOID, weights, gamma)(label_map, logits)
    expected = np.average(losses, weights=weights[truth])
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_the_gradient_of_focal_loss_is_finite_for_certain_pixels():
    logits = tf.constant([[[[100.0, 0.0], [0.0, 100.0]]]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = Focal(VOID, gamma=0.5)(np.array([[[0, 0]]]), logits)
    assert np.isfinite(tape.gradient(loss, logits)).all()


def test_hard_examples_are_those_below_the_threshold():
    # Probabilities of the true class 3/4, 1/2 and 1/5; those below 0.7 count.
    logits = np.log([[[[1.0, 3.0], [1.0, 1.0], [4.0, 1.0]]]])
    label_map = np.array([[[1, 0, 1]]])
    loss = HardExampleMining(VOID, threshold=0.7, min_kept=0)(label_map, logits)
    np.testing.assert_allclose(loss, (np.log(2) + np.log(5)) / 2, rtol=1e-6)
    # None is below 0.1: the hardest of the three counts, as a third is kept.
    loss = HardExampleMining(VOID, threshold=0.1, min_kept=1 / 3)(label_map, logits)
    np.testing.assert_allclose(loss, np.log(5), rtol=1e-6)


@pytest.mark.parametrize(("threshold", "min_kept"), [(0.3, 0.1), (0.01, 0.4), (1, 0)])
def test_hard_example_mining_equals_selection_by_sorting(threshold, min_kept):
    label_map, logits = random_batch(10)
    weights = np.array([0.5, 1.0, 2.0, 7.0])
    truth, _, true_log = labelled(label_map, logits)
    order = np.argsort(true_log)
    num_kept = max(
        int((np.exp(true_log) <= threshold).sum()), int(np.ceil(min_kept * len(truth)))
    )
    kept = order[:num_kept]
    expected = np.average(-true_log[kept], weights=weights[truth][kept])
    loss = HardExampleMining(VOID, weights, threshold, min_kept)(label_map, logits)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_label_smoothing_out_of_range_is_refused(smoothing):
    with pytest.raises(ValueError, match=f"Received: label_smoothing={smoothing}"):
        CrossEntropy(VOID, label_smoothing=smoothing)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="integer, or None. Received: .*='void'"):
        CrossEntropy("void")
    with pytest.raises(ValueError, match=r"at least 0. Received: .*\[1.0, nan\]"):
        CrossEntropy(255, [1, float("nan")])
