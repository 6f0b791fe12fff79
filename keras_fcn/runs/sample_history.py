"""Predictions of a sample image over the epochs of runs, as a strip or an animation."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from keras_fcn.drawing.panels import image_grid, titled
from keras_fcn.images.encoding import write_png
from keras_fcn.runs.folder import RunFolder
from keras_fcn.storage.atomic import atomic_file


@dataclass(frozen=True)
class Frame:
    """A prediction after an epoch: its title, and uint8 RGB `(height, width, 3)`."""

    title: str
    picture: np.ndarray


def read_frames(runs: Sequence[RunFolder], sample: int) -> list[Frame]:
    """Read the predictions of a sample image, in the order of runs and epochs.

    Args:
        runs: the runs.
        sample: number of the image, from 1.

    Returns:
        The frames.

    Raises:
        ValueError: if a run has no such prediction, or the images differ in size.
    """
    frames = []
    for run in runs:
        variant = run.read_config().variant
        paths = sorted(run.samples.glob(f"epoch-*-sample-{sample}.png"))
        if not paths:
            raise ValueError(
                f"{run.samples} holds no prediction of sample {sample}: "
                "`num_samples` of the training says how many there are"
            )
        for path in paths:
            epoch = int(re.match(r"epoch-(\d+)-", path.name)[1])
            with Image.open(path) as picture:
                picture = np.asarray(picture.convert("RGB"))
            frames.append(Frame(f"FCN-{variant}, epoch {epoch}", picture))
    sizes = sorted({frame.picture.shape[:2] for frame in frames})
    if len(sizes) > 1:
        raise ValueError(
            f"The runs must share their sample images. Received sizes: "
            f"{', '.join(f'{height}x{width}' for height, width in sizes)}"
        )
    return frames


def write_strip(frames: Sequence[Frame], path: Path, num_frames: int) -> None:
    """Write a PNG of some frames with their titles, spread evenly.

    Args:
        frames: at least one, of one size.
        path: PNG file; it is replaced whole.
        num_frames: how many are shown; all where there are fewer.
    """
    count = min(num_frames, len(frames))
    chosen = np.linspace(0, len(frames) - 1, count).round().astype(int)
    shown = [titled(frames[index].title, frames[index].picture) for index in chosen]
    write_png(path, image_grid(shown))


def write_animation(frames: Sequence[Frame], path: Path, seconds: float) -> None:
    """Write a GIF of frames with their titles; the last stays four times as long.

    Args:
        frames: at least one, of one size.
        path: GIF file; it is replaced whole.
        seconds: for which a frame is shown.
    """
    pictures = [Image.fromarray(titled(f.title, f.picture)) for f in frames]
    milliseconds = [round(1000 * seconds)] * len(frames)
    milliseconds[-1] *= 4
    with atomic_file(path) as part:
        pictures[0].save(
            part,
            save_all=True,
            append_images=pictures[1:],
            duration=milliseconds,
            loop=0,
        )
