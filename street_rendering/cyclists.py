"""Cyclists: a rider and a bicycle, from the side or from an end."""

import dataclasses

import numpy as np

from street_rendering import classes
from street_rendering.canvas import Billboard, Canvas
from street_rendering.clothing import PersonColors
from street_rendering.colors import Color, darken, pick
from street_rendering.sampling import choose
from street_rendering.things import ShadowBox, StandingThing

_TYRE = (28, 28, 30)


@dataclasses.dataclass(frozen=True)
class Cyclist(StandingThing):
    """A rider and the bicycle, both of the class bicyclist.

    Attributes:
        turn: visible share of the bicycle's length, from 0 (along the street) to 1
            (across it); negative if it heads to the left.
        pedal: angle of the pedals, -1 to 1.
        is_facing_camera: whether the face is visible if `turn` is near 0.
        has_helmet: whether the rider wears a helmet.
        frame: color of the bicycle.
        colors: colors of the rider.
    """

    turn: float
    pedal: float
    is_facing_camera: bool
    has_helmet: bool
    frame: Color
    colors: PersonColors

    def shadow_box(self) -> ShadowBox:
        """Return the box that casts the shadow."""
        along = 0.8 * abs(self.turn)
        return ShadowBox(0.2 + along, 0.9 - along, 0.0, 1.7)

    def draw(self, canvas: Canvas) -> None:
        """Draw the bicycle and the rider, from the side or from an end."""
        is_sideways = abs(self.turn) > 0.3
        mirror = self.turn if is_sideways else 1.0
        with Billboard(
            canvas, self.x, self.z, classes.BICYCLIST, 0.95, mirror
        ) as board:
            if is_sideways:
                self._draw_from_side(board)
            else:
                self._draw_from_end(board)

    def _draw_from_side(self, board):
        colors = self.colors
        hip, shoulder, bars = (-0.16, 1.0), (0.22, 1.42), (0.46, 1.02)
        crank, rear, front = (0.0, 0.32), (-0.54, 0.34), (0.56, 0.34)
        foot = 0.16 * self.pedal
        self._draw_leg(board, hip, (-foot, 0.3 - foot), darken(colors.legs, 0.65))
        for hub in (rear, front):
            board.wheel(hub, 0.34, 0.05, _TYRE)
            board.disc(hub, 0.04, 0.04, _TYRE)
        saddle = (-0.2, 0.92)
        for start, end in (
            (rear, crank), (rear, saddle), (crank, saddle), (crank, (0.42, 0.86)),
            ((-0.16, 0.82), (0.4, 0.84)), (front, (0.42, 0.98)), ((0.4, 1.0), bars),
        ):  # fmt: skip
            board.limb(start, end, 0.05, 0.05, self.frame)
        board.limb((-0.32, 0.94), (-0.06, 0.94), 0.07, 0.05, _TYRE)
        self._draw_leg(board, hip, (foot, 0.3 + foot), colors.legs)
        board.limb(hip, shoulder, 0.28, 0.26, colors.top)
        board.limb((-0.1, 0.98), (0.26, 1.36), 0.12, 0.1, darken(colors.top, 0.8))
        elbow = (0.32, 1.16)
        board.limb(shoulder, elbow, 0.1, 0.09, darken(colors.top, 0.9))
        board.limb(elbow, bars, 0.08, 0.07, colors.skin)
        board.limb(shoulder, (0.3, 1.56), 0.1, 0.1, colors.skin)
        self._draw_head(board, (0.33, 1.64), 0.04)

    def _draw_leg(self, board, hip, foot, color):
        knee = (0.5 * (hip[0] + foot[0]) + 0.22, 0.5 * (hip[1] + foot[1]) + 0.1)
        board.limb(hip, knee, 0.17, 0.13, color)
        board.limb(knee, foot, 0.13, 0.09, color)
        board.disc((foot[0] + 0.06, foot[1]), 0.12, 0.05, self.colors.shoes)

    def _draw_from_end(self, board):
        colors = self.colors
        board.disc((0, 0.34), 0.045, 0.34, _TYRE)
        foot = 0.12 * self.pedal
        for side in (-1, 1):
            knee = (side * 0.17, 0.66 + side * foot)
            sole = (side * 0.13, 0.28 + side * foot)
            board.limb((side * 0.1, 1.0), knee, 0.17, 0.13, colors.legs)
            board.limb(knee, sole, 0.12, 0.09, darken(colors.legs, 0.85))
            board.disc(sole, 0.06, 0.06, colors.shoes)
        board.limb((0, 0.62), (0, 0.95), 0.06, 0.1, self.frame)
        torso = [
            (-0.08, 1.52), (0.08, 1.52), (0.22, 1.43), (0.18, 0.95), (-0.18, 0.95),
            (-0.22, 1.43),
        ]  # fmt: skip
        board.polygon(torso, colors.top)
        lee = [(0.06, 1.5), (0.22, 1.43), (0.18, 0.95), (0.07, 0.95)]
        board.polygon(lee, darken(colors.top, 0.78))
        for side in (-1, 1):
            elbow, hand = (side * 0.31, 1.2), (side * 0.27, 1.02)
            board.limb((side * 0.2, 1.4), elbow, 0.1, 0.09, darken(colors.top, 0.85))
            board.limb(elbow, hand, 0.08, 0.07, colors.skin)
        board.limb((-0.3, 1.02), (0.3, 1.02), 0.04, 0.04, _TYRE)
        lamp = (240, 236, 220) if self.is_facing_camera else (200, 30, 30)
        board.disc((0, 0.82), 0.05, 0.05, lamp)
        self._draw_head(board, (0, 1.64), 0.0)

    def _draw_head(self, board, centre, face_shift):
        colors, (x, y) = self.colors, centre
        board.disc(centre, 0.1, 0.13, colors.hair)
        if face_shift or self.is_facing_camera:
            board.disc((x + face_shift, y - 0.03), 0.075, 0.1, colors.skin)
        if self.has_helmet:
            helmet = [(-0.13, 0.03), (-0.1, 0.13), (0.0, 0.17), (0.1, 0.13)]
            helmet.append((0.13, 0.03))
            board.polygon([(x + dx, y + dy) for dx, dy in helmet], self.frame)

    @classmethod
    def sample(cls, rng: np.random.Generator, x: float, z: float) -> "Cyclist":
        """Sample a cyclist at `(x, z)`, metres."""
        is_along = rng.random() < 0.55
        turn = 0.0 if is_along else choose(rng, (-1, 1)) * rng.uniform(0.4, 1.0)
        return cls(
            x=x,
            z=z,
            turn=float(turn),
            pedal=rng.uniform(-1, 1),
            is_facing_camera=bool(rng.random() < 0.4),
            has_helmet=bool(rng.random() < 0.5),
            frame=pick(
                rng, [(160, 40, 40), (40, 60, 120), (60, 62, 64), (200, 196, 60)]
            ),
            colors=PersonColors.sample(rng),
        )
