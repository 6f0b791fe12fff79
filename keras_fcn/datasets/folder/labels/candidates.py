"""The encodings that a data set's labels may have, and those that fit its files."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from keras_fcn.classes import MAX_CLASSES, ClassMap, distinct_colors
from keras_fcn.datasets.folder.labels.class_table import (
    WIDE_VOID,
    ClassEntry,
    ClassTable,
)
from keras_fcn.datasets.folder.labels.contents import NO_COLOR, Contents, FileContents
from keras_fcn.datasets.folder.labels.decoder import VOID_ID, pack, rgb, unpack
from keras_fcn.errors import summarize

_MANY_INSTANCES = 8  # of an image; rarely has one all of so many classes
_BLACK_WHITE = ("background", "object")


class Candidate:
    """An encoding that may fit.

    Args:
        kind: "ids", "colors" or "black-white".
        description: one line for people.
        entries: the classes, void among them.
        void: names or values of further classes that are void.
        is_split: values between two are of the nearer one.

    Attributes:
        has_void: whether each of `void` is a class.
        table: class id of each value or packed color.
        num_classes: number of classes that are not void.
    """

    def __init__(
        self,
        kind: str,
        description: str,
        entries: Sequence[ClassEntry],
        void: Sequence[str] = (),
        is_split: bool = False,
    ):
        self.kind = kind
        self.description = description
        values = [
            i if one.value is None else one.value for i, one in enumerate(entries)
        ]
        # The first entry with a name or value: classes may have numbers as names.
        index_of = {
            word: index
            for index, (entry, value) in reversed(
                list(enumerate(zip(entries, values, strict=True)))
            )
            for word in (entry.name.lower(), str(value))
        }
        void_indices = {index_of.get(name.lower()) for name in void}
        self.has_void = None not in void_indices
        self.entries = [
            entry._replace(is_void=entry.is_void or index in void_indices)
            for index, entry in enumerate(entries)
        ]
        self.table: dict[int, int] = {}
        if kind == "ids":  # a table may still name 255 as a class
            self.table = {VOID_ID: VOID_ID, WIDE_VOID: VOID_ID}
        self.values = values
        self.num_classes = 0
        for entry, value in zip(self.entries, values, strict=True):
            class_id = VOID_ID if entry.is_void else self.num_classes
            self.num_classes += not entry.is_void
            if kind != "colors":
                self.table[value] = class_id
            elif entry.color is not None:
                self.table[int(pack(entry.color))] = class_id
        if is_split:
            self.table = {
                gray: self.table[255 if gray > 127 else 0] for gray in range(256)
            }

    def unknown(self, contents: Contents) -> dict[str, int]:
        """Return the pixels of values or colors without a class, such as "1,2,3"."""
        if self.kind == "colors":
            colors = contents.colors.items()
            return name_colors({c: n for c, n in colors if c not in self.table})
        values = contents.values.items()
        unknown = {str(v): n for v, n in values if v not in self.table}
        return unknown | (rgb_pixels(contents) if contents.has_rgb else {})

    def used(self, contents: Contents) -> set[int]:
        """Return the class ids that have pixels."""
        keys = contents.colors if self.kind == "colors" else contents.values
        return {self.table[key] for key in keys if key in self.table} - {VOID_ID}

    def is_same(self, other: "Candidate", contents: Contents) -> bool:
        """Return whether another candidate gives the same labels: by color, by value.

        Args:
            other: the other candidate.
            contents: of all label files.
        """
        by_color, by_value = sorted((self, other), key=lambda one: one.kind != "colors")
        if contents.has_rgb:
            return False
        if by_color.kind != "colors":
            return all(self.table.get(v) == other.table.get(v) for v in contents.values)
        # Without one palette for all files, indices are read as gray values.
        color_of = contents.palette or {v: v * 0x010101 for v in contents.values}
        return all(
            by_color.table.get(color_of.get(value, NO_COLOR))
            == by_value.table.get(value)
            for value in contents.values
        )


class Evidence:
    """What the rules decide by.

    Args:
        files: name and contents of each label file.
        table: classes of a table or of the layout; None without.
        label_values: "auto", or the kind of encoding that is wanted.
        void: names or ids of classes to ignore.
        class_map: classes of a run, for folders without a table; None numbers those
            that are found.

    Attributes:
        contents: of all files together.
        source: where the classes are from, for messages; "" if they are numbered.
        is_possible: whether the table allows the wanted `label_values`.
        fits: whether a candidate has all values and colors.
        best: the fitting candidate with most classes in use; the one with the fewest
            unknown pixels if none fits.
        rival: description of another fitting candidate with as many classes in use and
            other labels; "" if there is none, or `label_values` decides.
        by_color: the candidate of the table's colors; `best` without one.
        has_palettes: whether the colors of palette files could be meant instead of
            their indices, which have other colors in other files.
        has_instances: whether the values number the objects of each image, from 1.

    Raises:
        ValueError: if `void` names no class.
    """

    def __init__(
        self,
        files: Sequence[tuple[str, FileContents]],
        table: ClassTable | None,
        label_values: str = "auto",
        void: Sequence[str] = (),
        class_map: ClassMap | None = None,
    ):
        self.table = table
        self.label_values = label_values
        self.contents = contents = Contents(contents for _, contents in files)
        self.source = table.source if table else "the run" if class_map else ""
        options = list(_options(contents, table, label_values, void, class_map))
        wanted = [one for one in options if label_values in ("auto", one[0])]
        self.is_possible = bool(wanted)
        # Compression and smoothing add values between black and white.
        has_more = contents.is_lossy or bool(contents.smoothed)
        found = [
            Candidate(
                kind, description, entries, void, has_more and kind == "black-white"
            )
            for kind, description, entries in wanted or options
        ]
        candidates = [one for one in found if one.has_void]
        if not candidates:
            names = [entry.name for entry in found[-1].entries]
            raise ValueError(
                f"`void` must name classes: {summarize(names, most=20)}. "
                f"Received: void={','.join(void)}"
            )
        fitting = [one for one in candidates if not one.unknown(contents)]
        self.fits = bool(fitting)
        # The first of equals: the most likely candidates come first.
        if fitting:
            self.best = max(fitting, key=lambda one: len(one.used(contents)))
        else:
            self.best = min(
                candidates, key=lambda one: sum(one.unknown(contents).values())
            )
        # A candidate that reads one of the classes as void uses fewer: it is no rival.
        rivals = (
            one.description
            for one in fitting
            if one is not self.best
            and len(one.used(contents)) == len(self.best.used(contents))
            and not one.is_same(self.best, contents)
        )
        self.rival = next(rivals, "") if label_values == "auto" else ""
        by_color = (one for one in candidates if one.kind == "colors")
        self.by_color = next(by_color, self.best)
        has_ids = table and any(entry.value is not None for entry in table.entries)
        self.has_palettes = (
            contents.has_palettes
            and (label_values, self.best.kind) == ("auto", "ids")
            and class_map is None
            and not has_ids
        )
        is_numbered = table is None and class_map is None and self.best.kind == "ids"
        self.has_instances = is_numbered and _are_instances(files)

    @property
    def missing_colors(self) -> list[str]:
        """Colors of the labels that the table lacks, if it has some of the others."""
        unknown = self.by_color.unknown(self.contents)
        is_part = self.by_color.kind == "colors" and self.label_values == "auto"
        has_some = len(unknown) < len(self.contents.colors)
        return sorted(unknown) if is_part and has_some else []

    @property
    def class_map(self) -> ClassMap:
        """The classes, with colors of the table, of the palette files, or others."""
        entries = self.best.entries
        classes = [entry for entry in entries if not entry.is_void]
        colors = [entry.color for entry in classes]
        if None in colors and self.contents.palette:
            palette = self.contents.palette
            stored = {palette[x.value] for x in classes if x.value in palette}
            if len(stored) == len(classes):
                colors = [
                    unpack(palette[x.value]) for x in classes if x.value in palette
                ]
        # Colors only matter for drawing here: any distinct ones will do.
        spare = iter(distinct_colors(len(classes)))
        void = [entry.color for entry in entries if entry.is_void and entry.color]
        return ClassMap(
            tuple(entry.name for entry in classes),
            tuple(color or next(spare) for color in colors),
            VOID_ID,
            void[0] if void else (0, 0, 0),
            *self._stored(),
        )

    def _stored(self):
        """What the label files store for the classes, and for void."""
        entries, values = self.best.entries, list[Any](self.best.values)
        others: list[Any] = [VOID_ID, *range(256)]
        if self.best.kind == "colors":
            values = [entry.color for entry in entries]
            others = [(0, 0, 0), (255, 255, 255), *distinct_colors(MAX_CLASSES)]
        stored: list[Any] = []
        void: list[Any] = []
        for entry, value in zip(entries, values, strict=True):
            if value is not None:  # a void class may have no color
                (void if entry.is_void else stored).append(value)
        void += [value for value in others if value not in stored]
        return tuple(stored), void[0]


def _options(contents, table, label_values, void, class_map):
    """Kind, description and classes of each encoding that is possible, in order."""
    entries = table.entries if table else []
    source = table.source if table else ""
    classes = [entry for entry in entries if not entry.is_void]
    if entries and all(entry.color for entry in classes):
        yield "colors", f"colors, as in {source}", entries
    # Two names without ids or colors fit files of 0 and 1 and files of 0 and 255.
    if entries:
        may_be_two = len(classes) == 2 and not any(x.color or x.value for x in classes)
    else:
        may_be_two = class_map is None or class_map.names == _BLACK_WHITE
    white_value = WIDE_VOID if contents.values.keys() == {0, WIDE_VOID} else 255
    if may_be_two and (
        contents.values.keys() == {0, white_value} or label_values == "black-white"
    ):
        black, white = [entry.name for entry in classes] or _BLACK_WHITE
        words = f"black and white: 0 is {black}, {white_value} is {white}"
        two = [
            ClassEntry(black, (0, 0, 0), 0, False),
            ClassEntry(white, (255, 255, 255), white_value, False),
        ]
        yield "black-white", words, two
    if not entries and class_map is not None and class_map.stored_values is not None:
        yield from _stored_in_run(class_map, void)
    elif not entries:
        yield "ids", "ids, 255 is void", _numbered(contents, class_map, void)
    elif any(entry.value is not None for entry in entries):
        yield "ids", f"ids, as in {source}, 255 is void", entries
    else:
        yield "ids", f"ids, the lines of {source} from 0, 255 is void", entries


def _are_instances(files):
    """Whether each file has the values from 1 to a number, which differs much."""
    numbers = []
    for _, contents in files:
        values = set(contents.keys.tolist()) - {0}
        if values != set(range(1, len(values) + 1)):
            return False
        numbers.append(len(values))
    return max(numbers) >= _MANY_INSTANCES and len(set(numbers)) > 2


def _stored_in_run(class_map, void):
    """The encoding of the label files that a run was trained on."""
    has_colors = isinstance(class_map.stored_void, tuple)
    pairs = zip(class_map.names, class_map.stored_values, strict=True)
    named = [*pairs, ("void", class_map.stored_void)]
    # A run's classes are without those that its `void` names.
    values = {int(name) for name in void if name.isdecimal()}
    named += [
        (f"class_{value}", value)
        for value in sorted(values - {value for _, value in named})
        if not has_colors
    ]
    entries = [
        ClassEntry(name, value, None, index >= class_map.num_classes)
        if has_colors
        else ClassEntry(name, None, value, index >= class_map.num_classes)
        for index, (name, value) in enumerate(named)
    ]
    kind = "colors" if has_colors else "ids"
    yield (
        kind,
        f"{kind}, as in the training" + ", 255 is void" * (kind == "ids"),
        entries,
    )


def _numbered(contents, class_map, void):
    """Classes of ids without a table: those of a run, or 0 to the largest id."""
    if class_map is None:
        largest = max(contents.values.keys() - {VOID_ID, WIDE_VOID}, default=0)
        # Too large ids have no class: the rule `many-ids` refuses them.
        count = largest + 1 if largest < MAX_CLASSES else 0
        return [ClassEntry(f"class_{n}", None, n, False) for n in range(count)]

    def number(name, pattern, default):
        match = re.fullmatch(pattern, name)
        return int(match[1]) if match else default

    # A run's classes are without those that its `void` names: these get an entry again.
    values = [number(name, r"(?:class_)?(\d+)", None) for name in void]
    again = [ClassEntry(f"class_{n}", None, n, True) for n in values if n is not None]
    return again + [
        ClassEntry(name, color, number(name, r"class_(\d+)", index), False)
        for index, (name, color) in enumerate(
            zip(class_map.names, class_map.colors, strict=True)
        )
    ]


def rgb_pixels(contents: Contents) -> dict[str, int]:
    """Return the pixels of the colors that are not gray, such as "1,2,3".

    Args:
        contents: of one or more label files.
    """
    return name_colors({c: n for c, n in contents.colors.items() if c % 0x010101})


def name_colors(pixels: Mapping[int, int]) -> dict[str, int]:
    """Return pixels by color as text, such as "1,2,3".

    Args:
        pixels: number of pixels by packed color.
    """
    return {
        "values above 255" if color == NO_COLOR else rgb(color): count
        for color, count in pixels.items()
    }
