"""Encode and write images and label maps.

Pillow's default PNG compression takes longer than everything else that prediction does
for an image outside the network.
"""

import io
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from keras_fcn.classes import ClassMap
from keras_fcn.storage.atomic import atomic_file

_JPEG_QUALITY = 90
_JPEG_MAX_SIDE = 65_500  # pixels, libjpeg's limit
_OPENCV_MAX_SIDE = 1_000_000  # pixels, the limit of OpenCV's PNG encoder
# The "up" filter and Huffman coding alone: for photographs the files are as small as
# with OpenCV's defaults, in 80 % of the time.
_PHOTOGRAPH = (
    *(cv2.IMWRITE_PNG_COMPRESSION, 1),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY),
)
# Comments that mark the outputs of a prediction, behind the parts that must be first:
# the header of a PNG, the first two bytes of a JPEG, the bracket of an object in JSON.
MARK = b"Software\0keras-fcn"


def _png_comment(text: bytes) -> bytes:
    chunk = b"tEXt" + text
    return struct.pack(">I", len(text)) + chunk + struct.pack(">I", zlib.crc32(chunk))


_PNG_HEADER = 33  # bytes, behind which a comment may stand
_JPEG_MARK = b"\xff\xfe" + struct.pack(">H", 2 + len(MARK)) + MARK
_JSON_MARK = b'"generator": "keras-fcn", '
_MARKS = {
    b"\x89PNG": (_PNG_HEADER, _png_comment(MARK)),
    b"\xff\xd8": (2, _JPEG_MARK),
    b"{": (1, _JSON_MARK),
}
_NPY = b"\x93NUMPY"  # readers ignore what follows the array


def encode_label_map(label_map: np.ndarray, class_map: ClassMap) -> bytes:
    """Encode a label map as a palette PNG whose pixel values are the class ids.

    Args:
        label_map: integer `(height, width)`, ids up to 255.
        class_map: the colors of the palette.
    """
    return _encode_palette(label_map.astype("uint8"), class_map.palette())


def encode_stored_labels(label_map: np.ndarray, class_map: ClassMap) -> bytes:
    """Encode a label map as a PNG of the values that the label files of the user store.

    Args:
        label_map: integer `(height, width)`, ids up to 255.
        class_map: the stored values.

    Returns:
        A palette PNG of ids up to 255, a gray one of 16 bits of others, or an RGB one.

    Raises:
        ValueError: if the stored values are not known.
    """
    table = class_map.stored_table()
    values = table[label_map]
    if values.ndim == 3:
        return encode_png(values)
    if table.max() > 255:
        return cv2.imencode(".png", values)[1].tobytes()
    palette = np.zeros((256, 3), dtype="uint8")
    palette[table] = class_map.palette()
    return _encode_palette(values.astype("uint8"), palette)


def encode_png(image: np.ndarray) -> bytes:
    """Encode an image as PNG.

    OpenCV takes a tenth of Pillow's time; its files are 10 % larger.

    Args:
        image: uint8, RGB `(height, width, 3)` or gray `(height, width)`.
    """
    return _encode_png(image, ())


def encode_photograph(image: np.ndarray) -> bytes:
    """Encode an image with few regions of constant color as PNG.

    Args:
        image: uint8 RGB `(height, width, 3)`.
    """
    return _encode_png(image, _PHOTOGRAPH)


def encode_jpeg(image: np.ndarray) -> bytes:
    """Encode an image as JPEG of quality 90.

    Args:
        image: uint8 RGB `(height, width, 3)`.

    Raises:
        ValueError: if a side is longer than 65,500 pixels.
    """
    if max(image.shape) > _JPEG_MAX_SIDE:
        raise ValueError(
            f"A JPEG has at most {_JPEG_MAX_SIDE} pixels a side. "
            f"Received: {image.shape[1]}x{image.shape[0]}"
        )
    settings = (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, settings)[1].tobytes()


def write_png(path: Path, image: np.ndarray, command: str | None = None) -> None:
    """Write an image as PNG; the file appears whole or not at all.

    Args:
        path: the file; ends in `.png`.
        image: uint8, RGB `(height, width, 3)` or gray `(height, width)`.
        command: name of the command, by which it recognizes the file as its own.
    """
    content = encode_png(image)
    if command is not None:
        comment = _png_comment(b"Software\0keras-fcn " + command.encode())
        content = content[:_PNG_HEADER] + comment + content[_PNG_HEADER:]
    write_content(path, content)


def write_label_map(path: Path, label_map: np.ndarray, class_map: ClassMap) -> None:
    """Write a label map as the palette PNG of `encode_label_map`.

    Args:
        path: the file; ends in `.png`.
        label_map: integer `(height, width)`, ids up to 255.
        class_map: the colors of the palette.
    """
    write_content(path, encode_label_map(label_map, class_map))


def marked(content: bytes) -> bytes:
    """Mark a file as an output of a prediction.

    Args:
        content: a PNG, JPEG, NPY or JSON file (an object that is not empty); other
            content is returned unchanged.
    """
    if content.startswith(_NPY):
        return content + MARK
    for start, (place, mark) in _MARKS.items():
        if content.startswith(start):
            return content[:place] + mark + content[place:]
    return content


def is_marked(path: Path) -> bool:
    """Return whether a file was marked by `marked`.

    Args:
        path: the file.
    """
    with path.open("rb") as file:
        start = file.read(128)
        if start.startswith(_NPY):
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - len(MARK), 0))
            return file.read() == MARK
    return any(start[place:].startswith(mark) for place, mark in _MARKS.values())


def write_content(path: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all.

    Args:
        path: the file, in an existing folder.
        content: all bytes of the file.
    """
    with atomic_file(path) as part:
        part.write_bytes(content)


def _encode_palette(values: np.ndarray, palette: np.ndarray) -> bytes:
    image = Image.fromarray(values)
    image.putpalette(palette.tobytes())
    file = io.BytesIO()
    # Label maps consist of constant regions: run-length coding is as small, and faster.
    image.save(file, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return file.getvalue()


def _encode_png(image: np.ndarray, settings: Sequence[int]) -> bytes:
    if max(image.shape) > _OPENCV_MAX_SIDE:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        return file.getvalue()
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", image, settings)[1].tobytes()
