"""A page of samples of a folder: image, labels, and both, with the classes' names."""

from pathlib import Path

import numpy as np

from keras_fcn.datasets.folder.read import FolderData
from keras_fcn.datasets.folder.scan import read_stored
from keras_fcn.drawing.panels import label_panel, stack_panels
from keras_fcn.images.reading import UnreadableImage, read_image


def sample_page(data: FolderData, num_samples: int) -> np.ndarray | None:
    """Draw image | labels | overlay of some samples below one another.

    The rarest classes are shown first, each by the image that has most of it.

    Args:
        data: the folder, read.
        num_samples: how many are drawn at most.

    Returns:
        uint8 RGB; None where the reading is not decided, or nothing can be drawn.
    """
    if data.reading is None:
        return None
    panels = []
    for split, index in _choose(data, num_samples):
        sample = data.splits[split][index]
        try:
            image = read_image(Path(sample.image))
            label_map = data.reading.decoder.decode(read_stored(sample, data.drawn))
        except (UnreadableImage, ValueError, OSError):
            continue  # it is among the problems
        if image.shape[:2] == label_map.shape:
            title = f"{split}: {sample.name}"
            panels.append(label_panel(title, image, label_map, data.reading.class_map))
    return stack_panels(panels) if panels else None


def _choose(data, count):
    """Samples that show the rarest classes, and then others, `(split, index)`."""
    places = [
        (split, index)
        for split, samples in data.splits.items()
        for index in range(len(samples))
    ]
    pixels = np.concatenate([data.class_pixels[split] for split in data.splits])
    total = pixels.sum(axis=0)
    by_rarity = [int(i) for i in np.argsort(total, kind="stable") if total[i]]
    chosen = dict.fromkeys(int(pixels[:, class_id].argmax()) for class_id in by_rarity)
    spread = np.linspace(0, len(places) - 1, count).round().astype(int)
    chosen |= dict.fromkeys(spread.tolist())
    return [places[index] for index in list(chosen)[:count]]
