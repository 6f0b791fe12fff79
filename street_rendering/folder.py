"""Write rendered scenes into a folder: images, label maps and class names."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from street_rendering.classes import CLASSES
from street_rendering.scene import render_street

_PROGRESS_EVERY = 100  # scenes
_logger = logging.getLogger(__name__)


def write_scenes(
    folder: Path,
    num_images: int,
    size: tuple[int, int],
    seed: int = 0,
    first_index: int = 0,
) -> None:
    """Render scenes into a folder.

    `images/NUMBER.png` is RGB. `labels/NUMBER.png` is a palette PNG: its values are
    class ids, its palette their colors. `class_dict.csv` has the name and the color of
    each class id, in order. Each file appears whole or not at all.

    Args:
        folder: new or empty.
        num_images: number of scenes.
        size: height and width of every image, pixels, at least 1.
        seed: seed of all random numbers, not negative.
        first_index: number of the first scene, not negative.

    Raises:
        FileExistsError: if the folder is not empty, or is a file.
        OSError: if a file cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(
            f"The output folder must be new or empty. Received: {folder}"
        )
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with _atomic_file(folder / "class_dict.csv") as part:
        part.write_text(_class_dict())
    num_digits = max(5, len(str(first_index + num_images - 1)))
    for count in range(num_images):
        number = first_index + count
        image, label_map = render_street(seed, number, *size)
        file_name = f"{number:0{num_digits}d}.png"
        _save_png(folder / "images" / file_name, Image.fromarray(image))
        _save_png(folder / "labels" / file_name, _with_palette(label_map))
        if (count + 1) % _PROGRESS_EVERY == 0:
            _logger.info("%d of %d scenes", count + 1, num_images)


def _class_dict() -> str:
    rows = [("name", "r", "g", "b"), *((name, *color) for name, color in CLASSES)]
    return "".join(",".join(map(str, row)) + "\n" for row in rows)


def _with_palette(label_map: np.ndarray) -> Image.Image:
    image = Image.fromarray(label_map)
    image.putpalette([channel for _, color in CLASSES for channel in color])
    return image


def _save_png(path: Path, image: Image.Image) -> None:
    with _atomic_file(path) as part:
        image.save(
            part, compress_level=1
        )  # files are 10 % larger than at the default level, which is slow


@contextmanager
def _atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path, which is renamed to `path` if the block succeeds."""
    part = path.with_name(f".part-{path.name}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
