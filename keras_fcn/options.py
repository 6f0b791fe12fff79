"""Kinds of options, and dataclasses whose values are checked when they are made.

A kind is an annotated type: its bounds, how an error message describes it, and the
word that stands for a value in the help of a command. A class of options uses kinds as
the types of its fields. This module imports neither TensorFlow nor Keras:

    @validated
    class PredictionOptions:
        \"\"\"How a network is run on an image.\"\"\"

        mode: Literal["single", "multi-scale"] = "single"
        tile: Size | None = None
        overlap: NonNegativeInt | None = None
        class_map: ClassMap | None = None  # any other class works, too

        def __post_init__(self) -> None:
            if self.tile is None and self.overlap is not None:
                raise ValueError("`overlap` requires `tile`")

    PredictionOptions(tile=(256, 256))
    PredictionOptions(tile=[256, 256])  # from JSON; the field is a tuple
    PredictionOptions(overlap=-1)  # ValueError: `overlap` must be an integer of at ...
    parse(Size, "256x256")  # text of a flag or a recipe: (256, 256)

Instances are frozen; change one by `dataclasses.replace`, which checks it again.
"""

import dataclasses
import functools
import inspect
import operator
import os
import types
from collections.abc import Callable
from numbers import Integral
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import pydantic.dataclasses
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
)
from typing_extensions import dataclass_transform

from keras_fcn.errors import did_you_mean, shortened, shown

# Strict: no text for a number, no number for a switch.
_STRICT = ConfigDict(
    strict=True, allow_inf_nan=False, extra="forbid", arbitrary_types_allowed=True
)
_Class = TypeVar("_Class")


@dataclasses.dataclass(frozen=True)
class Kind:
    """Words for an option.

    Attributes:
        expected: what a value must be, as in "a positive integer".
        metavar: stands for the value in the help of a command.
        words: accepted words, of which the nearest to a wrong one is named.
        in_python: what an argument in Python must be, if that differs.
    """

    expected: str
    metavar: str | None = None
    words: tuple[str, ...] = ()
    in_python: str | None = None


def _pair(separator: str, number: type) -> Callable[[Any, ValidationInfo], Any]:
    """Return the conversion of "1x2" on a command line and [1, 2] in JSON."""

    def convert(value: Any, info: ValidationInfo) -> Any:
        if info.mode == "string":  # not one of pydantic's documented modes
            return tuple(map(number, value.lower().split(separator)))
        return _from_list(value)

    return convert


def _from_list(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _check_order(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError("the first number is greater than the second")
    return value


def _check_area(value: tuple[int, int]) -> tuple[int, int]:
    if value[0] * value[1] > MAX_PIXELS:
        raise ValueError("too many pixels")
    return value


def _check_ascending(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] >= value[1]:
        raise ValueError("the first number is not less than the second")
    return value


def _check_text(value: Any) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    # pydantic's own `str` refuses file names that are not UTF-8.
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("not a text")
    return value


def _plain_int(value: Any, info: ValidationInfo) -> Any:
    """Convert NumPy's integers, which strict types refuse, and text in string mode."""
    if info.mode == "string" and isinstance(value, str):
        return TypeAdapter(int).validate_strings(value)
    is_other = isinstance(value, Integral) and not isinstance(value, bool)
    return int(value) if is_other else value


MAX_PIXELS = 100_000_000  # reading an image of that size takes 1.4 GB
AsTuple = BeforeValidator(_from_list)  # JSON has no tuples
_Int = Annotated[int, BeforeValidator(_plain_int)]
PositiveInt = Annotated[_Int, Field(ge=1), Kind("a positive integer", "N")]
NonNegativeInt = Annotated[_Int, Field(ge=0), Kind("an integer of at least 0", "N")]
# Sides of images; products of two fit into the integers of all libraries.
Side = Annotated[
    _Int, Field(ge=1, le=16384), Kind("a number of pixels from 1 to 16384", "N")
]
# Of a layer: 8192 filters in fc6 and fc7 take 420 MB.
FilterCount = Annotated[
    _Int, Field(ge=1, le=8192), Kind("an integer from 1 to 8192", "N")
]
ImageCount = Annotated[
    _Int, Field(ge=1, le=10**7), Kind("an integer from 1 to 10000000", "N")
]
Byte = Annotated[_Int, Field(ge=0, le=255), Kind("an integer from 0 to 255", "N")]
WideInt = Annotated[
    _Int, Field(ge=0, le=65535), Kind("an integer from 0 to 65535", "N")
]
Seed = Annotated[
    int, Field(ge=0, lt=2**31), Kind("an integer from 0 to 2147483647", "N")
]
BlockCount = Annotated[int, Field(ge=0, le=5), Kind("an integer from 0 to 5", "N")]
PositiveFloat = Annotated[float, Field(gt=0), Kind("a number above 0", "X")]
NonNegativeFloat = Annotated[float, Field(ge=0), Kind("a number of at least 0", "X")]
Probability = Annotated[float, Field(ge=0, le=1), Kind("a number from 0 to 1", "P")]
Share = Annotated[
    float, Field(ge=0, lt=1), Kind("a number of at least 0 and below 1", "S")
]
Fraction = Annotated[
    float, Field(gt=0, lt=1), Kind("a number above 0 and below 1", "S")
]
Factor = Annotated[
    float, Field(gt=0, le=1), Kind("a number above 0 and at most 1", "F")
]
HalfTurn = Annotated[float, Field(ge=0, le=0.5), Kind("a number from 0 to 0.5", "S")]
Degrees = Annotated[
    float, Field(ge=0, le=180), Kind("an angle from 0 to 180 degrees", "DEG")
]
Temperature = Annotated[
    float, Field(ge=0.001, le=1000), Kind("a number from 0.001 to 1000", "T")
]
Size = Annotated[
    tuple[PositiveInt, PositiveInt],
    AfterValidator(_check_area),
    BeforeValidator(_pair("x", int)),
    Kind(
        "HEIGHTxWIDTH in pixels, such as 360x480, 100 million at most",
        "HxW",
        in_python="(height, width) in pixels, such as (360, 480), 100 million at most",
    ),
]
Range = Annotated[
    tuple[PositiveFloat, PositiveFloat],
    AfterValidator(_check_order),
    BeforeValidator(_pair(",", float)),
    Kind(
        "LOW,HIGH, two numbers above 0 in ascending order, such as 0.5,2",
        "LOW,HIGH",
        in_python="two numbers above 0 in ascending order, such as (0.5, 2.0)",
    ),
]
ValueRange = Annotated[
    Literal["auto", "dtype"]
    | Annotated[
        tuple[float, float],
        AfterValidator(_check_ascending),
        BeforeValidator(_pair(",", float)),
    ],
    Kind(
        "auto, dtype or LOW,HIGH, two numbers in ascending order, such as 0,4095",
        "auto|dtype|LOW,HIGH",
    ),
]
ImageScale = Annotated[
    Literal["auto", "native"] | Side,
    Kind("auto, native or a positive number of pixels, at most 16384", "auto|native|N"),
]
Text = Annotated[str, PlainValidator(_check_text), Kind("text", "TEXT")]


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def validated(cls: type[_Class]) -> type[_Class]:
    """Make a class a frozen dataclass that checks the types and bounds of its fields.

    Args:
        cls: fields with annotations, as for `dataclasses.dataclass`. Its
            `__post_init__` may raise ValueError for values that exclude one another.

    Returns:
        The class. Its constructor raises ValueError with one line: "`x` must be ...
        Received: x=...".
    """
    made: Any = pydantic.dataclasses.dataclass(cls, frozen=True, config=_STRICT)
    check = made.__init__
    names = [field.name for field in dataclasses.fields(made)]

    @functools.wraps(check)
    def __init__(self: Any, /, *args: Any, **kwargs: Any) -> None:
        for name in kwargs.keys() - set(names):
            nearest = did_you_mean(name, names)
            raise ValueError(f"there is no option {shortened(name)}{nearest}")
        try:
            check(self, *args, **kwargs)
        except ValidationError as error:
            raise ValueError(_describe(error, made)) from None

    made.__init__ = __init__
    parameters = inspect.signature(made).parameters.values()
    made.__signature__ = inspect.Signature(
        [one.replace(annotation=plain_type(one.annotation)) for one in parameters]
    )
    return made


def _describe(error: ValidationError, cls: type) -> str:
    """Return the first problem of a `validated` class's values as one line."""
    first = error.errors(include_url=False)[0]
    if not first["loc"]:  # raised by `__post_init__`
        return str(first["ctx"]["error"])
    fields = {field.name: field.type for field in dataclasses.fields(cls)}
    place = first["loc"][0]
    name = list(fields)[place] if isinstance(place, int) else place  # by position
    if len(first["loc"]) == 1 and first["type"].startswith("missing"):
        return f"`{name}` is required"
    kind = kind_of(fields[name])
    expected, received = kind.in_python or kind.expected, first["input"]
    nearest = ""
    if isinstance(received, str):
        nearest = did_you_mean(received, choices(fields[name]) or ())
    return f"`{name}` must be {expected}. Received: {name}={shown(received)}{nearest}"


def parse(annotation: Any, value: object) -> Any:
    """Convert the text of a flag, or check a value of a TOML file.

    Args:
        annotation: a kind, such as `Size`, or the type of a field.
        value: text as it is typed on the command line, or a value of any other type,
            which is checked strictly.

    Raises:
        ValueError: "expected ..., got ..."; for a choice with the nearest one.
    """
    adapter = TypeAdapter(annotation, config=_STRICT)
    try:
        if isinstance(value, str) and annotation is not bool:  # "no" would be False
            return adapter.validate_strings(value)
        return adapter.validate_python(value)
    except ValidationError:
        got = shortened(value) if isinstance(value, str) else shown(value)
        nearest = did_you_mean(
            str(value), choices(annotation) or kind_of(annotation).words
        )
        raise ValueError(
            f"expected {kind_of(annotation).expected}, got {got}{nearest}"
        ) from None


def option(
    default: Any, help: str, *, group: str | None = None, metavar: str | None = None
) -> Any:
    """Return a field of a `validated` class that is documented on the command line.

    Args:
        default: the field's default.
        help: one line for the help of a command.
        group: heading under which the help lists it.
        metavar: stands for the value in the help; that of the field's kind if None.
    """
    metadata = {"group": group, "help": help, "metavar": metavar}
    return dataclasses.field(default=default, metadata=metadata)


def plain_type(annotation: Any) -> Any:
    """Return a type without the annotations of its kinds, for signatures.

    Args:
        annotation: any type.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return plain_type(arguments[0])
    if origin in (Union, types.UnionType):
        return functools.reduce(operator.or_, map(plain_type, arguments))
    if origin is tuple:
        return tuple[tuple(map(plain_type, arguments))]  # type: ignore[misc]
    return annotation


def kind_of(annotation: Any) -> Kind:
    """Return the words for a type.

    Args:
        annotation: an annotated type, a `Literal` or `bool`; also one of them or None.
    """
    annotation = _without_none(annotation)
    for item in getattr(annotation, "__metadata__", ()):
        if isinstance(item, Kind):
            return item
    if (words := choices(annotation)) is not None:
        return Kind(f"one of {', '.join(words)}", "NAME")
    if annotation is bool:
        return Kind("true or false")
    return Kind(f"a {getattr(annotation, '__name__', annotation)}")


def choices(annotation: Any) -> tuple[str, ...] | None:
    """Return the values of a `Literal` or of a `Literal` or None; None for other types.

    Args:
        annotation: any type.
    """
    annotation = _without_none(annotation)
    return get_args(annotation) if get_origin(annotation) is Literal else None


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation
    rest = [member for member in get_args(annotation) if member is not type(None)]
    return rest[0] if len(rest) == 1 else annotation


def format_value(value: object) -> str:
    """Return a value as it is typed on the command line, such as 360x480 or 0.5,1.5.

    Args:
        value: a value of any option; a list for a flag that takes several values.
    """
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return " ".join(map(format_value, value))
    if isinstance(value, tuple):  # a size or a range
        return ("," if float in map(type, value) else "x").join(map(str, value))
    return str(value)
