"""A fake model for the stand-in for TensorFlow Serving."""

import io

import numpy as np
from PIL import Image

from tests.support.serving_stand_in import Status


def label(pixels):
    """Classes 0, 1 and 2 are pixels with a low, medium and high red value."""
    return (pixels[..., 0] // 86).astype("uint8")


def encode_label_map(label_map):
    buffer = io.BytesIO()
    Image.fromarray(label_map).save(buffer, format="PNG")
    return buffer.getvalue()


def fake_model(images):
    """Label maps of the pixels as stored; CMYK is refused."""
    label_pngs = []
    for content in images:
        image = Image.open(io.BytesIO(content))
        if image.mode == "CMYK":
            raise Status(
                "INVALID_ARGUMENT",
                "Expected image (JPEG, PNG, or GIF), got CMYK\n\t [[{{node map}}]]",
            )
        label_pngs.append(encode_label_map(label(np.asarray(image.convert("RGB")))))
    return label_pngs
