"""How the labels of a data set are to be read: decided once, for all files together."""

from collections.abc import Sequence
from dataclasses import dataclass

from keras_fcn.classes import MAX_CLASSES, ClassMap, distinct_colors
from keras_fcn.datasets.folder.labels.candidates import Undecided, find_candidates
from keras_fcn.datasets.folder.labels.class_table import ClassEntry
from keras_fcn.datasets.folder.labels.decoder import VOID_ID, LabelDecoder, rgb
from keras_fcn.datasets.folder.labels.stored_values import StoredValues
from keras_fcn.errors import summarize


@dataclass(frozen=True)
class Reading:
    """How labels are read.

    Attributes:
        kind: "ids", "colors" or "black-white".
        description: one line for people.
        class_map: the classes; void is id 255.
        decoder: from what is stored to class ids.
    """

    kind: str
    description: str
    class_map: ClassMap
    decoder: LabelDecoder


def decide(
    union: StoredValues,
    entries: Sequence[ClassEntry] | None,
    source: str,
    label_values: str = "auto",
    void: Sequence[str] = (),
    class_map: ClassMap | None = None,
) -> Reading:
    """Decide how labels are read.

    Values are ids, or they are colours of classes, or a mask is black and white. What
    all files hold together decides: a reading must fit every value of every file.

    Args:
        union: what the label maps store.
        entries: the table of classes, or those that the layout brings; None without.
        source: where they are from, for messages.
        label_values: "auto", or the reading that is wanted.
        void: names or ids of classes that are void.
        class_map: classes of a run, where there is no table; None numbers those that
            are found.

    Raises:
        Undecided: if no reading fits, or two do; names both.
        ValueError: if `void` names no class.
    """
    candidates = find_candidates(union, entries, source, label_values, void, class_map)
    fitting = [one for one in candidates if not one.unknown(union)]
    if not fitting:
        raise _no_reading(union, candidates, entries, source)
    best = max(fitting, key=lambda one: len(one.shown(union)))
    if label_values == "auto":
        _refuse_ambiguous(union, best, fitting, candidates, source)
    classes = [entry for entry in best.entries if not entry.is_void]
    if not classes:
        raise Undecided("no-class", f"{source or 'the labels'}: no class but void")
    return Reading(
        best.kind, best.words, _class_map(best.entries, union), _decoder(best)
    )


def _refuse_ambiguous(union, best, fitting, candidates, source):
    """Refuse what can be read in two ways that give other labels."""
    for other in fitting:
        if other is best or len(other.shown(union)) < len(best.shown(union)):
            continue
        if _is_same(best, other, union):
            continue
        raise _ambiguous(best.words, other.words, union)
    by_color = next((one for one in candidates if one.kind == "colors"), None)
    if by_color is not None and best.kind == "ids" and len(best.shown(union)) < 2:
        unknown = by_color.unknown(union)
        if len(unknown) < len(union.colors):
            without = ", ".join(rgb(color) for color in sorted(unknown))
            words = f"{by_color.words}, which lacks a line for {without}"
            raise _ambiguous(best.words, words, union)
    # Files of 0 and 1 and files of 0 and 255, and none of both.
    if best.kind == "ids" and union.values.keys() == {0, 1, 255}:
        if not any({1, 255} <= values for values in union.together):
            words = (
                "black and white in some files (255 is class 1) and 0 and 1 in others"
            )
            raise _ambiguous(best.words, words, union)


def _is_same(first, second, union):
    """Whether two readings give the same labels: one by colour, one by value."""
    if first.kind != "colors":
        first, second = second, first
    if first.kind != "colors" or union.has_rgb:
        return False
    color_of = union.palette or {value: value * 0x010101 for value in union.values}
    return all(
        first.table.get(color_of.get(value)) == second.table.get(value)
        for value in union.values
    )


def _ambiguous(first, second, union):
    values = ", ".join(map(str, sorted(union.values)[:8]))
    return Undecided(
        "ambiguous",
        f"The label maps hold the values {values}, which can be read as {first}; or as "
        f"{second}. Say which by `label_values`, or by a table of classes that fits",
    )


def _no_reading(union, candidates, entries, source):
    """Why no reading fits."""
    if entries is None and union.has_rgb:
        colors = sorted(union.colors, key=union.colors.get, reverse=True)
        shown = summarize([f"{rgb(c)} ({union.colors[c]} pixels)" for c in colors], 8)
        return Undecided(
            "no-table",
            "The label maps have colours, and there is no class_dict.csv (name,r,g,b) "
            f"that says which class each is. Colours: {shown}",
            [-color for color in colors if color % 0x010101],
        )
    best = min(candidates, key=lambda one: sum(one.unknown(union).values()))
    unknown = best.unknown(union)
    if entries is None and max(unknown) >= MAX_CLASSES:
        wrong = sorted(value for value in unknown if value >= MAX_CLASSES)
        return Undecided(
            "many-classes",
            f"Without a table, ids are 0 to {MAX_CLASSES - 1} (at most {MAX_CLASSES} "
            f"classes) and 255 for void. Received: {', '.join(map(str, wrong[:5]))}. A "
            "class_dict.csv with the lines id,name takes ids up to 65534",
            wrong,
        )
    if best.kind == "colors":
        keys = [-color for color in unknown]
    else:
        keys = list(unknown)
    return Undecided("unknown", _name_unknown(best, unknown, source), keys)


def _name_unknown(best, unknown, source):
    by_count = sorted(unknown, key=unknown.get, reverse=True)
    is_color = best.kind == "colors" or by_count[0] < 0
    named = [
        f"{rgb(abs(key)) if is_color else key} ({unknown[key]} pixels)"
        for key in by_count
    ]
    what = "colours" if is_color else "ids"
    return (
        f"The label maps hold {len(unknown)} {what} of no class of "
        f"{source or 'the run'}: {summarize(named, most=5)}"
    )


def _class_map(entries, union):
    """The classes with their colours, or some, where the table has none."""
    classes = [entry for entry in entries if not entry.is_void]
    if len(classes) > MAX_CLASSES:
        raise Undecided(
            "many-classes",
            f"There may be {MAX_CLASSES} classes. Received: {len(classes)}",
        )
    colors = [entry.color for entry in classes]
    if None in colors and union.palette:
        stored = [entry.value for entry in classes]
        shown = [union.palette.get(value) for value in stored]
        if None not in shown and len(set(shown)) == len(shown):
            colors = [tuple(map(int, rgb(color).split(","))) for color in shown]
    if None in colors:
        spare = iter(distinct_colors(len(classes)))
        colors = [color or next(spare) for color in colors]
    void = [entry.color for entry in entries if entry.is_void and entry.color]
    return ClassMap(
        tuple(entry.name for entry in classes),
        tuple(colors),
        VOID_ID,
        void[0] if void else (0, 0, 0),
    )


def _decoder(candidate):
    if candidate.kind == "colors":
        colors = {
            tuple(map(int, rgb(color).split(","))): class_id
            for color, class_id in candidate.table.items()
        }
        return LabelDecoder(colors=colors)
    return LabelDecoder(values=candidate.table)
