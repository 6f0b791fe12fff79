"""What a folder holds, in words: short, as a table, and for programs."""

import numpy as np

from keras_fcn.folders.folder_data import FolderData

_RARE_SHARE = 0.001  # of the training pixels: below it a class is called rare


def short_lines(data: FolderData) -> list[str]:
    """Describe a folder in a few lines, as a training does.

    Args:
        data: the folder, read.
    """
    counts = ", ".join(
        f"{split} {len(samples)}" for split, samples in data.splits.items()
    )
    lines = [f"{counts} images ({describe_sizes(data)})", *data.said]
    return [f"{data.layout.root}: {lines[1]}", lines[0], *lines[2:]]


def describe_sizes(data: FolderData) -> str:
    """Return the sizes of the images, for people.

    Args:
        data: the folder, read.
    """
    sizes = sorted(
        {fact.size for facts in data.facts.values() for fact in facts if fact.size}
    )
    if not sizes:
        return "no size known"
    if len(sizes) == 1:
        return f"{sizes[0][1]}x{sizes[0][0]}"
    least, most = np.min(sizes, axis=0), np.max(sizes, axis=0)
    return f"{len(sizes)} sizes, {least[1]}x{least[0]} to {most[1]}x{most[0]}"
