"""A pinhole camera above a flat street that may bend to one side.

World coordinates are metres: `x` to the right of the camera, `y` up from the ground,
`z` forward along the street. In a bend, `x` is measured from the curved axis.
"""

import dataclasses
import math
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

Depth = TypeVar("Depth", float, np.ndarray)

NEAREST_DEPTH = 0.4  # metres; nearer points are moved here before they are projected


@dataclasses.dataclass(frozen=True)
class Camera:
    """The viewpoint of one scene.

    Attributes:
        height: rows of the image, pixels.
        width: columns of the image, pixels.
        focal: focal length, pixels.
        vanishing_column: column at which a straight street vanishes, pixels.
        horizon: row of the horizon, pixels.
        elevation: height of the lens above the road, metres.
        curvature: curvature of the street, 1/metre; positive to the right.
        roll: rotation of the image about its vanishing point, radians.
    """

    height: int
    width: int
    focal: float
    vanishing_column: float
    horizon: float
    elevation: float
    curvature: float
    roll: float

    @classmethod
    def sample(cls, rng: np.random.Generator, height: int, width: int) -> "Camera":
        """Sample a camera as mounted on a car, a van or a helmet.

        Args:
            rng: random number generator.
            height: rows of the image, pixels.
            width: columns of the image, pixels.
        """
        return cls(
            height=height,
            width=width,
            focal=rng.uniform(0.85, 1.25) * math.sqrt(height * width),
            vanishing_column=width * rng.uniform(0.36, 0.64),
            horizon=height * rng.uniform(0.42, 0.56),
            elevation=rng.uniform(1.25, 2.1),
            curvature=rng.normal(0, 1 / 350) if rng.random() < 0.5 else 0.0,
            roll=rng.normal(0, 0.008),  # half a degree
        )

    def bend(self, depth: Depth) -> Depth:
        """Return how many metres the street has bent to the right at `depth` metres."""
        # Second-order approximation of a circle of radius 1 / curvature.
        return 0.5 * self.curvature * depth * depth

    def project(self, points: ArrayLike) -> np.ndarray:
        """Project world points.

        Args:
            points: float `(N, 3)`, metres; points nearer than `NEAREST_DEPTH` are
                projected as if they were at that depth.

        Returns:
            float64 `(N, 2)`, columns and rows in pixels, not clipped to the image.
        """
        points = np.asarray(points, dtype=np.float64)
        depth = np.maximum(points[:, 2], NEAREST_DEPTH)
        scale = self.focal / depth
        right = (points[:, 0] + self.bend(depth)) * scale
        down = (self.elevation - points[:, 1]) * scale
        projected = np.empty((len(points), 2))
        projected[:, 0] = right - self.roll * down + self.vanishing_column
        projected[:, 1] = down + self.roll * right + self.horizon
        return projected

    def project_point(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Project one point as `project` does: its column and row, pixels."""
        depth = max(z, NEAREST_DEPTH)
        right = (x + self.bend(depth)) * self.focal / depth
        down = (self.elevation - y) * self.focal / depth
        return (
            right - self.roll * down + self.vanishing_column,
            down + self.roll * right + self.horizon,
        )

    def nearest_visible_depth(self) -> float:
        """Return the metres to the ground at the foot of the image."""
        return self.focal * self.elevation / (self.height - self.horizon)
