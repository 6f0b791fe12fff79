"""Image files to arrays inside a TensorFlow graph, each checked before it is decoded.

Files come from strangers: what is no PNG or JPEG, is damaged, or would need too much
memory is refused by name, and never decoded beyond its header.
"""

import tensorflow as tf

_PNG_START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"  # width and height follow
_JPEG_START = b"\xff\xd8\xff"
_STRIDE = 32  # the network pads height and width to multiples of it
_MOST_NAMED = 10  # gRPC cuts off or refuses messages of more than some kilobytes


def decode_image(image_bytes: tf.Tensor) -> tf.Tensor:
    """Decode a PNG or JPEG to uint8 RGB `(height, width, 3)`, as `read_image` does.

    Grey, palette, RGBA (the alpha channel is dropped), CMYK and 16-bit files (the upper
    eight bits are kept) become RGB. An EXIF orientation is not applied: the pixels are
    those that are stored.

    Args:
        image_bytes: string scalar, a file that `describe_problems` found nothing
            against.
    """
    image = tf.cond(
        _is_png(image_bytes),
        lambda: tf.io.decode_png(image_bytes, channels=3),
        # The method that other decoders use; TensorFlow's default is less exact.
        lambda: tf.io.decode_jpeg(
            image_bytes, channels=3, dct_method="INTEGER_ACCURATE"
        ),
    )
    return tf.ensure_shape(image, [None, None, 3])


def check_images(image_bytes: tf.Tensor, max_pixels: int) -> list[tf.Operation]:
    """Return operations that fail with INVALID_ARGUMENT unless each file can be used.

    The message names the files at fault by their index, up to ten of them, as in
    `refused 2 of 3 images: image_bytes[0] is empty; image_bytes[2] ...`.

    Args:
        image_bytes: string `(batch,)`, encoded images.
        max_pixels: pixels that an image may have, padded to multiples of 32.
    """
    num_images = tf.size(image_bytes)
    needs_images = tf.debugging.Assert(
        num_images > 0, ["image_bytes has no image: send one or more"]
    )
    with tf.control_dependencies([needs_images]):
        problems = describe_problems(image_bytes, max_pixels)
    at_fault = tf.where(problems != "")[:, 0]
    named = at_fault[:_MOST_NAMED]
    messages = tf.strings.join(
        [
            "image_bytes[",
            tf.strings.as_string(named),
            "] ",
            tf.gather(problems, named),
        ]
    )
    message = tf.strings.join(
        [
            "refused ",
            tf.strings.as_string(tf.size(at_fault)),
            " of ",
            tf.strings.as_string(num_images),
            " images: ",
            tf.strings.reduce_join(messages, separator="; "),
        ]
    )
    return [needs_images, tf.debugging.Assert(tf.size(at_fault) == 0, [message])]


def describe_problems(image_bytes: tf.Tensor, max_pixels: int) -> tf.Tensor:
    """Say what is wrong with each encoded image.

    A decoder's error ends a graph without a word of which image it was. tf.data can
    leave out the elements that fail: those that are missing are the damaged ones.

    Args:
        image_bytes: string `(batch,)`.
        max_pixels: as for `check_images`.

    Returns:
        string `(batch,)`, empty for an image that can be decoded.
    """
    checked = (
        tf.data.Dataset.from_tensor_slices(image_bytes)
        .enumerate()
        .map(lambda index, file: (index, _describe_problem(file, max_pixels)))
        .ignore_errors()
    )
    damaged = tf.fill(
        tf.shape(image_bytes), "cannot be decoded: it is damaged or cut off"
    )
    return checked.reduce(
        damaged,
        lambda problems, problem: tf.tensor_scatter_nd_update(
            problems, [problem[:1]], [problem[1]]
        ),
    )


def check_pixels(size: tf.Tensor, max_pixels: int) -> tf.Tensor:
    """Return "", or what is wrong with the size of an image.

    Args:
        size: int `(2,)`, height and width.
        max_pixels: pixels that an image may have, padded to multiples of 32: a strip
            of one row needs the memory of 32.
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


def _describe_problem(image_bytes, max_pixels):
    """Problem of one file, "" without; fails where it can't be decoded."""
    is_image = _is_png(image_bytes) | _starts_with(image_bytes, _JPEG_START)

    def describe_image():
        problem = check_pixels(_stored_size(image_bytes), max_pixels)
        return tf.cond(
            tf.equal(problem, ""),
            lambda: _decode_for_nothing(image_bytes),
            lambda: problem,
        )

    def describe_other():
        is_empty = tf.equal(tf.strings.length(image_bytes), 0)
        return tf.where(is_empty, "is empty", "is neither a PNG nor a JPEG file")

    return tf.cond(is_image, describe_image, describe_other)


def _decode_for_nothing(image_bytes):
    """ "", after the file has been decoded."""
    with tf.control_dependencies([decode_image(image_bytes)]):
        return tf.constant("")


def _stored_size(image_bytes):
    """Height and width, int32 `(2,)`, from the header of a PNG or JPEG."""

    def png_size():
        # Zeros are put after a file that ends within its header.
        header = tf.strings.substr(image_bytes + b"\0" * 8, len(_PNG_START), 8)
        return tf.io.decode_raw(header, tf.int32, little_endian=False)[::-1]

    return tf.cond(
        _is_png(image_bytes),
        png_size,
        lambda: tf.image.extract_jpeg_shape(image_bytes)[:2],
    )


def _is_png(image_bytes):
    return _starts_with(image_bytes, _PNG_START)


def _starts_with(image_bytes, start):
    return tf.equal(tf.strings.substr(image_bytes, 0, len(start)), start)
