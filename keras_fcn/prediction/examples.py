"""Example images: three rendered street scenes that no training contains."""

from pathlib import Path

from keras_fcn.images.encoding import write_png
from street_rendering import render_street

_SEED = 1  # the data set `streets` has the seed 0
_SCENES = (3, 11, 28)
_SIZE = (360, 480)


def write_examples(folder: Path) -> list[Path]:
    """Render the example images, which takes a second each.

    Args:
        folder: gets `street-1.png` to `street-3.png`; created if missing.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, index in enumerate(_SCENES, start=1):
        path = folder / f"street-{number}.png"
        if not path.exists():
            image, _ = render_street(_SEED, index, *_SIZE)
            write_png(path, image)
        paths.append(path)
    return paths
