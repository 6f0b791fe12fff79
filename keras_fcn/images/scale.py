"""The size at which a network sees an image, in training and in prediction."""

from keras_fcn.typing import Size

# Of a scaled image, longer to shorter side of the training images: what is longer, a
# panorama or a strip of one row, is made smaller. So no image needs more memory.
LONGEST = 8


def scaled_size(image_size: Size, side: int | None) -> Size:
    """Return the size at which a network looks at an image.

    Args:
        image_size: the image's height and width, pixels.
        side: what the shorter side becomes, pixels; None leaves the image as it is.

    Returns:
        Height and width, the aspect kept, each at least 1. Where the longer side would
        be more than eight times `side`, it becomes that, and the shorter one less.
    """
    if side is None:
        return image_size
    scale = min(side / min(image_size), LONGEST * side / max(image_size))
    height, width = (max(1, round(scale * length)) for length in image_size)
    return height, width
