"""Tiny images, label maps and configurations that the tests share."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.dataset import Split

PROJECT = Path(__file__).parents[2]
SHARED_DATA = PROJECT.parent / "shared" / "data"


def draw_blocks(height, width, num_classes, seed):
    """An image and its label map of blocks; colors are class colors plus noise."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, num_classes, (height // 16 + 1, width // 16 + 1))
    label_map = blocks.repeat(16, axis=0).repeat(16, axis=1)[:height, :width]
    shade = 20 + 200 * label_map[..., None] // max(1, num_classes - 1)
    image = shade + np.array([0, 15, 30]) + rng.integers(-8, 9, (height, width, 3))
    return image.clip(0, 255).astype("uint8"), label_map.astype("uint8")


def write_folder(folder, counts=None, size=(48, 64)):
    """Write `images/SPLIT/` and `labels/SPLIT/` with ids 0-2 and 255."""
    counts = counts or {"train": 4, "val": 2, "test": 2}
    for number, (split, count) in enumerate(counts.items()):
        images, labels = folder / "images" / split, folder / "labels" / split
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        for index in range(count):
            image, label_map = draw_blocks(*size, 3, seed=100 * number + index)
            label_map[0] = 255
            Image.fromarray(image).save(images / f"{split}_{index}.png")
            Image.fromarray(label_map).save(labels / f"{split}_{index}.png")
    return folder


def split_of(image_sizes, **parts):
    """A split whose images are the elements of arrays: names, images, label maps."""

    def decode(number):
        return {name: tf.gather(part, number) for name, part in parts.items()}

    return Split(np.arange(len(image_sizes)), tuple(image_sizes), decode)


def numbered_split(num_images):
    """A split of 2x2 images (16 bytes each) whose pixel values are the image number."""
    images = np.tile(np.arange(num_images, dtype="uint8")[:, None, None], (1, 2, 2))
    return split_of(
        [(2, 2)] * num_images,
        name=[f"image {index}" for index in range(num_images)],
        image=images[..., None].repeat(3, axis=-1),
        label_map=images % 2,
    )


def tiny_config(folder, **changes) -> TrainingConfig:
    """Configuration of a training on `tiny_folder` that takes seconds."""
    values = {
        "dataset": "folder",
        "data_dir": str(folder),
        "head": "compact",
        "weights": "none",
        "epochs": 2,
        "batch_size": 2,
        "crop": (32, 32),
        "precision": "float32",
        "num_samples": 1,
        "keep_checkpoints": True,
    }
    return TrainingConfig(**{**values, **changes})
