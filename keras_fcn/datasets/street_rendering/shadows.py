"""Shadows on the ground, drawn before the things that cast them."""

import cv2
import numpy as np

_NEAREST = 0.8  # metres


def draw_shadows(canvas, street, houses, objects):
    """Darkens the ground under and behind `houses` and `objects`.

    Args:
        canvas: holds the finished ground and nothing above it.
        street: the plan, for the building lines.
        houses: `Building` objects.
        objects: things that stand on the street; those with a `shadow_box` cast one.
    """
    light, camera = canvas.light, canvas.camera
    mask = np.zeros(canvas.label_map.shape, np.uint8)
    if light.sunshine > 0:
        for house in houses:
            _cast_house(mask, camera, light, house, street)
        for thing in objects:
            if hasattr(thing, "shadow_box"):
                _cast_thing(mask, camera, light, thing)
    for thing in objects:
        if hasattr(thing, "shadow_box"):
            _darken_contact(mask, camera, thing)
    first = int(camera.horizon)
    size = 3 if camera.height < 500 else 5
    soft = cv2.blur(mask[first:], (size, size))
    deepest = 0.58 * light.sunshine / (light.sunshine + 0.35 * light.ambient)
    strength = max(deepest, 0.35)
    remaining = 255 - cv2.convertScaleAbs(soft, alpha=strength)
    ground = canvas.image[first:]
    canvas.image[first:] = cv2.multiply(
        ground, cv2.merge([remaining, remaining, remaining]), scale=1 / 255
    )


def _fill(mask, camera, points, darkness):
    pixels = np.clip(camera.project(points), -30_000, 30_000)
    hull = cv2.convexHull(pixels.astype(np.float32))[:, 0]
    cv2.fillConvexPoly(mask, np.rint(hull).astype(np.int32), darkness)


def _reach(light):
    """Metres by which a shadow moves for every metre of height."""
    _, up, _ = light.sun
    return -light.sun[0] / max(up, 0.12), -light.sun[2] / max(up, 0.12)


def _cast_house(mask, camera, light, house, street):
    right, ahead = _reach(light)
    if house.is_across or right * house.sign > 0:
        return
    height = house.style.height + 0.5 * house.style.roof_height
    near = max(house.near, _NEAREST)
    far = house.near + house.length
    end = house.front + right * height
    limit = street.left.facade if house.sign > 0 else street.right.facade
    end = max(end, limit) if house.sign > 0 else min(end, limit)
    points = [(house.front, 0, near), (house.front, 0, far)]
    shift = ahead * height * abs(end - house.front) / max(abs(right * height), 1e-6)
    points += [
        (end, 0, max(far + shift, _NEAREST)),
        (end, 0, max(near + shift, _NEAREST)),
    ]
    _fill(mask, camera, points, 255)


def _cast_thing(mask, camera, light, thing):
    half_width, half_length, foot, top = thing.shadow_box()
    right, ahead = _reach(light)
    points = []
    for height in (foot, top):
        x, z = thing.x + right * height, thing.z + ahead * height
        share = 1.0 if height == foot else 0.85
        for dx, dz in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
            points.append(
                (
                    x + dx * share * half_width,
                    0.0,
                    max(_NEAREST, z + dz * share * half_length),
                )
            )
    _fill(mask, camera, points, 255)


def _darken_contact(mask, camera, thing):
    half_width, half_length, foot, _ = thing.shadow_box()
    if foot > 0:
        return
    half_width, half_length = half_width + 0.08, half_length + 0.08
    near = max(_NEAREST, thing.z - half_length)
    far = max(near, thing.z + half_length)
    corners = [(-half_width, near), (half_width, near), (half_width, far)]
    corners.append((-half_width, far))
    _fill(mask, camera, [(thing.x + dx, 0, z) for dx, z in corners], 255)
