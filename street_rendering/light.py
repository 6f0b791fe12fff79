"""Lighting of a scene: time of day, weather and camera settings."""

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from street_rendering.colors import Color, jitter
from street_rendering.sampling import choose_by_share


@dataclasses.dataclass(frozen=True)
class Light:
    """Sun, sky and air of one scene. Colors are RGB in 0 to 255.

    Attributes:
        ambient: brightness of a surface in shadow.
        sunshine: brightness that the sun adds to a surface facing it.
        sun: unit vector from the street to the sun, `(x, y, z)`.
        sky_top: color of the sky overhead.
        sky_foot: color of the sky above the horizon.
        cloud: color of the clouds.
        cloudiness: share of the sky under cloud, 0 to 1.
        haze_distance: distance at which haze replaces 63 % of a color, metres.
        gains: white balance and exposure, a factor for each of R, G and B.
        gamma: exponent of the tone curve.
        grain: standard deviation of the sensor's noise, gray levels.
        softness: standard deviation of the lens's blur, pixels at 480x360.
        glare: strength of the glare around the vanishing point, 0 to 1.
        is_dusk: whether lamps and windows are lit.
        is_wet: whether the road reflects the scene.
    """

    ambient: float
    sunshine: float
    sun: tuple[float, float, float]
    sky_top: Color
    sky_foot: Color
    cloud: Color
    cloudiness: float
    haze_distance: float
    gains: tuple[float, float, float]
    gamma: float
    grain: float
    softness: float
    glare: float
    is_dusk: bool
    is_wet: bool

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Light":
        """Sample weather and camera settings."""
        shares = [weather.share for weather in _WEATHERS.values()]
        kind = choose_by_share(rng, list(_WEATHERS), shares)
        weather = _WEATHERS[kind]
        elevation = math.radians(rng.uniform(*weather.sun_degrees))
        azimuth = rng.uniform(0, 2 * math.pi)
        exposure = rng.uniform(0.95, 1.3)
        warmth = rng.normal(weather.warmth, 0.05)
        return cls(
            ambient=weather.ambient * rng.uniform(0.92, 1.08),
            sunshine=weather.sunshine * rng.uniform(0.8, 1.2),
            sun=(
                math.cos(elevation) * math.sin(azimuth),
                math.sin(elevation),
                math.cos(elevation) * math.cos(azimuth),
            ),
            sky_top=jitter(rng, weather.sky_top, 14),
            sky_foot=jitter(rng, weather.sky_foot, 10),
            cloud=jitter(rng, weather.cloud, 8),
            cloudiness=rng.uniform(*weather.cloudiness),
            haze_distance=rng.uniform(*weather.haze_distance),
            gains=(
                exposure * (1 + warmth),
                exposure * rng.uniform(0.97, 1.03),
                exposure * (1 - warmth),
            ),
            gamma=rng.uniform(0.75, 1.1),
            grain=rng.uniform(*weather.grain),
            softness=rng.uniform(0.45, 0.85),
            glare=rng.uniform(*weather.glare),
            is_dusk=kind == "dusk",
            is_wet=bool(kind == "rain" or rng.random() < 0.05),
        )

    def facing(self, x: float, y: float, z: float) -> float:
        """Return the brightness of a surface whose unit normal is `(x, y, z)`."""
        towards_sun = max(0.0, x * self.sun[0] + y * self.sun[1] + z * self.sun[2])
        sky = 0.9 + 0.12 * y
        return self.ambient * sky + self.sunshine * towards_sun

    def tone(self, color: Color, depth: float, brightness: float = 1.0) -> Color:
        """Return the color of a surface in the image, in light and haze.

        Args:
            color: RGB of the surface, 0 to 255.
            depth: metres from the camera.
            brightness: brightness of the surface, from `facing`.

        Returns:
            RGB, which may exceed 255.
        """
        clear = math.exp(-depth / self.haze_distance)
        shade = clear * brightness
        veil = 1.0 - clear
        haze = self.sky_foot
        return (
            color[0] * shade + haze[0] * veil,
            color[1] * shade + haze[1] * veil,
            color[2] * shade + haze[2] * veil,
        )


class _Weather(NamedTuple):
    """Parameters of a kind of weather, as of `Light`; pairs are ranges."""

    share: float  # of the scenes
    ambient: float
    sunshine: float
    sun_degrees: tuple[float, float]  # elevation of the sun
    warmth: float  # mean increase of the red gain
    sky_top: Color
    sky_foot: Color
    cloud: Color
    cloudiness: tuple[float, float]
    haze_distance: tuple[float, float]
    grain: tuple[float, float]
    glare: tuple[float, float]


_WEATHERS = {
    "sunny": _Weather(
        share=0.36,
        ambient=0.55, sunshine=0.70, sun_degrees=(28, 62), warmth=0.02,
        sky_top=(82, 132, 200), sky_foot=(188, 212, 234),
        cloud=(246, 247, 250), cloudiness=(0.0, 0.6),
        haze_distance=(300, 900), grain=(1.5, 4), glare=(0.0, 0.1),
    ),
    "overcast": _Weather(
        share=0.28,
        ambient=0.90, sunshine=0.0, sun_degrees=(40, 60), warmth=-0.01,
        sky_top=(186, 192, 200), sky_foot=(214, 217, 220),
        cloud=(232, 233, 235), cloudiness=(0.4, 1.0),
        haze_distance=(150, 600), grain=(2, 5), glare=(0.0, 0.0),
    ),
    "low sun": _Weather(
        share=0.14,
        ambient=0.55, sunshine=0.72, sun_degrees=(9, 20), warmth=0.08,
        sky_top=(118, 148, 190), sky_foot=(248, 222, 182),
        cloud=(250, 226, 200), cloudiness=(0.1, 0.6),
        haze_distance=(120, 400), grain=(2, 5), glare=(0.1, 0.5),
    ),
    "dusk": _Weather(
        share=0.12,
        ambient=0.60, sunshine=0.0, sun_degrees=(20, 40), warmth=-0.04,
        sky_top=(62, 76, 116), sky_foot=(170, 146, 144),
        cloud=(108, 104, 124), cloudiness=(0.2, 0.8),
        haze_distance=(200, 500), grain=(5, 10), glare=(0.0, 0.0),
    ),
    "rain": _Weather(
        share=0.10,
        ambient=0.74, sunshine=0.0, sun_degrees=(40, 60), warmth=-0.03,
        sky_top=(150, 156, 164), sky_foot=(182, 186, 190),
        cloud=(196, 198, 202), cloudiness=(0.5, 1.0),
        haze_distance=(60, 180), grain=(3, 6), glare=(0.0, 0.0),
    ),
}  # fmt: skip
