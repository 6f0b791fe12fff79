"""`compile` and `fit` with the public parts, as in the documentation."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import keras_fcn
from keras_fcn.evaluation.evaluate import quick_scores
from tests.support.data import write_folder
from tests.support.fit import fit
from tests.support.narrow import narrow_vgg16

CURVES = ("loss", "pixel_accuracy", "mean_iou", "val_loss", "val_mean_iou", "val_iou_1")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """Folder, model, history and data of a short `fit`, and its folder of logs."""
    folder = write_folder(tmp_path_factory.mktemp("data") / "mine")
    logs = tmp_path_factory.mktemp("logs")
    with narrow_vgg16():
        model, history, data = fit(folder, logs)
    return model, history, data, logs


def test_fit_trains_with_the_public_parts(fitted):
    _, history, _, _ = fitted
    assert set(CURVES) <= history.keys()
    assert history["val_loss"][-1] < history["val_loss"][0]
    assert np.isfinite([history[name] for name in CURVES]).all()


def test_the_metrics_of_fit_are_those_of_evaluation(fitted):
    model, history, data, _ = fitted

    def predict(images):
        return np.argmax(model.predict_on_batch(images), axis=-1)

    scores = quick_scores(predict, data, "val")
    for name, value in scores.items():
        assert abs(history[f"val_{name}"][-1] - value) < 1e-9


def test_the_callback_writes_curves_figures_and_iou_by_class(fitted):
    *_, logs = fitted
    tags = {}
    for split in ("train", "validation"):
        events = EventAccumulator(str(logs / split))
        events.Reload()
        tags[split] = events.Tags()
        scalars = {f"loss/{split}", "scores/mean_iou", "iou/class_0", "iou/class_1"}
        assert scalars <= set(tags[split]["tensors"])
    assert {"confusion_matrix", "sample-1/truth"} <= set(tags["validation"]["tensors"])


def test_a_compiled_model_is_saved_and_loaded_with_its_parts(fitted, tmp_path):
    model, _, data, _ = fitted
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    batches = data.val.batches(2)
    expected = model.evaluate(batches, verbose=0, return_dict=True)
    found = loaded.evaluate(batches, verbose=0, return_dict=True)
    assert found == pytest.approx(expected, rel=1e-6)


def test_fit_refuses_labels_above_the_classes(fitted):
    _, _, data, _ = fitted
    model = keras_fcn.FCN("32s", 2, "compact", None, head_filters=8)
    model.compile(loss=keras_fcn.losses.CrossEntropy(data.void_id))
    message = "`y_true` must be class ids from 0 to 1 or 255 for void"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        model.fit(data.train.batches(2), verbose=0, shuffle=False)


def test_batches_are_pairs_in_a_new_order_in_each_epoch(fitted):
    _, _, data, _ = fitted
    batches = data.train.batches(3)
    assert batches.element_spec[0].dtype == batches.element_spec[1].dtype == tf.uint8
    shapes = [(image.shape[:3], label_map.shape) for image, label_map in batches]
    assert shapes == [((3, 48, 64), (3, 48, 64)), ((1, 48, 64), (1, 48, 64))]
    epochs = [
        [image.numpy().tobytes() for image, _ in data.train.batches(1)]
        for _ in range(2)
    ]
    assert sorted(epochs[0]) == sorted(epochs[1])
    val = [image.numpy() for image, _ in data.val.batches(1)]
    examples = [example["image"] for example in data.val.examples.as_numpy_iterator()]
    for one, other in zip(val, examples, strict=True):
        np.testing.assert_array_equal(one[0], other)


def test_augmented_batches_are_crops_whose_outside_is_void(fitted):
    _, _, data, _ = fitted
    augment = keras_fcn.Augment(crop=(96, 96), scale=(1, 1), rotation=0)
    for image, label_map in data.train.batches(2, augment=augment):
        assert image.shape[1:] == (96, 96, 3) and label_map.shape[1:] == (96, 96)
        assert image.dtype == tf.float32 and label_map.dtype == tf.int32
        outside = (label_map.numpy() == 255).sum(axis=(1, 2))
        np.testing.assert_array_equal(outside, 96 * 96 - 47 * 64)
    assert augment.ignore_class is None


def test_data_sets_and_splits_describe_themselves(fitted):
    _, _, data, _ = fitted
    assert repr(data.val) == "<folder val: 2 images of 64x48 pixels, 3 classes>"
    assert repr(data) == (
        "<data set folder: train 4, val 2, test 2 images; 3 classes: class_0; class_1; "
        "class_2>"
    )
    html = data._repr_html_()  # an image of each split
    assert "2 images" in data.val._repr_html_() and html.count("<img ") == 3


def test_bad_arguments_of_data_sets_are_refused(fitted, tmp_path):
    _, _, data, _ = fitted
    with pytest.raises(ValueError, match="batch_size=0"):
        data.train.batches(0)
    with pytest.raises(ValueError, match="Received: method=inverse"):
        data.class_weights("inverse")
    with pytest.raises(ValueError, match="`dataset` must be one of camvid, "):
        keras_fcn.datasets.load("camvit")
    folder = write_folder(tmp_path / "mine", {"train": 2, "val": 1})
    with pytest.raises(ValueError, match="has the splits train, val. .*split=test"):
        _ = keras_fcn.datasets.load("folder", folder).test


def test_fit_has_the_loss_curve_of_a_whole_training(fitted, tmp_path):
    _, history, _, _ = fitted
    folder = write_folder(tmp_path / "mine")  # the images of `fitted`
    run = keras_fcn.train(
        tmp_path / "run",
        dataset="folder",
        data_dir=folder,
        variant="8s",
        head="compact",
        head_filters=8,
        weights="none",
        epochs=3,
        batch_size=2,
        crop=(32, 32),
        learning_rate=1e-3,
        weight_decay=0.004,
        poly_power=0.0,
        class_weights="sqrt-median-frequency",
        loss="ce+dice",
        precision="float32",
        num_samples=1,
    )
    for name in ("loss", "val_loss"):
        # The random numbers of one seed differ; losses of three seeds differ by 0.25.
        np.testing.assert_allclose(run.history[name], history[name], atol=0.25)
