"""The encodings that a data set's labels may have."""

import re
from collections.abc import Mapping, Sequence

from keras_fcn.classes import MAX_CLASSES, ClassMap
from keras_fcn.datasets.folder.labels.class_table import ClassEntry, ClassTable
from keras_fcn.datasets.folder.labels.contents import NO_COLOR, Contents
from keras_fcn.datasets.folder.labels.decoder import VOID_ID, pack, rgb
from keras_fcn.datasets.folder.labels.files import WIDE_VOID
from keras_fcn.errors import summarize

_BLACK_WHITE = ("background", "object")


class Candidate:
    """An encoding that may fit.

    Args:
        kind: "ids", "colors" or "black-white".
        description: one line for people.
        entries: the classes, void among them.

    Attributes:
        table: class id of each value or packed colour.
    """

    def __init__(self, kind: str, description: str, entries: Sequence[ClassEntry]):
        self.kind = kind
        self.description = description
        self.entries = entries
        self.table: dict[int, int] = {}
        if kind == "ids":  # a table may still name 255 as a class
            self.table = {VOID_ID: VOID_ID, WIDE_VOID: VOID_ID}
        num_classes = 0
        for index, entry in enumerate(entries):
            class_id = VOID_ID if entry.is_void else num_classes
            num_classes += not entry.is_void
            if kind != "colors":
                self.table[index if entry.value is None else entry.value] = class_id
            elif entry.color is not None:
                self.table[int(pack(entry.color))] = class_id

    def unknown(self, contents: Contents) -> dict[str, int]:
        """Return the pixels of values or colours without a class, such as "1,2,3"."""
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


def is_same(first: Candidate, second: Candidate, contents: Contents) -> bool:
    """Return whether two candidates give the same labels: by colour and by value.

    Args:
        first: a candidate.
        second: another one.
        contents: of all label files.
    """
    by_color, by_value = sorted((first, second), key=lambda one: one.kind != "colors")
    if by_color.kind != "colors" or contents.has_rgb:
        return False
    # Without one palette for all files, indices are read as grey values.
    color_of = contents.palette or {
        value: value * 0x010101 for value in contents.values
    }
    return all(
        by_color.table.get(color_of.get(value, NO_COLOR)) == by_value.table.get(value)
        for value in contents.values
    )


def find_candidates(
    contents: Contents,
    table: ClassTable | None,
    label_values: str,
    void: Sequence[str],
    class_map: ClassMap | None,
) -> list[Candidate]:
    """Return the encodings that are possible, the most likely first.

    Args:
        contents: of all label files.
        table: classes of a table or of the layout; None without.
        label_values: "auto", or the kind that is wanted; all kinds are returned if the
            table does not allow it.
        void: names or ids of classes to ignore.
        class_map: classes of a run, for folders without a table; None numbers those
            that are found.

    Raises:
        ValueError: if `void` names no class.
    """
    options = list(_options(contents, table, label_values, void, class_map))
    wanted = [one for one in options if label_values in ("auto", one[0])]
    candidates, names = [], []
    for kind, description, entries in wanted or options:
        entries = list(entries)
        names = [entry.name for entry in entries]
        is_known = True
        for name in void:
            index = next(
                (
                    index
                    for index, entry in enumerate(entries)
                    if name.lower() == entry.name.lower()
                    or name == str(index if entry.value is None else entry.value)
                ),
                None,
            )
            if index is None:
                is_known = False
            else:
                entries[index] = entries[index]._replace(is_void=True)
        if is_known:
            candidates.append(Candidate(kind, description, entries))
    if not candidates:
        raise ValueError(
            f"`void` must name classes: {summarize(names, most=20)}. "
            f"Received: void={','.join(void)}"
        )
    return candidates


def _options(contents, table, label_values, void, class_map):
    """Kind, description and classes of each encoding that is possible."""
    entries = table.entries if table else []
    source = table.source if table else ""
    if entries and all(entry.color for entry in entries if not entry.is_void):
        yield "colors", f"colours, as in {source}", entries
    # Two names without ids or colours fit files of 0 and 1 and files of 0 and 255.
    two = [entry for entry in entries if not entry.is_void]
    if entries:
        may_be_two = len(two) == 2 and not any(one.color or one.value for one in two)
    else:
        may_be_two = class_map is None or class_map.names == _BLACK_WHITE
    if may_be_two and (
        contents.values.keys() == {0, 255} or label_values == "black-white"
    ):
        black, white = [entry.name for entry in two] or _BLACK_WHITE
        words = f"black and white: 0 is {black}, 255 is {white}"
        yield (
            "black-white",
            words,
            [
                ClassEntry(black, (0, 0, 0), 0, False),
                ClassEntry(white, (255, 255, 255), 255, False),
            ],
        )
    if not entries:
        yield "ids", "ids, 255 is void", _numbered(contents, class_map, void)
    elif any(entry.value is not None for entry in entries):
        yield "ids", f"ids, as in {source}, 255 is void", entries
    else:
        yield "ids", f"ids, the lines of {source} from 0, 255 is void", entries


def _numbered(contents, class_map, void):
    """Classes of ids without a table: those of a run, or 0 to the largest id."""
    if class_map is None:
        ids = [value for value in contents.values if value not in (VOID_ID, WIDE_VOID)]
        # Too large ids have no class: the rule `many-ids` refuses them.
        largest = max(ids, default=0) if max(ids, default=0) < MAX_CLASSES else -1
        return [ClassEntry(f"class_{n}", None, n, False) for n in range(largest + 1)]
    # A run's classes are without those that its `void` names: these get an entry again.
    entries = [
        ClassEntry(f"class_{match[1]}", None, int(match[1]), True)
        for name in void
        if (match := re.fullmatch(r"(?:class_)?(\d+)", name))
    ]
    for index, name in enumerate(class_map.names):
        match = re.fullmatch(r"class_(\d+)", name)
        value = int(match[1]) if match else index
        entries.append(ClassEntry(name, class_map.colors[index], value, False))
    return entries


def rgb_pixels(contents: Contents) -> dict[str, int]:
    """Return the pixels of the colours that are not grey, such as "1,2,3".

    Args:
        contents: of one or more label files.
    """
    return name_colors({c: n for c, n in contents.colors.items() if c % 0x010101})


def name_colors(pixels: Mapping[int, int]) -> dict[str, int]:
    """Return pixels by colour as text, such as "1,2,3".

    Args:
        pixels: number of pixels by packed colour.
    """
    return {
        "values above 255" if color == NO_COLOR else rgb(color): count
        for color, count in pixels.items()
    }
