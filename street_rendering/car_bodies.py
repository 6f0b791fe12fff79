"""Shapes of cars: side profiles with their windows, wheels and lights."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class CarBody:
    """A body, defined by its side profile and its width.

    All lengths are metres. Profile points are `(along, up)`, `along` measured from the
    rear bumper forward, from the lower rear end over the roof to the lower front end.

    Attributes:
        width: overall width.
        roof_width: width of the roof as a share of `width`.
        belt: height of the lower edge of the side windows.
        profile: the outline's points.
        windows: indices of the profile's segments that are glass; the rear window is
            first.
        side_windows: outlines of the side windows.
        wheels: `along` of both axles.
        wheel_radius: with the tyre.
        tail: heights between which the rear lights lie.
        headlamps: heights between which the front lights lie.
    """

    width: float
    roof_width: float
    belt: float
    profile: tuple[tuple[float, float], ...]
    windows: tuple[int, ...]
    side_windows: tuple[tuple[tuple[float, float], ...], ...]
    wheels: tuple[float, float]
    wheel_radius: float
    tail: tuple[float, float]
    headlamps: tuple[float, float]

    @property
    def length(self) -> float:
        """Metres from bumper to bumper."""
        return max(along for along, _ in self.profile)

    @property
    def height(self) -> float:
        """Metres from the ground to the roof."""
        return max(up for _, up in self.profile)

    def half_width(self, up: float) -> float:
        """Return half the body's width at the height `up`, both metres.

        The body narrows evenly above the belt, and at once below the sills.
        """
        if up <= self.belt:
            return 0.5 * self.width * (0.94 if up < 0.35 else 1.0)
        share = (up - self.belt) / (self.height - self.belt)
        return 0.5 * self.width * (1 - share * (1 - self.roof_width))


HATCHBACK = CarBody(
    width=1.74, roof_width=0.74, belt=0.93,
    profile=(
        (0.12, 0.22), (0.0, 0.42), (0.02, 0.62), (0.1, 0.95), (0.42, 1.40),
        (0.9, 1.47), (1.9, 1.47), (2.25, 1.42), (3.05, 0.98), (3.75, 0.80),
        (3.92, 0.58), (3.9, 0.40), (3.8, 0.22),
    ),
    windows=(3, 7),
    side_windows=(
        ((0.42, 0.97), (0.6, 1.36), (1.25, 1.4), (1.25, 0.96)),
        ((1.33, 0.96), (1.33, 1.4), (2.2, 1.36), (2.8, 0.98)),
    ),
    wheels=(0.68, 3.2), wheel_radius=0.31, tail=(0.66, 0.98), headlamps=(0.58, 0.76),
)  # fmt: skip

SALOON = CarBody(
    width=1.8, roof_width=0.72, belt=0.92,
    profile=(
        (0.12, 0.22), (0.0, 0.42), (0.02, 0.68), (0.08, 0.98), (0.75, 1.02),
        (1.35, 1.38), (1.9, 1.43), (2.5, 1.40), (3.3, 0.98), (4.25, 0.80),
        (4.48, 0.58), (4.46, 0.38), (4.35, 0.22),
    ),
    windows=(4, 7),
    side_windows=(
        ((0.95, 0.98), (1.4, 1.34), (1.85, 1.37), (1.85, 0.97)),
        ((1.93, 0.97), (1.93, 1.37), (2.45, 1.34), (3.05, 0.98)),
    ),
    wheels=(0.85, 3.65), wheel_radius=0.32, tail=(0.68, 0.92), headlamps=(0.58, 0.76),
)  # fmt: skip

ESTATE = CarBody(
    width=1.8, roof_width=0.76, belt=0.94,
    profile=(
        (0.12, 0.22), (0.0, 0.42), (0.02, 0.66), (0.08, 0.98), (0.35, 1.42),
        (0.8, 1.49), (2.2, 1.48), (2.6, 1.43), (3.4, 1.0), (4.25, 0.82),
        (4.45, 0.58), (4.43, 0.38), (4.3, 0.22),
    ),
    windows=(3, 7),
    side_windows=(
        ((0.36, 0.99), (0.5, 1.38), (1.1, 1.42), (1.1, 0.98)),
        ((1.17, 0.98), (1.17, 1.42), (1.95, 1.42), (1.95, 0.98)),
        ((2.03, 0.98), (2.03, 1.42), (2.55, 1.38), (3.15, 1.0)),
    ),
    wheels=(0.85, 3.65), wheel_radius=0.32, tail=(0.66, 1.02), headlamps=(0.6, 0.78),
)  # fmt: skip

OFF_ROADER = CarBody(
    width=1.9, roof_width=0.82, belt=1.08,
    profile=(
        (0.14, 0.3), (0.0, 0.52), (0.02, 0.8), (0.06, 1.1), (0.26, 1.66),
        (0.7, 1.74), (2.3, 1.73), (2.6, 1.68), (3.25, 1.16), (4.2, 1.02),
        (4.42, 0.8), (4.42, 0.5), (4.3, 0.3),
    ),
    windows=(3, 7),
    side_windows=(
        ((0.32, 1.13), (0.45, 1.6), (1.15, 1.64), (1.15, 1.12)),
        ((1.24, 1.12), (1.24, 1.64), (1.95, 1.64), (1.95, 1.12)),
        ((2.04, 1.12), (2.04, 1.64), (2.5, 1.6), (3.02, 1.14)),
    ),
    wheels=(0.85, 3.55), wheel_radius=0.38, tail=(0.82, 1.2), headlamps=(0.74, 0.94),
)  # fmt: skip

VAN = CarBody(
    width=1.98, roof_width=0.9, belt=1.15,
    profile=(
        (0.1, 0.3), (0.0, 0.5), (0.0, 1.3), (0.04, 1.95), (0.15, 2.2),
        (0.5, 2.28), (3.4, 2.28), (3.75, 2.2), (4.4, 1.3), (5.0, 1.05),
        (5.15, 0.75), (5.15, 0.45), (5.0, 0.3),
    ),
    windows=(2, 7),
    side_windows=(((3.3, 1.25), (3.3, 1.95), (3.75, 1.95), (4.3, 1.28)),),
    wheels=(0.95, 4.25), wheel_radius=0.36, tail=(0.75, 1.25), headlamps=(0.75, 1.0),
)  # fmt: skip

BUS = CarBody(
    width=2.5, roof_width=0.94, belt=1.2,
    profile=(
        (0.1, 0.35), (0.0, 0.6), (0.0, 1.4), (0.02, 2.5), (0.1, 2.95),
        (0.4, 3.05), (8.6, 3.05), (8.9, 2.9), (9.0, 1.15), (9.05, 0.9),
        (9.05, 0.7), (9.05, 0.5), (8.95, 0.35),
    ),
    windows=(2, 7),
    side_windows=tuple(
        ((left, 1.35), (left, 2.45), (left + 1.25, 2.45), (left + 1.25, 1.35))
        for left in (0.4, 1.75, 3.1, 4.45, 5.8, 7.15)
    ),
    wheels=(2.2, 7.2), wheel_radius=0.48, tail=(0.9, 1.3), headlamps=(0.65, 0.9),
)  # fmt: skip

BODIES = (HATCHBACK, SALOON, ESTATE, OFF_ROADER, VAN, BUS)
