from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from PIL import Image

from keras_fcn.models.fcn import FCN
from keras_fcn.prediction import shift_and_stitch as shift_and_stitch_module
from keras_fcn.prediction import tta
from keras_fcn.prediction.options import PredictionOptions
from keras_fcn.prediction.predictor import make_predictor
from keras_fcn.prediction.shift_and_stitch import shift_and_stitch
from keras_fcn.prediction.tta import SCALES, make_mean_probabilities
from tests.support.data import draw_blocks
from tests.support.narrow import narrow_vgg16


@pytest.fixture(scope="module")
def image():
    return draw_blocks(48, 70, 3, seed=1)[0][None]


@pytest.fixture(scope="module")
def model(image):
    """A network with random logits that predicts each of its classes in `image`."""
    keras.utils.set_random_seed(0)
    with narrow_vgg16():
        model = FCN("32s", 3, "compact", None, head_filters=8)
    layer = model.get_layer("score_fr")
    kernel = np.random.default_rng(0).normal(size=layer.kernel.shape)
    layer.set_weights([kernel, np.zeros(3)])
    logits = ops.convert_to_numpy(model(image))
    layer.bias.assign(-logits.mean(axis=(0, 1, 2)))
    found = ops.convert_to_numpy(model(image)).argmax(axis=-1)
    assert len(np.unique(found)) == 3
    return model


def test_the_prediction_has_the_image_size_and_valid_classes(model, image):
    label_map = make_predictor(model, PredictionOptions(tta=True)).label_maps(image)
    assert label_map.shape == (1, 48, 70)
    assert set(np.unique(label_map)) <= {0, 1, 2}


@pytest.fixture
def uncompiled():
    """Runs a stand-in for a network outside of a graph."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def test_tta_runs_at_five_scales_on_image_and_mirror_image(image, uncompiled):
    network = Shares()
    make_predictor(network, PredictionOptions(tta=True)).label_maps(image)
    views = network.views
    sizes = [view.shape[1:3] for view in views]
    assert sorted(set(sizes)) == [(36, 52), (48, 70), (60, 88), (72, 105), (84, 122)]
    assert len(views) == 10
    for one, mirrored in zip(views[::2], views[1::2], strict=True):
        np.testing.assert_array_equal(mirrored, one[:, :, ::-1])


def test_all_views_and_sizes_run_in_one_graph_on_the_device(model, image):
    traced = []

    class Spy:
        output = model.output

        def __call__(self, view, training):
            traced.append(view.shape)
            return model(view, training=training)

    mean_probabilities = make_mean_probabilities(Spy())
    for images in (image, image[:, :20, :31]):
        found = mean_probabilities(images)
        assert isinstance(found, tf.Tensor)
        assert found.shape == (*images.shape[:3], 3)
    assert len(traced) == 1


def test_tta_of_a_mirrored_image_is_the_mirrored_prediction(model, image):
    predict = make_predictor(model, PredictionOptions(tta=True)).label_maps
    mirrored = predict(np.ascontiguousarray(image[:, :, ::-1]))
    np.testing.assert_array_equal(mirrored[:, :, ::-1], predict(image))


def test_tta_weights_image_and_mirror_image_equally(model, image, monkeypatch):
    """At one scale the label is the arg-max of the mean of both probabilities."""
    monkeypatch.setattr(tta, "SCALES", (1.0,))
    both = [
        ops.convert_to_numpy(ops.softmax(model(view, training=False)))
        for view in (image, image[:, :, ::-1])
    ]
    expected = (both[0] + both[1][:, :, ::-1]).argmax(axis=-1)
    received = make_predictor(model, PredictionOptions(tta=True)).label_maps(image)
    np.testing.assert_array_equal(received, expected)
    assert 1.0 in SCALES


class Shares:
    """A stand-in network: probabilities depend on a pixel's red and its column."""

    output = SimpleNamespace(shape=(None, None, None, 2))

    def __init__(self):
        self.views = []

    def __call__(self, view, training):
        assert training is False
        self.views.append(np.asarray(view))
        # Logits whose softmax is the probabilities.
        return ops.log(ops.maximum(self.probabilities(np.asarray(view)), 1e-30))

    @staticmethod
    def probabilities(view):
        ramp = np.linspace(0.2, 1, view.shape[2], dtype="float32")
        share = (view[..., 0] / 255) ** 2 * ramp
        return np.stack([share, 1 - share], axis=-1)


def resized(array, height, width):
    """Resized by Pillow, which antialiases where an image becomes smaller."""
    channels = [
        np.asarray(Image.fromarray(channel).resize((width, height), Image.BILINEAR))
        for channel in np.moveaxis(array.astype("float32"), -1, 0)
    ]
    return np.stack(channels, axis=-1)


def test_tta_antialiases_images_and_probabilities_that_become_smaller(
    uncompiled,
):
    network = Shares()
    rng = np.random.default_rng(0)
    images = 255 * rng.integers(0, 2, (2, 24, 40, 3), dtype="uint8")  # sharpest
    found = make_predictor(network, PredictionOptions(tta=True)).probabilities(images)
    expected = 0
    for index, scale in enumerate((0.75, 1, 1.25, 1.5, 1.75)):
        height, width = round(scale * 24), round(scale * 40)
        views = np.stack([resized(image, height, width) for image in images])
        for mirrored, index_of_view in ((False, 2 * index), (True, 2 * index + 1)):
            step = -1 if mirrored else 1
            view = views[:, :, ::step]
            np.testing.assert_allclose(network.views[index_of_view], view, atol=0.01)
            probabilities = Shares.probabilities(view)[:, :, ::step]
            expected = expected + np.stack(
                [resized(each, 24, 40) for each in probabilities]
            )
    assert len(network.views) == 10
    assert found.shape == (2, 24, 40, 2)
    np.testing.assert_allclose(found, expected / 10, atol=1e-4)
    np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-5)


def test_tta_rounds_sizes_to_at_least_one_pixel(uncompiled, monkeypatch):
    network = Shares()
    make_predictor(network, PredictionOptions(tta=True)).probabilities(
        np.zeros((1, 1, 9, 3), "uint8")
    )
    sizes = [view.shape[1:3] for view in network.views[::2]]
    # 0.75, 1, 1.25, 1.5 and 1.75 times 1 and 9; Python rounds halves to even.
    assert sizes == [(1, 7), (1, 9), (1, 11), (2, 14), (2, 16)]
    monkeypatch.setattr(tta, "SCALES", (0.1,))
    make_predictor(network, PredictionOptions(tta=True)).probabilities(
        np.zeros((1, 1, 9, 3), "uint8")
    )
    assert network.views[-1].shape[1:3] == (1, 1)


@pytest.mark.parametrize(
    ("choices", "description"),
    [
        ({}, "single scale"),
        ({"tta": True}, "test-time augmentation"),
        ({"dense": "shift-and-stitch"}, "shift-and-stitch, 32x32 shifts"),
        (
            {"dense": "shift-and-stitch", "stride_factor": 4},
            "shift-and-stitch, 4x4 shifts",
        ),
    ],
)
def test_the_description_of_a_predictor_names_its_mode(model, choices, description):
    assert (
        make_predictor(model, PredictionOptions(**choices)).description == description
    )


@pytest.mark.parametrize(
    "choices",
    [{}, {"tta": True}, {"dense": "shift-and-stitch", "stride_factor": 2}],
)
def test_label_maps_are_the_arg_max_of_the_probabilities(model, image, choices):
    predictor = make_predictor(model, PredictionOptions(**choices))
    probabilities, label_map = (
        predictor.probabilities(image),
        predictor.label_maps(image),
    )
    assert probabilities.shape == (1, 48, 70, 3)
    assert probabilities.dtype == np.float32 and label_map.dtype == np.uint8
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=1e-5)
    assert np.mean(probabilities.argmax(axis=-1) == label_map) > 0.999
    assert len(np.unique(label_map)) > 1


def test_single_scale_probabilities_are_the_softmax_of_the_model(model, image):
    predictor = make_predictor(model)
    logits = model(image, training=False)
    np.testing.assert_allclose(
        predictor.probabilities(image),
        ops.convert_to_numpy(ops.softmax(logits)),
        rtol=1e-3,
        atol=1e-5,
    )


def test_tta_accepts_an_image_of_one_pixel(model):
    predict = make_predictor(model, PredictionOptions(tta=True)).label_maps
    assert predict(np.zeros((1, 1, 1, 3), "uint8")).shape == (1, 1, 1)


def test_shift_and_stitch_builds_its_model_once(model, image, monkeypatch):
    built = []
    coarse_logits_model = shift_and_stitch_module.coarse_logits_model

    def record(model):
        built.append(model)
        return coarse_logits_model(model)

    monkeypatch.setattr(shift_and_stitch_module, "coarse_logits_model", record)
    predictor = make_predictor(
        model, PredictionOptions(dense="shift-and-stitch", stride_factor=2)
    )
    images = np.concatenate([image, image[:, ::-1]])
    label_maps = predictor.label_maps(images)
    assert len(built) == 1 and label_maps.dtype == np.uint8
    for given, found in zip(images, label_maps, strict=True):
        expected = shift_and_stitch(model, given, 2).argmax(axis=-1)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"stride_factor": 2}, "`stride_factor` requires `dense` shift-and-stitch"),
        (
            {"dense": "shift-and-stitch", "tta": True},
            "`dense` and `tta` cannot be combined",
        ),
        ({"dense": "shift-and-stitch", "stride_factor": 5}, "divides the stride"),
        ({"tta": True, "stride_factor": 2}, "`stride_factor` requires"),
        ({"uncertainty": 3, "tta": True}, "`tta` and `uncertainty` cannot be combined"),
        (
            {"uncertainty": 3, "dense": "shift-and-stitch"},
            "`dense` and `uncertainty` cannot be combined",
        ),
        ({"uncertainty": -1}, "`uncertainty` must be an integer of at least 0. .*=-1"),
        ({"dense": "dilation"}, "`dense` must be one of .* Received: dense='dilation'"),
    ],
)
def test_options_that_cannot_be_combined_are_refused(model, choices, message):
    with pytest.raises(ValueError, match=message):
        make_predictor(model, PredictionOptions(**choices))


def test_monte_carlo_dropout_averages_over_dropout_masks(model, image):
    one, several = (
        make_predictor(model, PredictionOptions(uncertainty=n)) for n in (1, 5)
    )
    plain = make_predictor(model).probabilities(image)
    sampled, mean = one.probabilities(image), several.probabilities(image)
    assert several.description == "Monte-Carlo dropout, 5 passes"
    np.testing.assert_allclose(mean.sum(axis=-1), 1, rtol=1e-4)
    assert np.abs(sampled - plain).max() > 0.01
    assert np.abs(mean - sampled).max() > 0.01
    np.testing.assert_array_equal(several.probabilities(image), mean)
    # The model itself still predicts without dropout.
    np.testing.assert_array_equal(make_predictor(model).probabilities(image), plain)


def test_monte_carlo_dropout_uses_the_moving_averages_of_batch_normalization(image):
    model = FCN("8s", 3, "compact", None, head_filters=8, dropout=1e-6)
    for layer in model.layers:
        if layer.name.startswith("score_"):
            kernel = np.random.default_rng(0).normal(size=layer.kernel.shape)
            layer.set_weights([kernel, np.zeros(3)])
    before = [ops.convert_to_numpy(variable) for variable in model.weights]
    probabilities = make_predictor(
        model, PredictionOptions(uncertainty=2)
    ).probabilities(image)
    np.testing.assert_allclose(
        probabilities, make_predictor(model).probabilities(image), atol=1e-3
    )
    for old, variable in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, ops.convert_to_numpy(variable))


def test_monte_carlo_dropout_requires_dropout():
    model = FCN("32s", 3, "compact", None, head_filters=8, dropout=0.0)
    with pytest.raises(
        ValueError, match="`uncertainty` requires a network with dropout"
    ):
        make_predictor(model, PredictionOptions(uncertainty=2))
