import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from keras_fcn.losses import Dice, Lovasz, Tversky

VOID = 255


def random_batch(seed, num_classes=4, shape=(2, 5, 6)):
    rng = np.random.default_rng(seed)
    label_map = rng.integers(0, num_classes - 1, shape)  # the last is in no label
    label_map[rng.random(shape) < 0.2] = VOID
    return label_map, rng.normal(0, 2, (*shape, num_classes)).astype("float32")


def labelled(label_map, logits):
    """Labels and probabilities of the pixels that are not void."""
    is_labelled = label_map != VOID
    return label_map[is_labelled], softmax(logits.astype("float64"), axis=-1)[
        is_labelled
    ]


# Two pixels of class 0 and one of class 1, with probabilities of class 0 of 3/4, 1/2
# and 1/4, and one of void.
LABEL_MAP = np.array([[[0, 0, 1, VOID]]])
LOGITS = np.log([[[[3.0, 1.0], [1.0, 1.0], [1.0, 3.0], [5.0, 1.0]]]])


def test_dice_is_the_hand_worked_one():
    # Class 0: 2 * 5/4 / (2 + 3/2); class 1: 2 * 3/4 / (1 + 3/2).
    expected = 1 - (2.5 / 3.5 + 1.5 / 2.5) / 2
    np.testing.assert_allclose(Dice(VOID)(LABEL_MAP, LOGITS), expected, rtol=1e-6)


def test_tversky_is_the_hand_worked_one():
    # Class 0: TP 5/4, FP 1/4, FN 3/4; class 1: TP 3/4, FP 3/4, FN 1/4.
    one = 1.25 / (1.25 + 0.3 * 0.25 + 0.7 * 0.75)
    other = 0.75 / (0.75 + 0.3 * 0.75 + 0.7 * 0.25)
    loss = Tversky(VOID)(LABEL_MAP, LOGITS)
    np.testing.assert_allclose(loss, 1 - (one + other) / 2, rtol=1e-6)


def test_lovasz_is_the_hand_worked_one():
    # Errors of class 0: 1/4, 1/2, 1/4, of its pixels 1 and 2 and of another class's.
    # In descending order pixel 2: loss 1 - 1/2; then pixel 1: 1 - 0/2; then pixel 3
    # adds 0: 1/2 * 1/2 + 1/4 * 1/2. (Equal errors give the same in either order.)
    # Class 1: errors 1/4, 1/2, 1/4; pixel 2 first: union 2, intersection 1: 1/2; then
    # pixel 1: union 3: 2/3; then its own pixel 3: 1. 1/2 * 1/2 + 1/4 * 1/2.
    expected = 0.5 * 0.5 + 0.25 * 0.5
    np.testing.assert_allclose(Lovasz(VOID)(LABEL_MAP, LOGITS), expected, rtol=1e-6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 0.5), (0.3, 0.7), (1.0, 0.2)])
def test_tversky_equals_its_formula(seed, alpha, beta):
    label_map, logits = random_batch(seed)
    truth, probabilities = labelled(label_map, logits)
    indices = []
    for class_id in range(3):  # the fourth is not in the labels
        own, p = truth == class_id, probabilities[:, class_id]
        tp, fp, fn = p[own].sum(), p[~own].sum(), (1 - p[own]).sum()
        indices.append(tp / (tp + alpha * fp + beta * fn))
    loss = Tversky(VOID, alpha, beta)(label_map, logits)
    np.testing.assert_allclose(loss, 1 - np.mean(indices), rtol=1e-5)
    if alpha == beta:
        np.testing.assert_allclose(Dice(VOID)(label_map, logits), loss, rtol=1e-6)


def lovasz_of_class(errors, own):
    """The Lovasz extension from its definition: a sum over sets of wrong pixels."""

    def jaccard_loss(wrong):
        return 1 - (own & ~wrong).sum() / (own | wrong).sum()

    total, before, wrong = 0.0, 0.0, np.zeros(len(own), bool)
    for pixel in np.argsort(-errors):
        wrong[pixel] = True
        now = jaccard_loss(wrong)
        total += errors[pixel] * (now - before)
        before = now
    return total


@pytest.mark.parametrize("seed", range(3))
def test_lovasz_equals_its_definition(seed):
    label_map, logits = random_batch(seed)
    truth, probabilities = labelled(label_map, logits)
    losses = []
    for class_id in range(3):
        own = truth == class_id
        errors = np.abs(own - probabilities[:, class_id])
        losses.append(lovasz_of_class(errors, own))
    loss = Lovasz(VOID)(label_map, logits)
    np.testing.assert_allclose(loss, np.mean(losses), rtol=1e-5)


@pytest.mark.parametrize("loss", [Dice(VOID), Tversky(VOID), Lovasz(VOID)])
def test_a_perfect_prediction_has_no_loss_and_void_no_gradient(loss):
    label_map, logits = random_batch(4)
    right = 50 * np.eye(4, dtype="float32")[np.where(label_map == VOID, 0, label_map)]
    assert float(loss(label_map, right)) == pytest.approx(0, abs=1e-6)
    logits = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(label_map, logits)
    size = np.abs(tape.gradient(value, logits)).sum(axis=-1)
    assert not size[label_map == VOID].any()
    assert size.max() > 0
    nothing = loss(np.full((1, 2, 2), VOID), np.zeros((1, 2, 2, 4), "float32"))
    assert float(nothing) == 0


@pytest.mark.parametrize("loss", [Dice(VOID), Tversky(VOID), Lovasz(VOID)])
def test_weight_zero_is_void(loss):
    label_map, logits = random_batch(5)
    weights = np.ones(label_map.shape, "float32")
    weights[:, :2] = 0
    without = np.where(weights == 0, VOID, label_map)
    np.testing.assert_allclose(
        loss(label_map, logits, weights), loss(without, logits), rtol=1e-6
    )
    assert keras.backend.standardize_dtype(loss(label_map, logits).dtype) == "float32"
