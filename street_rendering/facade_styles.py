"""Styles of houses: colors, storeys and windows."""

import dataclasses

import numpy as np

from street_rendering.colors import Color, jitter, pick
from street_rendering.light import Light
from street_rendering.sampling import choose, choose_by_share

BRICKS = [(150, 92, 72), (172, 128, 98), (128, 84, 70), (188, 160, 122), (116, 92, 84)]
RENDERS = [
    (214, 206, 190), (196, 196, 196), (228, 222, 210), (150, 150, 152), (120, 122, 126),
    (206, 188, 150), (176, 188, 196), (96, 98, 102),
]  # fmt: skip
ROOFS = [(84, 84, 92), (104, 74, 62), (70, 70, 74), (128, 84, 66)]
FRAMES = [(232, 232, 228), (232, 232, 228), (70, 64, 60), (120, 110, 100)]
GLASSES = [(54, 62, 72), (74, 86, 98), (40, 44, 50), (104, 120, 134)]
FLOORS, FLOOR_SHARES = (1, 2, 3, 4, 6), (0.03, 0.30, 0.36, 0.20, 0.11)
DOORS = [(96, 32, 32), (32, 52, 84), (40, 66, 46), (56, 48, 44), (150, 146, 140)]
FASCIAS = [(150, 40, 40), (36, 60, 110), (40, 84, 60), (44, 44, 46), (196, 170, 90)]


@dataclasses.dataclass(frozen=True)
class FacadeStyle:
    """Style of one or more houses. Lengths are in metres, colors RGB.

    Attributes:
        wall: color of the front and the end walls.
        roof: color of the tiles.
        frame: color of the window frames.
        glass: color of the panes.
        accent: color of the doors, or of the shops' fascias.
        is_brick: whether the walls have courses of bricks.
        has_shops: whether the ground floor has shop windows.
        has_chimney: whether there is a chimney on the ridge.
        num_floors: number of floors, with the ground floor.
        floor_height: floor to floor.
        bay_width: window to window.
        window_width: share of `bay_width`.
        window_height: share of `floor_height`.
        roof_height: eaves to ridge; 0 for a flat roof.
        chimney_place: share of the front's length.
    """

    wall: Color
    roof: Color
    frame: Color
    glass: Color
    accent: Color
    is_brick: bool
    has_shops: bool
    has_chimney: bool
    num_floors: int
    floor_height: float
    bay_width: float
    window_width: float
    window_height: float
    roof_height: float
    chimney_place: float

    @property
    def height(self) -> float:
        """Metres from the ground to the eaves."""
        return self.num_floors * self.floor_height + 0.5

    def in_light(self, light: Light, depth: float, brightness: float) -> "FacadeStyle":
        """Return the style with the colors of the image, except for the roof.

        Args:
            light: light and haze.
            depth: metres from the camera.
            brightness: brightness of the front, from `Light.facing`.
        """
        return dataclasses.replace(
            self,
            wall=light.tone(self.wall, depth, brightness),
            frame=light.tone(self.frame, depth, brightness),
            glass=light.tone(self.glass, depth, 0.5 + 0.5 * brightness),
            accent=light.tone(self.accent, depth, brightness),
        )

    @property
    def top(self) -> float:
        """Metres from the ground to the ridge."""
        return self.height + self.roof_height

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "FacadeStyle":
        """Sample a style: a terrace, a villa, a shop or a block of flats."""
        is_brick = bool(rng.random() < 0.5)
        num_floors = choose_by_share(rng, FLOORS, FLOOR_SHARES)
        has_shops = bool(rng.random() < 0.35)
        is_pitched = rng.random() < (0.75 if num_floors < 4 else 0.25)
        return cls(
            wall=pick(rng, BRICKS if is_brick else RENDERS, 12),
            roof=jitter(rng, choose(rng, ROOFS), 10),
            frame=choose(rng, FRAMES),
            glass=choose(rng, GLASSES),
            accent=pick(rng, FASCIAS if has_shops else DOORS),
            is_brick=is_brick,
            has_shops=has_shops,
            has_chimney=bool(is_pitched and rng.random() < 0.6),
            num_floors=num_floors,
            floor_height=rng.uniform(2.7, 3.3),
            bay_width=rng.uniform(2.2, 3.6),
            window_width=rng.uniform(0.36, 0.7),
            window_height=rng.uniform(0.42, 0.64),
            roof_height=rng.uniform(1.6, 3.0) if is_pitched else 0.0,
            chimney_place=rng.uniform(0.1, 0.9),
        )
