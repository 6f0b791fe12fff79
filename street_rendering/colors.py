"""Colors as RGB in 0 to 255."""

from collections.abc import Sequence

import numpy as np

from street_rendering.sampling import choose

Color = tuple[float, float, float]

WHITE, BLACK = (232, 232, 228), (30, 30, 32)  # on signs, cones and bags


def jitter(rng: np.random.Generator, color: Color, spread: float) -> Color:
    """Change a color randomly; no channel falls below 4.

    Args:
        rng: random number generator.
        color: RGB in 0 to 255.
        spread: standard deviation of the change that all channels share; each channel
            changes by a third of it in addition.
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
    """Choose one of `colors` and change it by `jitter`."""
    return jitter(rng, choose(rng, colors), spread)
