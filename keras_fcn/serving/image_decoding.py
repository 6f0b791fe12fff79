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
    # This operation decodes PNG files too. The method is that of other decoders;
    # TensorFlow's default is less exact.
    image = tf.io.decode_jpeg(image_bytes, channels=3, dct_method="INTEGER_ACCURATE")
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
    leave out the elements that fail: those that are missing are the damaged ones. Its
    functions have no branches, each of which would cost milliseconds at each request.

    Args:
        image_bytes: string `(batch,)`.
        max_pixels: as for `check_images`.

    Returns:
        string `(batch,)`, empty for an image that can be decoded.
    """
    pixel = tf.zeros((1, 1, 3), tf.uint8)
    good_png, good_jpeg = tf.io.encode_png(pixel), tf.io.encode_jpeg(pixel)
    num_images = tf.size(image_bytes)
    files = tf.concat([image_bytes, [good_png]], axis=0)  # so that one is always left
    indices, problems = (
        tf.data.Dataset.from_tensor_slices((tf.range(num_images + 1), files))
        .map(
            lambda index, file: (
                index,
                _describe_problem(file, max_pixels, good_png, good_jpeg),
            )
        )
        .ignore_errors()
        .batch(tf.size(files, tf.int64))
        .get_single_element()
    )
    damaged = tf.fill([num_images + 1], "cannot be decoded: it is damaged or cut off")
    described = tf.tensor_scatter_nd_update(damaged, indices[:, None], problems)
    return described[:num_images]


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


def _describe_problem(file, max_pixels, good_png, good_jpeg):
    """Problem of one file, "" without; fails where it can't be decoded.

    What is not to be decoded is replaced by a good image of one pixel.
    """
    is_png, is_jpeg = _starts_with(file, _PNG_START), _starts_with(file, _JPEG_START)
    # Zeros are put after a file that ends within its header.
    header = tf.strings.substr(file + b"\0" * 24, len(_PNG_START), 8)
    png_size = tf.io.decode_raw(header, tf.int32, little_endian=False)[::-1]
    jpeg_shape = tf.image.extract_jpeg_shape(tf.where(is_jpeg, file, good_jpeg))
    size = tf.where(is_png, png_size, jpeg_shape[:2])
    problem = tf.where(
        is_png | is_jpeg,
        check_pixels(size, max_pixels),
        "is neither a PNG nor a JPEG file",
    )
    problem = tf.where(tf.equal(tf.strings.length(file), 0), "is empty", problem)
    image = decode_image(tf.where(tf.equal(problem, ""), file, good_png))
    # A decoder whose result is not used would be left out of the optimised graph.
    return tf.where(tf.size(image) > 0, problem, "has no pixels")


def _starts_with(file, start):
    return tf.equal(tf.strings.substr(file, 0, len(start)), start)
