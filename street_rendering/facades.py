"""Textures of house fronts: walls, windows, doors and shops."""

import cv2
import numpy as np

from street_rendering.colors import darken
from street_rendering.facade_styles import GLASSES, FacadeStyle
from street_rendering.light import Light
from street_rendering.noise import add_texture, cut, grey_tile
from street_rendering.sampling import choose

CURTAINS = [(176, 170, 160), (206, 204, 198)]
LIT_GLASSES = [(250, 214, 140), (240, 190, 110), (60, 62, 66)]
SHOP_LIGHTS = [(250, 220, 160), (255, 236, 196), (214, 186, 130)]


def paint_facade(
    style: FacadeStyle,
    length: float,
    scale: float,
    light: Light,
    rng: np.random.Generator,
) -> np.ndarray:
    """Paint a front.

    Args:
        style: the style, with the colors of the image.
        length: metres along the street.
        scale: pixels per metre of the texture.
        light: determines whether windows are lit.
        rng: random number generator.

    Returns:
        uint8 RGB `(height * scale, length * scale, 3)`, at least 2 pixels a side.
    """
    floor = max(4, round(style.floor_height * scale))
    bay = max(4, round(style.bay_width * scale))
    num_bays = max(1, round(length / style.bay_width))
    upper = _paint_window(style, floor, bay, style.glass)
    front = cv2.repeat(upper, style.num_floors, num_bays)
    _vary_windows(front, style, floor, bay, light, rng)
    ground = front[-floor:]
    if style.has_shops:
        _paint_shop(ground, style, light, rng)
    else:
        _paint_door(ground, style, bay, num_bays, rng)
    eaves = darken(style.wall, 0.6)
    parapet = np.empty((max(1, round(0.5 * scale)), front.shape[1], 3), np.uint8)
    _box(parapet, 0, 0, parapet.shape[1], len(parapet), darken(style.wall, 1.12))
    _box(parapet, 0, len(parapet) - 1, parapet.shape[1], len(parapet), eaves)
    front = np.concatenate([parapet, front])
    return _add_masonry(front, style, scale, rng)


def paint_end_wall(
    style: FacadeStyle, length: float, scale: float, rng: np.random.Generator
) -> np.ndarray:
    """Paint the wall at the end of a row, with few windows.

    Args:
        style: the style, with the colors of the image.
        length: metres, eaves to eaves.
        scale: pixels per metre of the texture.
        rng: random number generator.

    Returns:
        uint8 RGB `(height * scale, length * scale, 3)`.
    """
    height, width = round(style.height * scale), round(length * scale)
    wall = np.empty((height, width, 3), np.uint8)
    _box(wall, 0, 0, width, height, style.wall)
    floor = height // style.num_floors
    bay = max(3, round(0.7 * style.bay_width * scale))
    window = _paint_window(style, floor, bay, style.glass)
    left = int(rng.uniform(0.1, 0.6) * (width - bay))
    for row in range(style.num_floors):
        if rng.random() < 0.6:
            wall[row * floor : (row + 1) * floor, left : left + bay] = window
    return _add_masonry(wall, style, scale, rng)


def _paint_window(style, floor, bay, glass):
    """One bay of one floor with its window."""
    cell = np.empty((floor, bay, 3), np.uint8)
    _box(cell, 0, 0, bay, floor, style.wall)
    half = 0.5 * style.window_width * bay
    left, right = round(bay / 2 - half), round(bay / 2 + half)
    top = round(floor * 0.2)
    bottom = round(floor * (0.2 + style.window_height))
    line = max(1, round(0.025 * floor))
    _box(cell, left - line, top - line, right + line, bottom + line, style.frame)
    _box(cell, left, top, right, bottom, glass)
    if bay < 14:
        return cell
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
    _box(
        cell, left - lip, sill + line, right + lip, sill + lip, darken(style.wall, 0.6)
    )
    return cell


def _vary_windows(front, style, floor, bay, light, rng):
    """Draw curtains, lights and blinds in some of the windows."""
    num_bays = front.shape[1] // bay
    glasses = LIT_GLASSES if light.is_dusk else (*GLASSES, *CURTAINS)
    variants = [
        _paint_window(style, floor, bay, choose(rng, glasses)) for _ in range(2)
    ]
    is_changed = rng.random((style.num_floors, num_bays)) < 0.4
    for row, column in np.argwhere(is_changed).tolist():
        top, left = row * floor, column * bay
        cell = variants[(row + column) % 2]
        front[top : top + floor, left : left + bay] = cell


def _paint_shop(ground, style, light, rng):
    """Replace the ground floor by shop windows under a fascia."""
    floor, width = ground.shape[:2]
    _box(ground, 0, 0, width, floor, darken(style.accent, 0.8))
    fascia = round(0.2 * floor)
    _box(ground, 0, round(0.04 * floor), width, fascia, style.accent)
    is_near = floor > 24
    if is_near:
        _paint_lettering(ground, style, rng)
    pane = max(3, round(0.9 * floor))
    for left in range(round(0.06 * floor), width, pane):
        glass = choose(rng, SHOP_LIGHTS if light.is_dusk else GLASSES)
        right = left + round(0.84 * pane)
        _box(ground, left, round(0.26 * floor), right, round(0.84 * floor), glass)
        if not is_near:
            continue
        for place, rise, *color in rng.random((3, 5)).tolist():
            goods = left + round(0.7 * place * pane)
            high, wide = round(floor * (0.5 + 0.2 * rise)), goods + round(0.12 * pane)
            shade = [30 + 170 * channel for channel in color]
            _box(ground, goods, high, min(wide, right), round(0.82 * floor), shade)


def _paint_lettering(ground, style, rng):
    """Draw strokes like lettering on the fascia."""
    floor, width = ground.shape[:2]
    text = (236, 232, 220) if sum(style.accent) < 400 else (40, 36, 34)
    letter = max(1, round(0.05 * floor))
    top, bottom = round(0.08 * floor), round(0.16 * floor)
    column = round(width * rng.uniform(0.1, 0.3))
    for share in rng.uniform(0.6, 1.6, 14).tolist():
        stroke = int(letter * share) + 1
        if column + stroke > 0.9 * width:
            return
        if share > 0.75:
            _box(ground, column, top, column + stroke, bottom, text)
        column += stroke + max(1, letter // 2)


def _paint_door(ground, style, bay, num_bays, rng):
    """Replace some windows of the ground floor by doors."""
    floor = ground.shape[0]
    every = int(rng.integers(2, 4))
    for column in range(int(rng.integers(0, every)), num_bays, every):
        left = column * bay
        _box(ground, left, 0, left + bay, floor, style.wall)
        first, last = left + round(0.3 * bay), left + round(0.68 * bay)
        top, line = round(0.25 * floor), max(1, round(0.03 * floor))
        _box(ground, first - line, top - line, last + line, floor, style.frame)
        _box(ground, first, top, last, floor, style.accent)
        _box(ground, first, top, last, round(0.36 * floor), style.glass)
    _box(
        ground, 0, round(0.93 * floor), ground.shape[1], floor, darken(style.wall, 0.7)
    )


def _add_masonry(front, style, scale, rng):
    """Add courses of bricks, or the stains of plaster, to the whole front."""
    height, width = front.shape[:2]
    stains = cut(grey_tile(), rng, height, width)
    front = add_texture(front, stains, rng.uniform(0.12, 0.4))
    if style.is_brick and scale > 9:
        joints = front[:: max(2, round(0.22 * scale))]
        joints -= joints >> 3
    return front


def _box(image, left, top, right, bottom, color):
    """Fill columns `left` to `right` and rows `top` to `bottom`, ends excluded."""
    if right > left and bottom > top:
        corner = (right - 1, bottom - 1)
        cv2.rectangle(image, (left, top), corner, color, cv2.FILLED)
