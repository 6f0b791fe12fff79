"""The value range of data sets and of single images."""

import logging

import numpy as np
import pytest

from keras_fcn.images import value_range
from keras_fcn.images.value_range import Extent, describe_range, find_range, scaled

BYTES = Extent("uint8", 0, 255)


@pytest.mark.parametrize(
    ("extents", "expected"),
    [
        ([BYTES], "auto"),
        ([Extent("uint16", 3, 200)], (0, 255)),
        ([BYTES, Extent("uint16", 3, 200), Extent("uint16", 40, 4000)], (0, 4095)),
        ([Extent("uint16", 0, 4096)], (0, 16383)),
        ([Extent("int32", 0, 65535)], (0, 65535)),
        ([Extent("int32", 5, 70000)], (5, 70000)),
        ([Extent("int16", -1000, 3000), Extent("int16", 0, 9000)], (-1000, 9000)),
        ([Extent("float32", 0.1, 0.9)], (0, 1)),
        ([Extent("float32", 0, 1)], (0, 1)),
        ([Extent("float32", 0.1, 0.9), Extent("float32", 0, 250)], (0, 255)),
        ([Extent("float32", 3, 255)], (0, 255)),
        ([Extent("float32", -1, 0.9)], (-1, 0.9)),
        ([Extent("float32", -2, -2)], (-2, -1)),
    ],
)
def test_range_of_a_data_set_comes_from_all_images(extents, expected):
    assert find_range(extents) == expected
    assert find_range(extents, (5.0, 7.0)) == (5.0, 7.0)
    assert find_range(extents, "dtype") == "dtype"


def test_description_names_types_values_and_bits():
    extents = [BYTES, Extent("uint16", 0, 4000)]
    line = describe_range((0, 4095), extents)
    assert line == (
        "value range: 0 to 4095 (12 bits) become 0 to 255 (uint16 with values from 0 "
        "to 4000)"
    )
    assert describe_range("auto", [BYTES]) == ""
    assert describe_range((0, 100), [BYTES]) == "value range: 0 to 100 become 0 to 255"


@pytest.mark.parametrize(
    ("values", "option", "expected"),
    [
        (np.uint8([0, 50, 100, 200]), (0, 100), [0, 128, 255, 255]),
        (np.uint8([0, 50, 100, 200]), (0, 4095), [0, 50, 100, 200]),
        (np.uint8([0, 1, 200]), (0, 1), [0, 1, 200]),
        (np.uint8([55, 155, 255]), (55, 255), [0, 128, 255]),
        (np.uint8([0, 50]), "dtype", [0, 50]),
        (np.int16([-1000, 0, 3000, 4000]), (-1000, 3000), [0, 64, 255, 255]),
        (np.uint16([0, 1000, 1008, 4095]), "auto", [0, 62, 63, 255]),
        (np.uint16([0, 1000, 65535]), "dtype", [0, 3, 255]),
        (np.float32([-1, 0, 0.5]), (-1, 1), [0, 127.5, 191.25]),
        (np.uint16([0, 1, 3]), (0.5, 2.5), [0, 64, 255]),
    ],
)
def test_values_become_0_to_255(values, option, expected):
    np.testing.assert_allclose(scaled(values, option, "An image"), expected, atol=0.01)


def test_an_assumed_range_is_reported_once(caplog, monkeypatch):
    monkeypatch.setattr(value_range, "_reported", set())
    for name in ("a.png", "b.png"):
        scaled(np.uint16([0, 4000]), "auto", name)
    (line,) = caplog.messages
    assert line.startswith("a.png is read with the value range 0 to 4095 (12 bits)")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([0, 255], "a.png uses less than a tenth of the value range 0 to 4095"),
        ([0, 9000], "50 % of the values of a.png are outside the value range"),
        ([0, 4000], None),
    ],
)
def test_an_image_that_does_not_fit_the_range_is_reported(caplog, values, words):
    scaled(np.uint16(values), (0, 4095), "a.png")
    assert [words in line for line in caplog.messages] == ([True] if words else [])


def test_ordinary_images_are_not_reported(caplog):
    with caplog.at_level(logging.DEBUG):
        scaled(np.uint8([7, 7]), "auto", "a.png")
    assert not caplog.messages
