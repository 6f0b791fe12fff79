"""Pedestrians and cyclists, as figures made of limbs."""

import dataclasses

from keras_fcn.datasets.street_rendering import class_ids
from keras_fcn.datasets.street_rendering.canvas import Billboard
from keras_fcn.datasets.street_rendering.light import darken, pick

SKINS = [(226, 184, 156), (196, 148, 118), (140, 98, 74), (92, 64, 50)]
HAIRS = [(44, 36, 32), (92, 66, 44), (164, 132, 84), (150, 148, 146), (26, 24, 24)]
CLOTHES = [
    (40, 42, 50), (58, 66, 90), (120, 118, 114), (150, 44, 44), (60, 84, 62),
    (206, 202, 192), (32, 34, 38), (126, 100, 72), (84, 60, 88), (206, 160, 60),
]  # fmt: skip
TROUSERS = [(44, 50, 70), (36, 36, 40), (96, 88, 76), (66, 74, 96), (120, 116, 110)]


@dataclasses.dataclass(frozen=True)
class Look:
    """Colours of a person."""

    skin: tuple[float, float, float]
    hair: tuple[float, float, float]
    top: tuple[float, float, float]
    legs: tuple[float, float, float]
    shoes: tuple[float, float, float]

    @classmethod
    def sample(cls, rng):
        """Draws a person's colours."""
        return cls(
            skin=pick(rng, SKINS),
            hair=pick(rng, HAIRS),
            top=pick(rng, CLOTHES, 12),
            legs=pick(rng, TROUSERS, 12),
            shoes=pick(rng, [(34, 30, 30), (90, 84, 80)]),
        )


@dataclasses.dataclass(frozen=True)
class Pedestrian:
    """A person who stands or walks.

    Attributes:
        x: metres right of the camera's lane.
        z: metres from the camera.
        stature: height, metres.
        stride: half the distance between the feet, metres; 0 for one who stands.
        facing: -1 walks to the left, +1 to the right, 0 along the street.
        has_coat: whether a coat covers the thighs.
        has_bag: whether a bag hangs from one hand.
        is_facing_camera: whether the face shows.
        look: colours.
    """

    x: float
    z: float
    stature: float
    stride: float
    facing: int
    has_coat: bool
    has_bag: bool
    is_facing_camera: bool
    look: Look

    @property
    def depth(self):
        """Metres from the camera."""
        return self.z

    def shadow_box(self):
        """Half width, half length, foot and top of what casts the shadow, metres."""
        return 0.22, 0.15, 0.0, self.stature

    def draw(self, canvas):
        """Draws legs, body, arms and head."""
        mirror = -1.0 if self.facing < 0 else 1.0
        board = Billboard(
            canvas, self.x, self.z, class_ids.PEDESTRIAN, 0.95, mirror
        )
        size = self.stature / 1.75
        board = _Scaled(board, size)
        self._draw_legs(board)
        self._draw_body(board)
        self._draw_head(board)

    def _draw_legs(self, board):
        look, apart = self.look, 0.09 if self.facing == 0 else 0.02
        back = darken(look.legs, 0.75)
        for side, colour in ((-1, back), (1, look.legs)):
            foot_x = side * (apart + self.stride)
            foot_y = 0.05 + (0.1 * self.stride if side < 0 else 0)
            knee = (0.55 * foot_x + 0.1 * self.stride, 0.5)
            board.limb((side * apart, 0.92), knee, 0.19, 0.14, colour)
            board.limb(knee, (foot_x, foot_y), 0.14, 0.1, colour)
            toe = 0.07 if self.facing else 0.0
            board.disc((foot_x + toe, 0.04), 0.07 + toe, 0.05, look.shoes)

    def _draw_body(self, board):
        look, is_sideways = self.look, self.facing != 0
        shoulder, waist = (0.15, 0.13) if is_sideways else (0.23, 0.17)
        hem = 0.6 if self.has_coat else 0.86
        swing = 0.6 * self.stride + 0.02
        far_arm = darken(look.top, 0.7)
        self._draw_arm(board, -1, shoulder, swing, far_arm)
        torso = [
            (-0.06, 1.52), (0.06, 1.52), (shoulder, 1.44), (waist, 1.1),
            (waist + 0.03, hem), (-waist - 0.03, hem), (-waist, 1.1),
            (-shoulder, 1.44),
        ]  # fmt: skip
        board.polygon(torso, look.top)
        lee = [(0.04, 1.5), (shoulder, 1.44), (waist, 1.1), (waist + 0.03, hem)]
        board.polygon([*lee, (0.06, hem)], darken(look.top, 0.78))
        self._draw_arm(board, 1, shoulder, swing, darken(look.top, 0.88))

    def _draw_arm(self, board, side, shoulder, swing, colour):
        if self.facing == 0:
            start = (side * (shoulder - 0.03), 1.41)
            elbow = (side * (shoulder + 0.06), 1.12)
            hand = (side * (shoulder + 0.03), 0.86)
        else:
            start = (0.0, 1.41)
            elbow = (-side * swing * 0.6, 1.13)
            hand = (-side * swing + 0.08, 0.9)
        board.limb(start, elbow, 0.11, 0.09, colour)
        board.limb(elbow, hand, 0.09, 0.07, colour)
        board.disc(hand, 0.045, 0.055, self.look.skin, 8)
        if self.has_bag and side > 0:
            x, y = hand
            bag = [(x - 0.14, y), (x + 0.14, y), (x + 0.16, y - 0.32)]
            board.polygon([*bag, (x - 0.16, y - 0.32)], darken(self.look.legs, 0.7))

    def _draw_head(self, board):
        look = self.look
        board.limb((0.0, 1.48), (0.02 * abs(self.facing), 1.58), 0.1, 0.1, look.skin)
        board.disc((0, 1.64), 0.1, 0.13, look.hair)
        if self.facing:
            board.disc((0.035, 1.62), 0.07, 0.1, look.skin)
        elif self.is_facing_camera:
            board.disc((0, 1.615), 0.08, 0.1, look.skin)

    @classmethod
    def sample(cls, rng, x, z):
        """Draws a person at `(x, z)`."""
        is_child = rng.random() < 0.1
        return cls(
            x=x,
            z=z,
            stature=rng.uniform(1.1, 1.4) if is_child else rng.normal(1.73, 0.08),
            stride=0.0 if rng.random() < 0.25 else rng.uniform(0.06, 0.28),
            facing=int(rng.choice([-1, 0, 1], p=[0.25, 0.5, 0.25])),
            has_coat=bool(rng.random() < 0.3),
            has_bag=bool(rng.random() < 0.3),
            is_facing_camera=bool(rng.random() < 0.5),
            look=Look.sample(rng),
        )


class _Scaled:
    """A billboard whose metres are `size` times as long."""

    def __init__(self, board, size):
        self._board = board
        self._size = size

    def _at(self, point):
        return point[0] * self._size, point[1] * self._size

    def polygon(self, points, colour):
        self._board.polygon([self._at(point) for point in points], colour)

    def limb(self, start, end, start_width, end_width, colour):
        size = self._size
        self._board.limb(
            self._at(start), self._at(end), start_width * size, end_width * size, colour
        )

    def disc(self, centre, radius_x, radius_y, colour, num_corners=12):
        size = self._size
        self._board.disc(
            self._at(centre), radius_x * size, radius_y * size, colour, num_corners
        )


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
        board = Billboard(
            canvas, self.x, self.z, class_ids.BICYCLIST, 0.95, self.turn or 1.0
        )
        if abs(self.turn) > 0.3:
            self._draw_from_side(board)
        else:
            end = Billboard(canvas, self.x, self.z, class_ids.BICYCLIST, 0.95)
            self._draw_from_end(end)

    def _draw_from_side(self, board):
        look, tyre = self.look, (28, 28, 30)
        hip, shoulder, bars = (-0.16, 1.0), (0.22, 1.42), (0.46, 1.02)
        crank, rear, front = (0.0, 0.32), (-0.54, 0.34), (0.56, 0.34)
        foot = 0.16 * self.pedal
        self._draw_leg(board, hip, (-foot, 0.3 - foot), darken(look.legs, 0.65))
        for hub in (rear, front):
            board.ring(hub, 0.34, 0.34, 0.05, tyre)
            board.disc(hub, 0.04, 0.04, tyre, 6)
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
        board.disc((foot[0] + 0.06, foot[1]), 0.12, 0.05, self.look.shoes, 8)

    def _draw_from_end(self, board):
        look, tyre = self.look, (28, 28, 30)
        board.disc((0, 0.34), 0.045, 0.34, tyre)
        foot = 0.12 * self.pedal
        for side in (-1, 1):
            knee = (side * 0.17, 0.66 + side * foot)
            sole = (side * 0.13, 0.28 + side * foot)
            board.limb((side * 0.1, 1.0), knee, 0.17, 0.13, look.legs)
            board.limb(knee, sole, 0.12, 0.09, darken(look.legs, 0.85))
            board.disc(sole, 0.06, 0.06, look.shoes, 8)
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
        board.disc((0, 0.82), 0.05, 0.05, lamp, 8)
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
        turn = 0.0 if is_along else rng.choice([-1, 1]) * rng.uniform(0.4, 1.0)
        return cls(
            x=x,
            z=z,
            turn=float(turn),
            pedal=rng.uniform(-1, 1),
            is_facing_camera=bool(rng.random() < 0.4),
            has_helmet=bool(rng.random() < 0.5),
            frame=pick(rng, [(160, 40, 40), (40, 60, 120), (60, 62, 64), (200, 196, 60)]),
            look=Look.sample(rng),
        )
