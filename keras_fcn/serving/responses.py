"""What a server may answer: how much of it, and which label maps.

A server may be another than it should be, broken or hostile. Its answer is read up to
what the request can need, and looked at before it is decoded.
"""

import io
from collections.abc import Sequence

import numpy as np

from keras_fcn.errors import one_line
from keras_fcn.images.opening import is_truncated, open_header
from keras_fcn.serving.errors import ServerError
from keras_fcn.typing import Size

# What a signature answers for each image: PNGs, the first of which is the label map.
LABELS = ("label_png_bytes",)
LABELS_AND_CONFIDENCE = ("label_png_bytes", "confidence_png_bytes")
_BESIDES = 8 * 2**20  # bytes for what is not label maps, and for messages of errors


def signature_of(outputs: Sequence[str]) -> str:
    """Return the name of the signature that gives some outputs.

    Args:
        outputs: `LABELS` or `LABELS_AND_CONFIDENCE`.
    """
    return "confidence" if outputs == LABELS_AND_CONFIDENCE else "serving_default"


def most_answer_bytes(images: Sequence[bytes], num_pictures: int = 1) -> int:
    """Return how many bytes the pictures that answer images can have, as base64.

    Args:
        images: PNG or JPEG files.
        num_pictures: grey pictures of each image's own size.
    """
    total = _BESIDES
    for image in images:
        with open_header(io.BytesIO(image), ("PNG", "JPEG")) as header:
            width, height = header.size
        # Of rows that could not be compressed.
        total += num_pictures * ((width + 8) * height * 4 // 3)
    return total


def read_label_map(answer: bytes, size: Size, name: object) -> np.ndarray:
    """Decode the label map of an image.

    Args:
        answer: a grey 8-bit PNG.
        size: height and width that it must have; nothing is decoded otherwise.
        name: which image, for the message.

    Returns:
        Class ids, uint8 `(height, width)`.

    Raises:
        ServerError: if it is no such PNG, is damaged or cut off, or has another size.
    """
    try:
        found = _describe(answer, size)
        if not found:
            return _decode(answer)
    except Exception as error:  # Pillow's decoders raise errors of many kinds
        found = f"{len(answer)} bytes ({one_line(error)})"
    raise ServerError(
        f"The label map of {name} must be a grey 8-bit PNG of the image's size, "
        f"{size}, as an export gives it. Received: {found}"
    )


def _describe(answer, size):
    """What is wrong with a PNG's header; "" without."""
    with open_header(io.BytesIO(answer), ("PNG",)) as picture:
        width, height = picture.size
        if picture.mode != "L":
            return f"a PNG of mode {picture.mode}"
        return "" if (height, width) == size else f"{(height, width)}"


def _decode(answer):
    file = io.BytesIO(answer)
    with open_header(io.BytesIO(answer), ("PNG",)) as picture:
        picture.load()
        if is_truncated(picture, file):
            raise ValueError("cut off")
        return np.asarray(picture)
