"""Trees and hedges with irregular outlines."""

import dataclasses
import functools

import cv2
import numpy as np

from keras_fcn.datasets.street_rendering import class_ids
from keras_fcn.datasets.street_rendering.canvas import Billboard
from keras_fcn.datasets.street_rendering.colours import darken, pick
from keras_fcn.datasets.street_rendering.noise import cloud_tile, cut, mottle_tile

LEAVES = [
    (74, 98, 46), (92, 112, 54), (56, 84, 48), (104, 112, 70), (60, 72, 44),
    (150, 112, 48), (124, 84, 46), (84, 92, 72), (112, 122, 62),
]  # fmt: skip
BARKS = [(84, 72, 60), (64, 56, 50), (104, 96, 86)]
_NUM_CROWNS = 16
_CROWN_SIZE = 144  # pixels
_STOP_LEVELS = (20, 100, 160, 245)  # grey levels of a crown with the colours below
_STOP_FACTORS = (0.22, 0.6, 1.05, 1.75)  # brightness, from deep shade to sunlit leaves
_STOP_SHARES = np.stack(
    [np.interp(np.arange(256), _STOP_LEVELS, unit) for unit in np.eye(4)], axis=1
)  # (256, 4)


@dataclasses.dataclass(frozen=True)
class Tree:
    """A tree with one trunk; lengths in metres."""

    x: float
    z: float
    trunk: float
    crown_width: float
    crown_height: float
    leaf: tuple[float, float, float]
    bark: tuple[float, float, float]
    crown: int
    is_mirrored: bool

    @property
    def depth(self):
        """Metres from the camera."""
        return self.z

    def shadow_box(self):
        """Half width, half length, foot and top of what casts the shadow, metres."""
        half = 0.4 * self.crown_width
        return half, half, 0.8 * self.trunk, self.trunk + 0.8 * self.crown_height

    def draw(self, canvas):
        """Draws the trunk and then the crown over it."""
        with Billboard(canvas, self.x, self.z, class_ids.TREE, 0.9) as board:
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
        canvas.paste(patch, mask, round(left), round(top), class_ids.TREE)

    @classmethod
    def sample(cls, rng, x, z, leaf):
        """Draws a tree that stands at `(x, z)`."""
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
    """A hedge along the street: its `x`, its ends and its height, metres."""

    x: float
    near: float
    far: float
    height: float
    leaf: tuple[float, float, float]
    offset: int

    @property
    def depth(self):
        """Metres to the far end."""
        return self.far

    def draw(self, canvas):
        """Draws the side that faces the street, with a ragged top."""
        num_points = 24
        depths = np.geomspace(max(self.near, 1.2), self.far, num_points)
        ragged = cloud_tile()[self.offset, : 4 * num_points : 4].astype(float) - 128
        tops = np.stack(
            [
                np.full(num_points, self.x),
                self.height * (1 + ragged / 500),
                depths,
            ],
            axis=1,
        )
        feet = tops[::-1] * (1, 0, 1)
        outline = canvas.camera.project(np.concatenate([tops, feet]))
        visible = canvas.mask_of(outline)
        if visible is None:
            return
        mask, left, top = visible
        rng = np.random.default_rng(self.offset)
        shade = cut(mottle_tile(), rng, *mask.shape)
        middle = 0.5 * (self.near + self.far)
        patch = cv2.LUT(
            cv2.merge([shade, shade, shade]),
            _leaf_table(canvas.light, self.leaf, middle),
        )
        canvas.paste(patch, mask, left, top, class_ids.TREE)


def _leaf_table(light, leaf, depth):
    """Colours from deep shade to sunlit leaves: uint8 `(1, 256, RGB)`."""
    lit = light.ambient + 0.7 * light.sunshine
    stops = [darken(leaf, factor * lit) for factor in _STOP_FACTORS]
    stops = [light.tone(colour, depth) for colour in stops]
    table = _STOP_SHARES @ np.minimum(stops, 255)
    return table.astype(np.uint8)[None]


@functools.cache
def _crown(index, is_mirrored):
    """Cover and shade of a crown, uint8 `(_CROWN_SIZE, _CROWN_SIZE)` each."""
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
