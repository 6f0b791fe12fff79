"""Fences along the street: boards, pickets, railings and guard rails."""

import dataclasses

import numpy as np

from keras_fcn.datasets.street_rendering import class_ids
from keras_fcn.datasets.street_rendering.light import darken, pick

KINDS = ("boards", "pickets", "railing", "mesh")
_COLOURS = {
    "boards": [(128, 96, 66), (104, 84, 66), (150, 126, 94), (112, 110, 104)],
    "pickets": [(226, 224, 216), (170, 150, 120), (120, 96, 70)],
    "railing": [(40, 42, 46), (150, 154, 156), (40, 64, 50)],
    "mesh": [(140, 144, 142), (70, 92, 74)],
}
_NEAREST = 1.2  # metres


@dataclasses.dataclass(frozen=True)
class Fence:
    """A fence parallel to the street: its `x`, its ends and its height, metres."""

    x: float
    sign: int
    near: float
    far: float
    height: float
    kind: str
    colour: tuple[float, float, float]

    @property
    def depth(self):
        """Metres to the far end."""
        return self.far

    def draw(self, canvas):
        """Draws the fence; what shows through its gaps is labelled fence too."""
        near = max(self.near, _NEAREST)
        if near >= self.far:
            return
        brightness = canvas.light.facing(-self.sign, 0, 0)
        if self.kind == "boards":
            self._draw_boards(canvas, near, brightness)
            return
        panel = canvas.camera.project(self._panel(near, self.far, 0, self.height))
        canvas.label(panel, class_ids.FENCE)
        spacing, width = {
            "pickets": (0.16, 0.09), "railing": (0.14, 0.025), "mesh": (0.10, 0.012),
        }[self.kind]  # fmt: skip
        self._draw_bars(canvas, near, spacing, width, brightness)
        for low in (0.12, 0.88) if self.kind != "mesh" else (0.0, 0.3, 0.62, 0.97):
            rail = self._panel(
                near, self.far, low * self.height, (low + 0.05) * self.height
            )
            self._fill_in_steps(canvas, rail, darken(self.colour, 0.9), brightness)
        for z in np.arange(self.far, near, -2.0):
            post = self._panel(z - 0.07, z + 0.07, 0, 1.04 * self.height)
            colour = darken(self.colour, 0.85)
            canvas.fill_surface(post, colour, class_ids.FENCE, brightness)

    def _panel(self, near, far, low, high):
        x = self.x
        return [(x, low, near), (x, high, near), (x, high, far), (x, low, far)]

    def _fill_in_steps(self, canvas, panel, colour, brightness):
        near, far = panel[0][2], panel[2][2]
        low, high = panel[0][1], panel[1][1]
        ends = np.geomspace(near, far, 4)
        for start, stop in zip(ends[:-1], ends[1:], strict=True):
            piece = self._panel(start, stop, low, high)
            canvas.fill_surface(piece, colour, class_ids.FENCE, brightness)

    def _draw_boards(self, canvas, near, brightness):
        panel_ends = np.append(np.arange(near, self.far, 1.8), self.far)[::-1]
        for i, (far, start) in enumerate(
            zip(panel_ends[:-1], panel_ends[1:], strict=True)
        ):
            shade = darken(self.colour, 0.9 + 0.07 * ((i * 7) % 4))
            panel = self._panel(start, far, 0, self.height)
            canvas.fill_surface(panel, shade, class_ids.FENCE, brightness)
            post = self._panel(start, min(start + 0.14, far), 0, 1.06 * self.height)
            canvas.fill_surface(
                post, darken(shade, 0.75), class_ids.FENCE, brightness
            )
        self._draw_bars(canvas, near, 0.3, 0.02, 0.65 * brightness)

    def _draw_bars(self, canvas, near, spacing, width, brightness):
        """Upright bars; far ones are left out where they would run into each other."""
        camera = canvas.camera
        depths = [near]
        while depths[-1] < self.far:
            z = depths[-1]
            columns_per_metre = max(abs(self.x), 1.0) * camera.focal / (z * z)
            depths.append(z + max(spacing, 2.5 / columns_per_metre))
        depths = np.array(depths[::-1])
        depths = depths[depths <= self.far]
        ends = np.empty((2 * len(depths), 3))
        ends[:, 0], ends[:, 2] = self.x, np.tile(depths, 2)
        ends[: len(depths), 1], ends[len(depths) :, 1] = 0.0, self.height
        pixels = camera.project(ends)
        lines = np.stack([pixels[: len(depths)], pixels[len(depths) :]], axis=1)
        for group in np.array_split(np.arange(len(depths)), 4):
            if len(group) == 0:
                continue
            middle = float(depths[group].mean())
            steepness = abs(self.x) * camera.focal / middle**2
            thickness = max(width * steepness, 0.4 * width * camera.focal / middle)
            tone = canvas.light.tone(self.colour, middle, brightness)
            canvas.strokes(lines[group], tone, thickness)

    @classmethod
    def sample(cls, rng, x, sign, near, far, is_at_kerb=False):
        """Draws a fence; at the kerb it is a guard rail."""
        kind = "railing" if is_at_kerb else str(rng.choice(KINDS))
        return cls(
            x=x,
            sign=sign,
            near=near,
            far=far,
            height=rng.uniform(0.95, 1.2) if is_at_kerb else rng.uniform(0.9, 1.9),
            kind=kind,
            colour=pick(rng, _COLOURS[kind]),
        )
