"""Fences along the street: boards, pickets, railings and guard rails."""

import dataclasses

import numpy as np

from street_rendering import classes
from street_rendering.canvas import Canvas
from street_rendering.colors import Color, darken, pick
from street_rendering.sampling import choose

KINDS = ("boards", "pickets", "railing", "mesh")
_COLORS = {
    "boards": [(128, 96, 66), (104, 84, 66), (150, 126, 94), (112, 110, 104)],
    "pickets": [(226, 224, 216), (170, 150, 120), (120, 96, 70)],
    "railing": [(40, 42, 46), (150, 154, 156), (40, 64, 50)],
    "mesh": [(140, 144, 142), (70, 92, 74)],
}
BARS = {  # metres between bars and their width
    "pickets": (0.16, 0.09),
    "railing": (0.14, 0.025),
    "mesh": (0.10, 0.012),
}
_NEAREST = 1.2  # metres


@dataclasses.dataclass(frozen=True)
class Fence:
    """A fence parallel to the street.

    Attributes:
        x: metres right of the camera's lane.
        sign: -1 for the left side of the street, +1 for the right.
        near: depth of the near end, metres.
        far: depth of the far end, metres.
        height: metres.
        kind: one of `KINDS`.
        color: RGB.
    """

    x: float
    sign: int
    near: float
    far: float
    height: float
    kind: str
    color: Color

    @property
    def depth(self) -> float:
        """Depth of the middle, metres; fences are short enough for sorting by it."""
        return 0.5 * (max(self.near, 0.0) + self.far)

    def draw(self, canvas: Canvas) -> None:
        """Draw the fence; its gaps are labeled fence too."""
        near = max(self.near, _NEAREST)
        if near >= self.far:
            return
        brightness = canvas.light.facing(-self.sign, 0, 0)
        if self.kind == "boards":
            self._fill(canvas, self._boards(near), brightness)
            self._draw_bars(canvas, near, 0.3, 0.02, 0.65 * brightness)
            return
        panel = canvas.camera.project(self._panel(near, self.far, 0, self.height))
        canvas.fill(panel, None, classes.FENCE)
        spacing, width = BARS[self.kind]
        self._draw_bars(canvas, near, spacing, width, brightness)
        self._fill(canvas, self._rails(near), brightness)

    def _panel(self, near, far, low, high):
        x = self.x
        return [(x, low, near), (x, high, near), (x, high, far), (x, low, far)]

    def _fill(self, canvas, panels, brightness):
        """Fill `(panel, shade)` pairs, in order."""
        points: list[tuple[float, float, float]] = []
        runs = []
        for panel, shade in panels:
            color = darken(self.color, shade)
            tone = canvas.light.tone(color, panel[0][2], brightness)
            runs.append((len(points), len(points) + 4, tone, classes.FENCE))
            points += panel
        canvas.fill_runs(canvas.camera.project(points), runs)

    def _rails(self, near):
        """Rails along the fence and posts every two metres."""
        panels = []
        for share in (0.0, 0.3, 0.62, 0.96) if self.kind == "mesh" else (0.1, 0.88):
            low, high = share * self.height, (share + 0.05) * self.height
            panels.append((self._panel(near, self.far, low, high), 0.9))
        z = self.far
        while z > near:
            panels.append((self._panel(z - 0.07, z + 0.07, 0, 1.04 * self.height), 0.8))
            z -= 2.0
        return panels

    def _boards(self, near):
        """Closed panels of varied shade between posts, far ones first."""
        panels, far, count = [], self.far, 0
        while far > near:
            start = max(near, far - 1.8)
            shade = 0.88 + 0.07 * ((7 * count) % 4)
            panels.append((self._panel(start, far, 0, self.height), shade))
            post = self._panel(start, min(start + 0.14, far), 0, 1.06 * self.height)
            panels.append((post, 0.68))
            far, count = start, count + 1
        return panels

    def _draw_bars(self, canvas, near, spacing, width, brightness):
        """Draw upright bars, except far ones that would overlap."""
        camera = canvas.camera
        columns = max(abs(self.x), 1.0) * camera.focal  # over depth squared: per metre
        depths = [near]
        while depths[-1] < self.far:
            z = depths[-1]
            depths.append(z + max(spacing, 3.0 * z * z / columns))
        far_first = np.array(depths[-2::-1] or [near])
        ends = np.zeros((2 * len(far_first), 3))
        ends[:, 0], ends[:, 2] = self.x, np.tile(far_first, 2)
        ends[len(far_first) :, 1] = self.height
        pixels = camera.project(ends)
        lines = np.stack([pixels[: len(far_first)], pixels[len(far_first) :]], axis=1)
        for group in np.array_split(np.arange(len(far_first)), 3):
            if len(group) == 0:
                continue
            middle = float(far_first[group].mean())
            bar_scale = max(columns / middle**2, 0.4 * camera.focal / middle)
            tone = canvas.light.tone(self.color, middle, brightness)
            canvas.strokes(lines[group], tone, width * bar_scale)

    @classmethod
    def sample(
        cls,
        rng: np.random.Generator,
        x: float,
        sign: int,
        near: float,
        far: float,
        is_at_kerb: bool = False,
    ) -> "Fence":
        """Sample a fence; at the kerb it is a guard rail."""
        kind = "railing" if is_at_kerb else choose(rng, KINDS)
        return cls(
            x=x,
            sign=sign,
            near=near,
            far=far,
            height=rng.uniform(0.95, 1.2) if is_at_kerb else rng.uniform(0.9, 1.9),
            kind=kind,
            color=pick(rng, _COLORS[kind]),
        )
