"""The ways in which the labels of a data set may be read."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from keras_fcn.classes import MAX_CLASSES, ClassMap
from keras_fcn.datasets.folder.labels.class_table import ClassEntry
from keras_fcn.datasets.folder.labels.decoder import VOID_ID, pack
from keras_fcn.datasets.folder.labels.files import WIDE_VOID
from keras_fcn.datasets.folder.labels.stored_values import StoredValues
from keras_fcn.errors import summarize

BLACK_WHITE = ("background", "object")


class Undecided(ValueError):
    """Labels that can't be read, or that can be read in two ways.

    Attributes:
        kind: a word for programs.
        keys: values that are at fault; packed colours are negative.
    """

    def __init__(self, kind: str, message: str, keys: Collection[int] = ()):
        super().__init__(message)
        self.kind = kind
        self.keys = frozenset(keys)


@dataclass(frozen=True)
class Candidate:
    """A way to read the labels, and what it gives.

    Attributes:
        kind: "ids", "colors" or "black-white".
        words: one line for people.
        entries: the classes, void among them.
        table: class id of each value or packed colour.
    """

    kind: str
    words: str
    entries: list[ClassEntry]
    table: dict[int, int]

    def unknown(self, union: StoredValues) -> dict[int, int]:
        """Pixels of the values or colours that have no class."""
        pixels = union.colors if self.kind == "colors" else union.values
        unknown = {key: pixels[key] for key in pixels.keys() - self.table.keys()}
        if self.kind != "colors" and union.has_rgb:  # colours are below 0
            unknown |= {
                -color: count
                for color, count in union.colors.items()
                if color % 0x010101
            }
        return unknown

    def shown(self, union: StoredValues) -> set[int]:
        """Class ids that have pixels."""
        pixels = union.colors if self.kind == "colors" else union.values
        return {self.table[key] for key in pixels if key in self.table} - {VOID_ID}


def find_candidates(
    union: StoredValues,
    entries: Sequence[ClassEntry] | None,
    source: str,
    label_values: str,
    void: Sequence[str],
    class_map: ClassMap | None,
) -> list[Candidate]:
    """Return the readings that there may be, the likeliest first.

    Args:
        union, entries, source, label_values, void, class_map: as for `decide`.

    Raises:
        Undecided: if `label_values` can't be.
        ValueError: if `void` names no class.
    """
    options = list(_options(union, entries, source, label_values, void, class_map))
    wanted = [one for one in options if label_values in ("auto", one[0])]
    if not wanted:
        needed = "a table with r, g, b" if label_values == "colors" else "no colours"
        raise Undecided(
            "label-values",
            f"`label_values` {label_values} needs {needed}. Received: "
            f"{source or 'no class_dict.csv'}",
        )
    found = [
        (_by_color if kind == "colors" else _by_value)(kind, words, voided)
        for kind, words, of_kind in wanted
        if (voided := _voided(of_kind, void)) is not None
    ]
    if not found:
        known = summarize([entry.name for entry in wanted[-1][2]], most=20)
        raise ValueError(
            f"`void` must name classes: {known}. Received: void={','.join(void)}"
        )
    return found


def _options(union, entries, source, label_values, void, class_map):
    """Kind, words and classes of each reading that there may be."""
    if entries and all(entry.color for entry in entries if not entry.is_void):
        yield "colors", f"colours, as in {source}", entries
    two = [entry for entry in entries or () if not entry.is_void]
    if entries is None:
        may_be_two = class_map is None or class_map.names == BLACK_WHITE
    else:
        may_be_two = len(two) == 2 and not any(one.color or one.value for one in two)
    is_black_white = union.values.keys() == {0, 255}
    if may_be_two and (is_black_white or label_values == "black-white"):
        black, white = [entry.name for entry in two] or BLACK_WHITE
        words = f"black and white: 0 is {black}, 255 is {white}"
        yield (
            "black-white",
            words,
            [
                ClassEntry(black, (0, 0, 0), 0, False),
                ClassEntry(white, (255, 255, 255), 255, False),
            ],
        )
    if entries is None:
        yield "ids", "ids, 255 is void", _numbered(union, class_map, void)
    elif any(entry.value is not None for entry in entries):
        yield "ids", f"ids, as in {source}, 255 is void", entries
    else:
        words = f"ids, the lines of {source} from 0 on, 255 is void"
        yield "ids", words, entries


def _numbered(union, class_map, void):
    """Classes of ids, without a table: those of a run, or from 0 to the largest."""
    if class_map is not None:  # in which classes that are void have no place
        gone = [re.fullmatch(r"(?:class_)?(\d+)", name) for name in void]
        return [
            ClassEntry(f"class_{match[1]}", None, int(match[1]), True)
            for match in gone
            if match
        ] + [
            ClassEntry(name, color, int(match[1]) if match else index, False)
            for index, (name, color) in enumerate(
                zip(class_map.names, class_map.colors, strict=True)
            )
            for match in [re.fullmatch(r"class_(\d+)", name)]
        ]
    ids = [value for value in union.values if value not in (VOID_ID, WIDE_VOID)]
    largest = max(ids, default=0)
    if largest >= MAX_CLASSES:
        largest = -1  # nothing fits; `_no_reading` says why
    return [
        ClassEntry(f"class_{value}", None, value, False) for value in range(largest + 1)
    ]


def _voided(entries, void):
    """The entries, those that `void` names marked; None where one is not there."""
    entries = list(entries)
    for name in void:
        for index, entry in enumerate(entries):
            stored = index if entry.value is None else entry.value
            if name.lower() == entry.name.lower() or name == str(stored):
                entries[index] = entry._replace(is_void=True)
                break
        else:
            return None
    return entries


def _by_color(kind, words, entries):
    table = {
        int(pack(entry.color)): class_id
        for entry, class_id in _numbers(entries)
        if entry.color is not None
    }
    return Candidate(kind, words, entries, table)


def _by_value(kind, words, entries):
    table = {
        index if entry.value is None else entry.value: class_id
        for index, (entry, class_id) in enumerate(_numbers(entries))
    }
    if kind == "ids":
        table = {VOID_ID: VOID_ID, WIDE_VOID: VOID_ID} | table
    return Candidate(kind, words, entries, table)


def _numbers(entries):
    """Entries with their class ids: counted without void, which is 255."""
    next_id = 0
    for entry in entries:
        yield entry, VOID_ID if entry.is_void else next_id
        next_id += not entry.is_void
