"""A training by `compile` and `fit` with the public parts, on any backend."""

import keras
import numpy as np

import keras_fcn
from keras_fcn.config import LOSSES
from keras_fcn.evaluation.evaluate import quick_scores
from tests.support.narrow import narrow_vgg16


def fit(folder, logs, epochs=3, jit_compile="auto"):
    """Model, history and data of a short training."""
    keras.utils.set_random_seed(0)
    data = keras_fcn.datasets.load("folder", data_dir=folder)
    model = keras_fcn.FCN(
        "8s", num_classes=data.num_classes, head="compact", weights=None, head_filters=8
    )
    accuracy = keras_fcn.metrics.PixelAccuracy(data.num_classes, data.void_id)
    weights = data.class_weights("sqrt-median-frequency")
    model.compile(
        optimizer=keras.optimizers.AdamW(1e-3),
        loss=keras_fcn.losses.CrossEntropy(data.void_id, weights)
        + keras_fcn.losses.Dice(data.void_id),
        metrics=[
            accuracy,
            keras_fcn.metrics.MeanIoU(shared_with=accuracy),
            keras_fcn.metrics.ClassIoU(1, data.num_classes, data.void_id),
        ],
        jit_compile=jit_compile,
    )
    (sample,) = data.val.examples.take(1).as_numpy_iterator()
    board = keras_fcn.callbacks.SegmentationTensorBoard(
        logs, data.class_map, [(sample["image"], sample["label_map"])]
    )
    history = model.fit(
        data.train.batches(2, augment=keras_fcn.Augment(crop=(32, 32))),
        validation_data=data.val.batches(2),
        epochs=epochs,
        callbacks=[board],
        verbose=0,
        shuffle=False,  # Keras 3.15 warns of its own default
    )
    return model, history.history, data


def loss_and_gradient(loss):
    rng = np.random.default_rng(0)
    label_map = rng.integers(0, 4, (2, 5, 6))
    label_map[rng.random(label_map.shape) < 0.2] = 255
    logits = keras.ops.convert_to_tensor(rng.normal(size=(2, 5, 6, 4)), "float32")
    if keras.backend.backend() == "jax":
        import jax

        value, gradient = jax.jit(jax.value_and_grad(lambda x: loss(label_map, x)))(
            logits
        )
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss(label_map, logits)
        gradient = tape.gradient(value, logits)
    return float(value), np.asarray(gradient).ravel().tolist()


def refuses_wrong_ids(model, data):
    """Whether `fit` reports a label above the classes."""
    batches = data.val.batches(2).map(lambda image, label_map: (image, label_map + 3))
    try:
        model.fit(batches, verbose=0, shuffle=False)
    except Exception as error:  # of the backend
        return "`y_true` must be class ids from 0 to 2 or 255 for void" in str(error)
    return False


def fit_results(folder, logs):
    """Losses with gradients, the history of `fit` and its scores, for JSON."""
    # On TensorFlow, XLA would take longer than the training.
    is_jax = keras.backend.backend() == "jax"
    with narrow_vgg16():
        model, history, data = fit(folder, logs, jit_compile=is_jax)

    def predict(images):
        return np.argmax(model.predict_on_batch(images), axis=-1)

    return {
        "losses": {
            name: loss_and_gradient(keras_fcn.losses.get(name, 255, [1, 2, 3, 4]))
            for name in LOSSES
        },
        "history": history,
        "scores": {
            "metric": history["val_mean_iou"][-1],
            "evaluation": quick_scores(predict, data, "val")["mean_iou"],
        },
        "refused": refuses_wrong_ids(model, data),
    }
