"""Images under the colours of their classes, with contours and a legend.

An overlay's colours are not always those of the classes: on a photograph dark colours
vanish, and near ones are taken for each other. Label files keep the classes' own.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keras_fcn.classes import ClassMap
from keras_fcn.typing import Color, Size

_INK, _PAPER = (32, 32, 32), (255, 255, 255)
_TEXT_SIZE, _LINE = 14, 22  # pixels, of a legend at scale 1
_SHORT_SIDE = 480  # pixels; pictures of more get larger legends and contours
_NARROWEST = 160  # pixels, of a picture with a legend
_LEAST_LIGHTNESS, _LEAST_DISTANCE = 60, 30  # in CIELAB
_SAMPLE = 50_000  # pixels that a swatch's colour is taken from


@dataclass(frozen=True)
class OverlayStyle:
    """How an overlay looks.

    Attributes:
        opacity: share of the classes' colours, 0 to 1.
        contours: draw the borders of the regions.
        legend: name the classes that are found below the image.
    """

    opacity: float = 0.5
    contours: bool = False
    legend: bool = True


@lru_cache
def overlay_palette(class_map: ClassMap) -> np.ndarray:
    """Return colours that are light, and far from each other.

    A class keeps its own, made lighter where it is dark, unless it is near to that of a
    class before it; then it gets the one that is farthest from all before it.

    Args:
        class_map: the classes' own colours.

    Returns:
        uint8 RGB `(256, 3)`, as `ClassMap.palette`.
    """
    candidates = _candidates()
    candidates_lab = _to_lab(candidates)
    palette, taken = class_map.palette(), np.empty((0, 3), dtype="float32")
    for index, color in enumerate(class_map.colors):
        color = _lighten(np.array(color, dtype="float32"))
        lab = _to_lab(color[None])
        if len(taken) and np.linalg.norm(taken - lab, axis=1).min() < _LEAST_DISTANCE:
            distances = np.linalg.norm(candidates_lab[:, None] - taken, axis=2)
            farthest = distances.min(axis=1).argmax()
            color, lab = candidates[farthest], candidates_lab[farthest : farthest + 1]
        palette[index] = color.round()
        taken = np.concatenate([taken, lab])
    palette.setflags(write=False)  # it is kept for the next call
    return palette


def overlay(
    image: np.ndarray,
    label_map: np.ndarray,
    class_map: ClassMap,
    opacity: float = 0.5,
    contours: bool = False,
    palette: np.ndarray | None = None,
) -> np.ndarray:
    """Lay colours of the classes over an image.

    Args:
        image: uint8 RGB `(height, width, 3)`.
        label_map: integer `(height, width)`.
        class_map: the classes.
        opacity: share of the colour, 0 to 1; void stays as it is.
        contours: draw the borders of the regions in full colour.
        palette: uint8 RGB `(256, 3)`; that of `overlay_palette` when None.

    Returns:
        uint8 RGB `(height, width, 3)`.
    """
    palette = overlay_palette(class_map) if palette is None else palette
    colors = palette.take(label_map, axis=0)  # (H, W, 3)
    blended = cv2.addWeighted(image, 1 - opacity, colors, opacity, 0)
    if contours:
        lines = _borders(label_map, round(legend_scale(label_map.shape)))
        np.copyto(blended, colors, where=lines[..., None])
    is_void = label_map == class_map.void_id
    if is_void.any():
        np.copyto(blended, image, where=is_void[..., None])
    return blended


def overlay_with_legend(
    image: np.ndarray,
    label_map: np.ndarray,
    class_map: ClassMap,
    style: OverlayStyle = OverlayStyle(),  # noqa: B008 (frozen)
) -> np.ndarray:
    """Overlay of an image with the classes found in it named below.

    Args:
        image: uint8 RGB `(height, width, 3)`.
        label_map: integer `(height, width)`.
        class_map: names and colours.
        style: how it looks; without a legend it is `overlay`.

    Returns:
        uint8 RGB, higher than the image by the legend, whose text grows with the image
        and whose swatches are the mean colours of the classes in the overlay; an image
        narrower than 160 pixels is filled up to that in white.
    """
    picture = overlay(image, label_map, class_map, style.opacity, style.contours)
    if not style.legend:
        return picture
    colors = _mean_colors(picture, label_map)
    width = max(picture.shape[1], _NARROWEST)
    names = legend(class_map, colors, width, colors, legend_scale(label_map.shape))
    missing = width - picture.shape[1]
    picture = np.pad(picture, ((0, 0), (0, missing), (0, 0)), constant_values=255)
    return np.concatenate([picture, names], axis=0)


def legend_scale(size: Size) -> float:
    """Return how much larger than usual a legend is below a picture.

    Args:
        size: height and width of the picture.

    Returns:
        1 for pictures whose shorter side is up to 480 pixels.
    """
    return max(1.0, min(size) / _SHORT_SIDE)


def legend(
    class_map: ClassMap,
    ids: Iterable[int],
    width: int,
    colors: dict[int, Color] | np.ndarray | None = None,
    scale: float = 1.0,
) -> np.ndarray:
    """Draw a swatch and the name of each class, in as many lines as the width asks for.

    Args:
        class_map: names and colours.
        ids: class ids, void's among them or not.
        width: width of the picture, pixels.
        colors: the swatches' colours by id; the classes' own when None.
        scale: size of text and swatches, 1 for text of 14 pixels.

    Returns:
        uint8 RGB `(height, width, 3)`.
    """
    unit, line_height = scale, round(_LINE * scale)
    font = ImageFont.load_default(_TEXT_SIZE * scale)
    left = round(4 * unit)
    entries, x, line = [], left, 0
    for class_id in ids:
        name = "void" if class_id == class_map.void_id else class_map.names[class_id]
        advance = round(34 * unit + font.getlength(name))
        if x > left and x + advance > width:
            x, line = left, line + 1
        entries.append((x, line * line_height, name, class_id))
        x += advance
    height = (line + 1) * line_height + round(2 * unit)
    picture = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(picture)
    palette = class_map.palette()
    for x, y, name, class_id in entries:
        color = palette[class_id] if colors is None else colors[class_id]
        corners = (x, y + 5 * unit, x + 14 * unit, y + 19 * unit)
        box = tuple(round(corner) for corner in corners)
        draw.rectangle(box, tuple(map(int, color)), _INK, max(1, round(unit)))
        text_at = (x + round(20 * unit), y + round(3 * unit))
        draw.text(text_at, name, font=font, fill=_INK)
    return np.asarray(picture)


def _borders(label_map, thickness):
    """Whether a pixel lies at the border of its region, on either side of it."""
    differs = np.zeros(label_map.shape, dtype="uint8")
    across = label_map[:, 1:] != label_map[:, :-1]
    down = label_map[1:] != label_map[:-1]
    differs[:, 1:] |= across
    differs[:, :-1] |= across
    differs[1:] |= down
    differs[:-1] |= down
    if thickness > 1:
        differs = cv2.dilate(differs, np.ones((thickness, thickness), dtype="uint8"))
    return differs.astype(bool)


def _mean_colors(picture, label_map):
    """Mean colour of each id that is found."""
    step = math.ceil(math.sqrt(label_map.size / _SAMPLE))
    ids = label_map[::step, ::step].ravel()
    seen = picture[::step, ::step].reshape(-1, 3)
    counts = np.bincount(ids, minlength=256)
    sums = [np.bincount(ids, seen[:, channel], 256) for channel in range(3)]
    colors = {}
    for class_id in np.flatnonzero(np.bincount(label_map.ravel())).tolist():
        if counts[class_id]:
            mean = [total[class_id] / counts[class_id] for total in sums]
        else:  # smaller than a step
            mean = picture[label_map == class_id].mean(axis=0)
        colors[class_id] = tuple(int(round(value)) for value in mean)
    return colors


def _candidates():
    """Colours to choose from, float32 RGB `(n, 3)`: light ones of many hues."""
    hues, grid = np.arange(0, 180, 6), []
    for saturation, value in ((255, 255), (130, 255), (255, 190)):
        row = np.stack(
            [hues, np.full_like(hues, saturation), np.full_like(hues, value)], axis=-1
        )
        grid.append(row.astype("uint8"))
    rgb = cv2.cvtColor(np.stack(grid), cv2.COLOR_HSV2RGB).reshape(-1, 3)
    return np.stack([_lighten(color.astype("float32")) for color in rgb])


def _lighten(color):
    """The colour as light as it has to be: brighter first, then with white in it."""
    color = np.maximum(color, 1)  # black has no hue to keep
    while _to_lab(color[None])[0, 0] < _LEAST_LIGHTNESS:
        if color.max() < 255:
            color = np.minimum(color * 1.1, color * (255 / color.max()))
        else:
            color = color + 0.1 * (255 - color)
    return color


def _to_lab(colors):
    """CIELAB of RGB colours in [0, 255], `(n, 3)`."""
    return cv2.cvtColor((colors / 255).astype("float32")[None], cv2.COLOR_RGB2LAB)[0]
