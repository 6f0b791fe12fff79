"""Rows of houses along both sides of a street and across its end."""

import dataclasses

import cv2
import numpy as np

from street_rendering import classes
from street_rendering.canvas import Canvas
from street_rendering.colors import darken
from street_rendering.facade_styles import FacadeStyle
from street_rendering.facades import paint_end_wall, paint_facade
from street_rendering.layout import Street
from street_rendering.sampling import choose

DEPTH_OF_HOUSE = 9.0  # metres
PLAIN_BELOW = 0.04  # share of the image width; narrower fronts have no texture
GAPS = (0.0, 0.0, 3.0, 9.0)  # metres between detached houses
_NEAREST_WALL = 0.6  # metres


@dataclasses.dataclass(frozen=True)
class Building:
    """A house whose front runs along the street (`is_across` false) or across it.

    Attributes:
        front: `x` of the front, metres; where it runs across, the `x` of its left end.
        sign: -1 for the left side of the street, +1 for the right.
        near: depth of the near end, metres.
        length: length of the front, metres.
        style: colors, storeys and windows.
        texture_seed: seed of the differences between windows.
        has_open_end: whether the end wall towards the camera is visible.
        has_end_windows: whether the end wall stands free, so that it has windows.
        is_across: whether the front faces the camera.
    """

    front: float
    sign: int
    near: float
    length: float
    style: FacadeStyle
    texture_seed: int
    has_open_end: bool = False
    has_end_windows: bool = False
    is_across: bool = False

    @property
    def depth(self) -> float:
        """Depth of the far end, metres; farther objects are drawn first."""
        return self.near if self.is_across else self.near + self.length

    def draw(self, canvas: Canvas) -> None:
        """Draw end wall, roof and front."""
        if not self.is_across and self.near + self.length <= _NEAREST_WALL:
            return
        if self.is_across:
            near_end = (self.front, self.near)
            far_end = (self.front + self.length, self.near)
            normal = (0.0, 0.0, -1.0)
            back = (0.0, DEPTH_OF_HOUSE)
        else:
            near_end = (self.front, max(self.near, _NEAREST_WALL))
            far_end = (self.front, self.near + self.length)
            normal = (-float(self.sign), 0.0, 0.0)
            back = (self.sign * DEPTH_OF_HOUSE, 0.0)
            if self.has_open_end and self.near > 2:
                self._draw_end_wall(canvas)
        self._draw_roof(canvas, near_end, far_end, back)
        self._draw_front(canvas, near_end, far_end, normal)

    def _draw_end_wall(self, canvas):
        """Draw the wall that faces the camera, with the gable under the roof."""
        style, height = self.style, self.style.height
        back = self.front + self.sign * DEPTH_OF_HOUSE
        middle = 0.5 * (self.front + back)
        wall = _upright((self.front, self.near), (back, self.near), 0, height)
        gable = (middle, height + style.roof_height, self.near)
        corners = canvas.camera.project([*wall, gable])
        brightness = canvas.light.facing(0, 0, -1)
        lit = style.in_light(canvas.light, self.near, brightness)
        canvas.fill(corners[[0, 4, 1, 2, 3]], lit.wall, classes.BUILDING)
        columns = abs(corners[1, 0] - corners[0, 0])
        if not self.has_end_windows or columns < 0.08 * canvas.camera.width:
            return
        scale = float(np.clip(canvas.camera.focal / self.near, 2.0, 16.0))
        rng = np.random.default_rng((self.texture_seed, 1))
        texture = paint_end_wall(lit, DEPTH_OF_HOUSE, scale, rng)
        if self.sign < 0:
            texture, corners = texture[:, ::-1], corners[[1, 0, 3, 2]]
        _warp_onto(canvas, np.ascontiguousarray(texture), corners[:4])

    def _draw_roof(self, canvas, near_end, far_end, back):
        style, height = self.style, self.style.height
        if style.roof_height <= 0:
            return
        (x0, z0), (x1, z1) = near_end, far_end
        eaves, ridge = height - 0.05, height + style.roof_height
        over, behind = 0.5 * back[0], 0.5 * back[1]
        slope = [(x0, eaves, z0), (x1, eaves, z1)]
        slope += [(x1 + over, ridge, z1 + behind), (x0 + over, ridge, z0 + behind)]
        share = style.chimney_place
        x, z = x0 + over + (x1 - x0) * share, z0 + behind + (z1 - z0) * share
        chimney = [(x - 0.5, ridge - 0.6, z), (x - 0.5, ridge + 1.0, z)]
        chimney += [(x + 0.5, ridge + 1.0, z), (x + 0.5, ridge - 0.6, z)]
        light = canvas.light
        tiles = light.tone(style.roof, z0, light.facing(0, 0.8, 0))
        stack = light.tone(darken(style.wall, 0.8), z, light.facing(0, 0, 0))
        runs = [(0, 4, tiles, classes.BUILDING)]
        if style.has_chimney:
            runs.append((4, 8, stack, classes.BUILDING))
        canvas.fill_runs(canvas.camera.project(slope + chimney), runs)

    def _draw_front(self, canvas, near_end, far_end, normal):
        height = self.style.height
        corners = canvas.camera.project(_upright(near_end, far_end, 0, height))
        columns = abs(float(corners[1, 0] - corners[0, 0]))
        if columns < PLAIN_BELOW * canvas.camera.width:
            self._draw_plain_front(canvas, near_end, far_end, normal)
            return
        rows = float(corners[3, 1] - corners[0, 1])
        if not self.is_across:
            rows = min(rows, 1.6 * float(corners[2, 1] - corners[1, 1]))
        scale = float(np.clip(rows / height, 2.0, 0.06 * canvas.camera.height))
        rng = np.random.default_rng(self.texture_seed)
        middle = 0.5 * (near_end[1] + far_end[1])
        brightness = canvas.light.facing(*normal)
        style = self.style.in_light(canvas.light, middle, brightness)
        texture = paint_facade(style, self.length, scale, canvas.light, rng)
        if not self.is_across and self.near < near_end[1]:
            hidden = (near_end[1] - self.near) / self.length
            texture = texture[:, int(hidden * texture.shape[1]) :]
        if texture.shape[1] < 2:
            return
        _warp_onto(canvas, texture, corners)

    def _draw_plain_front(self, canvas, near_end, far_end, normal):
        """Draw a far front: a wall with one dark band for every row of windows."""
        style = self.style
        bands = [(0.0, style.height, style.wall)]
        for floor in range(style.num_floors):
            foot = (floor + 0.3) * style.floor_height
            glass = darken(style.wall, 0.62)
            bands.append((foot, foot + 0.5 * style.floor_height, glass))
        brightness = canvas.light.facing(*normal)
        points: list[tuple[float, float, float]] = []
        runs = []
        for low, high, color in bands:
            tone = canvas.light.tone(color, near_end[1], brightness)
            runs.append((len(points), len(points) + 4, tone, classes.BUILDING))
            points += _upright(near_end, far_end, low, high)
        canvas.fill_runs(canvas.camera.project(points), runs)


def _upright(near_end, far_end, low, high):
    """Corners of an upright rectangle, clockwise from the near or left top."""
    (x0, z0), (x1, z1) = near_end, far_end
    return [(x0, high, z0), (x1, high, z1), (x1, low, z1), (x0, low, z0)]


def _warp_onto(canvas, texture, corners):
    """Map a texture onto four corners, clockwise from the near or left top."""
    visible = canvas.mask_of(corners)
    if visible is None:
        return
    mask, left, top = visible
    rows, columns = texture.shape[:2]
    source = np.array([(0, 0), (columns, 0), (columns, rows), (0, rows)], np.float32)
    target = (corners - (left, top)).astype(np.float32)
    patch = cv2.warpPerspective(
        texture,
        cv2.getPerspectiveTransform(source - np.float32(0.5), target),
        mask.shape[::-1],
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    canvas.paste(patch, mask, left, top, classes.BUILDING)


def build_rows(street: Street, rng: np.random.Generator) -> list[Building]:
    """Line both sides of the street with houses, with gaps and side streets."""
    houses = []
    for side in street.sides:
        houses += _build_side(side, min(street.end, 85.0), rng)
    if street.is_closed:
        houses += _close_street(street, rng)
    return houses


def _build_side(side, limit, rng):
    houses = []
    near, built_up_to, built_height = -rng.uniform(0, 8), 0.0, 0.0
    is_terrace = rng.random() < 0.55
    style = FacadeStyle.sample(rng)
    while near < limit:
        length = style.bay_width * int(rng.integers(2, 6))
        if side.is_open(near, near + length):
            near = side.opening[1]
        front = side.facade + side.sign * choose(rng, [0.0, 0.0, 0.6])
        is_free = near > built_up_to + 0.1
        is_open = is_free or style.top > built_height
        seed = int(rng.integers(1 << 30))
        houses.append(
            Building(front, side.sign, near, length, style, seed, is_open, is_free)
        )
        built_up_to, built_height = near + length, style.top
        near += length + (0.0 if is_terrace else choose(rng, GAPS))
        if rng.random() > 0.5 * is_terrace:
            style = FacadeStyle.sample(rng)
    return houses


def _close_street(street, rng):
    houses = []
    x = 1.5 * street.left.facade
    while x < 1.5 * street.right.facade:
        style = FacadeStyle.sample(rng)
        length = style.bay_width * int(rng.integers(2, 6))
        seed = int(rng.integers(1 << 30))
        houses.append(
            Building(x, 1, street.end + 6, length, style, seed, is_across=True)
        )
        x += length
    return houses
