"""Write folders of images and labels."""

import numpy as np
from PIL import Image


def write_image(path, size=(32, 40), seed=None, **options):
    """Write an image of random blocks, a different one for each path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = (
        list(str(path.name).encode() + str(path.parent).encode())
        if seed is None
        else seed
    )
    small = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), "uint8")
    image = Image.fromarray(small).resize(size[::-1], Image.Resampling.NEAREST)
    image.save(path, **options)
    return path


def blocks(values, size=(32, 40)):
    """A label map with an area of each value, side by side."""
    columns = np.linspace(0, len(values), size[1], endpoint=False).astype(int)
    return np.broadcast_to(np.asarray(values)[columns], (*size, *np.shape(values)[1:]))


def write_labels(path, values=(0, 1, 2), size=(32, 40), dtype="uint8", palette=None):
    """Write a label map with an area of each value or color."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.ascontiguousarray(blocks(np.asarray(values, dtype), size))
    if path.suffix == ".npy":
        np.save(path, array)
        return path
    image = Image.fromarray(array)
    if palette is not None:
        image.putpalette(np.asarray(palette, "uint8").tobytes())
    image.save(path)
    return path


def write_pairs(images, labels, names, values=(0, 1, 2), suffix="", **options):
    """Write images and label maps of some names into two folders."""
    for name in names:
        write_image(images / f"{name}.png")
        write_labels(labels / f"{name}{suffix}.png", values, **options)
