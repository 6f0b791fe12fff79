"""The size at which a network sees CamVid, where the images are not resized first."""

import dataclasses

from keras_fcn.config import TrainingConfig

NATIVE = 360  # shorter side of CamVid's images, and of streets of their size, pixels


def seen_at(config: TrainingConfig, side: int | None) -> TrainingConfig:
    """Return a training whose network sees larger images, in crops of as much of them.

    Args:
        config: a training on images as they are.
        side: shorter side of an image as the network sees it, pixels; None changes
            nothing.
    """
    if side is None:
        return config
    height, width = (round(side / NATIVE * length) for length in config.crop)
    return dataclasses.replace(config, size=side, crop=(height, width))


def scaled_from_native(config: TrainingConfig) -> TrainingConfig:
    """Return a training that reads its crops from the images as they are.

    The augmentation enlarges them to the size at which they are seen, too: they are
    read once, not twice.

    Args:
        config: a training on images of its own size.
    """
    factor = (config.size or NATIVE) / NATIVE
    least, most = config.scale
    return dataclasses.replace(config, scale=(factor * least, factor * most))
