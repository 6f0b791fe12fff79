"""A pinhole camera above a flat street that may bend to one side.

World coordinates are metres: `x` to the right of the camera, `y` up from the ground,
`z` forward along the street. Where the street bends, `x` counts from its bent axis.
"""

import dataclasses
import math

import numpy as np
from numpy.typing import ArrayLike

NEAREST_DEPTH = 0.4  # metres; nearer points are moved here before they are projected


@dataclasses.dataclass(frozen=True)
class Camera:
    """The viewpoint of one scene.

    Attributes:
        height: rows of the picture, pixels.
        width: columns of the picture, pixels.
        focal: focal length, pixels.
        vanishing_column: column at which a straight street vanishes, pixels.
        horizon: row of the horizon, pixels.
        elevation: height of the lens above the road, metres.
        curvature: how fast the street bends to the right, 1/metre.
        roll: rotation of the picture about its vanishing point, radians.
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
        """Choose a camera such as a car, a van or a helmet might carry.

        Args:
            rng: draws all but the size.
            height: rows of the picture, pixels.
            width: columns of the picture, pixels.
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

    def bend(self, depth: float | np.ndarray) -> float | np.ndarray:
        """Return how many metres the street has bent to the right at `depth` metres."""
        # the parabola that touches a circle of radius 1 / curvature at the camera
        return 0.5 * self.curvature * depth * depth

    def project(self, points: ArrayLike) -> np.ndarray:
        """Project world points.

        Args:
            points: float `(N, 3)`, metres; points nearer than `NEAREST_DEPTH` are
                projected as if they were at that depth.

        Returns:
            float64 `(N, 2)`, columns and rows in pixels, not clipped to the picture.
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
        """Return the metres to the ground at the foot of the picture."""
        return self.focal * self.elevation / (self.height - self.horizon)
