"""Objects in notebooks: a text with images, or with the colors of classes."""

import base64
from collections.abc import Iterable
from html import escape

import numpy as np

from keras_fcn.classes import ClassMap
from keras_fcn.drawing.overlays import overlay_palette
from keras_fcn.images.encoding import encode_jpeg


def html_with_images(text: str, images: Iterable[np.ndarray]) -> str:
    """Return a paragraph and the images below it.

    Args:
        text: plain text.
        images: uint8 RGB `(height, width, 3)`.
    """
    sources = [base64.b64encode(encode_jpeg(image)).decode() for image in images]
    return f"<p>{escape(text)}</p>" + "".join(
        f'<img style="max-width: 100%" src="data:image/jpeg;base64,{source}">'
        for source in sources
    )


def html_with_classes(text: str, class_map: ClassMap) -> str:
    """Return a paragraph, and the classes with their colors in overlays.

    Args:
        text: plain text.
        class_map: the classes.
    """
    palette = overlay_palette(class_map)
    return f"<p>{escape(text)}</p>" + " ".join(
        '<span style="white-space: nowrap"><span style="color: '
        f'rgb({red}, {green}, {blue})">&#9632;</span> {escape(name)}</span>'
        for name, (red, green, blue) in zip(
            class_map.names, palette.tolist(), strict=False
        )
    )
