"""Label maps as pictures: colours, panels, confusion matrices.

Pictures are uint8 RGB arrays; nothing here needs a display.
"""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keras_fcn.classes import ClassMap
from keras_fcn.drawing.overlays import legend, overlay

_TEXT_SIZE = 14
_LINE = 22  # pixels from one line of text to the next
_LARGEST_VIEW = 640  # pixels, height and width, in a panel
_INK, _PAPER = (32, 32, 32), (255, 255, 255)


def colorize(label_map: np.ndarray, class_map: ClassMap) -> np.ndarray:
    """Give each pixel the colour of its class.

    Args:
        label_map: integer `(height, width)`, ids in [0, 255]; an id that no class
            has is drawn as void.
        class_map: the colours.

    Returns:
        uint8 RGB `(height, width, 3)`.
    """
    return class_map.palette()[label_map]


def error_map(
    label_map: np.ndarray, prediction: np.ndarray, class_map: ClassMap
) -> np.ndarray:
    """Show where a prediction is wrong: red; right is light grey, void black.

    Args:
        label_map: integer `(height, width)`, the truth.
        prediction: integer `(height, width)`.
        class_map: says which id is void.

    Returns:
        uint8 RGB `(height, width, 3)`.
    """
    picture = np.full((*label_map.shape, 3), 225, dtype="uint8")
    picture[prediction != label_map] = (214, 39, 40)
    picture[label_map == class_map.void_id] = 0
    return picture


def label_panel(
    title: str, image: np.ndarray, label_map: np.ndarray, class_map: ClassMap
) -> np.ndarray:
    """Draw image | labels | overlay side by side, with the classes found named below.

    Pictures of more than 640 pixels are drawn smaller, by leaving out pixels.

    Args:
        title: stands above.
        image: uint8 RGB `(height, width, 3)`.
        label_map: integer `(height, width)`.
        class_map: names and colours.
    """
    ids = np.unique(label_map).tolist()
    step = math.ceil(max(label_map.shape) / _LARGEST_VIEW)
    image, label_map = image[::step, ::step], label_map[::step, ::step]
    views = [
        image,
        colorize(label_map, class_map),
        overlay(image, label_map, class_map, palette=class_map.palette()),
    ]
    panel = np.concatenate(views, axis=1)
    panel = _pad_width(panel, max(panel.shape[1], 320))
    return _stack(
        [_title(title, panel.shape[1]), panel, legend(class_map, ids, panel.shape[1])]
    )


def sample_panel(
    image: np.ndarray,
    label_map: np.ndarray,
    prediction: np.ndarray,
    class_map: ClassMap,
) -> np.ndarray:
    """Draw image | truth | prediction | error side by side, with a legend below.

    Pictures of more than 640 pixels are drawn smaller, by leaving out pixels.

    Args:
        image: uint8 RGB `(height, width, 3)`.
        label_map: integer `(height, width)`, the truth.
        prediction: integer `(height, width)`.
        class_map: names and colours.
    """
    step = math.ceil(max(label_map.shape) / _LARGEST_VIEW)
    image, label_map, prediction = (
        array[::step, ::step] for array in (image, label_map, prediction)
    )
    columns = {
        "image": image,
        "truth": colorize(label_map, class_map),
        "prediction": colorize(prediction, class_map),
        "error": error_map(label_map, prediction, class_map),
    }
    panel = np.concatenate(
        [_stack([_title(name, view.shape[1]), view]) for name, view in columns.items()],
        axis=1,
    )
    ids = [*range(class_map.num_classes), class_map.void_id]
    return _stack([panel, legend(class_map, ids, panel.shape[1])])


def stack_panels(panels: list[np.ndarray]) -> np.ndarray:
    """Put panels below one another; narrower ones are filled up in white.

    Args:
        panels: uint8 RGB pictures of any size, at least one.

    Returns:
        uint8 RGB, as wide as the widest.
    """
    width = max(panel.shape[1] for panel in panels)
    return _stack([_pad_width(panel, width) for panel in panels])


def titled(title: str, picture: np.ndarray) -> np.ndarray:
    """Put a line of text above a picture.

    Args:
        title: the text; what is longer than the picture is cut off.
        picture: uint8 RGB `(height, width, 3)`.

    Returns:
        uint8 RGB, higher by a line.
    """
    return _stack([_title(title, picture.shape[1]), picture])


def film_strip(pictures: list[np.ndarray], num_columns: int = 3) -> np.ndarray:
    """Put pictures of one size into rows, from left to right and downwards.

    Args:
        pictures: uint8 RGB, at least one.
        num_columns: pictures in a row; the last row is filled up in white.

    Returns:
        uint8 RGB.
    """
    rows = [
        np.concatenate(pictures[first : first + num_columns], axis=1)
        for first in range(0, len(pictures), num_columns)
    ]
    return stack_panels(rows)


def confusion_matrix_picture(matrix: np.ndarray, class_map: ClassMap) -> np.ndarray:
    """Draw a confusion matrix: rows are the truth and add up to 100 %.

    Args:
        matrix: integer `(num_classes, num_classes)`, `[true, predicted]`.
        class_map: the names.

    Returns:
        uint8 RGB picture; a row of a class without pixels is empty.
    """
    font = ImageFont.load_default(_TEXT_SIZE)
    names, cell = class_map.names, 44
    margin = 16 + round(max(font.getlength(name) for name in names))
    side = margin + cell * len(names) + 8
    picture = Image.new("RGB", (side, side + _LINE), _PAPER)
    draw = ImageDraw.Draw(picture)
    draw.text(
        (8, side), "rows: truth, columns: prediction, in % of the row",
        font=font, fill=_INK,
    )  # fmt: skip
    total = matrix.sum(axis=1, keepdims=True)
    share = np.divide(matrix, total, out=np.zeros(matrix.shape), where=total > 0)
    for row, name in enumerate(names):
        y = margin + row * cell
        draw.text((margin - 8, y + cell // 2), name, font=font, fill=_INK, anchor="rm")
        _write_upwards(picture, (y, margin - 8), name, font, cell)
        for column in range(len(names)):
            if total[row] > 0:
                _draw_cell(draw, (margin + column * cell, y), cell, share[row, column])
    return np.asarray(picture)


def _draw_cell(draw, corner, cell, share):
    x, y = corner
    paleness = 1 - share
    color = tuple(round(255 * paleness + value * share) for value in (8, 48, 107))
    draw.rectangle((x, y, x + cell - 2, y + cell - 2), fill=color)
    if share >= 0.005:
        ink = _PAPER if share > 0.5 else _INK
        font = ImageFont.load_default(_TEXT_SIZE)
        middle = (x + cell // 2, y + cell // 2)
        draw.text(middle, f"{100 * share:.0f}", font=font, fill=ink, anchor="mm")


def _write_upwards(picture, corner, text, font, cell):
    """Write text that is read from below, ending at `corner` of a column."""
    x, bottom = corner
    length = round(font.getlength(text)) + 2
    strip = Image.new("RGB", (length, _LINE), _PAPER)
    ImageDraw.Draw(strip).text((0, 3), text, font=font, fill=_INK)
    strip = strip.rotate(90, expand=True)
    picture.paste(strip, (x + (cell - _LINE) // 2, bottom - length))


def _title(text, width):
    picture = Image.new("RGB", (width, _LINE), _PAPER)
    font = ImageFont.load_default(_TEXT_SIZE)
    ImageDraw.Draw(picture).text((4, 3), text, font=font, fill=_INK)
    return np.asarray(picture)


def _pad_width(picture, width):
    missing = width - picture.shape[1]
    return np.pad(picture, ((0, 0), (0, missing), (0, 0)), constant_values=255)


def _stack(pictures):
    return np.concatenate(pictures, axis=0)
