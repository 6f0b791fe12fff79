"""What all losses have in common: names, sums, weights, saving and bad input."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_fcn
from keras_fcn.config import LOSSES
from keras_fcn.losses import CrossEntropy, Dice, Focal, Lovasz, Sum, get

VOID = 255


def random_batch(seed=0, num_classes=4, shape=(2, 5, 6)):
    rng = np.random.default_rng(seed)
    label_map = rng.integers(0, num_classes, shape)
    label_map[rng.random(shape) < 0.2] = VOID
    return label_map, rng.normal(0, 2, (*shape, num_classes)).astype("float32")


def test_a_sum_by_name_is_the_sum_of_the_losses():
    label_map, logits = random_batch()
    weights = [1.0, 2.0, 3.0, 4.0]
    expected = CrossEntropy(VOID, weights)(label_map, logits)
    expected += 0.5 * Lovasz(VOID)(label_map, logits)
    for loss in (
        get("ce + 0.5*lovasz", VOID, weights),
        CrossEntropy(VOID, weights) + 0.5 * Lovasz(VOID),
        0.5 * (2 * CrossEntropy(VOID, weights) + Lovasz(VOID)),
    ):
        assert isinstance(loss, Sum)
        np.testing.assert_allclose(loss(label_map, logits), expected, rtol=1e-6)


@pytest.mark.parametrize("name", [*LOSSES, "ce+0.5*dice"])
def test_a_saved_loss_is_the_same(name):
    label_map, logits = random_batch()
    loss = get(name, VOID, [1.0, 2.0, 3.0, 4.0])
    restored = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    )
    assert type(restored) is type(loss)
    assert restored.get_config() == loss.get_config()
    np.testing.assert_array_equal(restored(label_map, logits), loss(label_map, logits))


@pytest.mark.parametrize("name", LOSSES)
def test_probabilities_and_one_channel_are_accepted(name):
    label_map, logits = random_batch(1)
    loss = get(name, VOID)
    config = {**loss.get_config(), "from_logits": False}
    value = type(loss).from_config(config)(
        label_map[..., None].astype("uint8"), keras.ops.softmax(logits)
    )
    np.testing.assert_allclose(value, loss(label_map, logits), rtol=1e-4)


def test_weights_of_images_and_pixels_weight_the_mean():
    label_map, logits = random_batch(2)
    losses = [
        float(CrossEntropy(VOID)(label_map[i : i + 1], logits[i : i + 1]))
        for i in range(2)
    ]
    counts = (label_map != VOID).sum(axis=(1, 2)) * np.array([3, 1])
    weighted = CrossEntropy(VOID)(label_map, logits, np.array([3.0, 1.0]))
    np.testing.assert_allclose(weighted, np.average(losses, weights=counts), rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dise", r"Received: loss=dise \(did you mean dice\?\)"),
        ("ce+", "`loss` must be ce, focal, .* Received: loss=ce+"),
        ("two*ce", r"a number before \*, as in 0.5\*ce. Received: loss=two\*ce"),
    ],
)
def test_an_unknown_name_is_refused(name, message):
    with pytest.raises(ValueError, match=message):
        keras_fcn.losses.get(name)


def test_class_weights_of_another_length_are_refused():
    label_map, logits = random_batch()
    message = "one weight for each of the 4 classes. Received: 3 weights"
    with pytest.raises(ValueError, match=message):
        Focal(VOID, class_weights=[1, 2, 3])(label_map, logits)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 5, 7), r"same height and width. Received: \(2, 5, 7\) and \(2, 5, 6, 4\)"),
        (
            (2, 5, 6, 4),
            r"not one-hot: use `keras.ops.argmax.* Received: \(2, 5, 6, 4\)",
        ),
        ((2, 30), r"must be class ids \(batch, height, width\).* Received: \(2, 30\)"),
    ],
)
def test_labels_of_another_shape_are_refused(shape, message):
    _, logits = random_batch()
    with pytest.raises(ValueError, match=message):
        Dice(VOID)(np.zeros(shape, "int32"), logits)


@pytest.mark.parametrize("wrong", [4, 254, -1])
def test_ids_out_of_range_are_refused(wrong):
    label_map, logits = random_batch()
    label_map[1, 2, 3] = wrong
    message = f"class ids from 0 to 3 or 255 for void. Received: id {abs(wrong)}"
    with pytest.raises(ValueError, match=message):
        CrossEntropy(VOID)(label_map, logits)
    compiled = tf.function(CrossEntropy(VOID).__call__)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="class ids from 0 to 3 or 255 for void"
    ):
        compiled(tf.constant(label_map), tf.constant(logits))
    under_xla = tf.function(CrossEntropy(VOID).__call__, jit_compile=True)
    assert np.isnan(under_xla(tf.constant(label_map), tf.constant(logits)))
    assert np.isfinite(CrossEntropy(wrong)(label_map.clip(-1, 3) * 0, logits))


def test_without_void_its_id_is_out_of_range():
    label_map, logits = random_batch()
    with pytest.raises(ValueError, match="class ids from 0 to 3. Received: id 255"):
        CrossEntropy()(label_map, logits)
