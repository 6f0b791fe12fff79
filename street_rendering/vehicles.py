"""Cars, vans and buses, parked, driving and crossing."""

import dataclasses
import math

import numpy as np

from street_rendering import classes
from street_rendering.canvas import Canvas
from street_rendering.car_bodies import BODIES, BUS, HATCHBACK, CarBody
from street_rendering.car_mesh import make_mesh
from street_rendering.colors import Color, darken, pick
from street_rendering.sampling import choose_by_share
from street_rendering.things import ShadowBox, StandingThing

PAINTS = [
    (176, 180, 184), (44, 46, 50), (222, 222, 220), (120, 124, 128), (150, 32, 34),
    (38, 62, 112), (62, 74, 66), (84, 90, 98), (140, 120, 96), (90, 30, 40),
    (26, 28, 34), (70, 110, 150),
]  # fmt: skip
BODY_SHARES = (0.36, 0.24, 0.15, 0.13, 0.09, 0.03)  # in the order of `BODIES`
DETAILED_ABOVE = 15  # pixels per metre
MATERIALS = {
    "glass": (46, 54, 62),
    "tyre": (26, 26, 28),
    "underside": (20, 20, 22),
    "hub": (160, 162, 164),
    "trim": (46, 46, 48),
    "tail lamp": (150, 24, 26),
    "headlamp": (206, 212, 216),
    "rear plate": (232, 200, 70),
    "front plate": (226, 226, 222),
}
OUTER_MATERIALS = {"paint", "tyre", "underside"}  # all other materials lie within these
LIT_LAMPS = {  # above 255, to stay bright in haze
    "tail lamp": (300, 60, 48),
    "headlamp": (360, 350, 325),
}


@dataclasses.dataclass(frozen=True)
class Car(StandingThing):
    """A vehicle; `x` and `z` are those of its middle.

    Attributes:
        yaw: direction, radians clockwise from above; 0 away from the camera.
        body: shape of the vehicle.
        paint: RGB color.
        is_driving: whether it is moving; its lamps are lit at dusk and in rain then.
    """

    yaw: float
    body: CarBody
    paint: Color
    is_driving: bool

    def shadow_box(self) -> ShadowBox:
        """Return the box that casts the shadow."""
        half_length, half_width = 0.5 * self.body.length, 0.5 * self.body.width
        cos, sin = abs(math.cos(self.yaw)), abs(math.sin(self.yaw))
        across = half_width * cos + half_length * sin
        along = half_length * cos + half_width * sin
        return ShadowBox(across, along, 0.0, 0.9 * self.body.height)

    def draw(self, canvas: Canvas) -> None:
        """Draw the faces towards the camera, far ones first."""
        camera = canvas.camera
        mesh = make_mesh(self.body, bool(camera.focal / self.z > DETAILED_ABOVE))
        pixels = camera.project(self._place(mesh.points))
        left, right = pixels[:, 0].min(), pixels[:, 0].max()
        if right < 0 or left > camera.width:
            return
        middles, normals = self._place(mesh.middles), self._turn(mesh.normals)
        lens = np.array([-camera.bend(self.z), camera.elevation, 0.0])
        is_visible = ((lens - middles) * normals).sum(axis=1) > 0
        runs = []
        for i in np.argsort(-(middles[:, 2] + mesh.depth_offsets), kind="stable"):
            if is_visible[i]:
                brightness = canvas.light.facing(*normals[i].tolist())
                runs += self._face_runs(canvas.light, mesh.faces[i], brightness)
        canvas.fill_runs(pixels, runs)

    def _turn(self, local):
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        turned = local.copy()
        turned[:, 0] = local[:, 0] * cos + local[:, 2] * sin
        turned[:, 2] = local[:, 2] * cos - local[:, 0] * sin
        return turned

    def _place(self, local):
        centred = local - (0.0, 0.0, 0.5 * self.body.length)
        return self._turn(centred) + (self.x, 0.0, self.z)

    def _face_runs(self, light, face, brightness):
        """Polygons of a face, as `Canvas.fill_runs` expects them."""
        runs, start = [], face.first_point
        has_lit_lamps = self.is_driving and (light.is_dusk or light.is_wet)
        for part in face.parts:
            stop = start + len(part.outline)
            color, level = MATERIALS.get(part.material, self.paint), brightness
            if part.material == "glass":
                level = 0.65 + 0.4 * brightness
            elif has_lit_lamps and part.material in LIT_LAMPS:
                color, level = LIT_LAMPS[part.material], 1.0
            tone = light.tone(darken(color, part.shade), self.z, level)
            is_outer = part.material in OUTER_MATERIALS
            runs.append((start, stop, tone, classes.CAR if is_outer else None))
            start = stop
        return runs

    @classmethod
    def sample(
        cls, rng: np.random.Generator, x: float, z: float, yaw: float, is_driving: bool
    ) -> "Car":
        """Sample a vehicle with its middle at `(x, z)`, metres; no bus is parked."""
        body = choose_by_share(rng, BODIES, BODY_SHARES)
        if body is BUS and not is_driving:
            body = HATCHBACK
        return cls(x, z, yaw, body, pick(rng, PAINTS, 10), is_driving)
