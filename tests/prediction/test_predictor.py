import keras
import numpy as np
import pytest
from keras import ops

from keras_fcn.prediction import stitching
from keras_fcn.prediction.predictor import SCALES, make_predictor
from keras_fcn.prediction.stitching import shift_and_stitch
from tests.support.data import draw_blocks


@pytest.fixture(scope="module")
def image():
    return draw_blocks(48, 70, 3, seed=1)[0][None]


def test_the_prediction_has_the_images_size_and_known_classes(model, image):
    label_map = make_predictor(model, tta=True).label_maps(image)
    assert label_map.shape == (1, 48, 70)
    assert set(np.unique(label_map)) <= {0, 1, 2}


def test_five_sizes_are_looked_at_and_their_mirror_images(model, image, monkeypatch):
    views = []
    predict_on_batch = keras.Model.predict_on_batch

    def record(self, view):
        views.append(view)
        return predict_on_batch(self, view)

    monkeypatch.setattr(keras.Model, "predict_on_batch", record)
    make_predictor(model, tta=True).label_maps(image)
    sizes = [view.shape[1:3] for view in views]
    assert sorted(set(sizes)) == [(36, 52), (48, 70), (60, 88), (72, 105), (84, 122)]
    assert len(views) == 10
    for one, mirrored in zip(views[::2], views[1::2], strict=True):
        np.testing.assert_array_equal(mirrored, one[:, :, ::-1])


def test_a_mirrored_image_gives_the_mirrored_prediction(model, image):
    predict = make_predictor(model, tta=True).label_maps
    mirrored = predict(np.ascontiguousarray(image[:, :, ::-1]))
    np.testing.assert_array_equal(mirrored[:, :, ::-1], predict(image))


def test_the_probabilities_of_all_sizes_count_alike(model, image, monkeypatch):
    """At one size alone, it is the arg-max of the mean of image and mirror image."""
    monkeypatch.setattr("keras_fcn.prediction.predictor.SCALES", (1.0,))
    both = [
        ops.convert_to_numpy(ops.softmax(model(view, training=False)))
        for view in (image, image[:, :, ::-1])
    ]
    expected = (both[0] + both[1][:, :, ::-1]).argmax(axis=-1)
    received = make_predictor(model, tta=True).label_maps(image)
    np.testing.assert_array_equal(received, expected)
    assert 1.0 in SCALES


def test_an_image_of_one_pixel_is_taken(model):
    predict = make_predictor(model, tta=True).label_maps
    assert predict(np.zeros((1, 1, 1, 3), "uint8")).shape == (1, 1, 1)


def test_shift_and_stitch_builds_its_network_once(model, image, monkeypatch):
    built = []
    coarse_scores_model = stitching.coarse_scores_model

    def record(model):
        built.append(model)
        return coarse_scores_model(model)

    monkeypatch.setattr(stitching, "coarse_scores_model", record)
    predictor = make_predictor(model, dense="shift-and-stitch", stride_factor=2)
    images = np.concatenate([image, image[:, ::-1]])
    label_maps = predictor.label_maps(images)
    assert len(built) == 1 and label_maps.dtype == np.uint8
    for given, found in zip(images, label_maps, strict=True):
        expected = shift_and_stitch(model, given, 2).argmax(axis=-1)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"stride_factor": 2}, "`stride_factor` is for `dense` shift-and-stitch"),
        ({"dense": "shift-and-stitch", "tta": True}, "do not go together"),
        ({"dense": "shift-and-stitch", "stride_factor": 5}, "divides the stride"),
    ],
)
def test_choices_that_do_not_go_together_are_refused(model, choices, message):
    with pytest.raises(ValueError, match=message):
        make_predictor(model, **choices)
