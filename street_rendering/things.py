"""What all that stands on a street has in common."""

import abc
import dataclasses
from typing import NamedTuple, Protocol

from street_rendering.canvas import Canvas


class Thing(Protocol):
    """Anything that is drawn after all that stands farther away."""

    @property
    def depth(self) -> float:
        """Metres from the camera: what is nearer is drawn later."""

    def draw(self, canvas: Canvas) -> None:
        """Draw it on the picture and on the label map."""


class ShadowBox(NamedTuple):
    """The box that casts a thing's shadow; all lengths in metres.

    Attributes:
        half_width: half its extent across the street.
        half_length: half its extent along the street.
        foot: height of its lower face; at 0 the ground below is dark too.
        top: height of its upper face.
    """

    half_width: float
    half_length: float
    foot: float
    top: float


@dataclasses.dataclass(frozen=True)
class StandingThing(abc.ABC):
    """A `Thing` that stands at one place and casts a shadow.

    Attributes:
        x: metres right of the camera's lane.
        z: metres from the camera.
    """

    x: float
    z: float

    @property
    def depth(self) -> float:
        """Metres from the camera: what is nearer is drawn later."""
        return self.z

    @abc.abstractmethod
    def shadow_box(self) -> ShadowBox:
        """Return the box that casts the shadow."""

    @abc.abstractmethod
    def draw(self, canvas: Canvas) -> None:
        """Draw the thing on the picture and on the label map."""
