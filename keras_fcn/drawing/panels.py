"""Draw label maps, errors, image grids and confusion matrices as uint8 RGB arrays."""

import math

import numpy as np
from PIL import Image, ImageDraw

from keras_fcn.classes import ClassMap
from keras_fcn.drawing.overlays import (
    INK,
    LINE_HEIGHT,
    PAPER,
    TEXT_SIZE,
    legend,
    overlay,
    overlay_palette,
)
from keras_fcn.drawing.text import text_font

_MAX_SIDE = 640  # pixels, height and width of an image in a panel
_CELL = 44  # pixels, side of a cell of a confusion matrix


def colorize(label_map: np.ndarray, class_map: ClassMap) -> np.ndarray:
    """Return the class color of each pixel, the same as in overlays.

    Args:
        label_map: integer `(height, width)`, ids in [0, 255]; ids without a class get
            void's color.
        class_map: the classes; their colors are those of `overlay_palette`.

    Returns:
        uint8 RGB `(height, width, 3)`.
    """
    return overlay_palette(class_map)[label_map]


def error_map(
    label_map: np.ndarray, prediction: np.ndarray, class_map: ClassMap
) -> np.ndarray:
    """Draw wrong pixels red, correct ones light gray and void ones black.

    Args:
        label_map: integer `(height, width)`, the ground truth.
        prediction: integer `(height, width)`.
        class_map: defines the id of void.

    Returns:
        uint8 RGB `(height, width, 3)`.
    """
    errors = np.full((*label_map.shape, 3), 225, dtype="uint8")
    errors[prediction != label_map] = (214, 39, 40)
    errors[label_map == class_map.void_id] = 0
    return errors


def label_panel(
    title: str, image: np.ndarray, label_map: np.ndarray, class_map: ClassMap
) -> np.ndarray:
    """Draw image | labels | overlay side by side, with a legend of the classes below.

    Images of more than 640 pixels a side are subsampled.

    Args:
        title: text above the images.
        image: uint8 RGB `(height, width, 3)`.
        label_map: integer `(height, width)`.
        class_map: names and colors.
    """
    ids = np.unique(label_map).tolist()
    step = math.ceil(max(label_map.shape) / _MAX_SIDE)
    image, label_map = image[::step, ::step], label_map[::step, ::step]
    blended = overlay(image, label_map, class_map)
    views = np.concatenate([image, colorize(label_map, class_map), blended], axis=1)
    views = _pad_width(views, max(views.shape[1], 320))
    return np.concatenate(
        [titled(title, views), legend(class_map, ids, views.shape[1])]
    )


def sample_panel(
    image: np.ndarray,
    label_map: np.ndarray,
    prediction: np.ndarray,
    class_map: ClassMap,
) -> np.ndarray:
    """Draw image | truth | prediction | error side by side, with a legend below.

    The legend lists the classes that occur in the truth or the prediction.
    Images of more than 640 pixels a side are subsampled.

    Args:
        image: uint8 RGB `(height, width, 3)`.
        label_map: integer `(height, width)`, the ground truth.
        prediction: integer `(height, width)`.
        class_map: names and colors.
    """
    ids = np.union1d(label_map, prediction).tolist()
    step = math.ceil(max(label_map.shape) / _MAX_SIDE)
    image, label_map, prediction = (
        array[::step, ::step] for array in (image, label_map, prediction)
    )
    columns = {
        "image": image,
        "truth": colorize(label_map, class_map),
        "prediction": colorize(prediction, class_map),
        "error": error_map(label_map, prediction, class_map),
    }
    views = [titled(name, view) for name, view in columns.items()]
    panel = np.concatenate(views, axis=1)
    return np.concatenate([panel, legend(class_map, ids, panel.shape[1])])


def stack_panels(panels: list[np.ndarray]) -> np.ndarray:
    """Stack panels vertically, padded with white to the same width.

    Args:
        panels: uint8 RGB images of any size, at least one.

    Returns:
        uint8 RGB, as wide as the widest panel.
    """
    width = max(panel.shape[1] for panel in panels)
    return np.concatenate([_pad_width(panel, width) for panel in panels])


def titled(title: str, image: np.ndarray) -> np.ndarray:
    """Add a line of text above an image.

    Args:
        title: the text; it is clipped at the width of the image.
        image: uint8 RGB `(height, width, 3)`.

    Returns:
        uint8 RGB, higher by one line.
    """
    line = Image.new("RGB", (image.shape[1], LINE_HEIGHT), PAPER)
    font = text_font(title, TEXT_SIZE)
    ImageDraw.Draw(line).text((4, 3), title, font=font, fill=INK)
    return np.concatenate([np.asarray(line), image])


def image_grid(images: list[np.ndarray], num_columns: int = 3) -> np.ndarray:
    """Arrange images of one size in rows.

    Args:
        images: uint8 RGB, at least one.
        num_columns: images in a row; the last row is padded with white.

    Returns:
        uint8 RGB.
    """
    rows = [
        np.concatenate(images[first : first + num_columns], axis=1)
        for first in range(0, len(images), num_columns)
    ]
    return stack_panels(rows)


def draw_confusion_matrix(matrix: np.ndarray, class_map: ClassMap) -> np.ndarray:
    """Draw a confusion matrix, normalized by row.

    Args:
        matrix: integer `(num_classes, num_classes)`, `[true, predicted]`.
        class_map: the names.

    Returns:
        uint8 RGB; rows of classes without pixels are empty.
    """
    names = class_map.names
    fonts = [text_font(name, TEXT_SIZE) for name in names]
    lengths = [font.getlength(name) for font, name in zip(fonts, names, strict=True)]
    margin = 16 + round(max(lengths))
    side = margin + _CELL * len(names) + 8
    caption = "rows: truth, columns: prediction, in % of the row"
    caption_font = text_font(caption, TEXT_SIZE)
    width = max(side, 16 + round(caption_font.getlength(caption)))  # of few classes
    image = Image.new("RGB", (width, side + LINE_HEIGHT), PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((8, side), caption, font=caption_font, fill=INK)
    total = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, total, out=np.zeros(matrix.shape), where=total > 0)
    for row, (name, font) in enumerate(zip(names, fonts, strict=True)):
        y = margin + row * _CELL
        draw.text((margin - 8, y + _CELL // 2), name, font=font, fill=INK, anchor="rm")
        # The name of the column, rotated to read upwards, ends above its cells.
        length = round(font.getlength(name)) + 2
        label = Image.new("RGB", (length, LINE_HEIGHT), PAPER)
        ImageDraw.Draw(label).text((0, 3), name, font=font, fill=INK)
        corner = (y + (_CELL - LINE_HEIGHT) // 2, margin - 8 - length)
        image.paste(label.rotate(90, expand=True), corner)
        if total[row] > 0:
            for column, share in enumerate(shares[row].tolist()):
                _draw_cell(draw, margin + column * _CELL, y, share)
    return np.asarray(image)


def _draw_cell(draw: ImageDraw.ImageDraw, x: int, y: int, share: float) -> None:
    """Draw a cell in a shade from white to dark blue, with the share as a number."""
    red, green, blue = (round(255 + (value - 255) * share) for value in (8, 48, 107))
    draw.rectangle((x, y, x + _CELL - 2, y + _CELL - 2), fill=(red, green, blue))
    if share >= 0.005:  # would be printed as 0
        percent = f"{100 * share:.0f}"
        font = text_font(percent, TEXT_SIZE)
        middle = (x + _CELL // 2, y + _CELL // 2)
        ink = PAPER if share > 0.5 else INK
        draw.text(middle, percent, font=font, fill=ink, anchor="mm")


def _pad_width(image: np.ndarray, width: int) -> np.ndarray:
    padding = ((0, 0), (0, width - image.shape[1]), (0, 0))
    return np.pad(image, padding, constant_values=255)
