"""Kinds of options, and the classes that check their values."""

import json
import pickle
from dataclasses import FrozenInstanceError, asdict, fields, replace
from typing import Literal

import pytest

from keras_fcn import options
from keras_fcn.options import (
    ImageScale,
    Kind,
    NonNegativeInt,
    PositiveInt,
    Probability,
    Range,
    Seed,
    Size,
    Text,
    kind_of,
    parse,
    validated,
)
from tests.support.commands import call_and_watch


@validated
class Drawing:
    color: Literal["red", "green"] = "red"
    size: Size | None = None
    zoom: Range = (0.5, 2.0)
    opacity: Probability = 0.5
    count: PositiveInt = 1
    is_filled: bool = False
    title: Text = ""
    scale: ImageScale = "auto"

    def __post_init__(self):
        if self.is_filled and self.size is None:
            raise ValueError("`is_filled` requires `size`")


def test_json_restores_an_equal_object():
    drawing = Drawing("green", (3, 4), (1.0, 1.5), title="x", scale=360)
    assert Drawing(**json.loads(json.dumps(asdict(drawing)))) == drawing
    assert pickle.loads(pickle.dumps(drawing)) == drawing
    assert hash(drawing) == hash(replace(drawing))


def test_objects_are_frozen_and_checked_when_replaced():
    with pytest.raises(FrozenInstanceError):
        Drawing().count = 3
    assert replace(Drawing(), count=3).count == 3
    with pytest.raises(ValueError, match="^`count` must be a positive integer"):
        replace(Drawing(), count=0)


def test_lists_become_tuples_and_integers_become_floats():
    drawing = Drawing(size=[3, 4], zoom=[1, 2], opacity=1)
    assert drawing.size == (3, 4) and type(drawing.size) is tuple
    assert [type(item) for item in drawing.zoom] == [float, float]
    assert type(drawing.opacity) is float


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": 0}, "`count` must be a positive integer. Received: count=0"),
        ({"count": "4"}, "`count` must be a positive integer. Received: count='4'"),
        ({"count": 4.0}, "`count` must be a positive integer. Received: count=4.0"),
        ({"count": True}, "`count` must be a positive integer. Received: count=True"),
        ({"count": None}, "`count` must be a positive integer. Received: count=None"),
        ({"opacity": 1.1}, "`opacity` must be a number from 0 to 1. Received: opacity"),
        ({"opacity": float("nan")}, "`opacity` must be a number from 0 to 1. Received"),
        ({"opacity": True}, "`opacity` must be a number from 0 to 1. Received"),
        ({"is_filled": 1}, "`is_filled` must be true or false. Received: is_filled=1"),
        ({"color": "blue"}, "`color` must be one of red, green. Received: color='blue"),
        ({"color": ["red"]}, "`color` must be one of red, green. Received: color=['re"),
        (
            {"size": [3]},
            "`size` must be (height, width) in pixels, such as (360, 480), ",
        ),
        ({"size": [3, 0]}, "`size` must be (height, width) in pixels"),
        ({"size": [3, 4.0]}, "`size` must be (height, width) in pixels"),
        ({"size": "3x4"}, "`size` must be (height, width) in pixels"),
        (
            {"zoom": [2, 1]},
            "`zoom` must be two numbers above 0 in ascending order, such as",
        ),
        ({"zoom": [1, float("inf")]}, "`zoom` must be two numbers"),
        ({"title": "a\0b"}, "`title` must be text. Received: title='a\\x00b'"),
        (
            {"scale": 0},
            "`scale` must be auto, native or a positive number of pixels",
        ),
        ({"scale": "360"}, "`scale` must be auto, native or"),
        ({"colour": "red"}, "there is no option colour (did you mean color?)"),
        ({"x" * 1000: "red"}, "there is no option xxxx"),
        ({"is_filled": True}, "`is_filled` requires `size`"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_option(values, message):
    with pytest.raises(ValueError) as caught:
        Drawing(**values)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 200 and "\n" not in str(caught.value)


def test_an_argument_given_by_position_is_named():
    with pytest.raises(ValueError, match="^`color` must be one of red, green. Rec"):
        Drawing("blue")
    with pytest.raises(ValueError, match="^`size` must be .height, width..*: size=0$"):
        Drawing("red", (3, 0))


def test_a_required_option_is_named():
    @validated
    class Text:
        count: PositiveInt

    with pytest.raises(ValueError, match="^`count` is required$"):
        Text()


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (PositiveInt, "3", 3),
        (PositiveInt, 3, 3),
        (PositiveInt | None, "3", 3),
        (Probability, "1e-3", 1e-3),
        (Probability, 0, 0.0),
        (Size, "360x480", (360, 480)),
        (Size, "32X64", (32, 64)),
        (Size, [1, 1], (1, 1)),
        (Range, "0.5,2", (0.5, 2.0)),
        (Range, "1, 1", (1.0, 1.0)),
        (Range, [1, 2], (1.0, 2.0)),
        (ImageScale, "auto", "auto"),
        (ImageScale, "360", 360),
        (Text, "0016E5*", "0016E5*"),
        (Text, "caf\udce9.png", "caf\udce9.png"),  # a file name that is not UTF-8
        (Literal["a", "b"] | None, "b", "b"),
        (bool, True, True),
    ],
)
def test_text_of_flags_and_values_of_toml_are_converted(kind, value, expected):
    parsed = parse(kind, value)
    assert parsed == expected and type(parsed) is type(expected)


@pytest.mark.parametrize(
    "text",
    ["0x5", "5x0", "12", "-3x4", "axb", "", "x", "3x", "3x4x5", "3.5x4", "3,4", "²x4"],
)
def test_text_that_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match=f"^expected HEIGHTxWIDTH .*, got {text}$"):
        parse(Size, text)


@pytest.mark.parametrize(
    "text",
    ["2,0.5", "0,1", "-1,1", "1", "a,b", "1,2,3", "", "nan,1", "1,nan", "1,inf"],
)
def test_text_that_is_no_range_is_refused(text):
    with pytest.raises(ValueError, match=f"^expected LOW,HIGH, .*, got {text}$"):
        parse(Range, text)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (PositiveInt, "0", "expected a positive integer, got 0"),
        (PositiveInt, "1.5", "expected a positive integer, got 1.5"),
        (PositiveInt, "x" * 99, f"expected a positive integer, got {'x' * 57}..."),
        (PositiveInt, 1.5, "expected a positive integer, got 1.5"),
        (NonNegativeInt, "-1", "expected an integer of at least 0, got -1"),
        (Seed, str(2**31), "expected an integer from 0 to 2147483647, got 2147483648"),
        (Probability, "inf", "expected a number from 0 to 1, got inf"),
        (Probability, True, "expected a number from 0 to 1, got True"),
        (
            ImageScale,
            "atuo",
            "expected auto, native or a positive number of pixels, ",
        ),
        (
            Literal["32s", "16s", "8s"] | None,
            "7s",
            "expected one of 32s, 16s, 8s, got 7s (did you mean 8s?)",
        ),
        (bool, 1, "expected true or false, got 1"),
        (bool, "no", "expected true or false, got no"),
    ],
)
def test_other_text_is_refused_in_one_line(kind, value, message):
    with pytest.raises(ValueError) as caught:
        parse(kind, value)
    assert str(caught.value).startswith(message)


def test_every_kind_has_words_for_messages_and_help():
    kinds = [kind for name, kind in vars(options).items() if name[0].isupper()]
    described = [kind_of(kind) for kind in kinds if hasattr(kind, "__metadata__")]
    assert len(described) == 23
    assert all(kind.expected and kind.metavar for kind in described)
    assert kind_of(Drawing) == Kind("a Drawing")
    assert {field.name for field in fields(Drawing)} >= {"color", "size"}


def test_importing_the_module_imports_no_backend():
    process, imported = call_and_watch("-c", "import keras_fcn.options")
    assert process.returncode == 0
    assert not {"tensorflow", "keras", "jax"} & imported
