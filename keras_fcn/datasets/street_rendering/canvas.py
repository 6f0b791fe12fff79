"""The picture and its label map, and how shapes are put on both."""

import cv2
import numpy as np

_SHIFT = 3  # OpenCV's fractional bits: corners are placed to an eighth of a pixel


def _fixed_point(points):
    return np.rint(points * (1 << _SHIFT)).astype(np.int32)


class Canvas:
    """A picture and its label map, drawn back to front.

    Shapes are never anti-aliased, so a pixel of the picture belongs to the class that
    the label map gives it.

    Attributes:
        camera: projects world coordinates to pixels.
        light: turns the colour of a surface into the colour that the camera sees.
        image: uint8 RGB `(height, width, 3)`.
        label_map: uint8 class ids `(height, width)`.
    """

    def __init__(self, camera, light):
        self.camera = camera
        self.light = light
        self.image = np.zeros((camera.height, camera.width, 3), np.uint8)
        self.label_map = np.zeros((camera.height, camera.width), np.uint8)

    def fill(self, points, colour, class_id=None):
        """Fills a polygon given in pixels; without `class_id` its labels stay."""
        corners = [_fixed_point(points)]
        cv2.fillPoly(self.image, corners, colour, cv2.LINE_8, _SHIFT)
        if class_id is not None:
            cv2.fillPoly(self.label_map, corners, class_id, cv2.LINE_8, _SHIFT)

    def label(self, points, class_id):
        """Labels a polygon given in pixels and leaves its colours."""
        corners = [_fixed_point(points)]
        cv2.fillPoly(self.label_map, corners, class_id, cv2.LINE_8, _SHIFT)

    def strokes(self, lines, colour, thickness, class_id=None):
        """Draws open lines `(N, points, 2)`, pixels, at least one pixel thick."""
        lines = list(_fixed_point(np.asarray(lines)))
        thickness = max(1, round(thickness))
        cv2.polylines(
            self.image, lines, False, colour, thickness, cv2.LINE_8, _SHIFT
        )
        if class_id is not None:
            cv2.polylines(
                self.label_map, lines, False, class_id, thickness, cv2.LINE_8, _SHIFT
            )

    def fill_surface(self, points, colour, class_id=None, brightness=1.0):
        """Fills a polygon `(N, 3)` given in the world, metres, with a surface colour."""
        depth = sum(point[2] for point in points) / len(points)
        tone = self.light.tone(colour, depth, brightness)
        self.fill(self.camera.project(points), tone, class_id)

    def paste(self, patch, mask, left, top, class_id):
        """Copies the pixels of `patch` under `mask`, cropped to the picture.

        Args:
            patch: uint8 RGB `(h, w, 3)`.
            mask: uint8 `(h, w)`, not zero where the patch is opaque.
            left: column of the patch's first column; may lie outside the picture.
            top: row of the patch's first row; may lie outside the picture.
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
        opaque = np.ascontiguousarray(mask[source])
        self.image[target] = cv2.copyTo(
            np.ascontiguousarray(patch[source]),
            opaque,
            np.ascontiguousarray(self.image[target]),
        )
        self.label_map[target][opaque > 0] = class_id


class Billboard:
    """Flat shapes in metres that stand at one place of the street, facing the camera.

    Local coordinates are metres right of and above the foot of the billboard.
    """

    def __init__(self, canvas, x, z, class_id, brightness=1.0, mirror=1.0, base=0.0):
        self._canvas = canvas
        self._class_id = class_id
        self._brightness = brightness
        self._depth = z
        self._foot = canvas.camera.project([(x, base, z)])[0]
        self.scale = canvas.camera.focal / z  # pixels per metre
        self._axes = np.array([self.scale * mirror, -self.scale])

    def _tone(self, colour):
        return self._canvas.light.tone(colour, self._depth, self._brightness)

    def pixels(self, points):
        """Columns and rows of local points."""
        return np.asarray(points) * self._axes + self._foot

    def polygon(self, points, colour):
        """Fills a polygon."""
        self._canvas.fill(self.pixels(points), self._tone(colour), self._class_id)

    def limb(self, start, end, start_width, end_width, colour):
        """Fills a straight, tapered bar between two points, a pixel wide at least."""
        across, along = end[1] - start[1], end[0] - start[0]
        length = max((across * across + along * along) ** 0.5, 1e-6)
        across, along = across / length, along / length
        thinnest = 1.0 / self.scale
        first = 0.5 * max(start_width, thinnest)
        last = 0.5 * max(end_width, thinnest)
        self.polygon(
            [
                (start[0] - across * first, start[1] + along * first),
                (end[0] - across * last, end[1] + along * last),
                (end[0] + across * last, end[1] - along * last),
                (start[0] + across * first, start[1] - along * first),
            ],
            colour,
        )

    def disc(self, centre, radius_x, radius_y, colour, num_corners=12):
        """Fills an ellipse."""
        angle = np.linspace(0, 2 * np.pi, num_corners, endpoint=False)
        circle = np.stack([np.cos(angle) * radius_x, np.sin(angle) * radius_y], axis=1)
        self.polygon(circle + centre, colour)

    def ring(self, centre, radius_x, radius_y, thickness, colour):
        """Draws an ellipse's outline and labels all of its inside."""
        angle = np.linspace(0, 2 * np.pi, 17)
        circle = np.stack([np.cos(angle) * radius_x, np.sin(angle) * radius_y], axis=1)
        outline = self.pixels(circle + centre)
        self._canvas.label(outline, self._class_id)
        self._canvas.strokes(
            [outline], self._tone(colour), thickness * self.scale, self._class_id
        )
