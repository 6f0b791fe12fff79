"""Poles, signs, traffic lights and unlabelled clutter of the pavements."""

import dataclasses

import numpy as np

from keras_fcn.datasets.street_rendering import class_ids
from keras_fcn.datasets.street_rendering.canvas import Billboard
from keras_fcn.datasets.street_rendering.light import darken, pick

STEELS = [(112, 116, 118), (84, 88, 88), (62, 70, 64), (150, 152, 150), (44, 46, 50)]
WOODS = [(106, 88, 70), (88, 76, 64)]
RED, BLUE, GREEN = (186, 36, 40), (34, 78, 160), (22, 104, 74)
WHITE, YELLOW, BLACK = (232, 232, 228), (222, 190, 60), (30, 30, 32)


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
        board = Billboard(canvas, self.x, self.z, class_ids.POLE, 0.95)
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
        if canvas.light.is_dusk:
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


@dataclasses.dataclass(frozen=True)
class SignPost:
    """A post with one or two signs; lengths in metres."""

    x: float
    z: float
    height: float
    size: float
    kind: str
    has_second: bool
    post: tuple[float, float, float]

    @property
    def depth(self):
        """Metres from the camera."""
        return self.z

    def shadow_box(self):
        """Half width, half length, foot and top of what casts the shadow, metres."""
        return 0.5 * self.size, 0.05, self.height - self.size, self.height

    def draw(self, canvas):
        """Draws the post and its signs."""
        board = Billboard(canvas, self.x, self.z, class_ids.POLE)
        board.limb((0, 0), (0, self.height), 0.09, 0.09, self.post)
        face = Billboard(canvas, self.x, self.z, class_ids.SIGN, 1.05)
        centre = self.height - 0.5 * self.size
        _SIGNS[self.kind](face, centre, self.size)
        if self.has_second:
            _draw_plate(face, centre - 0.95 * self.size, self.size)

    @classmethod
    def sample(cls, rng, x, z):
        """Draws a sign that stands at `(x, z)`."""
        kind = str(rng.choice(list(_SIGNS)))
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


def _rectangle(width, bottom, top, left=None):
    left = -0.5 * width if left is None else left
    return [(left, bottom), (left + width, bottom), (left + width, top), (left, top)]


def _draw_limit(face, centre, size):
    face.disc((0, centre), size / 2, size / 2, RED)
    face.disc((0, centre), size * 0.37, size * 0.37, WHITE)
    for left in (-0.2, 0.04):
        digit = _rectangle(
            0.14 * size, centre - 0.18 * size, centre + 0.18 * size, left * size
        )
        face.polygon(digit, BLACK)


def _draw_no_entry(face, centre, size):
    face.disc((0, centre), size / 2, size / 2, RED)
    bar = _rectangle(0.7 * size, centre - 0.08 * size, centre + 0.08 * size)
    face.polygon(bar, WHITE)


def _draw_mandatory(face, centre, size):
    face.disc((0, centre), size / 2, size / 2, BLUE)
    tip = (0.2 * size, centre - 0.22 * size)
    face.limb((-0.2 * size, centre + 0.2 * size), tip, 0.12 * size, 0.2 * size, WHITE)


def _draw_warning(face, centre, size):
    for share, colour in ((0.56, RED), (0.34, WHITE)):
        middle = centre - 0.06 * size
        face.polygon(
            [
                (-share * size, middle - 0.58 * share * size),
                (share * size, middle - 0.58 * share * size),
                (0, middle + 1.16 * share * size),
            ],
            colour,
        )
    mark = _rectangle(0.1 * size, centre - 0.18 * size, centre + 0.14 * size)
    face.polygon(mark, BLACK)


def _draw_direction(face, centre, size):
    colour = GREEN if size > 1.25 else BLUE
    low, high = centre - 0.35 * size, centre + 0.35 * size
    face.polygon(_rectangle(1.3 * size, low, high), WHITE)
    face.polygon(_rectangle(1.2 * size, low + 0.04, high - 0.04), colour)
    for share in (-0.18, 0.0, 0.18):
        line = centre + share * size
        width = (0.9 - abs(share)) * size
        face.polygon(
            _rectangle(width, line - 0.04 * size, line + 0.04 * size, -0.5 * size),
            WHITE,
        )


def _draw_board(face, centre, size):
    face.polygon(_rectangle(0.8 * size, centre - size / 2, centre + size / 2), BLUE)
    stem = _rectangle(0.12 * size, centre - 0.3 * size, centre + 0.3 * size, -0.2 * size)
    face.polygon(stem, WHITE)
    face.disc((0, centre + 0.14 * size), 0.2 * size, 0.17 * size, WHITE)


def _draw_plate(face, centre, size):
    face.polygon(_rectangle(0.8 * size, centre - size / 5, centre + size / 5), WHITE)
    for share in (-0.08, 0.06):
        line = centre + share * size
        face.polygon(_rectangle(0.6 * size, line, line + 0.05 * size), BLACK)


_SIGNS = {
    "limit": _draw_limit,
    "no entry": _draw_no_entry,
    "mandatory": _draw_mandatory,
    "warning": _draw_warning,
    "direction": _draw_direction,
    "board": _draw_board,
}


@dataclasses.dataclass(frozen=True)
class TrafficLight:
    """A traffic light: its column is a pole, its head a sign, as in CamVid."""

    x: float
    z: float
    shown: int
    post: tuple[float, float, float]

    @property
    def depth(self):
        """Metres from the camera."""
        return self.z

    def shadow_box(self):
        """Half width, half length, foot and top of what casts the shadow, metres."""
        return 0.15, 0.15, 0.0, 3.3

    def draw(self, canvas):
        """Draws the column, the head's board and its three lamps."""
        column = Billboard(canvas, self.x, self.z, class_ids.POLE)
        column.limb((0, 0), (0, 3.1), 0.14, 0.14, self.post)
        head = Billboard(canvas, self.x, self.z, class_ids.SIGN)
        head.polygon(_rectangle(0.56, 2.2, 3.45), (44, 44, 46))
        head.polygon(_rectangle(0.36, 2.28, 3.37), (22, 22, 24))
        for lamp, colour in enumerate([(40, 230, 150), (255, 180, 40), (255, 50, 40)]):
            tint = colour if lamp == self.shown else darken(colour, 0.25)
            head.disc((0, 2.47 + 0.35 * lamp), 0.13, 0.13, tint)


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
        board = Billboard(canvas, self.x, self.z, class_ids.VOID)
        if self.kind == "bin":
            body = [(-0.25, 0.05), (0.25, 0.05), (0.3, 0.95), (-0.3, 0.95)]
            board.polygon(body, self.colour)
            board.polygon(_rectangle(0.66, 0.93, 1.06), darken(self.colour, 0.7))
            board.polygon(_rectangle(0.2, 0.3, 0.62, 0.1), darken(self.colour, 0.75))
        elif self.kind == "cabinet":
            board.polygon(_rectangle(0.9, 0, 1.2), self.colour)
            board.polygon(_rectangle(0.3, 0, 1.2, 0.15), darken(self.colour, 0.8))
            board.polygon(_rectangle(0.96, 1.18, 1.26), darken(self.colour, 1.2))
        elif self.kind == "cone":
            board.polygon([(-0.2, 0.04), (0.2, 0.04), (0, 0.75)], (232, 92, 36))
            band = [(-0.12, 0.3), (0.12, 0.3), (0.07, 0.48), (-0.07, 0.48)]
            board.polygon(band, WHITE)
            board.polygon(_rectangle(0.5, 0, 0.06), BLACK)
        else:
            for left, size in ((-0.3, 0.3), (0.25, 0.26), (0.0, 0.36)):
                board.disc((left, 0.8 * size), size, 0.9 * size, self.colour)
                glint = (left - 0.1, size)
                board.disc(glint, size / 4, size / 5, darken(self.colour, 1.6))

    @classmethod
    def sample(cls, rng, x, z):
        """Draws a thing that stands at `(x, z)`."""
        kind = str(rng.choice(["bin", "cabinet", "cone", "bags"]))
        colour = pick(rng, CLUTTER_COLOURS)
        return cls(x, z, kind, (40, 40, 44) if kind == "bags" else colour)
