"""At which size, in which tiles, at which temperature a network looks."""

import numpy as np
import pytest

from keras_fcn.prediction import predictor as predictor_module
from keras_fcn.prediction.modes import by_scores
from keras_fcn.prediction.predictor import Predictor, make_predictor
from keras_fcn.prediction.scaling import resize_images, resized_strips
from tests.support.data import draw_blocks


@pytest.fixture(scope="module")
def image():
    return draw_blocks(64, 96, 3, seed=1)[0]


class Eye:
    """A look that notes what it sees; scores are the three colours."""

    def __init__(self, enlargement=1.0):
        self.seen = []
        self.look = by_scores(self.scores, "an eye", enlargement)

    def scores(self, images):
        self.seen.append(images.shape)
        return np.asarray(images, dtype="float32") / 25


def scores_at(image, side):
    """What the eye's scores are when it looks at a size, at the image's own size."""
    seen = resize_images(image[None], (side, side * 3 // 2))[0] / 25
    strips = list(resized_strips(seen, image.shape[:2]))
    return np.moveaxis(np.concatenate(strips, axis=1), 0, -1)


@pytest.mark.parametrize("side", [32, 128])
def test_the_network_sees_the_size_and_answers_in_the_images_own(image, side):
    eye = Eye()
    predictor = Predictor(eye.look, size=side)
    images = np.stack([image, image[:, ::-1]])
    label_maps = predictor.label_maps(images)
    assert eye.seen == [(2, side, side * 3 // 2, 3)]
    assert label_maps.shape == (2, 64, 96) and label_maps.dtype == np.uint8
    scores = scores_at(image, side)
    np.testing.assert_array_equal(label_maps[0], scores.argmax(axis=-1))
    probabilities = predictor.probabilities(images)
    expected = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(probabilities[0], expected, rtol=1e-4)
    both, confidence = predictor.label_maps_and_confidence(images)
    np.testing.assert_array_equal(both, label_maps)
    np.testing.assert_allclose(confidence, probabilities.max(axis=-1), rtol=1e-5)


def test_where_sizes_agree_the_image_is_seen_as_it_is(image):
    eye = Eye()
    for size in (None, 64):
        predictor = Predictor(eye.look, size=size)
        np.testing.assert_array_equal(
            predictor.label_maps(image[None])[0], np.argmax(image / 25, axis=-1)
        )
        predictor.probabilities(image[None])
    assert set(eye.seen) == {(1, 64, 96, 3)}


@pytest.mark.parametrize(
    "choices",
    [{}, {"tta": True}, {"dense": "shift-and-stitch", "stride_factor": 2}],
)
@pytest.mark.parametrize("size", [None, 32])
def test_the_temperature_changes_probabilities_and_no_label(model, choices, size):
    """Probabilities of temperature T are those of 1 to the power of 1/T, and shared."""
    image = draw_blocks(48, 70, 3, seed=1)[0][None]
    plain = make_predictor(model, **choices, size=size)
    warm = make_predictor(model, **choices, size=size, temperature=2.5)
    label_maps, confidence = warm.label_maps_and_confidence(image)
    np.testing.assert_array_equal(label_maps, plain.label_maps(image))
    np.testing.assert_array_equal(label_maps, warm.label_maps(image))
    probabilities = warm.probabilities(image)
    np.testing.assert_allclose(confidence, probabilities.max(axis=-1), rtol=1e-4)
    if size is None:  # otherwise logarithms are blended in between
        shares = plain.probabilities(image) ** (1 / 2.5)
        expected = shares / shares.sum(axis=-1, keepdims=True)
        np.testing.assert_allclose(probabilities, expected, rtol=1e-3, atol=1e-5)


def test_tiles_give_the_scores_of_the_whole_image(image):
    whole, eye = Eye(), Eye()
    tiled = Predictor(eye.look, tile=(32, 32), overlap=0)
    np.testing.assert_array_equal(
        tiled.label_maps(image[None]), Predictor(whole.look).label_maps(image[None])
    )
    assert len(eye.seen) == 6 and len(whole.seen) == 1
    np.testing.assert_allclose(
        tiled.probabilities(image[None]),
        Predictor(whole.look).probabilities(image[None]),
        rtol=1e-4,
    )


def test_tiles_and_a_size_go_together(image):
    eye = Eye()
    predictor = Predictor(eye.look, size=128, tile=(64, 64), overlap=32)
    found = predictor.label_maps(image[None])[0]
    np.testing.assert_array_equal(found, scores_at(image, 128).argmax(axis=-1))
    assert len(eye.seen) == 15


def test_an_image_that_would_not_fit_is_cut_into_tiles_unasked(image, monkeypatch):
    monkeypatch.setattr(predictor_module, "WHOLE_PIXELS", 64 * 96)
    monkeypatch.setattr(predictor_module, "AUTOMATIC_TILE", (32, 64))
    eye = Eye()
    Predictor(eye.look).label_maps(image[None])
    assert len(eye.seen) == 1
    greater = image.repeat(2, axis=1)
    Predictor(eye.look).label_maps(greater[None])
    assert len(eye.seen) > 2
    # One that is enlarged within does not fit at half of that.
    eye = Eye(enlargement=1.5)
    Predictor(eye.look).label_maps(image[None])
    assert len(eye.seen) > 2


def test_all_ways_of_looking_take_a_size_and_tiles(model):
    image = draw_blocks(50, 70, 3, seed=1)[0][None]
    for choices in ({"tta": True}, {"dense": "shift-and-stitch", "stride_factor": 2}):
        for where in ({"size": 32}, {"tile": (32, 64), "overlap": 0}):
            predictor = make_predictor(model, **choices, **where)
            probabilities = predictor.probabilities(image)
            assert probabilities.shape == (1, 50, 70, 3)
            np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=1e-4)


def test_a_predictor_tells_its_size_and_tiles():
    look = Eye().look
    assert Predictor(look).description == "an eye"
    assert Predictor(look, size=360).description == "an eye, shorter side 360"
    assert Predictor(look, tile=(512, 640), overlap=100).description == (
        "an eye, tiles 512x640, overlap 100"
    )


def test_impossible_tiles_are_refused():
    look = Eye().look
    with pytest.raises(ValueError, match="`overlap` is for `tile`"):
        Predictor(look, overlap=10)
    with pytest.raises(ValueError, match="at least 32x32. Received: 16x64"):
        Predictor(look, tile=(16, 64))
