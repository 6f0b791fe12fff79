"""The fronts of houses, painted flat: walls, windows, doors and shops."""

import dataclasses

import cv2
import numpy as np

from keras_fcn.datasets.street_rendering.light import darken, pick
from keras_fcn.datasets.street_rendering.noise import cut, mottle_tile

BRICKS = [(150, 92, 72), (172, 128, 98), (128, 84, 70), (188, 160, 122), (116, 92, 84)]
RENDERS = [
    (214, 206, 190), (196, 196, 196), (228, 222, 210), (150, 150, 152), (120, 122, 126),
    (206, 188, 150), (176, 188, 196), (96, 98, 102),
]  # fmt: skip
ROOFS = [(84, 84, 92), (104, 74, 62), (70, 70, 74), (128, 84, 66)]
FRAMES = [(232, 232, 228), (232, 232, 228), (70, 64, 60), (120, 110, 100)]
GLASSES = [(54, 62, 72), (74, 86, 98), (40, 44, 50), (104, 120, 134)]
CURTAINS = [(176, 170, 160), (206, 204, 198)]
LIT_GLASSES = [(250, 214, 140), (240, 190, 110), (60, 62, 66)]
DOORS = [(96, 32, 32), (32, 52, 84), (40, 66, 46), (56, 48, 44), (150, 146, 140)]
FASCIAS = [(150, 40, 40), (36, 60, 110), (40, 84, 60), (44, 44, 46), (196, 170, 90)]


@dataclasses.dataclass(frozen=True)
class FacadeStyle:
    """What the houses of one build have in common. Lengths in metres, colours RGB."""

    wall: tuple[float, float, float]
    roof: tuple[float, float, float]
    frame: tuple[float, float, float]
    glass: tuple[float, float, float]
    accent: tuple[float, float, float]
    is_brick: bool
    has_shops: bool
    has_chimney: bool
    is_lit_end: bool
    num_floors: int
    floor_height: float
    bay_width: float
    window_width: float
    window_height: float
    roof_height: float
    chimney_place: float

    @property
    def height(self):
        """Metres from the ground to the eaves."""
        return self.num_floors * self.floor_height + 0.5

    @classmethod
    def sample(cls, rng):
        """Draws a style: a terrace, a villa, a shop or a block of flats."""
        is_brick = bool(rng.random() < 0.5)
        num_floors = int(rng.choice([1, 2, 3, 4, 6], p=[0.05, 0.45, 0.30, 0.13, 0.07]))
        has_shops = bool(rng.random() < 0.35)
        is_pitched = rng.random() < (0.75 if num_floors < 4 else 0.25)
        return cls(
            wall=pick(rng, BRICKS if is_brick else RENDERS, 12),
            roof=pick(rng, ROOFS),
            frame=pick(rng, FRAMES),
            glass=pick(rng, GLASSES),
            accent=pick(rng, FASCIAS if has_shops else DOORS),
            is_brick=is_brick,
            has_shops=has_shops,
            has_chimney=bool(is_pitched and rng.random() < 0.6),
            is_lit_end=bool(rng.random() < 0.5),
            num_floors=num_floors,
            floor_height=rng.uniform(2.7, 3.3),
            bay_width=rng.uniform(2.2, 3.6),
            window_width=rng.uniform(0.36, 0.7),
            window_height=rng.uniform(0.42, 0.64),
            roof_height=rng.uniform(1.6, 3.0) if is_pitched else 0.0,
            chimney_place=rng.uniform(0.1, 0.9),
        )


def paint_facade(style, length, scale, light, rng):
    """Paints a front in daylight colours.

    Args:
        style: how the front looks.
        length: metres along the street.
        scale: pixels per metre of the texture.
        light: whether windows are lit.
        rng: draws what differs between windows.

    Returns:
        uint8 RGB `(height * scale, length * scale, 3)`, at least 2 pixels each way.
    """
    floor = max(4, round(style.floor_height * scale))
    bay = max(4, round(style.bay_width * scale))
    num_bays = max(1, round(length / style.bay_width))
    upper = _paint_window(style, floor, bay, style.glass)
    front = np.tile(upper, (style.num_floors, num_bays, 1))
    _vary_windows(front, style, floor, bay, light, rng)
    ground = front[-floor:]
    if style.has_shops:
        _paint_shop(ground, style, light, rng)
    else:
        _paint_door(ground, style, bay, num_bays, rng)
    parapet = np.empty((max(1, round(0.5 * scale)), front.shape[1], 3), np.uint8)
    parapet[:] = np.array(darken(style.wall, 1.12), np.uint8)
    parapet[-1] = np.array(darken(style.wall, 0.6), np.uint8)
    front = np.concatenate([parapet, front])
    return _add_masonry(front, style, scale, rng)


def _paint_window(style, floor, bay, glass):
    """One bay of one floor with its window."""
    cell = np.empty((floor, bay, 3), np.uint8)
    cell[:] = np.array(style.wall, np.uint8)
    half = 0.5 * style.window_width * bay
    left, right = round(bay / 2 - half), round(bay / 2 + half)
    top = round(floor * 0.2)
    bottom = round(floor * (0.2 + style.window_height))
    line = max(1, round(0.025 * floor))
    _box(cell, left - line, top - line, right + line, bottom + line, style.frame)
    _box(cell, left, top, right, bottom, glass)
    _box(cell, left, top, right, (2 * top + bottom) // 3, darken(glass, 1.25))
    _box(cell, left, top, right, top + line, darken(glass, 0.6))
    if bay > 20:
        middle = (left + right) // 2
        _box(cell, middle, top, middle + line, bottom, style.frame)
        crossbar = (top + bottom) // 2
        _box(cell, left, crossbar, right, crossbar + line, style.frame)
    sill = bottom + line
    lip = 2 * line
    _box(cell, left - lip, sill, right + lip, sill + line, darken(style.wall, 1.2))
    _box(cell, left - lip, sill + line, right + lip, sill + lip, darken(style.wall, 0.6))
    return cell


def _vary_windows(front, style, floor, bay, light, rng):
    """Draws curtains, lights and blinds in some of the windows."""
    num_bays = front.shape[1] // bay
    glasses = LIT_GLASSES if light.is_dusk else (*GLASSES, *CURTAINS)
    variants = [
        _paint_window(style, floor, bay, pick(rng, glasses, 12)) for _ in range(3)
    ]
    is_changed = rng.random((style.num_floors, num_bays)) < 0.4
    for row, column in np.argwhere(is_changed).tolist():
        top, left = row * floor, column * bay
        cell = variants[(row + 2 * column) % 3]
        front[top : top + floor, left : left + bay] = cell


def _paint_shop(ground, style, light, rng):
    """Turns the ground floor into shop windows under a fascia."""
    floor, width = ground.shape[:2]
    ground[:] = np.array(darken(style.accent, 0.8), np.uint8)
    fascia = round(0.2 * floor)
    _box(ground, 0, round(0.04 * floor), width, fascia, style.accent)
    text = (236, 232, 220) if sum(style.accent) < 400 else (40, 36, 34)
    letter = max(1, round(0.05 * floor))
    column = round(width * rng.uniform(0.1, 0.3))
    while column < width * 0.8:
        stroke = int(letter * rng.uniform(0.6, 1.6)) + 1
        if rng.random() < 0.85:
            top, bottom = round(0.08 * floor), round(0.16 * floor)
            _box(ground, column, top, column + stroke, bottom, text)
        column += stroke + max(1, letter // 2)
    pane = max(3, round(0.9 * floor))
    for left in range(round(0.06 * floor), width, pane):
        glass = pick(rng, [(250, 220, 160)] if light.is_dusk else GLASSES, 16)
        right = left + round(0.84 * pane)
        _box(ground, left, round(0.26 * floor), right, round(0.84 * floor), glass)
        for _ in range(3):
            goods = int(rng.uniform(left, max(left + 1, right - 0.2 * pane)))
            high = round(floor * rng.uniform(0.5, 0.7))
            wide = goods + round(0.12 * pane)
            colour = rng.uniform(30, 200, 3).tolist()
            _box(ground, goods, high, min(wide, right), round(0.82 * floor), colour)


def _paint_door(ground, style, bay, num_bays, rng):
    """Replaces some windows of the ground floor by doors."""
    floor = ground.shape[0]
    every = int(rng.integers(2, 4))
    for column in range(int(rng.integers(0, every)), num_bays, every):
        left = column * bay
        ground[:, left : left + bay] = np.array(style.wall, np.uint8)
        first, last = left + round(0.3 * bay), left + round(0.68 * bay)
        top, line = round(0.25 * floor), max(1, round(0.03 * floor))
        _box(ground, first - line, top - line, last + line, floor, style.frame)
        _box(ground, first, top, last, floor, style.accent)
        _box(ground, first, top, last, round(0.36 * floor), style.glass)
    _box(ground, 0, round(0.93 * floor), ground.shape[1], floor, darken(style.wall, 0.7))


def _add_masonry(front, style, scale, rng):
    """Adds courses of bricks, or the stains of plaster, to the whole front."""
    height, width = front.shape[:2]
    stains = cut(mottle_tile(), rng, height, width)
    strength = rng.uniform(0.12, 0.4)
    if style.is_brick and scale > 9:
        course = max(2, round(0.22 * scale))
        stains = stains.copy()
        stains[::course] //= 2
    return cv2.addWeighted(
        front, 1.0, cv2.merge([stains, stains, stains]), strength, -128.0 * strength
    )


def _box(image, left, top, right, bottom, colour):
    """Fills columns `left` to `right` and rows `top` to `bottom`, ends excluded."""
    if right > left and bottom > top:
        corner = (right - 1, bottom - 1)
        cv2.rectangle(image, (left, top), corner, colour, cv2.FILLED)
