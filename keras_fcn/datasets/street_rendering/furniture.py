"""Lamp posts, telegraph poles and the unlabelled clutter of the pavements."""

import dataclasses

from keras_fcn.datasets.street_rendering import class_ids
from keras_fcn.datasets.street_rendering.canvas import Billboard, rectangle
from keras_fcn.datasets.street_rendering.colours import darken, pick
from keras_fcn.datasets.street_rendering.sampling import choose

STEELS = [(112, 116, 118), (84, 88, 88), (62, 70, 64), (150, 152, 150), (44, 46, 50)]
WOODS = [(106, 88, 70), (88, 76, 64)]
WHITE, BLACK = (232, 232, 228), (30, 30, 32)


@dataclasses.dataclass(frozen=True)
class LampPost:
    """A lamp post, or a telegraph pole where `arm` is 0; lengths in metres."""

    x: float
    z: float
    height: float
    girth: float
    arm: float
    colour: tuple[float, float, float]

    @property
    def depth(self):
        """Metres from the camera."""
        return self.z

    def shadow_box(self):
        """Half width, half length, foot and top of what casts the shadow, metres."""
        return 0.5 * self.girth, 0.5 * self.girth, 0.0, self.height

    def draw(self, canvas):
        """Draws the post, its base, and its arm with a lamp, or a crossbar."""
        with Billboard(canvas, self.x, self.z, class_ids.POLE, 0.95) as board:
            self._draw_post(board, canvas.light.is_dusk)

    def _draw_post(self, board, is_lit):
        top = (0, self.height)
        board.limb((0, 0), top, self.girth, 0.7 * self.girth, self.colour)
        shade = darken(self.colour, 0.65)
        board.limb(
            (0.3 * self.girth, 0), (0.2 * self.girth, self.height), 0.4 * self.girth,
            0.3 * self.girth, shade,
        )  # fmt: skip
        board.limb((0, 0), (0, 1.1), 1.6 * self.girth, 1.5 * self.girth, self.colour)
        if self.arm == 0:
            bar = self.height - 0.5
            board.limb((-0.9, bar), (0.9, bar), 0.12, 0.12, shade)
            return
        tip = (self.arm, self.height + 0.25)
        board.limb(top, tip, 0.7 * self.girth, 0.09, self.colour)
        inner = (self.arm * 0.75, self.height + 0.2)
        board.limb(inner, (self.arm * 1.2, self.height + 0.28), 0.2, 0.14, shade)
        if is_lit:
            board.disc((self.arm, self.height + 0.12), 0.3, 0.12, (470, 420, 320))

    @classmethod
    def sample(cls, rng, x, z, towards_road):
        """Draws a post at `(x, z)`; `towards_road` is the sign of the arm."""
        is_wooden = rng.random() < 0.15
        return cls(
            x=x,
            z=z,
            height=rng.uniform(4.5, 8.5),
            girth=rng.uniform(0.12, 0.24),
            arm=0.0 if is_wooden else towards_road * rng.uniform(0.4, 1.8),
            colour=pick(rng, WOODS if is_wooden else STEELS),
        )


CLUTTER_COLOURS = [
    (38, 70, 44), (44, 46, 50), (96, 96, 94), (60, 62, 108), (136, 122, 88),
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Clutter:
    """A wheelie bin, a cabinet, a cone or rubbish bags, which nobody labelled."""

    x: float
    z: float
    kind: str
    colour: tuple[float, float, float]

    @property
    def depth(self):
        """Metres from the camera."""
        return self.z

    def shadow_box(self):
        """Half width, half length, foot and top of what casts the shadow, metres."""
        return 0.3, 0.3, 0.0, 0.9

    def draw(self, canvas):
        """Draws the thing as void."""
        with Billboard(canvas, self.x, self.z, class_ids.VOID) as board:
            self._draw_shape(board)

    def _draw_shape(self, board):
        if self.kind == "bin":
            body = [(-0.25, 0.05), (0.25, 0.05), (0.3, 0.95), (-0.3, 0.95)]
            board.polygon(body, self.colour)
            board.polygon(rectangle(0.66, 0.93, 1.06), darken(self.colour, 0.7))
            board.polygon(rectangle(0.2, 0.3, 0.62, 0.1), darken(self.colour, 0.75))
        elif self.kind == "cabinet":
            board.polygon(rectangle(0.9, 0, 1.2), self.colour)
            board.polygon(rectangle(0.3, 0, 1.2, 0.15), darken(self.colour, 0.8))
            board.polygon(rectangle(0.96, 1.18, 1.26), darken(self.colour, 1.2))
        elif self.kind == "cone":
            board.polygon([(-0.2, 0.04), (0.2, 0.04), (0, 0.75)], (232, 92, 36))
            band = [(-0.12, 0.3), (0.12, 0.3), (0.07, 0.48), (-0.07, 0.48)]
            board.polygon(band, WHITE)
            board.polygon(rectangle(0.5, 0, 0.06), BLACK)
        else:
            for left, size in ((-0.3, 0.3), (0.25, 0.26), (0.0, 0.36)):
                board.disc((left, 0.8 * size), size, 0.9 * size, self.colour)
                glint = (left - 0.1, size)
                board.disc(glint, size / 4, size / 5, darken(self.colour, 1.6))

    @classmethod
    def sample(cls, rng, x, z):
        """Draws a thing that stands at `(x, z)`."""
        kind = choose(rng, ("bin", "cabinet", "cone", "bags"))
        colour = pick(rng, CLUTTER_COLOURS)
        return cls(x, z, kind, (40, 40, 44) if kind == "bags" else colour)
