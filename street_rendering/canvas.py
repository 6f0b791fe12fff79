"""The image and its label map, with drawing operations for both."""

import math
from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import ArrayLike

from street_rendering.camera import Camera
from street_rendering.colors import Color
from street_rendering.light import Light

# A polygon in an array of corners: start, stop, color and class id. With None as color
# or class id, the image or the label map is not changed.
Run = tuple[int, int | None, Color | None, int | None]
Point = tuple[float, float]

_SHIFT = 3  # OpenCV's fractional bits: corners are placed to an eighth of a pixel


def _fixed_point(points):
    return np.rint(np.asarray(points) * (1 << _SHIFT)).astype(np.int32)


class Canvas:
    """An image and its label map, drawn back to front.

    Shapes are never anti-aliased, so each pixel of the image shows the class that the
    label map gives it.

    Attributes:
        camera: projects world coordinates to pixels.
        light: converts the color of a surface to that in the image.
        image: uint8 RGB `(height, width, 3)`.
        label_map: uint8 class ids `(height, width)`.
    """

    def __init__(self, camera: Camera, light: Light):
        self.camera = camera
        self.light = light
        self.image: np.ndarray = np.zeros((camera.height, camera.width, 3), np.uint8)
        self.label_map = np.zeros((camera.height, camera.width), np.uint8)

    def fill(
        self, points: ArrayLike, color: Color | None, class_id: int | None = None
    ) -> None:
        """Fill a polygon.

        Args:
            points: float `(N, 2)`, columns and rows in pixels; may lie outside.
            color: RGB, clipped at 255; None does not change the image.
            class_id: label of its pixels; None does not change the label map.
        """
        self.fill_runs(points, [(0, None, color, class_id)])

    def fill_runs(self, points: ArrayLike, runs: Iterable[Run]) -> None:
        """Fill many polygons whose corners are in one array.

        Args:
            points: float `(N, 2)`, columns and rows in pixels; may lie outside.
            runs: the polygons, in the order of drawing.
        """
        corners = _fixed_point(points)
        for start, stop, color, class_id in runs:
            outline = [corners[start:stop]]
            if color is not None:
                cv2.fillPoly(self.image, outline, color, cv2.LINE_8, _SHIFT)
            if class_id is not None:
                cv2.fillPoly(self.label_map, outline, class_id, cv2.LINE_8, _SHIFT)

    def strokes(self, lines: ArrayLike, color: Color, thickness: float) -> None:
        """Draw open lines on the image, not on the label map.

        Args:
            lines: float `(lines, points, 2)`, columns and rows in pixels.
            color: RGB, clipped at 255.
            thickness: pixels; at least 1 is drawn.
        """
        lines = list(_fixed_point(lines))
        thickness = max(1, round(thickness))
        cv2.polylines(self.image, lines, False, color, thickness, cv2.LINE_8, _SHIFT)

    def mask_of(self, points: np.ndarray) -> tuple[np.ndarray, int, int] | None:
        """Return the pixels of a polygon.

        Args:
            points: float `(N, 2)`, columns and rows in pixels; may lie outside.

        Returns:
            `(mask, left, top)`: uint8 mask, 1 inside, of the part of the polygon's
            bounding box that lies in the image, and the position of its first pixel;
            None if it lies outside the image.
        """
        left, top = np.maximum(np.floor(points.min(axis=0)), 0).astype(int).tolist()
        right, bottom = (np.ceil(points.max(axis=0)) + 1).astype(int).tolist()
        right, bottom = min(right, self.camera.width), min(bottom, self.camera.height)
        if left >= right or top >= bottom:
            return None
        mask = np.zeros((bottom - top, right - left), np.uint8)
        corners = [_fixed_point(points - (left, top))]
        cv2.fillPoly(mask, corners, 1, cv2.LINE_8, _SHIFT)
        return mask, left, top

    def paste(
        self, patch: np.ndarray, mask: np.ndarray, left: int, top: int, class_id: int
    ) -> None:
        """Copy the pixels of `patch` under `mask`, cropped to the image.

        Args:
            patch: uint8 RGB `(h, w, 3)`.
            mask: uint8 `(h, w)`, not zero where the patch is opaque.
            left: column of the patch's first column; may lie outside the image.
            top: row of the patch's first row; may lie outside the image.
            class_id: label of the opaque pixels.
        """
        height, width = mask.shape
        first_row, first_column = max(0, -top), max(0, -left)
        last_row = min(height, self.camera.height - top)
        last_column = min(width, self.camera.width - left)
        if first_row >= last_row or first_column >= last_column:
            return
        source = np.s_[first_row:last_row, first_column:last_column]
        target = np.s_[
            top + first_row : top + last_row, left + first_column : left + last_column
        ]
        cv2.copyTo(patch[source], mask[source], self.image[target])  # in place
        np.copyto(self.label_map[target], class_id, where=mask[source] > 0)


class Billboard:
    """Flat shapes in metres at one place of the street, facing the camera.

    A context manager: on exit, the shapes are drawn on the canvas in order. Local
    coordinates are metres right of and above the foot of the billboard.

    Attributes:
        scale: pixels per metre.
    """

    def __init__(
        self,
        canvas: Canvas,
        x: float,
        z: float,
        class_id: int,
        brightness: float = 1.0,
        mirror: float = 1.0,
        size: float = 1.0,
    ):
        """Set up a billboard.

        Args:
            canvas: the image and label map.
            x: place across the street, metres.
            z: metres from the camera.
            class_id: label of every shape.
            brightness: factor for every color.
            mirror: factor for `right`; negative values mirror.
            size: factor for all local lengths.
        """
        self._canvas = canvas
        self._class_id = class_id
        self._brightness = brightness
        self._depth = z
        self._foot = canvas.camera.project_point(x, 0.0, z)
        self.scale = canvas.camera.focal * size / z
        self._axes = (self.scale * mirror, -self.scale)
        self._corners: list[Point] = []
        self._runs: list[Run] = []

    def __enter__(self) -> "Billboard":
        return self

    def __exit__(self, *exception):
        if self._corners:
            points = np.array(self._corners) * self._axes + self._foot
            self._canvas.fill_runs(points, self._runs)

    def pixel(self, right: float, up: float) -> Point:
        """Return the column and row of a local point, pixels."""
        column, row = self._foot
        return column + right * self._axes[0], row + up * self._axes[1]

    def polygon(self, points: list[Point], color: Color | None) -> None:
        """Fill a polygon, in local metres; with None as color, only its labels."""
        start = len(self._corners)
        self._corners += points
        if color is not None:
            color = self._canvas.light.tone(color, self._depth, self._brightness)
        self._runs.append((start, len(self._corners), color, self._class_id))

    def limb(
        self,
        start: Point,
        end: Point,
        start_width: float,
        end_width: float,
        color: Color,
    ) -> None:
        """Fill a straight, tapered bar, in local metres; at least one pixel wide."""
        (x0, y0), (x1, y1) = start, end
        across, along = y1 - y0, x1 - x0
        length = math.hypot(across, along) or 1.0
        across, along = across / length, along / length
        first = 0.5 * max(start_width, 1.0 / self.scale)
        last = 0.5 * max(end_width, 1.0 / self.scale)
        self.polygon(
            [
                (x0 - across * first, y0 + along * first),
                (x1 - across * last, y1 + along * last),
                (x1 + across * last, y1 - along * last),
                (x0 + across * first, y0 - along * first),
            ],
            color,
        )

    def disc(
        self, centre: Point, radius_x: float, radius_y: float, color: Color
    ) -> None:
        """Fill an ellipse, in local metres."""
        self.polygon(_ellipse(centre, radius_x, radius_y), color)

    def wheel(
        self, centre: Point, radius: float, thickness: float, color: Color
    ) -> None:
        """Draw a tyre, and label everything inside it, between the spokes too."""
        inner = max(0.0, radius - max(thickness, 1.0 / self.scale))
        rim = _ellipse(centre, radius, radius)
        hole = _ellipse(centre, inner, inner)
        self.polygon(rim, None)
        self.polygon([*rim, rim[0], hole[0], *hole[::-1]], color)


_CIRCLE = tuple(
    (math.cos(math.pi * i / 7), math.sin(math.pi * i / 7)) for i in range(14)
)


def _ellipse(centre, radius_x, radius_y):
    x, y = centre
    return [(x + radius_x * cos, y + radius_y * sin) for cos, sin in _CIRCLE]


def rectangle(
    width: float, bottom: float, top: float, left: float | None = None
) -> list[Point]:
    """Return the corners of an upright rectangle, for a billboard.

    Args:
        width: metres.
        bottom: height of the lower edge, metres.
        top: height of the upper edge, metres.
        left: metres to the left edge; None centers the rectangle.
    """
    left = -0.5 * width if left is None else left
    return [(left, bottom), (left + width, bottom), (left + width, top), (left, top)]
