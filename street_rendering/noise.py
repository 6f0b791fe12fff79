"""Noise tiles for the textures of all surfaces.

Tiles are computed once per process and are the same for all scenes, which take pieces
at random positions. Tiles are read-only.
"""

import functools

import cv2
import numpy as np

TILE_SIZE = 512  # pixels; a power of two, so that every octave wraps around
SENSOR_STD = 32  # gray levels
_MEAN = 128  # gray levels, of every tile


def _wrapped_octave(rng, cells):
    grid = rng.standard_normal((cells, cells)).astype(np.float32)
    wrapped = np.pad(grid, 2, mode="wrap")
    factor = TILE_SIZE // cells
    enlarged = cv2.resize(
        wrapped, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC
    )
    start = 2 * factor
    return enlarged[start : start + TILE_SIZE, start : start + TILE_SIZE]


def _as_texture(field, contrast):
    field = (field - field.mean()) / field.std()
    texture = np.clip(_MEAN + contrast * field, 0, 255).astype(np.uint8)
    texture.flags.writeable = False
    return texture


@functools.cache
def cloud_tile() -> np.ndarray:
    """Return cloudy noise: uint8 `(TILE_SIZE, TILE_SIZE)`, mean 128, std 45."""
    rng = np.random.default_rng(1)
    octaves = [(4, 1.0), (8, 0.6), (16, 0.4), (32, 0.24), (64, 0.14), (128, 0.08)]
    field = sum(weight * _wrapped_octave(rng, cells) for cells, weight in octaves)
    return _as_texture(field, 45)


@functools.cache
def mottle_tile() -> np.ndarray:
    """Return stains and grain: uint8 `(TILE_SIZE, TILE_SIZE)`, mean 128, std 30."""
    rng = np.random.default_rng(2)
    octaves = [(8, 0.2), (32, 0.2), (64, 0.3), (128, 0.45), (256, 0.7), (512, 0.9)]
    field = sum(weight * _wrapped_octave(rng, cells) for cells, weight in octaves)
    return _as_texture(field, 30)


@functools.cache
def grey_tile() -> np.ndarray:
    """Return `mottle_tile` in three equal channels: `(TILE_SIZE, TILE_SIZE, 3)`."""
    tile = cv2.merge([mottle_tile()] * 3)
    tile.flags.writeable = False
    return tile


@functools.cache
def sensor_tile() -> np.ndarray:
    """Return a camera sensor's noise: uint8 RGB `(768, 1024, 3)`, mean 128, std 32."""
    rng = np.random.default_rng(3)
    noise = rng.standard_normal((768, 1024, 3)).astype(np.float32)
    common = rng.standard_normal((768, 1024, 1)).astype(np.float32)
    blurred = cv2.GaussianBlur(noise * 0.7 + common, (3, 3), 0.6)
    return _as_texture(blurred, SENSOR_STD)


def cut(
    tile: np.ndarray, rng: np.random.Generator, height: int, width: int
) -> np.ndarray:
    """Return `height` x `width` pixels at a random place; small tiles are repeated."""
    rows, columns = tile.shape[:2]
    if height > rows or width > columns:
        repeats = (-(-height // rows) + 1, -(-width // columns) + 1)
        tile = np.tile(tile, repeats + (1,) * (tile.ndim - 2))
        rows, columns = tile.shape[:2]
    top = int(rng.integers(0, rows - height + 1))
    left = int(rng.integers(0, columns - width + 1))
    return tile[top : top + height, left : left + width]


def add_texture(image: np.ndarray, texture: np.ndarray, strength: float) -> np.ndarray:
    """Add a texture to an image without changing its mean brightness.

    Args:
        image: uint8 `(height, width, channels)`.
        texture: piece of a tile, uint8 of the same shape.
        strength: factor for the texture's difference from its mean.

    Returns:
        uint8, clipped at 0 and 255.
    """
    return cv2.addWeighted(image, 1.0, texture, strength, -_MEAN * strength)
