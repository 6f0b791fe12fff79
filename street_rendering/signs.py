"""Traffic signs and lights: their columns are labeled pole, their faces sign."""

import dataclasses

import numpy as np

from street_rendering import classes
from street_rendering.canvas import Billboard, Canvas, rectangle
from street_rendering.colors import BLACK, WHITE, Color, darken, pick
from street_rendering.sampling import choose
from street_rendering.things import ShadowBox, StandingThing

STEELS = ((112, 116, 118), (84, 88, 88), (62, 70, 64), (150, 152, 150))
RED, BLUE, GREEN = (186, 36, 40), (34, 78, 160), (22, 104, 74)
LAMPS = ((40, 230, 150), (255, 180, 40), (255, 50, 40))  # from bottom to top


@dataclasses.dataclass(frozen=True)
class SignPost(StandingThing):
    """A post with one or two signs.

    Attributes:
        height: metres to the upper edge of the first sign.
        size: height of that sign, metres.
        kind: kind of sign, a key of `_SIGNS`.
        has_second: whether there is a plate below it.
        post: color of the post.
    """

    height: float
    size: float
    kind: str
    has_second: bool
    post: Color

    def shadow_box(self) -> ShadowBox:
        """Return the box that casts the shadow."""
        return ShadowBox(0.5 * self.size, 0.05, self.height - self.size, self.height)

    def draw(self, canvas: Canvas) -> None:
        """Draw the post and its signs."""
        with Billboard(canvas, self.x, self.z, classes.POLE) as board:
            board.limb((0, 0), (0, self.height), 0.09, 0.09, self.post)
        with Billboard(canvas, self.x, self.z, classes.SIGN, 1.05) as face:
            centre = self.height - 0.5 * self.size
            _SIGNS[self.kind](face, centre, self.size)
            if self.has_second:
                _draw_plate(face, centre - 0.95 * self.size, self.size)

    @classmethod
    def sample(cls, rng: np.random.Generator, x: float, z: float) -> "SignPost":
        """Sample a sign at `(x, z)`, metres."""
        kind = choose(rng, list(_SIGNS))
        size = rng.uniform(0.65, 1.0) * (1.5 if kind == "direction" else 1.0)
        return cls(
            x=x,
            z=z,
            height=rng.uniform(2.3, 3.2) + 0.3 * size,
            size=size,
            kind=kind,
            has_second=bool(rng.random() < 0.35),
            post=pick(rng, STEELS),
        )


def _draw_limit(face, centre, size):
    face.disc((0, centre), size / 2, size / 2, RED)
    face.disc((0, centre), size * 0.37, size * 0.37, WHITE)
    for left in (-0.2, 0.04):
        digit = rectangle(
            0.14 * size, centre - 0.18 * size, centre + 0.18 * size, left * size
        )
        face.polygon(digit, BLACK)


def _draw_no_entry(face, centre, size):
    face.disc((0, centre), size / 2, size / 2, RED)
    bar = rectangle(0.7 * size, centre - 0.08 * size, centre + 0.08 * size)
    face.polygon(bar, WHITE)


def _draw_mandatory(face, centre, size):
    face.disc((0, centre), size / 2, size / 2, BLUE)
    tip = (0.2 * size, centre - 0.22 * size)
    face.limb((-0.2 * size, centre + 0.2 * size), tip, 0.12 * size, 0.2 * size, WHITE)


def _draw_warning(face, centre, size):
    for share, color in ((0.56, RED), (0.34, WHITE)):
        middle = centre - 0.06 * size
        face.polygon(
            [
                (-share * size, middle - 0.58 * share * size),
                (share * size, middle - 0.58 * share * size),
                (0, middle + 1.16 * share * size),
            ],
            color,
        )
    mark = rectangle(0.1 * size, centre - 0.18 * size, centre + 0.14 * size)
    face.polygon(mark, BLACK)


def _draw_direction(face, centre, size):
    color = GREEN if size > 1.25 else BLUE
    low, high = centre - 0.35 * size, centre + 0.35 * size
    face.polygon(rectangle(1.3 * size, low, high), WHITE)
    face.polygon(rectangle(1.2 * size, low + 0.04, high - 0.04), color)
    for share in (-0.18, 0.0, 0.18):
        line = centre + share * size
        width = (0.9 - abs(share)) * size
        face.polygon(
            rectangle(width, line - 0.04 * size, line + 0.04 * size, -0.5 * size),
            WHITE,
        )


def _draw_board(face, centre, size):
    face.polygon(rectangle(0.8 * size, centre - size / 2, centre + size / 2), BLUE)
    stem = rectangle(0.12 * size, centre - 0.3 * size, centre + 0.3 * size, -0.2 * size)
    face.polygon(stem, WHITE)
    face.disc((0, centre + 0.14 * size), 0.2 * size, 0.17 * size, WHITE)


def _draw_plate(face, centre, size):
    face.polygon(rectangle(0.8 * size, centre - size / 5, centre + size / 5), WHITE)
    for share in (-0.08, 0.06):
        line = centre + share * size
        face.polygon(rectangle(0.6 * size, line, line + 0.05 * size), BLACK)


_SIGNS = {
    "limit": _draw_limit,
    "no entry": _draw_no_entry,
    "mandatory": _draw_mandatory,
    "warning": _draw_warning,
    "direction": _draw_direction,
    "board": _draw_board,
}


@dataclasses.dataclass(frozen=True)
class TrafficLight(StandingThing):
    """A traffic light: its column is labeled pole, its head sign, as in CamVid.

    Attributes:
        shown: index of the lit lamp in `LAMPS`.
        post: color of the column.
    """

    shown: int
    post: Color

    def shadow_box(self) -> ShadowBox:
        """Return the box that casts the shadow."""
        return ShadowBox(0.15, 0.15, 0.0, 3.3)

    def draw(self, canvas: Canvas) -> None:
        """Draw the column, the head's board and its three lamps."""
        with Billboard(canvas, self.x, self.z, classes.POLE) as column:
            column.limb((0, 0), (0, 3.1), 0.14, 0.14, self.post)
        with Billboard(canvas, self.x, self.z, classes.SIGN) as head:
            head.polygon(rectangle(0.56, 2.2, 3.45), (44, 44, 46))
            head.polygon(rectangle(0.36, 2.28, 3.37), (22, 22, 24))
            for lamp, color in enumerate(LAMPS):
                tint = color if lamp == self.shown else darken(color, 0.25)
                head.disc((0, 2.47 + 0.35 * lamp), 0.13, 0.13, tint)

    @classmethod
    def sample(cls, rng: np.random.Generator, x: float, z: float) -> "TrafficLight":
        """Sample a traffic light at `(x, z)`, metres."""
        return cls(x, z, int(rng.integers(len(LAMPS))), pick(rng, STEELS))
