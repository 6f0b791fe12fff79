"""A model that is no network, for the stand-in of TensorFlow Serving."""

import io

import numpy as np
from PIL import Image

from tests.support.serving_stand_in import Status


def label(pixels):
    """The fake model: dark, middling and bright red are the classes 0, 1 and 2."""
    return (pixels[..., 0] // 86).astype("uint8")


def encode_label_map(label_map):
    buffer = io.BytesIO()
    Image.fromarray(label_map).save(buffer, format="PNG")
    return buffer.getvalue()


def fake_model(images):
    """Label maps of the pixels as stored; CMYK stands for what a server refuses."""
    answers = []
    for content in images:
        picture = Image.open(io.BytesIO(content))
        if picture.mode == "CMYK":
            raise Status(
                "INVALID_ARGUMENT",
                "Expected image (JPEG, PNG, or GIF), got CMYK\n\t [[{{node map}}]]",
            )
        answers.append(encode_label_map(label(np.asarray(picture.convert("RGB")))))
    return answers
