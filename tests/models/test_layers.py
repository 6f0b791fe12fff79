"""Preprocessing, padding and cropping."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_fcn.models.layers import CropToImage, PadToMultiple, VGGPreprocessing


def random_images(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype="uint8")


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_preprocessing_equals_keras_applications(dtype):
    image = random_images(2, 5, 6).astype(dtype)
    expected = keras.applications.vgg16.preprocess_input(image.astype("float32"))
    np.testing.assert_allclose(VGGPreprocessing()(image), expected, atol=1e-5)


def test_preprocessing_does_not_change_its_input():
    image = random_images(1, 4, 4).astype("float32")
    before = image.copy()
    VGGPreprocessing()(image)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(
    ("length", "before", "padded"),
    [(1, 15, 32), (31, 0, 32), (32, 0, 32), (33, 15, 64), (360, 12, 384)],
)
def test_padding_is_halved_and_the_odd_row_comes_last(length, before, padded):
    image = np.ones((1, length, 64, 3), "float32")
    result = ops.convert_to_numpy(PadToMultiple(32)(image))
    assert result.shape == (1, padded, 64, 3)
    expected = np.zeros(padded)
    expected[before : before + length] = 1
    np.testing.assert_array_equal(result[0, :, 0, 0], expected)
    columns = PadToMultiple(32)(image.transpose(0, 2, 1, 3))
    np.testing.assert_array_equal(columns[0, 0, :, 0], expected)


@pytest.mark.parametrize("size", [(1, 1), (31, 33), (32, 64), (50, 7)])
def test_cropping_undoes_padding(size):
    image = random_images(2, *size).astype("float32")
    padded = PadToMultiple(32)(image)
    np.testing.assert_array_equal(CropToImage()(padded, image), image)


@pytest.mark.parametrize("size", [(1, 1), (31, 33), (32, 64), (50, 7)])
def test_compute_output_shape_matches_the_outputs(size):
    image = random_images(2, *size).astype("float32")
    padded = PadToMultiple()(image)
    assert PadToMultiple().compute_output_shape(image.shape) == padded.shape
    assert VGGPreprocessing().compute_output_shape(image.shape) == image.shape
    logits = ops.zeros((*padded.shape[:3], 5))
    cropped = CropToImage()(logits, image)
    shape = CropToImage().compute_output_shape(logits.shape, image.shape)
    assert shape == cropped.shape == (2, *size, 5)


def test_free_sizes_are_none_in_compute_output_shape():
    free = (None, None, 33, 3)
    assert PadToMultiple().compute_output_shape(free) == (None, None, 64, 3)
    padded = (None, None, 64, 5)
    assert CropToImage().compute_output_shape(padded, free) == (None, None, 33, 5)


def test_another_multiple_is_kept_in_the_configuration():
    layer = PadToMultiple.from_config(PadToMultiple(8).get_config())
    assert layer.multiple == 8
    assert layer(np.zeros((1, 9, 8, 3), "float32")).shape == (1, 16, 8, 3)
    assert PadToMultiple().multiple == 32


def test_preprocessing_computes_in_its_own_dtype():
    image = random_images(1, 3, 4)
    for dtype in ("float32", "float16"):
        output = VGGPreprocessing(dtype=dtype)(image)
        assert keras.backend.standardize_dtype(output.dtype) == dtype


@pytest.mark.parametrize("layer", [VGGPreprocessing, PadToMultiple, CropToImage])
def test_the_layers_are_registered_for_saved_networks(layer):
    name = keras.saving.get_registered_name(layer)
    assert name == f"keras_fcn>{layer.__name__}"
    assert keras.saving.get_registered_object(name) is layer
