"""Shadows on the ground, drawn before the objects that cast them."""

import cv2
import numpy as np

from street_rendering.buildings import Building
from street_rendering.canvas import Canvas
from street_rendering.layout import Street
from street_rendering.things import StandingThing, Thing

_NEAREST = 0.8  # metres


def draw_shadows(
    canvas: Canvas, street: Street, houses: list[Building], things: list[Thing]
) -> None:
    """Darken the ground where houses and objects cast shadows.

    Args:
        canvas: has the finished ground, and nothing above it.
        street: the layout, for the building lines.
        houses: houses whose fronts cast shadows.
        things: objects; each `StandingThing` casts a shadow.
    """
    light, camera = canvas.light, canvas.camera
    mask = np.zeros(canvas.label_map.shape, np.uint8)
    outlines = []
    if light.sunshine > 0:
        outlines += _cast_by_houses(light, houses, street)
    for thing in things:
        if isinstance(thing, StandingThing):
            outlines += _cast_by_thing(light, thing)
    _fill_hulls(mask, camera, outlines)
    first = int(camera.horizon)
    size = 3 if camera.height < 500 else 5
    soft = cv2.blur(mask[first:], (size, size))
    deepest = 0.54 * light.sunshine / (light.sunshine + 0.35 * light.ambient)
    strength = max(deepest, 0.35)
    remaining = 255 - cv2.convertScaleAbs(soft, alpha=strength)
    ground = canvas.image[first:]
    canvas.image[first:] = cv2.multiply(
        ground, cv2.merge([remaining, remaining, remaining]), scale=1 / 255
    )


def _fill_hulls(mask, camera, outlines):
    """Fill the convex hull of each list of ground points `(x, z)`."""
    if not outlines:
        return
    ground = np.array([point for outline in outlines for point in outline])
    points = np.zeros((len(ground), 3))
    points[:, 0], points[:, 2] = ground[:, 0], np.maximum(ground[:, 1], _NEAREST)
    pixels = np.rint(camera.project(points)).astype(np.int32)
    start = 0
    for outline in outlines:
        stop = start + len(outline)
        cv2.fillConvexPoly(mask, cv2.convexHull(pixels[start:stop]), 255)
        start = stop


def _reach(light):
    """Shift of the shadow of a point, in metres per metre of its height."""
    up = max(light.sun[1], 0.12)
    return -light.sun[0] / up, -light.sun[2] / up


def _cast_by_houses(light, houses, street):
    """Shadows of the fronts, up to the building line across the street."""
    right, ahead = _reach(light)
    outlines = []
    for house in houses:
        if house.is_across or right * house.sign >= 0:
            continue
        height = house.style.height + 0.5 * house.style.roof_height
        opposite = street.left.facade if house.sign > 0 else street.right.facade
        height = min(height, (opposite - house.front) / right)
        x, shift = house.front + right * height, ahead * height
        near, far = max(house.near, _NEAREST), house.near + house.length
        outlines.append(
            [
                (house.front, near),
                (house.front, far),
                (x, far + shift),
                (x, near + shift),
            ]
        )
    return outlines


def _cast_by_thing(light, thing):
    """The dark ground below an object and, in sunshine, its cast shadow."""
    half_width, half_length, foot, top = thing.shadow_box()
    outlines = []
    if foot == 0:  # 8 centimetres larger than the object
        outlines.append(_box(thing.x, thing.z, half_width + 0.08, half_length + 0.08))
    if light.sunshine > 0:
        right, ahead = _reach(light)
        low, high = (
            _box(
                thing.x + right * height,
                thing.z + ahead * height,
                share * half_width,
                share * half_length,
            )
            for height, share in ((foot, 1.0), (top, 0.85))
        )
        outlines.append(low + high)
    return outlines


def _box(x, z, half_width, half_length):
    left, right, near = x - half_width, x + half_width, z - half_length
    far = z + half_length
    return [(left, near), (right, near), (right, far), (left, far)]
