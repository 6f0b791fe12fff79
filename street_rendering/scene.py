"""Render a street scene, back to front."""

import cv2
import numpy as np

from street_rendering.buildings import build_rows
from street_rendering.camera import Camera
from street_rendering.canvas import Canvas
from street_rendering.ground import draw_ground
from street_rendering.layout import Street
from street_rendering.light import Light
from street_rendering.placement import place_objects
from street_rendering.shadows import draw_shadows
from street_rendering.sky import draw_sky, draw_skyline
from street_rendering.void import blur_borders, draw_bonnet
from street_rendering.weather import apply_weather, take_photograph

SMALLEST_SIDE = 48  # pixels; smaller scenes are rendered at this size and resized
SHARE_WITH_BONNET = 0.15


def render_street(
    seed: int, index: int, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Render a street scene and its label map.

    The result is a deterministic function of the arguments. Scenes of the same seed and
    index show the same street at every size.

    Args:
        seed: seed of the data set, not negative.
        index: number of the scene in the data set, not negative.
        height: rows, at least 1. Below `SMALLEST_SIDE`, a larger scene is resized: the
            image by area interpolation, the label map by nearest-neighbor.
        width: columns, at least 1; resized below `SMALLEST_SIDE` too.

    Returns:
        `(image, label_map)`: uint8 RGB `(height, width, 3)` and uint8 `(height, width)`
        with ids by `classes.CLASSES`: 0 to 10 in CamVid's order, or 11 for void.

    Raises:
        ValueError: if `height` or `width` is less than 1.
    """
    if height < 1 or width < 1:
        raise ValueError(
            "`height` and `width` must be at least 1. "
            f"Received: height={height}, width={width}"
        )
    rng = np.random.default_rng((seed, index))
    image, label_map = _render(
        rng, max(height, SMALLEST_SIDE), max(width, SMALLEST_SIDE)
    )
    if label_map.shape != (height, width):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        label_map = cv2.resize(
            label_map, (width, height), interpolation=cv2.INTER_NEAREST
        )
    return image, label_map


def _render(rng, height, width):
    camera = Camera.sample(rng, height, width)
    light = Light.sample(rng)
    street = Street.sample(rng)
    houses = build_rows(street, rng)
    things = place_objects(street, rng)
    has_bonnet = rng.random() < SHARE_WITH_BONNET
    canvas = Canvas(camera, light)
    draw_sky(canvas, rng)
    draw_ground(canvas, street, rng)
    draw_shadows(canvas, street, houses, things)
    draw_skyline(canvas, rng)
    for thing in sorted(houses + things, key=lambda thing: -thing.depth):
        thing.draw(canvas)
    if has_bonnet:
        draw_bonnet(canvas, rng)
    apply_weather(canvas, rng)
    blur_borders(canvas, rng)
    take_photograph(canvas, rng)
    return canvas.image, canvas.label_map
