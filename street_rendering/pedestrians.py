"""Pedestrians, as figures made of limbs."""

import dataclasses

import numpy as np

from street_rendering import classes
from street_rendering.canvas import Billboard, Canvas
from street_rendering.clothing import PersonColors
from street_rendering.colors import darken
from street_rendering.sampling import choose_by_share
from street_rendering.things import ShadowBox, StandingThing

_DRAWN_STATURE = 1.77  # metres, before scaling


@dataclasses.dataclass(frozen=True)
class Pedestrian(StandingThing):
    """A person who stands or walks.

    Attributes:
        stature: height, metres.
        stride: half the distance between the feet, metres; 0 for a standing person.
        facing: -1 walks to the left, +1 to the right, 0 along the street.
        has_coat: whether a coat covers the thighs.
        has_bag: whether a bag hangs from one hand.
        is_facing_camera: whether the face is visible.
        colors: colors of skin, hair and clothes.
    """

    stature: float
    stride: float
    facing: int
    has_coat: bool
    has_bag: bool
    is_facing_camera: bool
    colors: PersonColors

    def shadow_box(self) -> ShadowBox:
        """Return the box that casts the shadow."""
        return ShadowBox(0.22, 0.15, 0.0, self.stature)

    def draw(self, canvas: Canvas) -> None:
        """Draw legs, body, arms and head."""
        mirror = -1.0 if self.facing < 0 else 1.0
        size = self.stature / _DRAWN_STATURE
        with Billboard(
            canvas, self.x, self.z, classes.PEDESTRIAN, 0.95, mirror, size
        ) as board:
            self._draw_legs(board)
            self._draw_body(board)
            self._draw_head(board)

    def _draw_legs(self, board):
        colors, apart = self.colors, 0.09 if self.facing == 0 else 0.02
        back = darken(colors.legs, 0.75)
        for side, color in ((-1, back), (1, colors.legs)):
            foot_x = side * (apart + self.stride)
            foot_y = 0.05 + (0.1 * self.stride if side < 0 else 0)
            knee = (0.55 * foot_x + 0.1 * self.stride, 0.5)
            board.limb((side * apart, 0.92), knee, 0.19, 0.14, color)
            board.limb(knee, (foot_x, foot_y), 0.14, 0.1, color)
            toe = 0.07 if self.facing else 0.0
            board.disc((foot_x + toe, 0.04), 0.07 + toe, 0.05, colors.shoes)

    def _draw_body(self, board):
        colors, is_sideways = self.colors, self.facing != 0
        shoulder, waist = (0.15, 0.13) if is_sideways else (0.23, 0.17)
        hem = 0.6 if self.has_coat else 0.86
        swing = 0.6 * self.stride + 0.02
        far_arm = darken(colors.top, 0.7)
        self._draw_arm(board, -1, shoulder, swing, far_arm)
        torso = [
            (-0.06, 1.52), (0.06, 1.52), (shoulder, 1.44), (waist, 1.1),
            (waist + 0.03, hem), (-waist - 0.03, hem), (-waist, 1.1),
            (-shoulder, 1.44),
        ]  # fmt: skip
        board.polygon(torso, colors.top)
        lee = [(0.04, 1.5), (shoulder, 1.44), (waist, 1.1), (waist + 0.03, hem)]
        board.polygon([*lee, (0.06, hem)], darken(colors.top, 0.78))
        self._draw_arm(board, 1, shoulder, swing, darken(colors.top, 0.88))

    def _draw_arm(self, board, side, shoulder, swing, color):
        if self.facing == 0:
            start = (side * (shoulder - 0.03), 1.41)
            elbow = (side * (shoulder + 0.06), 1.12)
            hand = (side * (shoulder + 0.03), 0.86)
        else:
            start = (0.0, 1.41)
            elbow = (-side * swing * 0.6, 1.13)
            hand = (-side * swing + 0.08, 0.9)
        board.limb(start, elbow, 0.11, 0.09, color)
        board.limb(elbow, hand, 0.09, 0.07, color)
        board.disc(hand, 0.045, 0.055, self.colors.skin)
        if self.has_bag and side > 0:
            x, y = hand
            bag = [(x - 0.14, y), (x + 0.14, y), (x + 0.16, y - 0.32)]
            board.polygon([*bag, (x - 0.16, y - 0.32)], darken(self.colors.legs, 0.7))

    def _draw_head(self, board):
        colors = self.colors
        board.limb((0.0, 1.48), (0.02 * abs(self.facing), 1.58), 0.1, 0.1, colors.skin)
        board.disc((0, 1.64), 0.1, 0.13, colors.hair)
        if self.facing:
            board.disc((0.035, 1.62), 0.07, 0.1, colors.skin)
        elif self.is_facing_camera:
            board.disc((0, 1.615), 0.08, 0.1, colors.skin)

    @classmethod
    def sample(cls, rng: np.random.Generator, x: float, z: float) -> "Pedestrian":
        """Sample a person at `(x, z)`, metres."""
        is_child = rng.random() < 0.1
        return cls(
            x=x,
            z=z,
            stature=rng.uniform(1.1, 1.4) if is_child else rng.normal(1.73, 0.08),
            stride=0.0 if rng.random() < 0.25 else rng.uniform(0.06, 0.28),
            facing=choose_by_share(rng, (-1, 0, 1), (0.25, 0.5, 0.25)),
            has_coat=bool(rng.random() < 0.3),
            has_bag=bool(rng.random() < 0.3),
            is_facing_camera=bool(rng.random() < 0.5),
            colors=PersonColors.sample(rng),
        )
