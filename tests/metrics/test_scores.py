"""The Keras metrics: values, the shared matrix, weights, saving and bad input."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_fcn.losses import CrossEntropy
from keras_fcn.metrics import (
    ClassIoU,
    ConfusionMatrix,
    FrequencyWeightedIoU,
    MeanAccuracy,
    MeanIoU,
    PixelAccuracy,
    segmentation_scores,
)
from keras_fcn.metrics.confusion_matrix import confusion_matrix_of

VOID = 255
METRICS = {
    "pixel_accuracy": PixelAccuracy,
    "mean_accuracy": MeanAccuracy,
    "mean_iou": MeanIoU,
    "frequency_weighted_iou": FrequencyWeightedIoU,
}


def random_batch(seed, num_classes=5, shape=(3, 8, 9)):
    rng = np.random.default_rng(seed)
    label_map = rng.integers(0, num_classes, shape)
    logits = rng.normal(size=(*shape, num_classes)).astype("float32")
    logits += 2 * np.eye(num_classes, dtype="float32")[label_map]
    label_map[rng.random(shape) < 0.2] = VOID
    return label_map, logits


def expected_scores(batches):
    matrix = sum(
        confusion_matrix_of(label_map, logits.argmax(axis=-1), 5, VOID)
        for label_map, logits in batches
    )
    return segmentation_scores(matrix)


@pytest.mark.parametrize("name", METRICS)
def test_scores_are_those_of_evaluation_to_float64(name):
    batches = [random_batch(seed) for seed in range(3)]
    metric = METRICS[name](5, VOID)
    assert metric.name == name
    for batch in batches:
        metric.update_state(*batch)
    expected = expected_scores(batches)
    assert abs(float(metric.result()) - expected[name]) < 1e-12
    # A compiled step has float32.
    assert float(tf.function(metric.result)()) == pytest.approx(expected[name])
    metric.reset_state()
    assert np.isnan(metric.result())


def test_iou_of_a_class():
    batch = random_batch(3)
    metric = ClassIoU(2, 5, VOID)
    metric.update_state(*batch)
    expected = expected_scores([batch])["per_class_iou"][2]
    assert float(metric.result()) == expected
    assert metric.name == "iou_2"
    with pytest.raises(ValueError, match="from 0 to 4. Received: class_id=5"):
        ClassIoU(5, 5)


def scores_of(owner, model_is_compiled):
    """Values of two metrics in `evaluate`, and the variables of the model's metrics."""
    label_map, logits = random_batch(4)
    inputs = keras.Input((None, None, 5))
    model = keras.Model(inputs, keras.layers.Identity()(inputs))
    metrics = [owner, MeanIoU(shared_with=owner)]
    eagerly = not model_is_compiled
    model.compile(loss=CrossEntropy(VOID), metrics=metrics, run_eagerly=eagerly)
    data = tf.data.Dataset.from_tensor_slices((logits, label_map)).batch(2)
    scores = model.evaluate(data, verbose=0, return_dict=True)
    return scores, len(model.metrics_variables)


@pytest.mark.parametrize("model_is_compiled", [True, False])
def test_a_shared_matrix_counts_the_pixels_once(model_is_compiled):
    owner = PixelAccuracy(5, VOID)
    scores, num_variables = scores_of(owner, model_is_compiled)
    expected = expected_scores([random_batch(4)])
    for name in ("pixel_accuracy", "mean_iou"):
        assert abs(scores[name] - expected[name]) < 1e-9
    assert owner.confusion_matrix.matrix().sum() == (random_batch(4)[0] != VOID).sum()
    own = PixelAccuracy(5, VOID)
    assert num_variables == len(own.variables) + 2  # and the mean of the loss


def test_sample_weights_are_counted():
    label_map, logits = random_batch(5)
    weights = np.float32([1, 0, 1])
    metric = MeanIoU(5, VOID)
    metric.update_state(label_map, logits, weights)
    expected = expected_scores([(label_map[::2], logits[::2])])["mean_iou"]
    assert float(metric.result()) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("metric", [MeanIoU(5, VOID), ClassIoU(1, 5, name="road")])
def test_a_saved_metric_is_the_same(metric):
    restored = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(metric)
    )
    assert type(restored) is type(metric)
    assert restored.get_config() == metric.get_config()


def test_bad_input_is_refused():
    label_map, logits = random_batch(6)
    with pytest.raises(ValueError, match="positive integer. Rec.*num_classes='3'"):
        MeanIoU("3")
    with pytest.raises(ValueError, match="`num_classes` or `shared_with` is required"):
        MeanIoU()
    with pytest.raises(ValueError, match="must have 4 channels.*, 5"):
        MeanIoU(4, VOID).update_state(label_map, logits)
    with pytest.raises(ValueError, match="from 0 to 4. Received: id 255"):
        ConfusionMatrix(5).update_state(label_map, logits)
    with pytest.raises(ValueError, match="same height and width"):
        MeanIoU(5, VOID).update_state(label_map[:, 1:], logits)
