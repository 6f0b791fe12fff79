"""Cyclists: a rider and a bicycle, from the side or from an end."""

import dataclasses

from keras_fcn.datasets.street_rendering import class_ids
from keras_fcn.datasets.street_rendering.canvas import Billboard
from keras_fcn.datasets.street_rendering.clothing import Look
from keras_fcn.datasets.street_rendering.colours import darken, pick
from keras_fcn.datasets.street_rendering.sampling import choose


@dataclasses.dataclass(frozen=True)
class Cyclist:
    """A rider and the bicycle, both of the class bicyclist.

    Attributes:
        x: metres right of the camera's lane.
        z: metres from the camera.
        turn: share of the bicycle's length that shows, from 0 (along the street) to
            1 (across it); negative where it heads to the left.
        pedal: angle of the pedals, -1 to 1.
        is_facing_camera: whether the face shows where `turn` is near 0.
        has_helmet: whether the rider wears one.
        frame: colour of the bicycle.
        look: colours of the rider.
    """

    x: float
    z: float
    turn: float
    pedal: float
    is_facing_camera: bool
    has_helmet: bool
    frame: tuple[float, float, float]
    look: Look

    @property
    def depth(self):
        """Metres from the camera."""
        return self.z

    def shadow_box(self):
        """Half width, half length, foot and top of what casts the shadow, metres."""
        along = 0.8 * abs(self.turn)
        return 0.2 + along, 0.9 - along, 0.0, 1.7

    def draw(self, canvas):
        """Draws the bicycle and the rider, seen from the side or from an end."""
        is_sideways = abs(self.turn) > 0.3
        mirror = self.turn if is_sideways else 1.0
        with Billboard(
            canvas, self.x, self.z, class_ids.BICYCLIST, 0.95, mirror
        ) as board:
            if is_sideways:
                self._draw_from_side(board)
            else:
                self._draw_from_end(board)

    def _draw_from_side(self, board):
        look, tyre = self.look, (28, 28, 30)
        hip, shoulder, bars = (-0.16, 1.0), (0.22, 1.42), (0.46, 1.02)
        crank, rear, front = (0.0, 0.32), (-0.54, 0.34), (0.56, 0.34)
        foot = 0.16 * self.pedal
        self._draw_leg(board, hip, (-foot, 0.3 - foot), darken(look.legs, 0.65))
        for hub in (rear, front):
            board.wheel(hub, 0.34, 0.05, tyre)
            board.disc(hub, 0.04, 0.04, tyre)
        saddle = (-0.2, 0.92)
        for start, end in (
            (rear, crank), (rear, saddle), (crank, saddle), (crank, (0.42, 0.86)),
            ((-0.16, 0.82), (0.4, 0.84)), (front, (0.42, 0.98)), ((0.4, 1.0), bars),
        ):  # fmt: skip
            board.limb(start, end, 0.05, 0.05, self.frame)
        board.limb((-0.32, 0.94), (-0.06, 0.94), 0.07, 0.05, tyre)
        self._draw_leg(board, hip, (foot, 0.3 + foot), look.legs)
        board.limb(hip, shoulder, 0.28, 0.26, look.top)
        board.limb((-0.1, 0.98), (0.26, 1.36), 0.12, 0.1, darken(look.top, 0.8))
        elbow = (0.32, 1.16)
        board.limb(shoulder, elbow, 0.1, 0.09, darken(look.top, 0.9))
        board.limb(elbow, bars, 0.08, 0.07, look.skin)
        board.limb(shoulder, (0.3, 1.56), 0.1, 0.1, look.skin)
        self._draw_head(board, (0.33, 1.64), 0.04)

    def _draw_leg(self, board, hip, foot, colour):
        knee = (0.5 * (hip[0] + foot[0]) + 0.22, 0.5 * (hip[1] + foot[1]) + 0.1)
        board.limb(hip, knee, 0.17, 0.13, colour)
        board.limb(knee, foot, 0.13, 0.09, colour)
        board.disc((foot[0] + 0.06, foot[1]), 0.12, 0.05, self.look.shoes)

    def _draw_from_end(self, board):
        look, tyre = self.look, (28, 28, 30)
        board.disc((0, 0.34), 0.045, 0.34, tyre)
        foot = 0.12 * self.pedal
        for side in (-1, 1):
            knee = (side * 0.17, 0.66 + side * foot)
            sole = (side * 0.13, 0.28 + side * foot)
            board.limb((side * 0.1, 1.0), knee, 0.17, 0.13, look.legs)
            board.limb(knee, sole, 0.12, 0.09, darken(look.legs, 0.85))
            board.disc(sole, 0.06, 0.06, look.shoes)
        board.limb((0, 0.62), (0, 0.95), 0.06, 0.1, self.frame)
        torso = [
            (-0.08, 1.52), (0.08, 1.52), (0.22, 1.43), (0.18, 0.95), (-0.18, 0.95),
            (-0.22, 1.43),
        ]  # fmt: skip
        board.polygon(torso, look.top)
        lee = [(0.06, 1.5), (0.22, 1.43), (0.18, 0.95), (0.07, 0.95)]
        board.polygon(lee, darken(look.top, 0.78))
        for side in (-1, 1):
            elbow, hand = (side * 0.31, 1.2), (side * 0.27, 1.02)
            board.limb((side * 0.2, 1.4), elbow, 0.1, 0.09, darken(look.top, 0.85))
            board.limb(elbow, hand, 0.08, 0.07, look.skin)
        board.limb((-0.3, 1.02), (0.3, 1.02), 0.04, 0.04, tyre)
        lamp = (240, 236, 220) if self.is_facing_camera else (200, 30, 30)
        board.disc((0, 0.82), 0.05, 0.05, lamp)
        self._draw_head(board, (0, 1.64), 0.0)

    def _draw_head(self, board, centre, face_shift):
        look, (x, y) = self.look, centre
        board.disc(centre, 0.1, 0.13, look.hair)
        if face_shift or self.is_facing_camera:
            board.disc((x + face_shift, y - 0.03), 0.075, 0.1, look.skin)
        if self.has_helmet:
            helmet = [(-0.13, 0.03), (-0.1, 0.13), (0.0, 0.17), (0.1, 0.13)]
            helmet.append((0.13, 0.03))
            board.polygon([(x + dx, y + dy) for dx, dy in helmet], self.frame)

    @classmethod
    def sample(cls, rng, x, z):
        """Draws a cyclist at `(x, z)`, most often along the street."""
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
            look=Look.sample(rng),
        )
