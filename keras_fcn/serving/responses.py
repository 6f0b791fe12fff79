"""Limits and checks of what a server responds with.

A server is untrusted input: it may be another than the user meant, broken or hostile.
At most as many bytes are read as the request can need, and a PNG's header is checked
before it is decoded.
"""

import io
from collections.abc import Sequence

import numpy as np

from keras_fcn.errors import one_line
from keras_fcn.images.opening import is_truncated, open_header
from keras_fcn.serving.errors import ServerError
from keras_fcn.typing import Size

# Outputs of a signature: PNGs of each image, the first of which is the label map.
LABELS = ("label_png_bytes",)
LABELS_AND_CONFIDENCE = ("label_png_bytes", "confidence_png_bytes")
_OVERHEAD_BYTES = 8 * 2**20  # for all but the PNGs, and for error messages


def signature_of(outputs: Sequence[str]) -> str:
    """Return the name of the signature that has these outputs.

    Args:
        outputs: `LABELS` or `LABELS_AND_CONFIDENCE`.
    """
    return "confidence" if outputs == LABELS_AND_CONFIDENCE else "serving_default"


def max_response_bytes(images: Sequence[bytes], num_outputs: int = 1) -> int:
    """Return the most bytes that the outputs of some images can have, as base64.

    Args:
        images: PNG or JPEG files.
        num_outputs: gray PNGs of each image's own size.
    """
    total = _OVERHEAD_BYTES
    for image in images:
        with open_header(io.BytesIO(image), ("PNG", "JPEG")) as header:
            width, height = header.size
        # Incompressible rows: a filter byte and zlib's blocks take less than 8 bytes.
        total += num_outputs * ((width + 8) * height * 4 // 3)
    return total


def read_label_map(png: bytes, size: Size, name: object) -> np.ndarray:
    """Decode the label map of an image.

    Args:
        png: a gray 8-bit PNG.
        size: expected height and width; a PNG of another size is not decoded.
        name: the image, for the error message.

    Returns:
        Class ids, uint8 `(height, width)`.

    Raises:
        ServerError: if it is not such a PNG, is damaged or truncated, or has another
            size.
    """
    try:
        with open_header(io.BytesIO(png), ("PNG",)) as header:
            width, height = header.size
            if header.mode != "L":
                received = f"a PNG of mode {header.mode}"
            elif (height, width) != size:
                received = f"{(height, width)}"
            else:
                header.load()
                if not is_truncated(header, io.BytesIO(png)):
                    return np.asarray(header)
                received = "a truncated PNG"
    except Exception as error:  # Pillow's decoders raise errors of many kinds
        received = f"{len(png)} bytes ({one_line(error)})"
    raise ServerError(
        f"The label map of {name}: expected a gray 8-bit PNG of the image's size, "
        f"{size}, got {received}"
    )
