"""Effects of weather, lens and sensor on the finished image."""

import cv2
import numpy as np

from street_rendering import classes
from street_rendering.canvas import Canvas
from street_rendering.noise import SENSOR_STD, add_texture, cloud_tile, cut, sensor_tile


def apply_weather(canvas: Canvas, rng: np.random.Generator) -> None:
    """Add reflections, rain, glare and uneven exposure."""
    light = canvas.light
    if light.is_wet:
        _mirror_in_road(canvas, rng)
        _draw_rain(canvas, rng)
    if light.glare > 0.03:
        _add_glare(canvas)
    _add_mottle(canvas, rng)


def take_photograph(canvas: Canvas, rng: np.random.Generator) -> None:
    """Apply lens blur, sensor noise and the tone curve."""
    light, camera = canvas.light, canvas.camera
    sigma = light.softness * (camera.height * camera.width / (480 * 360)) ** 0.5
    if sigma > 0.25:
        size = (3, 3) if sigma < 0.8 else (0, 0)
        canvas.image = cv2.GaussianBlur(canvas.image, size, sigma)
    noise = cut(sensor_tile(), rng, camera.height, camera.width)
    canvas.image = add_texture(canvas.image, noise, light.grain / SENSOR_STD)
    levels = np.arange(256)[:, None] / 255 * np.array(light.gains)
    tones = 255 * np.clip(levels, 0, 1) ** light.gamma
    canvas.image = cv2.LUT(canvas.image, np.rint(tones).astype(np.uint8)[None])


def _mirror_in_road(canvas, rng):
    horizon = int(canvas.camera.horizon)
    rows = min(canvas.camera.height - horizon, horizon)
    if rows < 2:
        return
    above = canvas.image[horizon - rows : horizon]
    small = cv2.resize(above, (canvas.camera.width // 4 + 1, rows // 8 + 1))
    mirrored = cv2.resize(small[::-1], (canvas.camera.width, rows)).astype(np.float32)
    road = np.s_[horizon : horizon + rows]
    share = np.linspace(rng.uniform(0.35, 0.6), 0, rows, dtype=np.float32)
    share = share[:, None] * (canvas.label_map[road] == classes.ROAD)
    dry = canvas.image[road]
    wet = dry + (mirrored - dry) * share[..., None]
    canvas.image[road] = wet.astype(np.uint8)


def _draw_rain(canvas, rng):
    """Draw drops on the windscreen, in the blurred, brightened colors behind them."""
    height, width = canvas.label_map.shape
    blurred = cv2.resize(canvas.image, (width // 8 + 1, height // 8 + 1))
    for _ in range(int(rng.integers(0, 26))):
        radius = max(1.0, rng.gamma(2.0, 0.004) * height)
        column, row = int(rng.integers(width)), int(rng.integers(height))
        red, green, blue = blurred[row // 8, column // 8].astype(float)
        lift = rng.uniform(0.75, 1.3)
        color = (red * lift + 8, green * lift + 8, blue * lift + 8)
        axes = (max(1, round(radius)), max(1, round(radius * rng.uniform(1, 1.6))))
        cv2.ellipse(canvas.image, (column, row), axes, 0, 0, 360, color, -1)


def _add_glare(canvas):
    camera = canvas.camera
    column, row = camera.vanishing_column, 0.6 * camera.horizon
    x = (np.arange(camera.width, dtype=np.float32) - column) / camera.width
    y = (np.arange(camera.height, dtype=np.float32) - row) / camera.height
    across = np.exp(-6 * x * x)[None, :]
    down = np.exp(-5 * y * y)[:, None]
    veil = (across * down * np.float32(90 * canvas.light.glare)).astype(np.uint8)
    warm = cv2.merge([veil, cv2.convertScaleAbs(veil, alpha=0.9), veil // 3 * 2])
    canvas.image = cv2.add(canvas.image, warm)


def _add_mottle(canvas, rng):
    """Add low-frequency variation of the brightness."""
    height, width = canvas.label_map.shape
    patch = cut(cloud_tile(), rng, 60, 80)
    patch = cv2.resize(patch, (width, height), interpolation=cv2.INTER_LINEAR)
    texture = cv2.merge([patch, patch, patch])
    canvas.image = add_texture(canvas.image, texture, rng.uniform(0.05, 0.2))
