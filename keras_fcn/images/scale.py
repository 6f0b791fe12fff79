"""The size to which images are resized for the network, and the color around them."""

from keras_fcn.typing import Size

# ImageNet's mean color, in [0, 255], which VGG16 was trained with. Preprocessing maps
# it to zero, the value of the padding (keras/src/applications/imagenet_utils.py).
MEAN_RGB = (123.68, 116.779, 103.939)
# Longer to shorter side. Longer images (panoramas, strips of one row) are resized to
# less than the requested shorter side, which bounds the memory that an image needs.
MAX_ASPECT_RATIO = 8


def scaled_size(image_size: Size, side: int | None) -> Size:
    """Return the size of an image after resizing to a given shorter side.

    Args:
        image_size: height and width of the image, pixels.
        side: the new length of the shorter side, pixels; None keeps the size.

    Returns:
        Height and width with the same aspect ratio, each at least 1. If the longer side
        would exceed `8 * side`, it becomes `8 * side`, and the shorter side less than
        `side`.
    """
    if side is None:
        return image_size
    scale = min(side / min(image_size), MAX_ASPECT_RATIO * side / max(image_size))
    height, width = (max(1, round(scale * length)) for length in image_size)
    return height, width
