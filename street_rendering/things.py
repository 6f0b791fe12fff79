"""Base classes of the objects of a scene."""

import abc
import dataclasses
from typing import NamedTuple, Protocol

from street_rendering.canvas import Canvas


class Thing(Protocol):
    """An object of a scene; objects are drawn in the order of decreasing depth."""

    @property
    def depth(self) -> float:
        """Distance from the camera, metres."""

    def draw(self, canvas: Canvas) -> None:
        """Draw the object on the image and the label map."""


class ShadowBox(NamedTuple):
    """The box that casts an object's shadow; all lengths in metres.

    Attributes:
        half_width: half its extent across the street.
        half_length: half its extent along the street.
        foot: height of its lower face; at 0 the ground below it is dark too.
        top: height of its upper face.
    """

    half_width: float
    half_length: float
    foot: float
    top: float


@dataclasses.dataclass(frozen=True)
class StandingThing(abc.ABC):
    """An object that stands at one place and casts a shadow.

    Attributes:
        x: metres right of the camera's lane.
        z: metres from the camera.
    """

    x: float
    z: float

    @property
    def depth(self) -> float:
        """Distance from the camera, metres."""
        return self.z

    @abc.abstractmethod
    def shadow_box(self) -> ShadowBox:
        """Return the box that casts the shadow."""

    @abc.abstractmethod
    def draw(self, canvas: Canvas) -> None:
        """Draw the object on the image and the label map."""
