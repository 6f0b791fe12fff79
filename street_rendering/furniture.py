"""Lamp posts, telegraph poles and void objects on the pavements."""

import dataclasses

import numpy as np

from street_rendering import classes
from street_rendering.canvas import Billboard, Canvas, rectangle
from street_rendering.colors import BLACK, WHITE, Color, darken, pick
from street_rendering.sampling import choose
from street_rendering.things import ShadowBox, StandingThing

STEELS = [(112, 116, 118), (84, 88, 88), (62, 70, 64), (150, 152, 150), (44, 46, 50)]
WOODS = [(106, 88, 70), (88, 76, 64)]
CLUTTER_COLORS = [
    (38, 70, 44), (44, 46, 50), (96, 96, 94), (60, 62, 108), (136, 122, 88),
]  # fmt: skip
LIT_LAMP = (470, 420, 320)  # above 255, to stay bright in haze


@dataclasses.dataclass(frozen=True)
class LampPost(StandingThing):
    """A lamp post, or a telegraph pole.

    Attributes:
        height: metres.
        girth: diameter at the foot, metres.
        arm: metres to the lamp, to the right; 0 for a telegraph pole.
        color: RGB.
    """

    height: float
    girth: float
    arm: float
    color: Color

    def shadow_box(self) -> ShadowBox:
        """Return the box that casts the shadow."""
        return ShadowBox(0.5 * self.girth, 0.5 * self.girth, 0.0, self.height)

    def draw(self, canvas: Canvas) -> None:
        """Draw the post, its base, and its arm with a lamp, or a crossbar."""
        with Billboard(canvas, self.x, self.z, classes.POLE, 0.95) as board:
            self._draw_post(board, canvas.light.is_dusk)

    def _draw_post(self, board, is_lit):
        top = (0, self.height)
        board.limb((0, 0), top, self.girth, 0.7 * self.girth, self.color)
        shade = darken(self.color, 0.65)
        board.limb(
            (0.3 * self.girth, 0), (0.2 * self.girth, self.height), 0.4 * self.girth,
            0.3 * self.girth, shade,
        )  # fmt: skip
        board.limb((0, 0), (0, 1.1), 1.6 * self.girth, 1.5 * self.girth, self.color)
        if self.arm == 0:
            bar = self.height - 0.5
            board.limb((-0.9, bar), (0.9, bar), 0.12, 0.12, shade)
            return
        tip = (self.arm, self.height + 0.25)
        board.limb(top, tip, 0.7 * self.girth, 0.09, self.color)
        inner = (self.arm * 0.75, self.height + 0.2)
        board.limb(inner, (self.arm * 1.2, self.height + 0.28), 0.2, 0.14, shade)
        if is_lit:
            board.disc((self.arm, self.height + 0.12), 0.3, 0.12, LIT_LAMP)

    @classmethod
    def sample(
        cls, rng: np.random.Generator, x: float, z: float, towards_road: int
    ) -> "LampPost":
        """Sample a post at `(x, z)`, metres; `towards_road` is the sign of the arm."""
        is_wooden = rng.random() < 0.15
        return cls(
            x=x,
            z=z,
            height=rng.uniform(4.5, 8.5),
            girth=rng.uniform(0.12, 0.24),
            arm=0.0 if is_wooden else towards_road * rng.uniform(0.4, 1.8),
            color=pick(rng, WOODS if is_wooden else STEELS),
        )


@dataclasses.dataclass(frozen=True)
class Clutter(StandingThing):
    """A wheelie bin, a cabinet, a cone or rubbish bags, labeled void."""

    kind: str
    color: Color

    def shadow_box(self) -> ShadowBox:
        """Return the box that casts the shadow."""
        return ShadowBox(0.3, 0.3, 0.0, 0.9)

    def draw(self, canvas: Canvas) -> None:
        """Draw the object as void."""
        with Billboard(canvas, self.x, self.z, classes.VOID) as board:
            self._draw_shape(board)

    def _draw_shape(self, board):
        if self.kind == "bin":
            body = [(-0.25, 0.05), (0.25, 0.05), (0.3, 0.95), (-0.3, 0.95)]
            board.polygon(body, self.color)
            board.polygon(rectangle(0.66, 0.93, 1.06), darken(self.color, 0.7))
            board.polygon(rectangle(0.2, 0.3, 0.62, 0.1), darken(self.color, 0.75))
        elif self.kind == "cabinet":
            board.polygon(rectangle(0.9, 0, 1.2), self.color)
            board.polygon(rectangle(0.3, 0, 1.2, 0.15), darken(self.color, 0.8))
            board.polygon(rectangle(0.96, 1.18, 1.26), darken(self.color, 1.2))
        elif self.kind == "cone":
            board.polygon([(-0.2, 0.04), (0.2, 0.04), (0, 0.75)], (232, 92, 36))
            band = [(-0.12, 0.3), (0.12, 0.3), (0.07, 0.48), (-0.07, 0.48)]
            board.polygon(band, WHITE)
            board.polygon(rectangle(0.5, 0, 0.06), BLACK)
        else:
            for left, size in ((-0.3, 0.3), (0.25, 0.26), (0.0, 0.36)):
                board.disc((left, 0.8 * size), size, 0.9 * size, self.color)
                glint = (left - 0.1, size)
                board.disc(glint, size / 4, size / 5, darken(self.color, 1.6))

    @classmethod
    def sample(cls, rng: np.random.Generator, x: float, z: float) -> "Clutter":
        """Sample an object at `(x, z)`, metres."""
        kind = choose(rng, ("bin", "cabinet", "cone", "bags"))
        color = pick(rng, CLUTTER_COLORS)
        return cls(x, z, kind, (40, 40, 44) if kind == "bags" else color)
