"""Draw predictions over images, with contours and a legend.

Overlays use other colors than label files: dark class colors disappear on a
photograph, and similar ones are confused with each other.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw

from keras_fcn.classes import ClassMap
from keras_fcn.drawing.text import text_font
from keras_fcn.typing import Size

INK, PAPER = (32, 32, 32), (255, 255, 255)
TEXT_SIZE, LINE_HEIGHT = 14, 22  # pixels, at scale 1
_SHORT_SIDE = 480  # pixels; larger images get larger legends and contours
_MIN_WIDTH = 160  # pixels, of an image with a legend
_MIN_LIGHTNESS, _MIN_DISTANCE = 60, 30  # in CIELAB
_BACKGROUND = frozenset({"background", "_background_", "__background__", "bg"})
# Of CamVid and Cityscapes: in their scenes nearly every pixel belongs to a region.
_STREET = frozenset(
    "sky building pole road pavement sidewalk tree vegetation sign fence car "
    "pedestrian bicyclist person rider wall terrain truck bus train motorcycle "
    "bicycle".split()
) | {"traffic sign", "traffic light"}


@dataclass(frozen=True)
class OverlayStyle:
    """Options of `overlay_with_legend`.

    Attributes:
        opacity: weight of the class colors, 0 to 1.
        contours: draw the borders between regions; None as `has_contours` decides.
        legend: add a legend of the predicted classes below the image.
    """

    opacity: float = 0.5
    contours: bool | None = None
    legend: bool = True


def has_contours(class_map: ClassMap) -> bool:
    """Return whether overlays have contours by default.

    Args:
        class_map: the classes; in street scenes, where half of them or more are classes
            of CamVid or Cityscapes, contours hide small objects.
    """
    num_street = sum(name.lower() in _STREET for name in class_map.names)
    return num_street < class_map.num_classes / 2


def untinted_ids(class_map: ClassMap) -> list[int]:
    """Return the ids whose pixels an overlay does not change: void and background.

    Args:
        class_map: the classes; one with a name such as "background" is the background.
    """
    names = enumerate(class_map.names)
    found = [index for index, name in names if name.lower() in _BACKGROUND]
    return [*found, class_map.void_id]


@lru_cache
def overlay_palette(class_map: ClassMap) -> np.ndarray:
    """Return light class colors that are easy to distinguish.

    Each class keeps its own color, lightened if it is dark. If the result is too
    similar to the color of an earlier class, the class gets the candidate color that
    is farthest from those of all earlier classes, in CIELAB.

    Args:
        class_map: the classes and their own colors.

    Returns:
        uint8 RGB `(256, 3)`, indexed by class id; read-only.
    """
    candidates = _candidate_colors()
    candidates_lab = _to_lab(candidates)
    palette, taken = class_map.palette(), np.empty((0, 3), dtype="float32")
    for index, own_color in enumerate(class_map.colors):
        color = _lighten(np.array(own_color, dtype="float32"))
        lab = _to_lab(color[None])
        if len(taken) and np.linalg.norm(taken - lab, axis=1).min() < _MIN_DISTANCE:
            distances = np.linalg.norm(candidates_lab[:, None] - taken, axis=2)
            farthest = distances.min(axis=1).argmax()
            color, lab = candidates[farthest], candidates_lab[farthest : farthest + 1]
        palette[index] = color.round()
        taken = np.concatenate([taken, lab])
    palette.setflags(write=False)  # all callers share the cached array
    return palette


def overlay(
    image: np.ndarray,
    label_map: np.ndarray,
    class_map: ClassMap,
    opacity: float = 0.5,
    contours: bool | None = None,
) -> np.ndarray:
    """Blend an image with the colors of its classes.

    Args:
        image: uint8 RGB `(height, width, 3)`.
        label_map: integer `(height, width)`.
        class_map: the classes.
        opacity: weight of the colors, 0 to 1; pixels of void and of a background class
            are not changed.
        contours: draw the borders between regions in full color; `has_contours` when
            None.

    Returns:
        uint8 RGB `(height, width, 3)`.
    """
    colors = overlay_palette(class_map).take(label_map, axis=0)  # (H, W, 3)
    blended = cv2.addWeighted(image, 1 - opacity, colors, opacity, 0)
    if has_contours(class_map) if contours is None else contours:
        lines = _borders(label_map, round(legend_scale(label_map.shape)))
        np.copyto(blended, colors, where=lines[..., None])
    for class_id in untinted_ids(class_map):
        is_class = label_map == class_id
        if is_class.any():
            np.copyto(blended, image, where=is_class[..., None])
    return blended


def overlay_with_legend(
    image: np.ndarray,
    label_map: np.ndarray,
    class_map: ClassMap,
    style: OverlayStyle | None = None,
) -> np.ndarray:
    """Draw an overlay with a legend of its classes below.

    Args:
        image: uint8 RGB `(height, width, 3)`.
        label_map: integer `(height, width)`.
        class_map: names and colors.
        style: opacity, contours and legend; the defaults of `OverlayStyle` when None.

    Returns:
        uint8 RGB, higher than the image by the legend. It lists the classes that occur,
        each with its color of `overlay_palette`, and the text grows with the image.
        Images narrower than 160 pixels are padded with white.
    """
    style = style or OverlayStyle()
    blended = overlay(image, label_map, class_map, style.opacity, style.contours)
    if not style.legend:
        return blended
    width = max(blended.shape[1], _MIN_WIDTH)
    ids = np.flatnonzero(np.bincount(label_map.ravel())).tolist()
    names = overlay_legend(class_map, ids, width, legend_scale(label_map.shape))
    if missing := width - blended.shape[1]:
        padding = ((0, 0), (0, missing), (0, 0))
        blended = np.pad(blended, padding, constant_values=255)
    return np.concatenate([blended, names])


def overlay_legend(
    class_map: ClassMap, ids: Iterable[int], width: int, scale: float = 1.0
) -> np.ndarray:
    """Draw the legend of an overlay; classes that are not tinted have empty swatches.

    Args:
        class_map: names and colors.
        ids: class ids; may include void's.
        width: width of the legend, pixels.
        scale: as for `legend`.

    Returns:
        uint8 RGB `(height, width, 3)`.
    """
    colors = overlay_palette(class_map).copy()
    colors[untinted_ids(class_map)] = PAPER
    return legend(class_map, ids, width, colors, scale)


def legend_scale(size: Size) -> float:
    """Return the scale of the legend of an image.

    Args:
        size: height and width of the image, pixels.

    Returns:
        1 for shorter sides up to 480 pixels, proportional to the shorter side above.
    """
    return max(1.0, min(size) / _SHORT_SIDE)


def legend(
    class_map: ClassMap,
    ids: Iterable[int],
    width: int,
    colors: np.ndarray | None = None,
    scale: float = 1.0,
) -> np.ndarray:
    """Draw a swatch and the name of each class, in as many lines as needed.

    Args:
        class_map: names and colors.
        ids: class ids; may include void's.
        width: width of the legend, pixels.
        colors: uint8 RGB `(256, 3)`; `overlay_palette(class_map)` when None.
        scale: size of text and swatches; 1 for text of 14 pixels.

    Returns:
        uint8 RGB `(height, width, 3)`.
    """
    line_height = round(LINE_HEIGHT * scale)
    left = round(4 * scale)
    entries, x, line = [], left, 0
    for class_id in ids:
        name = "void" if class_id == class_map.void_id else class_map.names[class_id]
        font = text_font(name, TEXT_SIZE * scale)
        advance = round(34 * scale + font.getlength(name))
        if x > left and x + advance > width:
            x, line = left, line + 1
        entries.append((x, line * line_height, name, class_id, font))
        x += advance
    height = (line + 1) * line_height + round(2 * scale)
    image = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(image)
    colors = overlay_palette(class_map) if colors is None else colors
    for x, y, name, class_id, font in entries:
        red, green, blue = (int(channel) for channel in colors[class_id])
        top, bottom = round(y + 5 * scale), round(y + 19 * scale)
        box = (x, top, round(x + 14 * scale), bottom)
        draw.rectangle(box, (red, green, blue), INK, max(1, round(scale)))
        text_at = (x + round(20 * scale), y + round(3 * scale))
        draw.text(text_at, name, font=font, fill=INK)
    return np.asarray(image)


def _borders(label_map: np.ndarray, thickness: int) -> np.ndarray:
    """Mask of the pixels on both sides of the borders between regions."""
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    differs = cv2.morphologyEx(label_map.astype("uint8"), cv2.MORPH_GRADIENT, cross)
    if thickness > 1:
        differs = cv2.dilate(differs, np.ones((thickness, thickness), dtype="uint8"))
    return differs > 0


def _candidate_colors() -> np.ndarray:
    """Light colors of 30 hues, float32 RGB `(90, 3)`."""
    hues = np.arange(0, 180, 6)  # OpenCV's unit: two degrees
    grid = [
        np.stack([hues, np.full(30, saturation), np.full(30, value)], axis=-1)
        for saturation, value in ((255, 255), (130, 255), (255, 190))
    ]
    rgb = cv2.cvtColor(np.array(grid, dtype="uint8"), cv2.COLOR_HSV2RGB).reshape(-1, 3)
    return np.stack([_lighten(color.astype("float32")) for color in rgb])


def _lighten(color: np.ndarray) -> np.ndarray:
    """Scale a color up, then mix it with white, until it reaches the lightness."""
    color = np.maximum(color, 1)  # black could not be scaled
    while _to_lab(color[None])[0, 0] < _MIN_LIGHTNESS:
        if color.max() < 255:
            color = np.minimum(color * 1.1, color * (255 / color.max()))
        else:
            color = color + 0.1 * (255 - color)
    return color


def _to_lab(colors: np.ndarray) -> np.ndarray:
    """CIELAB of RGB colors in [0, 255], `(n, 3)`."""
    return cv2.cvtColor((colors / 255).astype("float32")[None], cv2.COLOR_RGB2LAB)[0]
