"""Decoding of image files in a TensorFlow graph, compared with `read_image`."""

import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_fcn.images.reading import read_image
from keras_fcn.serving.image_decoding import (
    check_images,
    decode_image,
    describe_problems,
)
from tests.support.image_files import (
    BAD_FILES,
    FILES,
    GOOD,
    HUGE,
    JPEG,
    NOT_AN_IMAGE,
    SIZE,
    encode,
    png_chunk,
    png_of_16_bits,
    random_array,
    smooth_image,
)

MAX_PIXELS = 64 * 96


def problems_of(*files, max_pixels=MAX_PIXELS):
    problems = describe_problems(tf.constant(files, tf.string), max_pixels).numpy()
    return [problem.decode() for problem in problems]


@pytest.mark.parametrize("kind", FILES)
def test_decoded_pixels_equal_those_of_read_image(kind, tmp_path):
    path = tmp_path / "image"
    path.write_bytes(FILES[kind])
    assert problems_of(FILES[kind]) == [""]
    image = decode_image(tf.constant(FILES[kind])).numpy()
    np.testing.assert_array_equal(image, read_image(path))


@pytest.mark.parametrize(
    "value_range", ["auto", "dtype", (0.0, 4095.0), (100.0, 3000.0), (50.0, 100.0)]
)
@pytest.mark.parametrize("kind", ["12 bits", "10 bits and alpha", "grey", "JPEG"])
def test_the_value_range_is_that_of_read_image(kind, value_range, tmp_path):
    wide = random_array(*SIZE, 4, dtype="uint16")
    file = {
        "12 bits": png_of_16_bits(wide[..., :3] >> 4, 2),
        "10 bits and alpha": png_of_16_bits(wide >> [6, 6, 6, 0], 6),
        **FILES,
    }[kind]
    path = tmp_path / "image.png"
    path.write_bytes(file)
    decoded = decode_image(tf.constant(file), value_range).numpy()
    expected = read_image(path, value_range=value_range)
    assert np.abs(decoded.astype(int) - expected).max() <= 1  # at .5
    assert (decoded == expected).mean() > 0.99


def test_decoded_cmyk_jpeg_equals_read_image_up_to_rounding(tmp_path):
    file = encode(Image.fromarray(smooth_image()).convert("CMYK"), "JPEG", quality=95)
    path = tmp_path / "image.jpg"
    path.write_bytes(file)
    image = decode_image(tf.constant(file)).numpy().astype(int)
    assert np.abs(image - read_image(path)).max() <= 1


def test_exif_orientation_is_not_applied():
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = random_array(*SIZE, 3)
    turned = encode(stored, exif=exif)
    np.testing.assert_array_equal(decode_image(tf.constant(turned)), stored)


@pytest.mark.parametrize("kind", BAD_FILES)
def test_problem_of_a_bad_file_is_described(kind):
    file, expected = BAD_FILES[kind]
    assert problems_of(GOOD, file, GOOD)[::2] == ["", ""]
    (problem,) = problems_of(file)
    assert problem.startswith(expected or "")
    assert problem


def test_max_pixels_applies_to_the_padded_image():
    image = encode(random_array(65, 64, 3))  # 96 x 64 when padded
    assert problems_of(image) == [""]
    (problem,) = problems_of(image, max_pixels=MAX_PIXELS - 1)
    assert problem == (
        "has 65 rows and 64 columns: this model takes 1 to 6143 pixels, padded to "
        "multiples of 32"
    )
    (problem,) = problems_of(encode(random_array(1, 200, 3)))
    assert problem.startswith("has 1 rows and 200 columns")


def test_png_with_a_chunk_before_the_header_is_refused():
    sizes = struct.pack(
        ">II", 1, 1
    )  # where width and height of the header are expected
    hidden = GOOD[:8] + png_chunk(b"abCd", sizes) + HUGE[8:]
    assert problems_of(hidden) == [NOT_AN_IMAGE]


@tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
def checked(files):
    with tf.control_dependencies(check_images(files, MAX_PIXELS)):
        return tf.identity(files)


def error_of(*files):
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        checked(tf.constant(files, tf.string))
    return caught.value.message


def test_message_contains_the_indices_of_the_bad_images():
    message = error_of(GOOD, b"", JPEG, HUGE)
    assert (
        "refused 2 of 4 images: image_bytes[1] is empty; image_bytes[3] has 30000 rows"
    ) in message


def test_message_names_at_most_ten_images():
    message = error_of(*[b"text"] * 200)
    assert "refused 200 of 200 images" in message
    assert "image_bytes[9]" in message and "image_bytes[10]" not in message


def test_empty_batch_is_an_error():
    assert "image_bytes must have at least one image. Received: 0" in error_of()
