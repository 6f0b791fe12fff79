"""The dictionary that the demo page displays."""

import base64
import io

import numpy as np
from PIL import Image

from keras_fcn.classes import ClassMap
from keras_fcn.demo.results import describe_image
from keras_fcn.drawing.overlays import overlay_palette

CLASS_MAP = ClassMap(("a", "b"), ((200, 0, 0), (0, 0, 200)), void_id=255)


def decode(url):
    _, _, content = url.partition(";base64,")
    with Image.open(io.BytesIO(base64.b64decode(content))) as image:
        return np.asarray(image)


def result_of(height, width):
    image = np.full((height, width, 3), 90, "uint8")
    label_map = np.zeros((height, width), "uint8")
    label_map[:, width // 2 :] = 1
    label_map[: height // 4] = 255
    confidence = np.linspace(0, 1, height * width, dtype="float32")
    return (
        describe_image(image, label_map, confidence.reshape(height, width), CLASS_MAP),
        label_map,
    )


def test_pixels_are_class_ids_and_confidence():
    shown, label_map = result_of(40, 60)
    np.testing.assert_array_equal(decode(shown["labels"]), label_map)
    confidence = decode(shown["confidence"])
    assert confidence[0, 0] == 0 and confidence[-1, -1] == 255
    assert decode(shown["image"]).shape == (40, 60, 3)


def test_classes_have_name_color_and_share_and_void_has_no_color():
    shown, _ = result_of(40, 60)
    palette = overlay_palette(CLASS_MAP)
    first, second, third = shown["classes"]
    assert (first["name"], first["share"]) == ("a", 0.375)
    assert first["color"] == palette[0].tolist()
    assert (second["name"], second["color"]) == ("b", palette[1].tolist())
    assert third == {"id": 255, "name": "void", "color": None, "share": 0.25}


def test_large_images_are_resized_without_new_ids():
    shown, _ = result_of(2000, 3200)
    labels = decode(shown["labels"])
    assert labels.shape == (1000, 1600)
    assert set(np.unique(labels)) == {0, 1, 255}
    assert shown["classes"][0]["share"] == 0.375
