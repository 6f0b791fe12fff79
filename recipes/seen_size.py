"""The size at which a network sees CamVid, and what it changes of a recipe."""

import dataclasses

from keras_fcn.config import TrainingConfig

NATIVE = 360  # shorter side of CamVid's images as they are, pixels


def seen_at(config: TrainingConfig, side: int) -> TrainingConfig:
    """Return a training whose images are enlarged before the network sees them.

    The augmentation reads the images as they are: it enlarges them more, into crops
    that show as much of a picture.

    Args:
        config: a training on CamVid or on streets of its size.
        side: shorter side of an image as the network sees it, pixels.
    """
    factor = side / NATIVE
    height, width = (round(factor * n) for n in config.crop)
    least, most = config.scale
    return dataclasses.replace(
        config, crop=(height, width), scale=(factor * least, factor * most)
    )
