"""The layout of a street: lanes, pavements, building lines and side streets."""

import dataclasses

import numpy as np

from street_rendering.sampling import choose, choose_by_share

FARTHEST = 160.0  # metres; nothing is placed beyond


@dataclasses.dataclass(frozen=True)
class Side:
    """One side of a street; `x` is in metres from the middle of the camera's lane.

    Attributes:
        sign: -1 on the left, +1 on the right.
        kerb: `x` of the kerb.
        garden: `x` of the outer edge of the pavement.
        facade: `x` of the buildings.
        has_parking: whether cars are parked along the kerb.
        opening: near and far depth of a side street, metres, or None.
    """

    sign: int
    kerb: float
    garden: float
    facade: float
    has_parking: bool
    opening: tuple[float, float] | None

    def is_open(self, near: float, far: float) -> bool:
        """Whether the side street overlaps the depths from `near` to `far`, metres."""
        return self.opening is not None and (
            near < self.opening[1] and far > self.opening[0]
        )


@dataclasses.dataclass(frozen=True)
class Street:
    """The layout of the street of one scene.

    Attributes:
        left: the left side.
        right: the right side.
        lane_width: metres.
        lane_edges: `x` of the lines between lanes, from left to right.
        lanes: `(x, is_oncoming)` of every lane's middle; the camera's own is at 0.
        centre_line: index into `lane_edges` of the line between directions, or None.
        end: depth of the end of the street, metres.
        is_closed: whether a row of houses closes the street at its end.
    """

    left: Side
    right: Side
    lane_width: float
    lane_edges: tuple[float, ...]
    lanes: tuple[tuple[float, bool], ...]
    centre_line: int | None
    end: float
    is_closed: bool

    @property
    def sides(self) -> tuple[Side, Side]:
        """The left and the right side."""
        return self.left, self.right

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Street":
        """Sample a street of one to four lanes, with left- or right-hand traffic."""
        lane_width = rng.uniform(2.6, 3.2)
        ahead = choose_by_share(rng, (1, 2), (0.8, 0.2))
        oncoming = choose_by_share(rng, (0, 1, 2), (0.18, 0.70, 0.12))
        directions = [False] * ahead + [True] * oncoming
        if rng.random() < 0.5:
            directions.reverse()
        own = choose(rng, [i for i, flag in enumerate(directions) if not flag])
        lanes = tuple(
            ((i - own) * lane_width, flag) for i, flag in enumerate(directions)
        )
        turns = [
            i for i in range(len(directions) - 1) if directions[i] != directions[i + 1]
        ]
        return cls(
            left=_sample_side(rng, -1, lanes[0][0] - lane_width / 2),
            right=_sample_side(rng, 1, lanes[-1][0] + lane_width / 2),
            lane_width=lane_width,
            lane_edges=tuple(x + lane_width / 2 for x, _ in lanes[:-1]),
            lanes=lanes,
            centre_line=turns[0] if turns else None,
            end=rng.uniform(45, FARTHEST),
            is_closed=bool(rng.random() < 0.45),
        )


def _sample_side(rng, sign, lanes_end):
    has_parking = bool(rng.random() < 0.5)
    kerb = lanes_end + sign * (2.1 if has_parking else 0.3)  # a parked car's width
    garden = kerb + sign * rng.uniform(2.4, 6.0)
    setback = 0.05 if rng.random() < 0.45 else rng.uniform(1.0, 4.5)
    facade = garden + sign * setback
    opening = None
    if rng.random() < 0.45:
        near = rng.uniform(8, 45)
        opening = (near, near + rng.uniform(6, 10))
    return Side(sign, kerb, garden, facade, has_parking, opening)
