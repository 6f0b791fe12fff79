"""Void pixels: the bonnet of the camera's car, and bands between large classes."""

import cv2
import numpy as np

from street_rendering import classes
from street_rendering.canvas import Canvas
from street_rendering.colors import darken, pick
from street_rendering.noise import cloud_tile, cut

BONNETS = [(34, 36, 40), (120, 124, 128), (150, 34, 36), (200, 200, 198), (44, 60, 92)]
_IS_LARGE = np.zeros(256, np.uint8)
_IS_LARGE[
    [
        classes.SKY, classes.BUILDING, classes.ROAD, classes.PAVEMENT,
        classes.TREE, classes.CAR,
    ]
] = 1  # fmt: skip
_IS_LARGE.flags.writeable = False


def draw_bonnet(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw the bonnet of the camera's car at the lower edge of the image."""
    height, width = canvas.label_map.shape
    paint = pick(rng, BONNETS)
    top = height * (1 - rng.uniform(0.03, 0.1))
    middle = width * rng.uniform(0.42, 0.58)
    reach = width * rng.uniform(0.55, 0.75)
    x = np.linspace(-1, 1, 21)
    for share, factor in ((0.0, 0.8), (0.12, 1.1), (0.45, 0.85)):
        start = top + share * (height - top)
        rise = start + (height - start) * 1.2 * np.abs(x) ** 3
        outline = np.stack([middle + reach * x, rise], axis=1)
        foot = [(middle + reach, height + 2), (middle - reach, height + 2)]
        tone = canvas.light.tone(darken(paint, factor), 0, canvas.light.facing(0, 1, 0))
        canvas.fill(np.concatenate([outline, foot]), tone, classes.VOID)


def blur_borders(canvas: Canvas, rng: np.random.Generator) -> None:
    """Label bands along some borders between large classes as void."""
    label_map = canvas.label_map
    height, width = label_map.shape
    size = int(np.clip(height // 150 + 1, 2, 7))  # 1 pixel wide or more
    kernel = np.ones((size, size), np.uint8)
    is_border = cv2.morphologyEx(label_map, cv2.MORPH_GRADIENT, kernel) > 0
    place = cut(cloud_tile(), rng, 48, 64)
    place = cv2.resize(place, (width, height), interpolation=cv2.INTER_LINEAR)
    is_chosen = place > 128 + rng.uniform(10, 60)
    is_large = cv2.LUT(label_map, _IS_LARGE) > 0
    label_map[is_border & is_chosen & is_large] = classes.VOID
