"""Polygons of car bodies, built once per body and level of detail.

Local points are `(across, up, along)` in metres: `across` to the right of the middle,
`along` forward from the rear bumper.
"""

import dataclasses
import functools

import numpy as np

from street_rendering.car_bodies import CarBody

DRAWN_FIRST, DRAWN_LAST = 1e6, -1e6  # metres added to the depth of a face


@dataclasses.dataclass(frozen=True)
class Part:
    """A polygon of one material; `shade` multiplies the material's color."""

    outline: tuple[tuple[float, float, float], ...]
    material: str
    shade: float = 1.0


@dataclasses.dataclass(frozen=True)
class Face:
    """Parts in one plane, in the order in which they are drawn.

    Attributes:
        middle: a point of the face.
        normal: outward, of length 1.
        depth_offset: metres added to the face's depth before faces are sorted.
        parts: the polygons.
        first_point: index of its first corner among the mesh's points.
    """

    middle: tuple[float, float, float]
    normal: tuple[float, float, float]
    depth_offset: float
    parts: tuple[Part, ...]
    first_point: int = 0


@dataclasses.dataclass(frozen=True)
class CarMesh:
    """All faces of a body, and their points in one array.

    Attributes:
        faces: the faces.
        points: float64 `(N, 3)`, the outlines of all parts of all faces, in order.
        middles: float64 `(faces, 3)`.
        normals: float64 `(faces, 3)`.
        depth_offsets: float64 `(faces,)`, metres.
    """

    faces: tuple[Face, ...]
    points: np.ndarray
    middles: np.ndarray
    normals: np.ndarray
    depth_offsets: np.ndarray


@functools.cache
def make_mesh(body: CarBody, is_detailed: bool) -> CarMesh:
    """Build the mesh of `body`; without details it lacks lamps, plates and seams."""
    faces = [_underside(body, is_rear) for is_rear in (True, False)]
    for index in range(len(body.profile) - 1):
        faces.append(_strip(body, index, is_detailed))
    faces += [_side(body, sign, is_detailed) for sign in (-1, 1)]
    points: list[tuple[float, float, float]] = []
    numbered: list[Face] = []
    for face in faces:
        numbered.append(dataclasses.replace(face, first_point=len(points)))
        points += [point for part in face.parts for point in part.outline]
    return CarMesh(
        tuple(numbered),
        np.array(points),
        np.array([face.middle for face in faces]),
        np.array([face.normal for face in faces]),
        np.array([face.depth_offset for face in faces]),
    )


def _underside(body, is_rear):
    """Two tyres and the dark area below the bumper, of one end."""
    half = body.half_width(0.3)
    along = 0.35 if is_rear else body.length - 0.35
    dark = [(-half, 0.16), (half, 0.16), (half, 0.5), (-half, 0.5)]
    parts = [Part(tuple((x, y, along) for x, y in dark), "underside")]
    for sign in (-1, 1):
        outer, inner = sign * half, sign * (half - 0.2)
        tyre = [(outer, 0.0), (inner, 0.0), (inner, 0.5), (outer, 0.5)]
        parts.append(Part(tuple((x, y, along) for x, y in tyre), "tyre"))
    normal = (0.0, 0.0, -1.0 if is_rear else 1.0)
    end = 0.0 if is_rear else body.length
    return Face((0.0, 0.6, end), normal, DRAWN_FIRST, tuple(parts))


class _Strip:
    """A segment of the profile, extruded over the width."""

    def __init__(self, body, start, stop):
        self._body, self.start, self.stop = body, start, stop

    def box(self, left, right, low, high):
        """Rectangle: `left`, `right` in half widths, `low`, `high` as shares."""
        points = []
        for across, share in ((left, low), (right, low), (right, high), (left, high)):
            along = self.start[0] + (self.stop[0] - self.start[0]) * share
            up = self.start[1] + (self.stop[1] - self.start[1]) * share
            points.append((across * self._body.half_width(up), up, along))
        return tuple(points)

    def upright_box(self, left, right, low, high):
        """Rectangle whose `low` end is below, also if the strip runs downwards."""
        if self.stop[1] < self.start[1]:
            low, high = 1 - high, 1 - low
        return self.box(left, right, low, high)


def _strip(body, index, is_detailed):
    start, stop = body.profile[index], body.profile[index + 1]
    strip = _Strip(body, start, stop)
    along, up = stop[0] - start[0], stop[1] - start[1]
    length = (along * along + up * up) ** 0.5
    middle = (0.0, 0.5 * (start[1] + stop[1]), 0.5 * (start[0] + stop[0]))
    is_skirt = index in (0, len(body.profile) - 2)
    parts = [Part(strip.box(-1, 1, 0, 1), "paint", 0.6 if is_skirt else 1.0)]
    if index in body.windows:
        parts += _end_window(strip, is_detailed)
    elif is_detailed and abs(up) > 0.1 and start[1] < body.belt + 0.3:
        parts += _end_details(body, strip, index)
    return Face(middle, (0.0, along / length, -up / length), 0.0, tuple(parts))


def _end_window(strip, is_detailed):
    parts = [
        Part(strip.upright_box(-0.88, 0.88, 0.1, 0.92), "glass"),
        Part(strip.upright_box(-0.88, 0.88, 0.55, 0.92), "glass", 1.5),
    ]
    if is_detailed:
        for left in (-0.55, 0.2):
            seat = strip.upright_box(left, left + 0.35, 0.12, 0.5)
            parts.append(Part(seat, "glass", 0.6))
    return parts


def _end_details(body, strip, index):
    """Lamps, grille, bumper and number plate of either end."""
    start, stop = strip.start[1], strip.stop[1]
    is_rear = stop > start
    span = body.tail if is_rear else body.headlamps
    low, high = sorted((level - start) / (stop - start) for level in span)
    low, high = max(0.0, low), min(1.0, high)
    parts = []
    if high - low > 0.2:
        inner, material = (0.68, "tail lamp") if is_rear else (0.56, "headlamp")
        for sign in (-1, 1):
            lamp = strip.box(sign * 0.98, sign * inner, low, high)
            parts.append(Part(lamp, material))
        if not is_rear:
            parts.append(Part(strip.box(-0.45, 0.45, low, high), "trim", 0.75))
    if index in (1, len(body.profile) - 3):
        parts.append(Part(strip.upright_box(-0.9, 0.9, 0.1, 0.4), "trim"))
        plate = "rear plate" if is_rear else "front plate"
        parts.append(Part(strip.upright_box(-0.3, 0.3, 0.35, 0.95), plate))
    return parts


def _side(body, sign, is_detailed):
    """Panels, windows, seams and wheels of one side."""

    def place(points, outwards=0.0):
        return tuple(
            (sign * (body.half_width(up) + outwards), up, along) for along, up in points
        )

    lower = [(along, up) for along, up in body.profile if up < 0.7]
    parts = [Part(place(body.profile), "paint"), Part(place(lower), "paint", 0.78)]
    parts += [Part(place(window), "glass") for window in body.side_windows]
    if is_detailed:
        for window in body.side_windows[-2:]:
            left = window[0][0]
            for x, y, width, height in ((0, 0.3, 0.02, 0.65), (0.08, 0.84, 0.2, 0.04)):
                seam = [(left + x, y), (left + x, y + height)]
                seam += [(left + x + width, y + height), (left + x + width, y)]
                parts.append(Part(place(seam), "paint", 0.5))
    layers = [(1.15, "underside"), (1.0, "tyre"), (0.62, "hub")]
    layers += [(0.2, "tyre")] if is_detailed else []
    for along in body.wheels:
        for share, material in layers:
            rim = _wheel_rim(body.wheel_radius, share, along)
            parts.append(Part(place(rim, 0.01), material))
    at = (sign * body.half_width(0.6), 0.6, 0.5 * body.length)
    normal = (0.989 * sign, 0.148, 0.0)  # of length 1, leaning 8.5 degrees upwards
    return Face(at, normal, DRAWN_LAST, tuple(parts))


def _wheel_rim(radius, share, along):
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    right = along + share * radius * np.cos(turn)
    up = np.maximum(0.0, radius + share * radius * np.sin(turn))
    return list(zip(right.tolist(), up.tolist(), strict=True))
