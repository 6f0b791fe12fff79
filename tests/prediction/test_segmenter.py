"""`Segmenter` and `load`, for images of any kind."""

import json
import shutil
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image

from keras_fcn.commands import predict as predict_command
from keras_fcn.drawing.overlays import overlay, overlay_with_legend
from keras_fcn.prediction.segmenter import Segmenter, as_rgb, load
from keras_fcn.runs.names import FOLDER
from tests.support.commands import outcome

ORIENTATION = 0x0112  # tag of EXIF


def random_image(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype="uint8")


@pytest.fixture(scope="module")
def segmenter(scored_run):
    return load(scored_run.path)


@pytest.fixture
def recorder(model, scored_run):
    """A segmenter that records its network's input and labels it by the red channel."""
    inputs = []

    def label_maps(images):
        inputs.append(images)
        return images[..., 0].astype("uint8")

    def probabilities(images):
        inputs.append(images)
        return images.astype("float32") / 255

    segmenter = Segmenter(model, scored_run.read_class_map())
    segmenter.predictor = SimpleNamespace(
        label_maps=label_maps, probabilities=probabilities
    )
    segmenter.inputs = inputs
    return segmenter


def check_input(segmenter, expected):
    (images,) = segmenter.inputs
    assert images.dtype == expected.dtype
    np.testing.assert_array_equal(images, expected[None])


def test_a_label_map_has_uint8_ids_and_the_images_size(segmenter, model):
    image = random_image(41, 70, 3)
    label_map = segmenter(image)
    assert label_map.shape == (41, 70) and label_map.dtype == np.uint8
    expected = np.argmax(model(image[None], training=False)[0], axis=-1)
    assert np.mean(label_map == expected) > 0.999
    assert len(np.unique(label_map)) > 1


def test_probabilities_sum_to_one_and_their_largest_is_the_label(segmenter):
    image = random_image(41, 70, 3)
    probabilities = segmenter.probabilities(image)
    assert probabilities.shape == (41, 70, 3) and probabilities.dtype == np.float32
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=1e-5)
    label_map = segmenter(image)
    assert np.mean(probabilities.argmax(axis=-1) == label_map) > 0.999
    assert probabilities.max() > probabilities.min() + 0.1


@pytest.mark.parametrize("as_path", [str, lambda path: path])
def test_a_path_is_read(recorder, tmp_path, as_path):
    image = random_image(5, 7, 3)
    Image.fromarray(image).save(tmp_path / "street.png")
    label_map = recorder(as_path(tmp_path / "street.png"))
    np.testing.assert_array_equal(label_map, image[..., 0])
    check_input(recorder, image)


@pytest.mark.parametrize("as_given", [lambda path: path, Image.open])
def test_exif_orientation_of_files_and_pillow_images_is_applied(
    recorder, tmp_path, as_given
):
    stored = random_image(5, 7, 3)
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # displayed rotated by 90 degrees
    Image.fromarray(stored).save(tmp_path / "turned.png", exif=exif)
    assert recorder(as_given(tmp_path / "turned.png")).shape == (7, 5)
    check_input(recorder, np.rot90(stored, -1))


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "LA", "CMYK", "I;16"])
def test_a_pillow_image_of_any_mode_is_accepted(recorder, mode):
    image = Image.fromarray(random_image(5, 7, 3))
    image = Image.new(mode, (7, 5)) if mode == "I;16" else image.convert(mode)
    assert recorder(image).shape == (5, 7)
    (images,) = recorder.inputs
    assert images.shape == (1, 5, 7, 3) and images.dtype == np.uint8


@pytest.mark.parametrize(
    "as_given", [lambda path: path, lambda path: Image.open(path).copy()]
)
def test_floats_of_files_and_pillow_images_are_refused(recorder, tmp_path, as_given):
    path = tmp_path / "floats.tif"
    Image.fromarray(random_image(5, 7).astype("float32") / 255).save(path)
    with pytest.raises(ValueError, match="`value_range` 0,1, or values from 0 to 255"):
        recorder(as_given(path))
    assert not recorder.inputs


@pytest.mark.parametrize("as_given", ["file", "Pillow image", "array"])
@pytest.mark.parametrize(
    ("dtype", "factor", "value_range"),
    [
        ("uint16", 16, "auto"),
        ("uint16", 257, "dtype"),
        ("int32", 16, (0, 4095)),
        ("int32", 1, "auto"),
        ("float32", 1 / 255, (0, 1)),
        ("float32", 1, "auto"),
    ],
)
def test_files_pillow_images_and_arrays_have_one_value_range(
    recorder, tmp_path, as_given, dtype, factor, value_range
):
    grey = random_image(5, 7)
    grey[0, :2] = (0, 255)
    image = (grey * np.array(factor, "float64" if factor < 1 else dtype)).astype(dtype)
    path = tmp_path / "image.tif"
    Image.fromarray(image).save(path)
    given = path if as_given == "file" else image
    if as_given == "Pillow image":
        given = Image.fromarray(image)
    recorder.value_range = value_range
    recorder(given)
    (found,) = recorder.inputs
    np.testing.assert_allclose(found[0, ..., 0], grey, atol=1e-3)


def test_an_rgb_array_reaches_the_network_unchanged(recorder):
    image = random_image(5, 7, 3)
    np.testing.assert_array_equal(recorder(image), image[..., 0])
    check_input(recorder, image)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1)])
def test_gray_is_repeated_in_three_channels(recorder, shape):
    grey = random_image(*shape)
    recorder(grey)
    check_input(recorder, np.repeat(grey.reshape(5, 7, 1), 3, axis=-1))


def test_an_alpha_channel_is_dropped(recorder):
    image = random_image(5, 7, 4)
    recorder(image)
    check_input(recorder, image[..., :3])


@pytest.mark.parametrize("dtype", ["int16", "int64", "uint16"])
def test_other_integers_become_uint8(recorder, dtype):
    image = random_image(5, 7, 3)
    image[0, 0] = (0, 255, 1)
    recorder(image.astype(dtype))
    check_input(recorder, image)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_up_to_255_become_float32(recorder, dtype):
    image = random_image(5, 7, 3).astype(dtype)
    image[0, 0, 0] = 0.5
    recorder(image)
    check_input(recorder, image.astype("float32"))


def test_integers_of_a_dark_image_are_accepted(recorder):
    image = random_image(5, 7, 3) % 2
    recorder(image)
    check_input(recorder, image)


def test_a_batch_gives_a_batch_and_is_predicted_in_fours(recorder):
    images = random_image(9, 5, 7, 3)
    np.testing.assert_array_equal(recorder(images), images[..., 0])
    assert [len(batch) for batch in recorder.inputs] == [4, 4, 1]
    np.testing.assert_array_equal(np.concatenate(recorder.inputs), images)
    probabilities = recorder.probabilities(images)
    np.testing.assert_allclose(probabilities, images / np.float32(255))


@pytest.mark.parametrize("channels", [1, 4])
def test_a_batch_may_be_gray_or_have_alpha(recorder, channels):
    images = random_image(2, 5, 7, channels)
    recorder(images)
    (rgb,) = recorder.inputs
    assert rgb.shape == (2, 5, 7, 3)
    np.testing.assert_array_equal(rgb[..., 0], images[..., 0])


def test_a_tensor_is_accepted_like_an_array(recorder):
    images = random_image(2, 5, 7, 3)
    for array in (images, images[0]):
        tensor = keras.ops.convert_to_tensor(array)
        np.testing.assert_array_equal(recorder(tensor), array[..., 0])


def test_a_batch_has_the_label_maps_of_its_images(segmenter):
    images = random_image(5, 33, 40, 3)
    together = segmenter(images)
    assert together.shape == (5, 33, 40) and together.dtype == np.uint8
    alone = [segmenter(image) for image in images]
    assert np.mean(together == np.stack(alone)) > 0.999
    probabilities = segmenter.probabilities(images)
    assert probabilities.shape == (5, 33, 40, 3)


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_list_gives_a_list_in_each_images_own_size(recorder, tmp_path, kind):
    arrays = [random_image(5, 7, 3), random_image(2, 9), random_image(4, 4, 4)]
    Image.fromarray(arrays[0]).save(tmp_path / "street.png")
    images = kind([tmp_path / "street.png", Image.fromarray(arrays[1]), arrays[2]])
    label_maps = recorder(images)
    assert type(label_maps) is list
    expected = [arrays[0][..., 0], arrays[1], arrays[2][..., 0]]
    for found, wanted in zip(label_maps, expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    shapes = [array.shape for array in recorder.probabilities(images)]
    assert shapes == [(5, 7, 3), (2, 9, 3), (4, 4, 3)]


def test_an_empty_list_gives_an_empty_list(recorder):
    assert recorder([]) == []


FLOAT = np.float32(random_image(5, 7, 3)) / 255
WITH_NAN = np.where(np.arange(3) == 1, np.float32("nan"), 255 * FLOAT)
NOT_IMAGES = {
    "floats from 0 to 1": (
        FLOAT,
        r"from 0 to 255: multiply these by 255. Received: float32 \(5, 7, 3\) with "
        r"values from 0 to [01][.\d]*$",
    ),
    "a batch of such floats": (FLOAT[None], "multiply these by 255"),
    "floats from -1 to 1": (2 * FLOAT - 1, "values from 0 to 255. Received: .* from -"),
    "NaN": (WITH_NAN, "values from 0 to 255. Received: .* from nan to nan"),
    "infinity": (np.full((5, 7, 3), np.inf), "Received: float64 .* from inf to inf"),
    "negative": (np.full((5, 7, 3), -1), r"Received: int64 .* from -1 to -1"),
    "above 16 bits": (np.full((5, 7, 3), 65536), "Received: int64 .* from 65536 to"),
    "floats above 255": (FLOAT * 256 * 255, "Received: float32 .* from 0 to 6"),
    "bool": (FLOAT > 0.5, r"numbers from 0 to 255.* Received: bool \(5, 7, 3\)"),
    "complex": (FLOAT * 1j, r"numbers from 0 to 255.* Received: complex64"),
    "text": (np.full((5, 7), "a"), r"numbers from 0 to 255.* Received: <U1 \(5, 7\)"),
    "channels first": (random_image(3, 5, 7), r"Received: uint8 \(3, 5, 7\)"),
    "two channels": (random_image(5, 7, 2), r"Received: uint8 \(5, 7, 2\)"),
    "one axis": (random_image(7), r"Received: uint8 \(7,\)"),
    "five axes": (random_image(1, 1, 5, 7, 3), r"Received: uint8 \(1, 1, 5, 7, 3\)"),
    "no pixels": (random_image(0, 7, 3), r"Received: uint8 \(0, 7, 3\)"),
    "an empty batch": (random_image(0, 5, 7, 3), r"Received: uint8 \(0, 5, 7, 3\)"),
    "a batch in a list": ([random_image(2, 5, 7, 3)], r"Received: uint8 \(2, 5, 7, 3"),
    "None": (None, "Received: NoneType"),
    "a number": (7, "Received: int"),
    "bytes": (b"png", "Received: bytes"),
    "a list of numbers": ([1, 2], "Received: int"),
    "an image as lists": (random_image(5, 7, 3).tolist(), "Received: list"),
}


@pytest.mark.parametrize("kind", NOT_IMAGES)
def test_invalid_images_are_refused_on_one_line(recorder, kind):
    images, message = NOT_IMAGES[kind]
    for use in (recorder, recorder.probabilities):
        with pytest.raises(ValueError, match=message) as caught:
            use(images)
        assert str(caught.value).startswith("An image must ")
        assert "\n" not in str(caught.value)
    assert not recorder.inputs


def test_a_missing_or_unreadable_file_is_named(segmenter, tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file .*none.png"):
        segmenter(str(tmp_path / "none.png"))
    (tmp_path / "text.png").write_text("words")
    with pytest.raises(ValueError, match="text.png is not an image"):
        segmenter([tmp_path / "text.png"])


def test_as_rgb_does_not_change_its_argument():
    image = random_image(5, 7, 4)
    before = image.copy()
    as_rgb(image)[:] = 0
    np.testing.assert_array_equal(image, before)


def test_an_overlay_is_that_of_the_drawing_module(segmenter):
    image = random_image(41, 170, 3)
    label_map, class_map = segmenter(image), segmenter.class_map
    plain = overlay(image, label_map, class_map)
    np.testing.assert_array_equal(segmenter.overlay(image), plain)
    with_legend = segmenter.overlay(image, legend=True)
    assert with_legend.shape[0] > 41 and with_legend.shape[1] == 170
    np.testing.assert_array_equal(
        with_legend, overlay_with_legend(image, label_map, class_map)
    )


def test_an_overlay_accepts_any_label_map_of_the_images_size(segmenter, tmp_path):
    image = random_image(5, 7, 3)
    Image.fromarray(image).save(tmp_path / "street.png")
    label_map = np.arange(35).reshape(5, 7) % 3
    expected = overlay(image, label_map, segmenter.class_map)
    for given in (image, tmp_path / "street.png", image.astype("float64")):
        result = segmenter.overlay(given, label_map)
        assert result.dtype == np.uint8
        np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(
        segmenter.overlay(image, label_map.tolist()), expected
    )


@pytest.mark.parametrize("shape", [(7, 5), (5, 7, 1), (1, 5, 7), (10, 14)])
def test_a_label_map_of_another_size_is_refused(segmenter, shape):
    message = rf"width, \(5, 7\). Received: label_map.shape=\({shape[0]}"
    with pytest.raises(ValueError, match=message):
        segmenter.overlay(random_image(5, 7, 3), np.zeros(shape, int))


def test_an_overlay_is_of_one_image(segmenter):
    with pytest.raises(ValueError, match=r"Received: uint8 \(2, 5, 7, 3\)"):
        segmenter.overlay(random_image(2, 5, 7, 3))


def test_label_map_and_overlay_are_those_of_the_command(
    segmenter, scored_run, tmp_path, capsys
):
    path = tmp_path / "street.jpg"
    Image.fromarray(random_image(48, 170, 3)).save(path)
    status, _, error = outcome(
        predict_command, capsys,
        path, "--model", scored_run.path, "--output-dir", tmp_path / "out",
    )  # fmt: skip
    assert status == 0, error
    with Image.open(tmp_path / "out" / "street_labels.png") as written:
        np.testing.assert_array_equal(np.asarray(written), segmenter(path))
    with Image.open(tmp_path / "out" / "street_overlay.png") as written:
        expected = segmenter.overlay(path, legend=True)
        np.testing.assert_array_equal(np.asarray(written), expected)


def test_a_run_is_loaded_with_its_classes(segmenter, scored_run, model):
    assert segmenter.class_map == scored_run.read_class_map()
    assert segmenter.class_map.names == ("sky", "road", "tree")
    assert segmenter.model.name == "fcn32s"
    for one, two in zip(
        segmenter.model.get_weights(), model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, two)
    assert segmenter.predictor.description == "single scale"
    assert type(load(str(scored_run.path)).model) is type(model)


@pytest.mark.vgg16
def test_the_bundled_network_is_loaded_by_name_and_by_default():
    named, default = load("fcn8s-camvid"), load()
    assert named.class_map == default.class_map
    assert named.class_map.num_classes == 11
    assert default.model.name == "fcn8s"
    for one, two in zip(
        named.model.get_weights(), default.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, two)
    by_folder = load(FOLDER / "fcn8s-camvid")
    assert by_folder.class_map == default.class_map


def test_a_missing_network_is_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing is not a run.*fcn8s-camvid"):
        load(tmp_path / "nothing")


def test_options_of_load_reach_the_predictor(scored_run, tmp_path):
    assert load(scored_run.path, tta=True).predictor.description == (
        "test-time augmentation"
    )
    stitching = load(scored_run.path, dense="shift-and-stitch", stride_factor=2)
    assert stitching.predictor.description == "shift-and-stitch, 2x2 shifts"
    image = random_image(20, 33, 3)
    assert stitching(image).shape == (20, 33)
    np.testing.assert_allclose(
        stitching.probabilities(image).sum(axis=-1), 1, rtol=1e-5
    )
    with pytest.raises(ValueError, match="cannot be combined"):
        load(scored_run.path, tta=True, dense="shift-and-stitch")


@pytest.mark.vgg16
def test_auto_is_the_training_size_of_the_run(packed_run):
    assert load(packed_run.path).options.size == 48
    assert load(packed_run.path, size="native").options.size == "native"
    assert load(packed_run.path, size=100).options.size == 100
    assert load(packed_run.path, tile=(64, 64)).options.size == "native"
    assert load().options.size == 540


def test_confidence_is_the_probability_of_the_label(segmenter):
    image = random_image(41, 70, 3)
    confidence = segmenter.confidence(image)
    assert confidence.shape == (41, 70) and confidence.dtype == np.float32
    largest = segmenter.probabilities(image).max(axis=-1)
    np.testing.assert_allclose(confidence, largest, rtol=1e-5)
    label_map, same = segmenter.label_and_confidence(image)
    np.testing.assert_array_equal(label_map, segmenter(image))
    np.testing.assert_array_equal(same, confidence)
    images = np.stack([image] * 5)
    label_maps, several = segmenter.label_and_confidence(images)
    assert label_maps.shape == several.shape == (5, 41, 70)
    sizes = [(41, 70), (9, 70)]
    listed = [image, image[:9]]
    assert [each.shape for each in segmenter.confidence(listed)] == sizes
    for maps in segmenter.label_and_confidence(listed):
        assert [each.shape for each in maps] == sizes


def test_pixels_below_unknown_below_are_void(segmenter, scored_run):
    image = random_image(41, 70, 3)
    confidence = segmenter.confidence(image)
    threshold = float(np.median(confidence))
    label_map = load(scored_run.path, unknown_below=threshold)(image)
    is_void = label_map == segmenter.class_map.void_id
    np.testing.assert_array_equal(is_void, confidence < threshold)
    np.testing.assert_array_equal(label_map[~is_void], segmenter(image)[~is_void])
    with pytest.raises(
        ValueError, match="`unknown_below` must be a number from 0 to 1"
    ):
        load(scored_run.path, unknown_below=1.5)


def test_probabilities_have_the_temperature_of_the_run(scored_run, tmp_path):
    folder = shutil.copytree(scored_run.path, tmp_path / "run")
    (folder / "calibration.json").write_text(json.dumps({"temperature": 4.0}))
    image = random_image(41, 70, 3)
    plain, warm = load(scored_run.path), load(folder)
    np.testing.assert_array_equal(plain(image), warm(image))
    shares = plain.probabilities(image) ** 0.25
    expected = shares / shares.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(warm.probabilities(image), expected, atol=1e-4)


def test_files_and_pillow_images_of_too_many_pixels_are_refused(scored_run, tmp_path):
    segmenter = load(scored_run.path, max_pixels=99)
    image, path = Image.new("RGB", (10, 10)), tmp_path / "a.png"
    image.save(path)
    for large in (image, path, [image]):
        with pytest.raises(ValueError, match="at most 99 pixels.*Received: 10x10"):
            segmenter(large)
    assert segmenter(image.crop((0, 0, 9, 10))).shape == (10, 9)
    assert segmenter(np.asarray(image)).shape == (10, 10)


def test_size_auto_requires_the_training_size_of_a_network(model, scored_run):
    with pytest.raises(ValueError, match="`size` auto requires the training size"):
        Segmenter(model, scored_run.read_class_map(), size="auto")


def test_a_temperature_can_be_given_instead_of_that_of_the_run(scored_run):
    image = random_image(41, 70, 3)
    shares = load(scored_run.path).probabilities(image) ** 0.5
    expected = shares / shares.sum(axis=-1, keepdims=True)
    warm = load(scored_run.path, temperature=2.0)
    np.testing.assert_allclose(warm.probabilities(image), expected, atol=1e-4)


def test_an_empty_pillow_image_is_refused(segmenter):
    with pytest.raises(ValueError, match="Received: a Pillow image of no pixels"):
        segmenter(Image.new("RGB", (0, 0)))


@pytest.mark.parametrize("value", [3, 254, 256, -1, 0.0])
def test_an_overlay_of_other_ids_than_the_classes_is_refused(segmenter, value):
    label_map = np.full((41, 70), value)
    with pytest.raises(ValueError, match="integers from 0 to 2, or 255 for void"):
        segmenter.overlay(random_image(41, 70, 3), label_map)


def test_an_overlay_of_classes_and_void_is_drawn(segmenter):
    label_map = np.array([[0, 1, 2, 255]])
    assert segmenter.overlay(random_image(1, 4, 3), label_map).shape == (1, 4, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": None}, "`name` must be a name or a path. Received: name=None"),
        ({"tile": 64}, "`tile` must be .height, width. in pixels.*Received: tile=64"),
    ],
)
def test_wrong_types_are_refused_by_load(arguments, message):
    with pytest.raises(ValueError, match=message):
        load(**arguments)
