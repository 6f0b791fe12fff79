"""Trees and hedges with irregular outlines."""

import dataclasses
import functools

import cv2
import numpy as np

from street_rendering import classes
from street_rendering.canvas import Billboard, Canvas
from street_rendering.colors import Color, darken, pick
from street_rendering.noise import cloud_tile, cut, mottle_tile
from street_rendering.things import ShadowBox, StandingThing

LEAVES = [
    (74, 98, 46), (92, 112, 54), (56, 84, 48), (104, 112, 70), (60, 72, 44),
    (150, 112, 48), (124, 84, 46), (84, 92, 72), (112, 122, 62),
]  # fmt: skip
BARKS = [(84, 72, 60), (64, 56, 50), (104, 96, 86)]
_NUM_CROWNS = 16
_CROWN_SIZE = 144  # pixels
_STOP_LEVELS = (20, 100, 160, 245)  # gray levels of a crown with the colors below
_STOP_FACTORS = (0.22, 0.6, 1.05, 1.75)  # brightness, from deep shade to sunlit leaves
_STOP_SHARES = np.stack(
    [np.interp(np.arange(256), _STOP_LEVELS, unit) for unit in np.eye(4)], axis=1
)  # (256, 4)


@dataclasses.dataclass(frozen=True)
class Tree(StandingThing):
    """A tree with one trunk.

    Attributes:
        trunk: height of the trunk below the crown, metres.
        crown_width: metres.
        crown_height: metres.
        leaf: color of the leaves.
        bark: color of the trunk.
        crown: index of the crown's shape.
        is_mirrored: whether the crown is mirrored.
    """

    trunk: float
    crown_width: float
    crown_height: float
    leaf: Color
    bark: Color
    crown: int
    is_mirrored: bool

    def shadow_box(self) -> ShadowBox:
        """Return the box that casts the shadow."""
        half = 0.4 * self.crown_width
        top = self.trunk + 0.8 * self.crown_height
        return ShadowBox(half, half, 0.8 * self.trunk, top)

    def draw(self, canvas: Canvas) -> None:
        """Draw the trunk and then the crown over it."""
        with Billboard(canvas, self.x, self.z, classes.TREE, 0.9) as board:
            self._draw_trunk(board)
        self._draw_crown(canvas, board)

    def _draw_trunk(self, board):
        girth = 0.07 * self.crown_width + 0.08
        top = self.trunk + 0.4 * self.crown_height
        board.limb((0, 0), (0, top), 1.25 * girth, 0.7 * girth, self.bark)
        dark_bark = darken(self.bark, 0.7)
        board.limb((girth / 4, 0), (girth / 5, top), girth / 2, girth / 4, dark_bark)
        reach = 0.3 * self.crown_width
        for side in (-1, 1):
            tip = (side * reach, self.trunk + 0.4 * self.crown_height)
            board.limb((0, 0.8 * self.trunk), tip, girth / 2, girth / 5, self.bark)

    def _draw_crown(self, canvas, board):
        width = max(2, round(self.crown_width * board.scale))
        height = max(2, round(self.crown_height * board.scale))
        left, top = board.pixel(
            -0.5 * self.crown_width, self.trunk + 0.92 * self.crown_height
        )
        if top + height <= 0 or left >= canvas.camera.width or left + width <= 0:
            return
        cover, shade = (
            cv2.resize(layer, (width, height), interpolation=cv2.INTER_LINEAR)
            for layer in _crown(self.crown, self.is_mirrored)
        )
        _, mask = cv2.threshold(cover, 127, 1, cv2.THRESH_BINARY)
        if width > _CROWN_SIZE:
            leaves = mottle_tile()[:height, :width]
            if leaves.shape == shade.shape:
                shade = cv2.addWeighted(shade, 1.0, leaves, 0.6, -77.0)
        table = _leaf_table(canvas.light, self.leaf, self.z)
        patch = cv2.LUT(cv2.merge([shade, shade, shade]), table)
        canvas.paste(patch, mask, round(left), round(top), classes.TREE)

    @classmethod
    def sample(
        cls, rng: np.random.Generator, x: float, z: float, leaf: Color
    ) -> "Tree":
        """Sample a tree at `(x, z)`, metres."""
        crown_width = rng.uniform(2.6, 6.0)
        return cls(
            x=x,
            z=z,
            trunk=rng.uniform(1.6, 3.0),
            crown_width=crown_width,
            crown_height=crown_width * rng.uniform(0.8, 1.5),
            leaf=leaf,
            bark=pick(rng, BARKS),
            crown=int(rng.integers(_NUM_CROWNS)),
            is_mirrored=bool(rng.random() < 0.5),
        )


@dataclasses.dataclass(frozen=True)
class Hedge:
    """A hedge along the street.

    Attributes:
        x: metres right of the camera's lane.
        near: depth of the near end, metres.
        far: depth of the far end, metres.
        height: metres.
        leaf: color of the leaves.
        offset: row of the noise tile that shapes its top, 0 to 499.
    """

    x: float
    near: float
    far: float
    height: float
    leaf: Color
    offset: int

    @property
    def depth(self) -> float:
        """Depth of the far end, metres."""
        return self.far

    def draw(self, canvas: Canvas) -> None:
        """Draw the side that faces the street, with an irregular top."""
        num_points = 24
        depths = np.geomspace(max(self.near, 1.2), self.far, num_points)
        ragged = cloud_tile()[self.offset, : 4 * num_points : 4].astype(float) - 128
        heights = self.height * (1 + ragged / 500)
        tops = np.stack([np.full(num_points, self.x), heights, depths], axis=1)
        feet = tops[::-1] * (1, 0, 1)
        outline = canvas.camera.project(np.concatenate([tops, feet]))
        visible = canvas.mask_of(outline)
        if visible is None:
            return
        mask, left, top = visible
        rng = np.random.default_rng(self.offset)
        shade = cut(mottle_tile(), rng, *mask.shape)
        table = _leaf_table(canvas.light, self.leaf, 0.5 * (self.near + self.far))
        patch = cv2.LUT(cv2.merge([shade, shade, shade]), table)
        canvas.paste(patch, mask, left, top, classes.TREE)


def _leaf_table(light, leaf, depth):
    """Colors from deep shade to sunlit leaves: uint8 `(1, 256, RGB)`."""
    lit = light.ambient + 0.7 * light.sunshine
    stops = [darken(leaf, factor * lit) for factor in _STOP_FACTORS]
    stops = [light.tone(color, depth) for color in stops]
    table = _STOP_SHARES @ np.minimum(stops, 255)
    return table.astype(np.uint8)[None]


@functools.cache
def _crown(index, is_mirrored):
    """Mask and brightness of a crown, uint8 `(_CROWN_SIZE, _CROWN_SIZE)` each."""
    if is_mirrored:
        return tuple(np.ascontiguousarray(a[:, ::-1]) for a in _crown(index, False))
    rng = np.random.default_rng((5, index))
    axis = np.linspace(-1, 1, _CROWN_SIZE, dtype=np.float32)
    x, y = axis[None, :], axis[:, None]
    frayed = cut(cloud_tile(), rng, _CROWN_SIZE, _CROWN_SIZE).astype(np.float32) - 128
    leaves = cut(mottle_tile(), rng, _CROWN_SIZE, _CROWN_SIZE).astype(np.float32) - 128
    edge = frayed / 260 + leaves / 130
    cover = np.zeros((_CROWN_SIZE, _CROWN_SIZE), np.float32)
    shade = np.zeros((_CROWN_SIZE, _CROWN_SIZE), np.float32)
    for angle, reach in zip(
        rng.permutation(np.linspace(0, 2 * np.pi, 18)),
        np.linspace(0.62, 0.0, 18),
        strict=True,
    ):
        radius = rng.uniform(0.26, 0.44)
        right = np.cos(angle) * reach - x
        up = y - np.sin(angle) * reach
        inside = 1 - np.sqrt(right * right + up * up) / radius + edge
        is_leaf = inside > 0
        lit = 118 - 55 * up / radius - 30 * np.sin(angle) * reach + 25 * right / radius
        shade[is_leaf] = lit[is_leaf] + rng.normal(0, 8)
        cover[is_leaf] = 255
    holes = frayed + 0.9 * leaves < -rng.uniform(66, 100)
    cover[holes & (shade < 150)] = 0
    shade = np.clip(shade + 1.1 * leaves, 0, 255)
    return cover.astype(np.uint8), shade.astype(np.uint8)
