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
from keras_fcn.prediction.predictor import make_predictor
from keras_fcn.prediction.shift_and_stitch import shift_and_stitch
from keras_fcn.prediction.tta import SCALES, make_mean_probabilities
from tests.support.data import draw_blocks


@pytest.fixture(scope="module")
def image():
    return draw_blocks(48, 70, 3, seed=1)[0][None]


@pytest.fixture(scope="module")
def model(image):
    """A network of random scores that finds each of its classes in `image`."""
    keras.utils.set_random_seed(0)
    model = FCN("32s", 3, "compact", None, head_filters=8)
    layer = model.get_layer("score_fr")
    kernel = np.random.default_rng(0).normal(size=layer.kernel.shape)
    layer.set_weights([kernel, np.zeros(3)])
    logits = ops.convert_to_numpy(model(image))
    layer.bias.assign(-logits.mean(axis=(0, 1, 2)))
    found = ops.convert_to_numpy(model(image)).argmax(axis=-1)
    assert len(np.unique(found)) == 3
    return model


def test_the_prediction_has_the_images_size_and_known_classes(model, image):
    label_map = make_predictor(model, tta=True).label_maps(image)
    assert label_map.shape == (1, 48, 70)
    assert set(np.unique(label_map)) <= {0, 1, 2}


@pytest.fixture
def uncompiled():
    """Lets a stand-in for a network see what it is given."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def test_five_sizes_are_looked_at_and_their_mirror_images(image, uncompiled):
    network = Shares()
    make_predictor(network, tta=True).label_maps(image)
    views = network.views
    sizes = [view.shape[1:3] for view in views]
    assert sorted(set(sizes)) == [(36, 52), (48, 70), (60, 88), (72, 105), (84, 122)]
    assert len(views) == 10
    for one, mirrored in zip(views[::2], views[1::2], strict=True):
        np.testing.assert_array_equal(mirrored, one[:, :, ::-1])


def test_all_looks_and_sizes_are_one_graph_and_nothing_leaves_it(model, image):
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


def test_a_mirrored_image_gives_the_mirrored_prediction(model, image):
    predict = make_predictor(model, tta=True).label_maps
    mirrored = predict(np.ascontiguousarray(image[:, :, ::-1]))
    np.testing.assert_array_equal(mirrored[:, :, ::-1], predict(image))


def test_the_probabilities_of_all_sizes_count_alike(model, image, monkeypatch):
    """At one size alone, it is the arg-max of the mean of image and mirror image."""
    monkeypatch.setattr(tta, "SCALES", (1.0,))
    both = [
        ops.convert_to_numpy(ops.softmax(model(view, training=False)))
        for view in (image, image[:, :, ::-1])
    ]
    expected = (both[0] + both[1][:, :, ::-1]).argmax(axis=-1)
    received = make_predictor(model, tta=True).label_maps(image)
    np.testing.assert_array_equal(received, expected)
    assert 1.0 in SCALES


class Shares:
    """Stands for a network: probabilities from each pixel's red and its column."""

    output = SimpleNamespace(shape=(None, None, None, 2))

    def __init__(self):
        self.views = []

    def __call__(self, view, training):
        assert training is False
        self.views.append(np.asarray(view))
        # The logits whose softmax they are.
        return ops.log(ops.maximum(self.probabilities(np.asarray(view)), 1e-30))

    @staticmethod
    def probabilities(view):
        ramp = np.linspace(0.2, 1, view.shape[2], dtype="float32")
        share = (view[..., 0] / 255) ** 2 * ramp
        return np.stack([share, 1 - share], axis=-1)


def resized(array, height, width):
    """Resized by Pillow, which antialiases what gets smaller, as is meant here."""
    channels = [
        np.asarray(Image.fromarray(channel).resize((width, height), Image.BILINEAR))
        for channel in np.moveaxis(array.astype("float32"), -1, 0)
    ]
    return np.stack(channels, axis=-1)


def test_images_and_probabilities_are_antialiased_where_they_get_smaller(
    uncompiled,
):
    network = Shares()
    rng = np.random.default_rng(0)
    images = 255 * rng.integers(0, 2, (2, 24, 40, 3), dtype="uint8")  # sharpest
    found = make_predictor(network, tta=True).probabilities(images)
    expected = 0
    for index, scale in enumerate((0.75, 1, 1.25, 1.5, 1.75)):
        height, width = round(scale * 24), round(scale * 40)
        views = np.stack([resized(image, height, width) for image in images])
        for mirrored, seen in ((False, 2 * index), (True, 2 * index + 1)):
            step = -1 if mirrored else 1
            view = views[:, :, ::step]
            np.testing.assert_allclose(network.views[seen], view, atol=0.01)
            probabilities = Shares.probabilities(view)[:, :, ::step]
            expected = expected + np.stack(
                [resized(each, 24, 40) for each in probabilities]
            )
    assert len(network.views) == 10
    assert found.shape == (2, 24, 40, 2)
    np.testing.assert_allclose(found, expected / 10, atol=1e-4)
    np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-5)


def test_sizes_are_rounded_to_whole_pixels_and_at_least_one(uncompiled, monkeypatch):
    network = Shares()
    make_predictor(network, tta=True).probabilities(np.zeros((1, 1, 9, 3), "uint8"))
    sizes = [view.shape[1:3] for view in network.views[::2]]
    # 0.75, 1, 1.25, 1.5 and 1.75 times 1 and 9; Python rounds halves to even.
    assert sizes == [(1, 7), (1, 9), (1, 11), (2, 14), (2, 16)]
    monkeypatch.setattr(tta, "SCALES", (0.1,))
    make_predictor(network, tta=True).probabilities(np.zeros((1, 1, 9, 3), "uint8"))
    assert network.views[-1].shape[1:3] == (1, 1)


@pytest.mark.parametrize(
    ("choices", "description"),
    [
        ({}, "one look"),
        ({"tta": True}, "test-time augmentation"),
        ({"dense": "shift-and-stitch"}, "shift-and-stitch, 32x32 shifts"),
        (
            {"dense": "shift-and-stitch", "stride_factor": 4},
            "shift-and-stitch, 4x4 shifts",
        ),
    ],
)
def test_a_predictor_says_how_it_looks(model, choices, description):
    assert make_predictor(model, **choices).description == description


@pytest.mark.parametrize(
    "choices",
    [{}, {"tta": True}, {"dense": "shift-and-stitch", "stride_factor": 2}],
)
def test_label_maps_are_where_the_probabilities_are_largest(model, image, choices):
    look = make_predictor(model, **choices)
    probabilities, label_map = look.probabilities(image), look.label_maps(image)
    assert probabilities.shape == (1, 48, 70, 3)
    assert probabilities.dtype == np.float32 and label_map.dtype == np.uint8
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=1e-5)
    assert np.mean(probabilities.argmax(axis=-1) == label_map) > 0.999
    assert len(np.unique(label_map)) > 1


def test_one_look_is_the_networks_own(model, image):
    look = make_predictor(model)
    logits = model(image, training=False)
    np.testing.assert_allclose(
        look.probabilities(image),
        ops.convert_to_numpy(ops.softmax(logits)),
        rtol=1e-3,
        atol=1e-5,
    )


def test_an_image_of_one_pixel_is_taken(model):
    predict = make_predictor(model, tta=True).label_maps
    assert predict(np.zeros((1, 1, 1, 3), "uint8")).shape == (1, 1, 1)


def test_shift_and_stitch_builds_its_network_once(model, image, monkeypatch):
    built = []
    coarse_logits_model = shift_and_stitch_module.coarse_logits_model

    def record(model):
        built.append(model)
        return coarse_logits_model(model)

    monkeypatch.setattr(shift_and_stitch_module, "coarse_logits_model", record)
    look = make_predictor(model, dense="shift-and-stitch", stride_factor=2)
    images = np.concatenate([image, image[:, ::-1]])
    label_maps = look.label_maps(images)
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
        ({"tta": True, "stride_factor": 2}, "`stride_factor` is for"),
        ({"uncertainty": 3, "tta": True}, "`uncertainty` and `tta` do not go"),
        (
            {"uncertainty": 3, "dense": "shift-and-stitch"},
            "`uncertainty` and `dense` do not go",
        ),
        ({"uncertainty": -1}, "`uncertainty` must be 0 passes or more. Received: -1"),
        ({"dense": "dilation"}, "`dense` must be one of .* Received: dense=dilation"),
    ],
)
def test_choices_that_do_not_go_together_are_refused(model, choices, message):
    with pytest.raises(ValueError, match=message):
        make_predictor(model, **choices)


def test_monte_carlo_dropout_is_the_mean_over_draws_of_dropout(model, image):
    one, several = (make_predictor(model, uncertainty=n) for n in (1, 5))
    plain = make_predictor(model).probabilities(image)
    drawn, mean = one.probabilities(image), several.probabilities(image)
    assert several.description == "Monte-Carlo dropout, 5 passes"
    np.testing.assert_allclose(mean.sum(axis=-1), 1, rtol=1e-4)
    assert np.abs(drawn - plain).max() > 0.01
    assert np.abs(mean - drawn).max() > 0.01
    np.testing.assert_array_equal(several.probabilities(image), mean)
    # The network itself goes on without dropout.
    np.testing.assert_array_equal(make_predictor(model).probabilities(image), plain)


def test_monte_carlo_dropout_leaves_batch_normalisation_as_it_is(image):
    model = FCN("8s", 3, "compact", None, head_filters=8, dropout=1e-6)
    for layer in model.layers:
        if layer.name.startswith("score_"):
            kernel = np.random.default_rng(0).normal(size=layer.kernel.shape)
            layer.set_weights([kernel, np.zeros(3)])
    before = [ops.convert_to_numpy(variable) for variable in model.weights]
    probabilities = make_predictor(model, uncertainty=2).probabilities(image)
    np.testing.assert_allclose(
        probabilities, make_predictor(model).probabilities(image), atol=1e-3
    )
    for old, variable in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, ops.convert_to_numpy(variable))


def test_monte_carlo_dropout_needs_dropout():
    model = FCN("32s", 3, "compact", None, head_filters=8, dropout=0.0)
    with pytest.raises(ValueError, match="`uncertainty` needs a network with dropout"):
        make_predictor(model, uncertainty=2)
