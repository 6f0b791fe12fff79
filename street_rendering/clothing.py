"""Colors of people: skin, hair and clothes."""

import dataclasses

import numpy as np

from street_rendering.colors import Color, pick

SKINS = [(226, 184, 156), (196, 148, 118), (140, 98, 74), (92, 64, 50)]
HAIRS = [(44, 36, 32), (92, 66, 44), (164, 132, 84), (150, 148, 146), (26, 24, 24)]
CLOTHES = [
    (40, 42, 50), (58, 66, 90), (120, 118, 114), (150, 44, 44), (60, 84, 62),
    (206, 202, 192), (32, 34, 38), (126, 100, 72), (84, 60, 88), (206, 160, 60),
]  # fmt: skip
TROUSERS = [(44, 50, 70), (36, 36, 40), (96, 88, 76), (66, 74, 96), (120, 116, 110)]


@dataclasses.dataclass(frozen=True)
class PersonColors:
    """Colors of a person."""

    skin: Color
    hair: Color
    top: Color
    legs: Color
    shoes: Color

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "PersonColors":
        """Sample a person's colors."""
        return cls(
            skin=pick(rng, SKINS),
            hair=pick(rng, HAIRS),
            top=pick(rng, CLOTHES, 12),
            legs=pick(rng, TROUSERS, 12),
            shoes=pick(rng, [(34, 30, 30), (90, 84, 80)]),
        )
