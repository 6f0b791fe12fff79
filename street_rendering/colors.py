"""Colors as RGB in 0 to 255: chosen, moved a little, darkened."""

from collections.abc import Sequence

import numpy as np

from street_rendering.sampling import choose

Color = tuple[float, float, float]

WHITE, BLACK = (232, 232, 228), (30, 30, 32)  # on signs, cones and bags


def jitter(rng: np.random.Generator, color: Color, spread: float) -> Color:
    """Move a color at random; no channel falls below 4.

    Args:
        rng: draws from a normal distribution.
        color: RGB in 0 to 255.
        spread: standard deviation by which all channels move together; each moves by
            a third of it on its own.
    """
    common, *own = (spread * rng.standard_normal(4)).tolist()
    return (
        max(4.0, color[0] + common + own[0] / 3),
        max(4.0, color[1] + common + own[1] / 3),
        max(4.0, color[2] + common + own[2] / 3),
    )


def darken(color: Color, factor: float) -> Color:
    """Multiply every channel by `factor`; the result may exceed 255."""
    return color[0] * factor, color[1] * factor, color[2] * factor


def pick(rng: np.random.Generator, colors: Sequence[Color], spread: float = 8) -> Color:
    """Choose one of `colors` and move it a little, as `jitter` does."""
    return jitter(rng, choose(rng, colors), spread)
