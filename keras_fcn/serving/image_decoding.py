"""Decoding of image files in a TensorFlow graph, with checks before the decoding.

Files are untrusted input. One that is neither PNG nor JPEG, is damaged, or would need
too much memory is refused with a message that names it; beyond the size limit nothing
but the header is decoded.
"""

import tensorflow as tf

from keras_fcn.images.value_range import Extent, keeps_upper_bits, limits_of
from keras_fcn.options import ValueRange

_PNG_START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"  # followed by width and height
_JPEG_START = b"\xff\xd8\xff"
_STRIDE = 32  # the network pads height and width to multiples of it
_BYTES = Extent("uint8", 0, 255)
_DEPTHS = [2**depth for depth in (8, 10, 12, 14)]
_MAX_NAMED = 10  # gRPC truncates or refuses messages of more than some kilobytes


def decode_image(image_bytes: tf.Tensor, value_range: ValueRange = "auto") -> tf.Tensor:
    """Decode a PNG or JPEG to uint8 RGB `(height, width, 3)`, as `read_image` does.

    Gray, palette, RGBA (the alpha channel is dropped), CMYK and 16-bit files become
    RGB. The EXIF orientation is not applied.

    Args:
        image_bytes: string scalar, a file without problem in `describe_problems`.
        value_range: as for `read_image`.
    """
    depth = tf.strings.substr(image_bytes + b"\0" * 25, len(_PNG_START) + 8, 1)
    is_wide = _starts_with(image_bytes, _PNG_START) & tf.equal(depth, b"\x10")
    pixel = tf.io.encode_png(tf.zeros((1, 1, 3), tf.uint16))
    # decode_jpeg decodes PNG too, to 8 bits. INTEGER_ACCURATE is the DCT of other
    # decoders; TensorFlow's default is less accurate.
    image = tf.io.decode_jpeg(
        tf.where(is_wide, pixel, image_bytes), channels=3, dct_method="INTEGER_ACCURATE"
    )
    if limits_of(_BYTES, value_range, "") != (0, 255):
        image = _scale(image, value_range)
    wide = tf.io.decode_png(
        tf.where(is_wide, image_bytes, pixel), channels=3, dtype=tf.uint16
    )
    # One of the two is a single pixel, which is left out; without branches.
    shape = tf.where(is_wide, tf.shape(wide), tf.shape(image))
    num_rows = tf.where(is_wide, 0, tf.shape(image)[0])
    num_wide_rows = tf.where(is_wide, tf.shape(wide)[0], 0)
    pixels = tf.concat(
        [
            tf.reshape(image[:num_rows], [-1, 3]),
            tf.reshape(_scale(wide[:num_wide_rows], value_range), [-1, 3]),
        ],
        axis=0,
    )
    return tf.ensure_shape(tf.reshape(pixels, shape), [None, None, 3])


def _scale(values: tf.Tensor, value_range: ValueRange) -> tf.Tensor:
    """Map stored values to 0 to 255, uint8, as `images.value_range.scale` does."""
    if isinstance(value_range, tuple):
        low, high = value_range
        clipped = tf.clip_by_value(tf.cast(values, tf.float32), low, high)
        if keeps_upper_bits(value_range):
            return tf.cast((clipped - low) * (256 / (high - low + 1)), tf.uint8)
        return tf.cast(tf.round((clipped - low) * (255 / (high - low))), tf.uint8)
    if value_range == "dtype":
        shift = tf.constant(8, tf.uint16)
    else:  # 0, 2, 4, 6 or 8 for 8, 10, 12, 14 or 16 bits
        highest = tf.reduce_max(tf.cast(values, tf.int32))
        num_exceeded = tf.reduce_sum(tf.cast(highest >= _DEPTHS, tf.uint16))
        shift = 2 * num_exceeded
    return tf.cast(tf.bitwise.right_shift(values, shift), tf.uint8)


def check_images(image_bytes: tf.Tensor, max_pixels: int) -> list[tf.Operation]:
    """Return operations that fail with INVALID_ARGUMENT unless all files are valid.

    The message contains the indices of up to ten invalid files, as in `refused 2 of 3
    images: image_bytes[0] is empty; image_bytes[2] ...`.

    Args:
        image_bytes: string `(batch,)`, encoded images.
        max_pixels: limit for an image, padded to multiples of 32.
    """
    num_images = tf.size(image_bytes)
    is_not_empty = tf.debugging.Assert(
        num_images > 0, ["image_bytes must have at least one image. Received: 0"]
    )
    with tf.control_dependencies([is_not_empty]):
        problems = describe_problems(image_bytes, max_pixels)
    invalid = tf.where(problems != "")[:, 0]
    named = invalid[:_MAX_NAMED]
    messages = tf.strings.join(
        ["image_bytes[", tf.strings.as_string(named), "] ", tf.gather(problems, named)]
    )
    message = tf.strings.join(
        [
            "refused ",
            tf.strings.as_string(tf.size(invalid)),
            " of ",
            tf.strings.as_string(num_images),
            " images: ",
            tf.strings.reduce_join(messages, separator="; "),
        ]
    )
    return [is_not_empty, tf.debugging.Assert(tf.size(invalid) == 0, [message])]


def describe_problems(image_bytes: tf.Tensor, max_pixels: int) -> tf.Tensor:
    """Return the problem of each encoded image.

    The error of a decoder ends the graph and does not contain the index of the image.
    Therefore the images are decoded by a tf.data pipeline that skips elements with
    errors: the missing elements are the damaged images. The pipeline has no branches,
    each of which would take milliseconds per request.

    Args:
        image_bytes: string `(batch,)`.
        max_pixels: as in `check_images`.

    Returns:
        string `(batch,)`, empty for an image that can be decoded.
    """
    pixel = tf.zeros((1, 1, 3), tf.uint8)
    good_png, good_jpeg = tf.io.encode_png(pixel), tf.io.encode_jpeg(pixel)
    num_images = tf.size(image_bytes)
    files = tf.concat([image_bytes, [good_png]], axis=0)  # get_single_element needs one

    def describe(index, file):
        """The problem of one file, "" for none; fails if it cannot be decoded."""
        is_png, is_jpeg = (
            _starts_with(file, _PNG_START),
            _starts_with(file, _JPEG_START),
        )
        # Zeros, because a file may end within its header.
        header = tf.strings.substr(file + b"\0" * 24, len(_PNG_START), 8)
        png_size = tf.io.decode_raw(header, tf.int32, little_endian=False)[::-1]
        jpeg_shape = tf.image.extract_jpeg_shape(tf.where(is_jpeg, file, good_jpeg))
        size = tf.where(is_png, png_size, jpeg_shape[:2])  # height, width
        problem = tf.where(
            is_png | is_jpeg,
            check_pixels(size, max_pixels),
            "is neither a PNG nor a JPEG file",
        )
        problem = tf.where(tf.equal(tf.strings.length(file), 0), "is empty", problem)
        # A file with a problem is replaced by an image of one pixel, not decoded.
        image = decode_image(tf.where(tf.equal(problem, ""), file, good_png))
        # An unused result would be removed from the optimized graph, and its decoder.
        return index, tf.where(tf.size(image) > 0, problem, "has no pixels")

    indices, problems = (
        tf.data.Dataset.from_tensor_slices((tf.range(num_images + 1), files))
        .map(describe)
        .ignore_errors()
        .batch(tf.size(files, tf.int64))
        .get_single_element()
    )
    damaged = tf.fill([num_images + 1], "cannot be decoded: it is damaged or truncated")
    described = tf.tensor_scatter_nd_update(damaged, indices[:, None], problems)
    return described[:num_images]


def check_pixels(size: tf.Tensor, max_pixels: int) -> tf.Tensor:
    """Return "", or the problem of the size of an image.

    Args:
        size: int `(2,)`, height and width.
        max_pixels: limit for an image, padded to multiples of 32 as the network does:
            an image of one row takes the memory of 32.
    """
    size = tf.cast(size, tf.int64)
    padded = size + -size % _STRIDE
    is_allowed = tf.reduce_all(size > 0) & (tf.reduce_prod(padded) <= max_pixels)
    height_and_width = tf.strings.as_string(size)
    return tf.where(
        is_allowed,
        "",
        tf.strings.join(
            [
                "has ",
                height_and_width[0],
                " rows and ",
                height_and_width[1],
                " columns: this model takes 1 to ",
                str(max_pixels),
                " pixels, padded to multiples of 32",
            ]
        ),
    )


def _starts_with(file, start):
    return tf.equal(tf.strings.substr(file, 0, len(start)), start)
