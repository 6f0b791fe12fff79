"""The sky, clouds, and the distant skyline at the horizon."""

import cv2
import numpy as np

from street_rendering import classes
from street_rendering.canvas import Canvas
from street_rendering.colors import pick
from street_rendering.noise import cloud_tile, cut
from street_rendering.sampling import choose

TREE_LINES = [(70, 88, 56), (92, 98, 66), (58, 76, 58)]
FAR_WALLS = [(140, 134, 130), (120, 106, 98), (160, 156, 150), (110, 112, 118)]


def draw_sky(canvas: Canvas, rng: np.random.Generator) -> None:
    """Fill the rows above the horizon with a gradient and clouds."""
    light, camera = canvas.light, canvas.camera
    height = min(camera.height, int(np.ceil(camera.horizon)) + 4)
    rows, columns = (height + 2) // 3, (camera.width + 2) // 3  # resized at the end
    stretch = rng.uniform(0.5, 1.6)
    noise = cut(cloud_tile(), rng, int(60 + 90 * stretch), int(240 / stretch))
    noise = cv2.resize(noise, (columns, rows), interpolation=cv2.INTER_LINEAR)
    threshold = 190 - 130 * light.cloudiness
    density = np.clip((np.arange(256) - threshold) / rng.uniform(30, 90), 0, 0.95)
    cloud_share = density.astype(np.float32)[noise][..., None]
    fall = np.linspace(0, 1, rows, dtype=np.float32)[:, None, None] ** 1.3
    top, foot, cloud = (
        np.array(color, np.float32)
        for color in (light.sky_top, light.sky_foot, light.cloud)
    )
    clear = top + (foot - top) * fall
    lit_cloud = cloud + (noise[..., None] - np.float32(150)) * np.float32(0.16)
    sky = clear + (lit_cloud - clear) * cloud_share
    sky = np.clip(sky, 0, 255).astype(np.uint8)
    canvas.image[:height] = cv2.resize(sky, (camera.width, height))
    canvas.label_map[:height] = classes.SKY


def draw_skyline(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw distant houses and trees along the horizon."""
    camera = canvas.camera
    unit = camera.focal / 150  # pixels per metre, 150 metres away
    foot = camera.horizon + 3 * unit
    brightness = canvas.light.facing(0, 0, -1)
    column = -rng.uniform(0, 20) * unit
    while column < camera.width:
        width = rng.uniform(8, 30) * unit
        top = camera.horizon - rng.uniform(2, 16) * unit
        box = [(column, foot), (column, top), (column + width, top)]
        box.append((column + width, foot))
        tone = canvas.light.tone(pick(rng, FAR_WALLS), 150, brightness)
        canvas.fill(box, tone, classes.BUILDING)
        column += width + choose(rng, (0.0, 12.0)) * unit
    profile = cut(cloud_tile(), rng, 1, 128)[0].astype(np.float64)
    tops = camera.horizon - np.maximum(0, (profile - 100) / 9) * unit
    columns = np.linspace(-4, camera.width + 4, len(tops))
    outline = np.stack([columns, tops], axis=1)
    feet = [(camera.width + 4, foot), (-4, foot)]
    tone = canvas.light.tone(pick(rng, TREE_LINES), 130, brightness)
    canvas.fill(np.concatenate([outline, feet]), tone, classes.TREE)
