"""Read label maps without any change of values: values, colors, palettes, shapes."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib.format import open_memmap

from keras_fcn.config import MAX_IMAGE_PIXELS
from keras_fcn.datasets.folder.labels.class_table import WIDE_VOID
from keras_fcn.datasets.folder.labels.image_shapes import (
    BACKGROUND,
    draw_shapes,
    is_shapes_file,
)
from keras_fcn.datasets.folder.labels.shapes import CocoLabel, draw_coco
from keras_fcn.datasets.folder.labels.yolo import YoloLabel, draw_yolo
from keras_fcn.images.frames import check_pages
from keras_fcn.images.opening import check_pixels
from keras_fcn.images.reading import UnreadableImage, read_label_image
from keras_fcn.storage.regular_files import check_is_regular

_SAMPLE_FORMAT = 339  # tag of TIFF: 2 is signed, 3 floating point


class MaskSet(NamedTuple):
    """Several masks of one image.

    Attributes:
        paths: the files; pixels of a mask are not 0.
        classes: class of each mask, later ones are drawn over earlier ones; None if
            the label map has the largest of the values that the files have at a pixel.
    """

    paths: tuple[str, ...]
    classes: tuple[str, ...] | None = None

    def __str__(self):
        return f"{self.paths[0]} (and {len(self.paths) - 1} masks)"


AnyLabel = str | CocoLabel | MaskSet | YoloLabel


@dataclass(frozen=True)
class StoredLabels:
    """The content of a label file.

    Attributes:
        values: integer `(height, width)`, gray values, ids or palette indices, or
            uint8 RGB `(height, width, 3)`.
        palette: uint8 RGB `(256, 3)` of a palette file; None for other files.
        is_lossy: whether the file's compression changes values: JPEG and lossy WebP.
    """

    values: np.ndarray
    palette: np.ndarray | None = None
    is_lossy: bool = False


def read_stored(
    label: AnyLabel, class_values: dict[str, int], max_pixels: int
) -> StoredLabels:
    """Read the label map of a sample, or draw its shapes.

    Args:
        label: path of a label map or of a labelme file, annotations of a COCO file,
            polygons of a YOLO file, or several masks.
        class_values: value of each label of labelme files and of masks of classes.
        max_pixels: largest number of pixels that the label map may have.

    Raises:
        ValueError: if it can't be read, or has values that are not ids.
    """
    if isinstance(label, MaskSet):
        return StoredLabels(_join_masks(label, class_values, max_pixels))
    if isinstance(label, YoloLabel):
        return StoredLabels(draw_yolo(label, class_values[BACKGROUND], max_pixels))
    if not isinstance(label, str):
        return StoredLabels(draw_coco(label, max_pixels))
    if is_shapes_file(label):
        return StoredLabels(draw_shapes(Path(label), class_values, max_pixels))
    return read_labels(Path(label), max_pixels)


def _join_masks(masks, class_values, max_pixels):
    """One label map of several masks, int32 `(height, width)`."""
    joined: np.ndarray | None = None
    for index, path in enumerate(masks.paths):
        values = read_labels(Path(path), max_pixels).values
        values = values[..., 0] if values.ndim == 3 else values
        if joined is None:
            background = 0 if masks.classes is None else class_values[BACKGROUND]
            joined = np.full(values.shape, background, dtype="int32")
        elif joined.shape != values.shape:
            raise ValueError(f"has masks of several sizes: {masks.paths[0]} and {path}")
        if masks.classes is None:
            joined = np.maximum(joined, values)
        elif len(found := np.unique(values)) > 2:
            shown = ", ".join(map(str, found[:4]))
            raise ValueError(
                f"must be black and white masks. Received: {path}, {shown}"
            )
        elif masks.classes[index] not in class_values:
            raise ValueError(f"has the label {masks.classes[index]}, which is no class")
        else:
            joined[values > 0] = class_values[masks.classes[index]]
    return joined


def read_labels(path: Path, max_pixels: int = MAX_IMAGE_PIXELS) -> StoredLabels:
    """Read a label map.

    Args:
        path: an image file, or `.npy`.
        max_pixels: largest number of pixels that it may have.

    Raises:
        UnreadableImage: if the file can't be read.
        ValueError: if a value is negative, fractional or above 65535, which no id is.
    """
    path = Path(path)
    if path.suffix.lower() == ".npy":
        return StoredLabels(_to_ids(_read_array(path, max_pixels)))
    check_pages(path, max_pixels)
    image = read_label_image(path, max_pixels)
    is_lossy = image.format == "JPEG" or (
        image.format == "WEBP" and not _is_lossless_webp(path)
    )
    if image.mode == "1":
        return StoredLabels(np.asarray(image).astype("uint8"))  # 0 and 1
    if image.mode in ("P", "PA"):
        # A palette may have fewer than 256 colors; indices beyond it become black.
        palette = np.zeros((256, 3), dtype="uint8")
        colors = np.asarray(image.getpalette("RGB"), dtype="uint8").reshape(-1, 3)
        palette[: len(colors)] = colors
        return StoredLabels(np.asarray(image.getchannel(0)), palette)
    if image.mode in ("L", "LA", "La"):
        values = np.asarray(image.getchannel(0))
        tags = getattr(image, "tag_v2", {})
        if 2 in tuple(np.atleast_1d(tags.get(_SAMPLE_FORMAT, 1))):
            values = values.view("int8")  # Pillow reads signed values as unsigned
        return StoredLabels(_to_ids(values), is_lossy=is_lossy)
    if image.mode == "F" or image.mode.startswith("I"):
        return StoredLabels(_to_ids(np.asarray(image)))
    return StoredLabels(np.asarray(image.convert("RGB")), is_lossy=is_lossy)


def _is_lossless_webp(path):
    content, at = path.read_bytes(), 12  # after RIFF, the length and WEBP
    while at + 8 <= len(content) and content[at : at + 4] not in (b"VP8 ", b"ANMF"):
        if content[at : at + 4] == b"VP8L":
            return True
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        at += 8 + size + size % 2  # chunks are padded
    return False


def _read_array(path, max_pixels):
    """An array of `(height, width)`, or uint8 RGB `(height, width, 3)`."""
    check_is_regular(path)
    try:
        # The header is checked first: it may announce more than memory can hold.
        header = open_memmap(path, mode="r")
        if header.offset + header.nbytes != path.stat().st_size:
            raise ValueError("its size is not the one in its header")
        # Without the axis of the colors, which is the shortest of three.
        check_pixels(path, (1, math.prod(sorted(header.shape)[-2:])), max_pixels)
        array = np.load(path, allow_pickle=False)
    except UnreadableImage:
        raise
    except Exception as error:  # of any class: NumPy evaluates the header as Python
        raise UnreadableImage(f"{path} can't be read as an array ({error})") from error
    # (H, W, 1) and (1, H, W) are common exports of masks.
    if array.ndim == 3 and 1 in (array.shape[0], array.shape[-1]):
        array = array.squeeze(-1 if array.shape[-1] == 1 else 0)
    is_color = array.ndim == 3 and array.shape[-1] == 3 and array.dtype == np.uint8
    if not (array.ndim == 2 or is_color) or array.dtype.kind not in "biuf":
        raise ValueError(
            "must be an array (height, width) of integers. Received: "
            f"{array.dtype} {array.shape}"
        )
    return array.astype("uint8") if array.dtype == bool else array


def _to_ids(values):
    """Values as integers; refuses negative, fractional and large ones."""
    if values.ndim == 3 or values.dtype in (np.uint8, np.uint16):
        return values
    is_wrong = np.zeros(values.shape, dtype=bool)
    if values.dtype.kind == "f":
        is_wrong = ~np.isfinite(values) | (values != np.floor(values))
    for what, wrong in (
        ("values that are not integers", values[is_wrong]),
        ("negative values", values[values < 0]),
        (f"values above {WIDE_VOID}", values[values > WIDE_VOID]),
    ):
        if wrong.size:
            shown = ", ".join(f"{value:g}" for value in np.unique(wrong)[:3])
            raise ValueError(f"has {what}: {shown} ({wrong.size} pixels)")
    return values.astype("int32")
