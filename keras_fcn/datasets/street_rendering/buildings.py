"""Rows of houses along both sides of a street and across its end."""

import dataclasses

import cv2
import numpy as np

from keras_fcn.datasets.street_rendering import class_ids
from keras_fcn.datasets.street_rendering.facades import FacadeStyle, paint_facade
from keras_fcn.datasets.street_rendering.light import darken

DEPTH_OF_HOUSE = 9.0  # metres
_NEAREST_WALL = 0.6  # metres


@dataclasses.dataclass(frozen=True)
class Building:
    """A house whose front runs along the street (`is_across` false) or across it.

    Attributes:
        front: `x` of the front, metres; where it runs across, the `x` of its left end.
        sign: -1 for the left side of the street, +1 for the right.
        near: depth of the near end, metres.
        length: length of the front, metres.
        style: how the front looks.
        texture_seed: seed of the windows that differ from their neighbours.
        is_across: whether the front faces the camera.
    """

    front: float
    sign: int
    near: float
    length: float
    style: FacadeStyle
    texture_seed: int
    is_across: bool = False

    @property
    def depth(self):
        """Metres to the far end: what stands nearer is drawn later."""
        return self.near if self.is_across else self.near + self.length

    def draw(self, canvas):
        """Draws end wall, roof and front."""
        if self.is_across:
            near_end = (self.front, self.near)
            far_end = (self.front + self.length, self.near)
            normal, back = (0.0, 0.0, -1.0), (0.0, DEPTH_OF_HOUSE)
        else:
            near_end = (self.front, max(self.near, _NEAREST_WALL))
            far_end = (self.front, self.near + self.length)
            normal, back = (-float(self.sign), 0.0, 0.0), (self.sign * 9.0, 0.0)
            self._draw_end_wall(canvas)
        self._draw_roof(canvas, near_end, far_end, back)
        self._draw_front(canvas, near_end, far_end, normal)

    def _draw_end_wall(self, canvas):
        if self.near < 2:
            return
        style, height = self.style, self.style.height
        back = self.front + self.sign * DEPTH_OF_HOUSE
        middle = 0.5 * (self.front + back)
        wall = [
            (self.front, 0, self.near),
            (self.front, height, self.near),
            (middle, height + style.roof_height, self.near),
            (back, height, self.near),
            (back, 0, self.near),
        ]
        brightness = canvas.light.facing(0, 0, -1)
        canvas.fill_surface(
            wall, darken(style.wall, 0.92), class_ids.BUILDING, brightness
        )
        if style.is_lit_end:
            window = [(0.4, 0.35), (0.4, 0.55), (0.55, 0.55), (0.55, 0.35)]
            canvas.fill_surface(
                [
                    (self.front + (back - self.front) * s, height * t, self.near)
                    for s, t in window
                ],
                (52, 58, 66),
                None,
                brightness,
            )

    def _draw_roof(self, canvas, near_end, far_end, back):
        style, height = self.style, self.style.height
        if style.roof_height <= 0:
            return
        eaves = height - 0.05
        ridge = height + style.roof_height
        halfway = (0.5 * back[0], 0.5 * back[1])
        slope = [
            (near_end[0], eaves, near_end[1]),
            (far_end[0], eaves, far_end[1]),
            (far_end[0] + halfway[0], ridge, far_end[1] + halfway[1]),
            (near_end[0] + halfway[0], ridge, near_end[1] + halfway[1]),
        ]
        canvas.fill_surface(
            slope, style.roof, class_ids.BUILDING, canvas.light.facing(0, 0.8, 0)
        )
        if style.has_chimney:
            _draw_chimney(canvas, slope, style)

    def _draw_front(self, canvas, near_end, far_end, normal):
        height = self.style.height
        corners = canvas.camera.project(
            [
                (near_end[0], height, near_end[1]),
                (far_end[0], height, far_end[1]),
                (far_end[0], 0, far_end[1]),
                (near_end[0], 0, near_end[1]),
            ]
        )
        rows = float(corners[3, 1] - corners[0, 1])
        if not self.is_across:
            rows = min(rows, 2.2 * float(corners[2, 1] - corners[1, 1]))
        scale = float(np.clip(rows / height, 2.0, 0.09 * canvas.camera.height))
        rng = np.random.default_rng(self.texture_seed)
        texture = paint_facade(self.style, self.length, scale, canvas.light, rng)
        if not self.is_across and self.near < near_end[1]:
            hidden = (near_end[1] - self.near) / self.length
            texture = texture[:, int(hidden * texture.shape[1]) :]
        if texture.shape[1] < 2:
            return
        middle = 0.5 * (near_end[1] + far_end[1])
        texture = canvas.light.tone_texture(
            texture, middle, canvas.light.facing(*normal)
        )
        _warp_onto(canvas, texture, corners)


def _draw_chimney(canvas, slope, style):
    (x, y, z), (x_end, _, z_end) = slope[3], slope[2]
    share = style.chimney_place
    x, z = x + (x_end - x) * share, z + (z_end - z) * share
    stack = [(x - 0.5, y - 0.6, z), (x - 0.5, y + 1.0, z)]
    stack += [(x + 0.5, y + 1.0, z), (x + 0.5, y - 0.6, z)]
    canvas.fill_surface(
        stack, darken(style.wall, 0.8), class_ids.BUILDING, canvas.light.facing(0, 0, 0)
    )


def _warp_onto(canvas, texture, corners):
    """Maps a texture onto four corners, clockwise from the near or left top."""
    height, width = canvas.label_map.shape
    left, top = np.maximum(np.floor(corners.min(axis=0)), 0).astype(int)
    right, bottom = np.ceil(corners.max(axis=0)) + 1
    right, bottom = min(int(right), width), min(int(bottom), height)
    if left >= right or top >= bottom:
        return
    local = corners - (left, top)
    rows, columns = texture.shape[:2]
    source = np.array([(0, 0), (columns, 0), (columns, rows), (0, rows)], np.float32)
    source -= 0.5
    transform = cv2.getPerspectiveTransform(source, local.astype(np.float32))
    size = (right - left, bottom - top)
    patch = cv2.warpPerspective(
        texture, transform, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    mask = np.zeros((size[1], size[0]), np.uint8)
    outline = np.rint(np.clip(local, -30_000, 30_000) * 8).astype(np.int32)
    cv2.fillPoly(mask, [outline], 1, cv2.LINE_8, 3)
    canvas.paste(patch, mask, int(left), int(top), class_ids.BUILDING)


def build_rows(street, rng):
    """Lines both sides of the street with houses, with gaps and side streets."""
    houses = []
    for side in street.sides:
        near = -rng.uniform(0, 8)
        is_terrace = rng.random() < 0.55
        style = FacadeStyle.sample(rng)
        limit = min(street.end, 120.0)
        while near < limit:
            length = style.bay_width * int(rng.integers(2, 6))
            if side.is_open(near, near + length):
                near = side.opening[1]
                if side.opening[0] - near > 0:
                    near = side.opening[1]
            houses.append(
                Building(
                    side.facade + side.sign * rng.choice([0.0, 0.0, 0.6]),
                    side.sign,
                    near,
                    length,
                    style,
                    int(rng.integers(1 << 30)),
                )
            )
            near += length + (0.0 if is_terrace else rng.choice([0, 0, 3.0, 9.0]))
            if rng.random() > 0.5 * is_terrace:
                style = FacadeStyle.sample(rng)
    if street.is_closed:
        houses += _close_street(street, rng)
    return houses


def _close_street(street, rng):
    houses = []
    x = 2.5 * street.left.facade
    while x < 2.5 * street.right.facade:
        style = FacadeStyle.sample(rng)
        length = style.bay_width * int(rng.integers(2, 6))
        seed = int(rng.integers(1 << 30))
        houses.append(Building(x, 1, street.end + 6, length, style, seed, True))
        x += length
    return houses
