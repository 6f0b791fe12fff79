"""The ground: road with its markings, kerbs, pavements, gardens, and their grain."""

import functools

import cv2
import numpy as np

from street_rendering import classes
from street_rendering.canvas import Canvas
from street_rendering.colors import darken, pick
from street_rendering.layout import FARTHEST, Street
from street_rendering.noise import TILE_SIZE, add_texture, mottle_tile

ASPHALTS = [(92, 92, 95), (112, 111, 110), (74, 76, 80), (128, 124, 119), (100, 96, 98)]
PAVINGS = [(142, 138, 132), (120, 119, 119), (156, 146, 132), (104, 102, 103)]
BRICK_PAVINGS = [(150, 112, 98), (132, 104, 92)]
GRASSES = [(82, 104, 52), (98, 110, 60), (72, 88, 50)]
PAINTS = [(216, 216, 210), (196, 196, 188), (226, 224, 212)]
PIXELS_PER_METRE = 64  # of the tiles; a tile of 512 pixels covers 8 metres


def draw_ground(canvas: Canvas, street: Street, rng: np.random.Generator) -> None:
    """Draw roads, pavements, grass and markings, up to the horizon."""
    painter = _GroundPainter(canvas)
    asphalt = pick(rng, ASPHALTS)
    paving = pick(rng, PAVINGS if rng.random() < 0.8 else BRICK_PAVINGS)
    painter.flood(pick(rng, GRASSES))
    for side in street.sides:
        _draw_side(painter, side, asphalt, paving, rng)
    painter.strip(street.left.kerb, street.right.kerb, asphalt, classes.ROAD)
    _draw_wear(painter, street, asphalt, rng)
    _draw_markings(painter, street, rng)
    _draw_covers(painter, street, asphalt, rng)
    _add_grain(canvas, rng)


class _GroundPainter:
    """Draws strips and patches of the ground."""

    def __init__(self, canvas):
        self._canvas = canvas
        self.near = 0.8 * canvas.camera.nearest_visible_depth()
        self._brightness = canvas.light.facing(0, 1, 0)
        self._depths = np.geomspace(self.near, FARTHEST, 14)

    def flood(self, color):
        """Fill everything below the horizon."""
        camera = self._canvas.camera
        first = round(camera.horizon)
        tone = self._canvas.light.tone(color, 40, self._brightness)
        foot = [(0, first), (camera.width, first)]
        foot += [(camera.width, camera.height), (0, camera.height)]
        self._canvas.fill(np.array(foot), tone, classes.TREE)

    def strip(self, x0, x1, color, class_id=None, near=None, far=FARTHEST, height=0):
        """Fill the ground from `x0` to `x1` along the street."""
        depths = self._depths
        if near is not None or far != FARTHEST:
            near = max(self.near, near or 0)
            if near >= far:
                return
            num_depths = 2 if far - near < 8 else 6
            depths = np.geomspace(near, far, num_depths)
        points = np.empty((2 * len(depths), 3))
        points[: len(depths), 0], points[len(depths) :, 0] = x0, x1
        points[:, 1] = height
        points[: len(depths), 2], points[len(depths) :, 2] = depths, depths[::-1]
        tone = self._canvas.light.tone(color, 1.5 * depths[0], self._brightness)
        self._canvas.fill(self._canvas.camera.project(points), tone, class_id)

    def disc(self, x, z, radius, color):
        """Fill a circle, such as a manhole cover."""
        angle = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        points = np.stack(
            [x + radius * np.cos(angle), 0 * angle, z + radius * np.sin(angle)], axis=1
        )
        tone = self._canvas.light.tone(color, z, self._brightness)
        self._canvas.fill(self._canvas.camera.project(points), tone)


def _draw_side(painter, side, asphalt, paving, rng):
    if rng.random() < 0.6:
        painter.strip(side.garden, side.facade, darken(paving, 0.9), classes.PAVEMENT)
    if rng.random() < 0.1:
        painter.strip(side.garden, 10 * side.facade, paving, classes.PAVEMENT)
    painter.strip(side.kerb, side.garden, paving, classes.PAVEMENT)
    if rng.random() < 0.15:
        verge = side.kerb + 0.4 * (side.garden - side.kerb)
        painter.strip(side.kerb, verge, pick(rng, GRASSES), classes.TREE)
    stone = darken(paving, rng.uniform(1.05, 1.3))
    painter.strip(side.kerb, side.kerb + side.sign * 0.18, stone, classes.PAVEMENT)
    if side.opening is not None:
        near, far = side.opening
        painter.strip(side.kerb, 12 * side.facade, asphalt, classes.ROAD, near, far)


def _draw_wear(painter, street, asphalt, rng):
    """Draw gutters, wheel tracks and patches of newer asphalt."""
    for side in street.sides:
        inner = side.kerb - side.sign * rng.uniform(0.15, 0.4)
        painter.strip(inner, side.kerb, darken(asphalt, rng.uniform(0.75, 0.92)))
    if rng.random() < 0.6:
        factor = rng.uniform(0.9, 1.1)
        for x, _ in street.lanes:
            for offset in (-0.75, 0.75):
                track = x + offset
                painter.strip(track - 0.25, track + 0.25, darken(asphalt, factor))
    for _ in range(int(rng.integers(0, 4))):
        x = rng.uniform(street.left.kerb, street.right.kerb - 2)
        z = rng.uniform(3, 30)
        end = min(x + rng.uniform(0.6, 3), street.right.kerb)
        patch = darken(asphalt, rng.uniform(0.75, 1.2))
        painter.strip(x, end, patch, None, z, z + rng.uniform(0.8, 8))


def _draw_markings(painter, street, rng):
    paint = pick(rng, PAINTS)
    is_dashed = rng.random() < 0.75
    for i, x in enumerate(street.lane_edges):
        is_centre = i == street.centre_line
        if is_centre and not is_dashed:
            painter.strip(x - 0.14, x - 0.04, paint)
            painter.strip(x + 0.04, x + 0.14, paint)
            continue
        _draw_dashes(painter, x, paint, rng)
    if rng.random() < 0.5:
        edge_paint = paint if rng.random() < 0.5 else (196, 172, 70)
        for side in street.sides:
            for offset in (0.28, 0.48) if edge_paint != paint else (0.35,):
                x = side.kerb - side.sign * offset
                painter.strip(x - 0.05, x + 0.05, edge_paint)
    if rng.random() < 0.3:
        _draw_crossing(painter, street, paint, rng)


def _draw_dashes(painter, x, paint, rng):
    length, gap = rng.uniform(1.5, 4), rng.uniform(2, 6)
    z = rng.uniform(-length, gap)
    while z < 70:
        painter.strip(x - 0.07, x + 0.07, paint, None, z, z + length)
        z += length + gap


def _draw_crossing(painter, street, paint, rng):
    near = rng.uniform(5, 30)
    left, right = street.left.kerb, street.right.kerb
    if rng.random() < 0.5:
        painter.strip(left, right, paint, None, near, near + 0.35)
        return
    x = left + 0.3
    while x < right - 0.4:
        painter.strip(x, x + 0.5, paint, None, near, near + 2.8)
        x += 1.0


def _draw_covers(painter, street, asphalt, rng):
    for _ in range(int(rng.integers(0, 4))):
        x = rng.uniform(street.left.garden, street.right.garden)
        z = rng.uniform(4, 25)
        painter.disc(x, z, 0.36, darken(asphalt, 1.15))
        painter.disc(x, z, 0.31, darken(asphalt, rng.uniform(0.45, 0.7)))


@functools.cache
def _paving_tile():
    """Slabs with dark joints, at `PIXELS_PER_METRE`: uint8, mean near 128."""
    tile = mottle_tile().astype(np.int16)
    slab = PIXELS_PER_METRE // 2
    rows, columns = np.indices(tile.shape) // slab
    offsets = np.random.default_rng(4).integers(-14, 15, (TILE_SIZE, TILE_SIZE))
    tile += offsets[rows, columns].astype(np.int16)
    tile[::slab] -= 60
    tile[1::slab] -= 60
    tile[:, ::slab] -= 45
    paving = np.clip(tile, 0, 255).astype(np.uint8)
    paving.flags.writeable = False
    return paving


def _add_grain(canvas, rng):
    """Add asphalt grain and paving slabs to the ground, in perspective."""
    camera = canvas.camera
    first = int(np.ceil(camera.horizon)) + 2
    down = np.arange(first, camera.height) - camera.horizon
    depth = (camera.focal * camera.elevation / down).astype(np.float32)[:, None]
    right = np.arange(camera.width, dtype=np.float32) - camera.vanishing_column
    shift = rng.uniform(0, TILE_SIZE, 2).astype(np.float32)
    bend = shift[0] - camera.bend(depth) * PIXELS_PER_METRE
    columns = depth * (right * np.float32(PIXELS_PER_METRE / camera.focal)) + bend
    rows = np.repeat(depth * PIXELS_PER_METRE + shift[1], camera.width, axis=1)
    asphalt, paving = (
        cv2.remap(tile, columns, rows, cv2.INTER_NEAREST, borderMode=cv2.BORDER_WRAP)
        for tile in (mottle_tile(), _paving_tile())
    )
    ground = canvas.image[first:]
    is_paving = (canvas.label_map[first:] == classes.PAVEMENT).astype(np.uint8)
    grain = cv2.copyTo(paving, is_paving, asphalt)
    grain = cv2.merge([grain, grain, grain])
    strength = rng.uniform(0.2, 0.45)
    # Less grain on distant ground, in three bands divided at 12 and 30 metres.
    ends = np.searchsorted(-depth[:, 0], [-np.inf, -30.0, -12.0, np.inf])
    for top, bottom, share in zip(ends[:-1], ends[1:], (0.4, 0.7, 1.0), strict=True):
        if top < bottom:
            ground[top:bottom] = add_texture(
                ground[top:bottom], grain[top:bottom], strength * share
            )
