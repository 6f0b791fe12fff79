"""Predictions of one image over the epochs, as a strip or an animation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from keras_fcn.drawing.panels import image_grid, titled
from keras_fcn.images.encoding import write_png
from keras_fcn.images.reading import read_image
from keras_fcn.storage.atomic import atomic_file


@dataclass(frozen=True)
class Frame:
    """A prediction after an epoch: its title, and its image file."""

    title: str
    path: Path

    def draw(self) -> np.ndarray:
        """Return the image below its title, uint8 RGB `(height, width, 3)`.

        Raises:
            ValueError: if the image can't be read.
        """
        return titled(self.title, read_image(self.path))


def write_strip(frames: Sequence[Frame], path: Path, num_frames: int) -> None:
    """Write a PNG of evenly spaced frames with their titles.

    Args:
        frames: at least one, all of the same size.
        path: PNG file; replaced atomically.
        num_frames: number of frames in the strip, or all if there are fewer.

    Raises:
        ValueError: if an image can't be read.
    """
    count = min(num_frames, len(frames))
    indices = np.linspace(0, len(frames) - 1, count).round().astype(int)
    page = image_grid([frames[index].draw() for index in indices])
    write_png(path, page, "samples")


def write_animation(frames: Sequence[Frame], path: Path, seconds: float) -> None:
    """Write a GIF of frames with their titles; the last one is shown 4 times as long.

    Args:
        frames: at least one, all of the same size.
        path: GIF file; replaced atomically.
        seconds: duration of a frame.

    Raises:
        ValueError: if an image can't be read.
    """
    images = (Image.fromarray(frame.draw()) for frame in frames)
    milliseconds = [round(1000 * seconds)] * len(frames)
    milliseconds[-1] *= 4
    with atomic_file(path) as part:
        next(images).save(
            part,
            save_all=True,
            append_images=images,
            duration=milliseconds,
            loop=0,  # repeat without end
            comment=b"keras-fcn samples",
        )
