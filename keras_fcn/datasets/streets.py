"""The data set `streets`: rendered street scenes with CamVid's classes.

Nothing is downloaded. Splits share no scene.
"""

import io
from dataclasses import dataclass

import numpy as np
import tensorflow_datasets as tfds

from keras_fcn.datasets.prepared import segmentation_info
from keras_fcn.progress import Progress
from keras_fcn.typing import Size
from street_rendering.parallel import render_pngs
from street_rendering.scene import render_street

# Number of the first scene of each split, so that no scene is in two of them.
_FIRST_SCENE = {"train": 0, "val": 10_000_000, "test": 20_000_000}


@dataclass
class StreetsConfig(tfds.core.BuilderConfig):
    """Number of training images (val and test have a quarter of it), size and seed."""

    num_images: int = 400
    height: int = 360
    width: int = 480
    seed: int = 0


def streets_config(num_images: int, size: tuple[int, int], seed: int) -> StreetsConfig:
    """Return a configuration whose name contains its values.

    Args:
        num_images: training images; val and test have a quarter of it, at least one.
        size: height and width of every image, pixels.
        seed: seed of the scenes.
    """
    height, width = size
    return StreetsConfig(
        name=f"{num_images}_images_{width}x{height}_seed_{seed}",
        num_images=num_images,
        height=height,
        width=width,
        seed=seed,
    )


def render_streets(
    split: str, num_images: int, size: Size, seed: int = 0
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Render the first scenes of a split, without preparing a data set.

    Args:
        split: "train", "val" or "test".
        num_images: number of scenes.
        size: height and width, pixels.
        seed: seed of the scenes.

    Returns:
        Images, uint8 RGB `(height, width, 3)`, and label maps, uint8 `(height, width)`.
    """
    numbers = range(_FIRST_SCENE[split], _FIRST_SCENE[split] + num_images)
    shown = Progress(numbers, description=f"Rendering {split}", total=num_images)
    return [render_street(seed, number, *size) for number in shown]


class Streets(tfds.core.GeneratorBasedBuilder):
    """TFDS builder of `streets`."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [streets_config(400, (360, 480), 0)]

    def _info(self):
        size = (self.builder_config.height, self.builder_config.width)
        return segmentation_info(self, __doc__, size)

    def _split_generators(self, dl_manager):
        num_images = self.builder_config.num_images
        num_held_out = max(1, num_images // 4)
        return {
            "train": self._generate_examples("train", num_images),
            "val": self._generate_examples("val", num_held_out),
            "test": self._generate_examples("test", num_held_out),
        }

    def _generate_examples(self, split, num_images):
        config, first = self.builder_config, _FIRST_SCENE[split]
        numbers = range(first, first + num_images)
        scenes = render_pngs(config.seed, numbers, config.height, config.width)
        shown = Progress(scenes, description=f"Rendering {split}", total=num_images)
        for number, (image, label_map) in enumerate(shown):
            yield (
                number,
                {
                    "name": f"{split}_{number:05d}",
                    "image": io.BytesIO(image),
                    "label_map": io.BytesIO(label_map),
                },
            )
