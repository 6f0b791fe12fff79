"""Prediction at an inference size, in tiles and at a temperature."""

import numpy as np
import pytest

from keras_fcn.prediction import predictor as predictor_module
from keras_fcn.prediction.modes import InferenceMode
from keras_fcn.prediction.options import PredictionOptions
from keras_fcn.prediction.predictor import Predictor, make_predictor
from keras_fcn.prediction.scaling import resize_images, resize_logits
from tests.support.data import draw_blocks


@pytest.fixture(scope="module")
def image():
    return draw_blocks(64, 96, 3, seed=1)[0]


class Recorder:
    """A mode that records the shapes of its inputs; logits are the three colors."""

    def __init__(self, max_scale=1.0):
        self.shapes = []
        self.mode = InferenceMode(self.logits, "recorder", max_scale)

    def logits(self, images):
        self.shapes.append(images.shape)
        return np.asarray(images, dtype="float32") / 25


def logits_at(image, side):
    """Logits of a `Recorder` at an inference size, resized to the image's size."""
    logits = resize_images(image[None], (side, side * 3 // 2))[0] / 25
    strips = list(resize_logits(logits, image.shape[:2]))
    return np.moveaxis(np.concatenate(strips, axis=1), 0, -1)


@pytest.mark.parametrize("side", [32, 128])
def test_images_are_resized_and_results_have_the_images_size(image, side):
    recorder = Recorder()
    predictor = Predictor(recorder.mode, PredictionOptions(size=side))
    images = np.stack([image, image[:, ::-1]])
    label_maps = predictor.label_maps(images)
    assert recorder.shapes == [(2, side, side * 3 // 2, 3)]
    assert label_maps.shape == (2, 64, 96) and label_maps.dtype == np.uint8
    logits = logits_at(image, side)
    np.testing.assert_array_equal(label_maps[0], logits.argmax(axis=-1))
    probabilities = predictor.probabilities(images)
    expected = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(probabilities[0], expected, rtol=1e-4)
    both, confidence = predictor.label_maps_and_confidence(images)
    np.testing.assert_array_equal(both, label_maps)
    np.testing.assert_allclose(confidence, probabilities.max(axis=-1), rtol=1e-5)


def test_images_of_the_inference_size_are_not_resized(image):
    recorder = Recorder()
    for size in ("native", 64):
        predictor = Predictor(recorder.mode, PredictionOptions(size=size))
        np.testing.assert_array_equal(
            predictor.label_maps(image[None])[0], np.argmax(image / 25, axis=-1)
        )
        predictor.probabilities(image[None])
    assert set(recorder.shapes) == {(1, 64, 96, 3)}


@pytest.mark.parametrize(
    "choices",
    [{}, {"tta": True}, {"dense": "shift-and-stitch", "stride_factor": 2}],
)
@pytest.mark.parametrize("size", [None, 32])
def test_temperature_changes_probabilities_and_no_label(model, choices, size):
    """Probabilities at temperature T are those at 1 to the power of 1/T, normalized."""
    image = draw_blocks(48, 70, 3, seed=1)[0][None]
    plain = make_predictor(model, PredictionOptions(**choices, size=size or "native"))
    warm = make_predictor(
        model, PredictionOptions(**choices, size=size or "native", temperature=2.5)
    )
    label_maps, confidence = warm.label_maps_and_confidence(image)
    np.testing.assert_array_equal(label_maps, plain.label_maps(image))
    np.testing.assert_array_equal(label_maps, warm.label_maps(image))
    probabilities = warm.probabilities(image)
    np.testing.assert_allclose(confidence, probabilities.max(axis=-1), rtol=1e-4)
    if size is None:  # otherwise logits are interpolated in between
        shares = plain.probabilities(image) ** (1 / 2.5)
        expected = shares / shares.sum(axis=-1, keepdims=True)
        np.testing.assert_allclose(probabilities, expected, rtol=1e-3, atol=1e-5)


def test_tiles_give_the_label_maps_of_the_whole_image(image):
    whole, recorder = Recorder(), Recorder()
    tiled = Predictor(recorder.mode, PredictionOptions(tile=(32, 32), overlap=0))
    np.testing.assert_array_equal(
        tiled.label_maps(image[None]), Predictor(whole.mode).label_maps(image[None])
    )
    assert len(recorder.shapes) == 6 and len(whole.shapes) == 1
    np.testing.assert_allclose(
        tiled.probabilities(image[None]),
        Predictor(whole.mode).probabilities(image[None]),
        rtol=1e-4,
    )


def test_tiles_can_be_combined_with_an_inference_size(image):
    recorder = Recorder()
    predictor = Predictor(
        recorder.mode, PredictionOptions(size=128, tile=(64, 64), overlap=32)
    )
    found = predictor.label_maps(image[None])[0]
    np.testing.assert_array_equal(found, logits_at(image, 128).argmax(axis=-1))
    assert len(recorder.shapes) == 15


def test_a_large_image_is_processed_in_tiles_by_default(image, monkeypatch):
    monkeypatch.setattr(predictor_module, "WHOLE_PIXELS", 64 * 96)
    monkeypatch.setattr(predictor_module, "AUTOMATIC_TILE", (32, 64))
    recorder = Recorder()
    Predictor(recorder.mode).label_maps(image[None])
    assert len(recorder.shapes) == 1
    greater = image.repeat(2, axis=1)
    Predictor(recorder.mode).label_maps(greater[None])
    assert len(recorder.shapes) > 2
    # A mode that enlarges images needs tiles for smaller ones.
    recorder = Recorder(max_scale=1.5)
    Predictor(recorder.mode).label_maps(image[None])
    assert len(recorder.shapes) > 2


def test_all_modes_support_a_size_and_tiles(model):
    image = draw_blocks(50, 70, 3, seed=1)[0][None]
    for choices in ({"tta": True}, {"dense": "shift-and-stitch", "stride_factor": 2}):
        for where in ({"size": 32}, {"tile": (32, 64), "overlap": 0}):
            predictor = make_predictor(model, PredictionOptions(**choices, **where))
            probabilities = predictor.probabilities(image)
            assert probabilities.shape == (1, 50, 70, 3)
            np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=1e-4)


def test_the_description_of_a_predictor_names_size_and_tiles():
    mode = Recorder().mode
    assert Predictor(mode).description == "recorder"
    assert (
        Predictor(mode, PredictionOptions(size=360)).description
        == "recorder, shorter side 360"
    )
    assert Predictor(
        mode, PredictionOptions(tile=(512, 640), overlap=100)
    ).description == ("recorder, tiles 512x640, overlap 100")


def test_impossible_tiles_are_refused():
    mode = Recorder().mode
    with pytest.raises(ValueError, match="`overlap` requires `tile`"):
        Predictor(mode, PredictionOptions(overlap=10))
    with pytest.raises(ValueError, match="at least 32x32. Received: 16x64"):
        Predictor(mode, PredictionOptions(tile=(16, 64)))


def test_resizing_to_too_many_pixels_is_refused(image):
    recorder = Recorder()
    for side, size in ((16384, "24576x16384"), (8166, "12249x8166")):
        predictor = Predictor(recorder.mode, PredictionOptions(size=side))
        message = f"size {side} would resize an image of 96x64 pixels to {size}: "
        with pytest.raises(ValueError, match=message):
            predictor.label_maps(image[None])
    assert recorder.shapes == []
