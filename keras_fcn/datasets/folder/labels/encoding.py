"""How label files are read: one ordered list of rules over what all files contain.

Values are class ids, or they stand for colors of classes, or a mask is black and
white. `RULES` decides it for all files together, or refuses them; docs/your-data.md
prints the list.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from keras_fcn.classes import MAX_CLASSES, ClassMap
from keras_fcn.datasets.folder.labels.candidates import (
    Evidence,
    name_colors,
    rgb_pixels,
)
from keras_fcn.datasets.folder.labels.class_table import WIDE_VOID, ClassTable
from keras_fcn.datasets.folder.labels.contents import Contents, FileContents
from keras_fcn.datasets.folder.labels.decoder import VOID_ID, LabelDecoder
from keras_fcn.datasets.folder.samples import Problem
from keras_fcn.errors import summarize

_MAX_NAMED = 8  # values that a message lists


@dataclass(frozen=True)
class Encoding:
    """How labels are read.

    Attributes:
        kind: "ids", "colors" or "black-white".
        description: one line for people.
        class_map: the classes; void is id 255.
        decoder: turns stored values into class ids.
    """

    kind: str
    description: str
    class_map: ClassMap
    decoder: LabelDecoder


class Rule(NamedTuple):
    """A rule about the contents of all label files together.

    Attributes:
        name: identifier for programs.
        labels: what the label files have, for people.
        result: how they are read; or how to correct them.
        applies: whether the rule applies; the first one that does decides.
        details: what was found, for the message of a refusal.
        at_fault: what of one label file is at fault, for the message; empty for none.
        is_refusal: whether the labels are refused.
    """

    name: str
    labels: str
    result: str
    applies: Callable[[Evidence], object]
    details: Callable[[Evidence], str] = lambda e: ""
    at_fault: Callable[[Evidence, Contents], Sequence[str]] = lambda e, one: ()
    is_refusal: bool = True


RULES = (
    Rule(
        "jpeg",
        "Label maps are JPEG files or lossy WebP files, whose compression changes "
        "values",
        "Save label maps as PNG, from the original labels; for masks of black and "
        "white, set `label_values` to black-white, which separates them at 128",
        lambda e: e.contents.is_lossy and e.label_values != "black-white",
        lambda e: "expected PNG",
        lambda e, one: [f"{one.num_distinct} values"] if one.is_lossy else [],
    ),
    Rule(
        "smoothed",
        "Label maps have many values close to a few frequent ones, as after resizing "
        "with smoothing or JPEG compression",
        "Resize label maps with nearest-neighbor interpolation, without antialiasing, "
        "and save them as PNG; for masks of black and white, set `label_values` to "
        "black-white, which separates them at 128",
        lambda e: (
            e.contents.smoothed
            and e.label_values != "black-white"
            and not (e.table and e.fits)
        ),
        lambda e: "most pixels have " + _pixels(e.contents.main),
        lambda e, one: (
            []
            if e.contents.smoothed.isdisjoint(
                one.colors if e.contents.has_rgb else one.values
            )
            else [f"{one.num_distinct} values"]
        ),
    ),
    Rule(
        "label-values",
        "`label_values` is colors or black-white, which the class table does not allow",
        "Change the class table, or set `label_values` to auto",
        lambda e: not e.is_possible,
        lambda e: (
            "expected "
            + (
                "a table with r,g,b for each class"
                if e.label_values == "colors"
                else "two names without colors, or no table"
            )
            + f", got {e.source or 'no class_dict.csv'}"
        ),
    ),
    Rule(
        "no-table",
        "Label maps have colors, and there is no class table",
        "Add a class_dict.csv with the columns name,r,g,b",
        lambda e: e.table is None and e.contents.has_rgb and not e.fits,
        lambda e: _pixels(name_colors(e.contents.colors)),
        lambda e, one: list(rgb_pixels(one)) if one.has_rgb else [],
    ),
    Rule(
        "instances",
        "Label maps have the values 1, 2, 3 and so on up to another number in each "
        "file, as numbers of cells or other objects, and there is no class table",
        "Save label maps with a value for each class, such as 0 and 255, or set "
        "`label_values` to ids if the values are classes",
        lambda e: e.label_values == "auto" and e.has_instances,
        lambda e: f"up to {max(e.contents.values)}",
    ),
    Rule(
        "many-ids",
        f"Label maps have ids above {MAX_CLASSES - 1}, and there is no class table",
        f"Add a class_dict.csv with the columns id,name: at most {MAX_CLASSES} "
        f"classes, with ids up to {WIDE_VOID - 1}. If the values number objects, save "
        "label maps with a value for each class",
        lambda e: e.table is None and not e.fits and _large_ids(e.contents),
        lambda e: (
            f"expected 0 to {MAX_CLASSES - 1}, and 255 for void, got "
            f"{_named(_large_ids(e.contents))}"
        ),
        lambda e, one: list(map(str, _large_ids(one))),
    ),
    Rule(
        "unknown",
        "Label maps have ids or colors that belong to no class",
        "Add them to the class table, or correct the label maps",
        lambda e: not e.fits,
        lambda e: (
            f"{len(e.best.unknown(e.contents))} are not in "
            f"{e.source or e.best.description}: "
            + _pixels(e.best.unknown(e.contents), 5)
        ),
        lambda e, one: list(e.best.unknown(one)),
    ),
    Rule(
        "some-colors",
        "The class table has only some of the colors, such as white but not black, "
        "and the values can also be read as ids",
        "Add the missing colors to the class table, or set `label_values`",
        lambda e: (
            e.best.kind == "ids"
            and len(e.best.used(e.contents)) < 2
            and e.missing_colors
        ),
        lambda e: _ambiguity(
            e, f"{e.by_color.description}, which lacks {summarize(e.missing_colors)}"
        ),
    ),
    Rule(
        "palettes",
        "Palette files use other colors for the same index, as after a compression "
        "that reorders the palette",
        "Add a class_dict.csv with the columns name,r,g,b, or set `label_values` to "
        "ids if the indices are the classes",
        lambda e: e.has_palettes,
        lambda e: "colors are " + _pixels(name_colors(e.contents.colors)),
    ),
    Rule(
        "palette",
        "Palette files give different classes when read by index and by color",
        "Set `label_values` to ids or colors, or correct the class table",
        lambda e: e.rival and e.contents.palette,
        lambda e: _ambiguity(e, e.rival),
    ),
    Rule(
        "ambiguous",
        "Gray values give different classes when read as ids and as colors",
        "Set `label_values` to ids or colors, or correct the class table",
        lambda e: e.rival,
        lambda e: _ambiguity(e, e.rival),
    ),
    Rule(
        "mixed",
        "Some files contain 0 and 1, and others 0 and 255",
        "Set `label_values` to ids if 255 is void, or save all label maps with the "
        "same values",
        lambda e: (
            e.label_values == "auto"
            and e.best.kind == "ids"
            and e.contents.values.keys() == {0, 1, 255}
            and not any({1, 255} <= values for values in e.contents.small_sets)
        ),
        lambda e: _ambiguity(e, "black and white in some files, where 255 is class 1"),
    ),
    Rule(
        "no-class",
        "Every class is void",
        "Add a class that is not void to the class table, or change `void`",
        lambda e: e.best.num_classes == 0,
        lambda e: e.source or "the labels",
    ),
    Rule(
        "many-classes",
        f"There are more than {MAX_CLASSES} classes",
        "Merge classes, or list some of them in `void`",
        lambda e: e.best.num_classes > MAX_CLASSES,
        lambda e: f"{e.source} has {e.best.num_classes}",
    ),
    Rule(
        "black-white",
        "Only 0 and 255 (0 and 65535 in 16-bit files); no class table, or one with two "
        "names and no colors",
        "Black and white: 0 is `background` and the other is `object`, or the two "
        "names of the table",
        lambda e: e.best.kind == "black-white",
        is_refusal=False,
    ),
    Rule(
        "colors",
        "Colors (RGB, RGBA, palette or gray); all are in the class table",
        "The class with that color",
        lambda e: e.best.kind == "colors",
        is_refusal=False,
    ),
    Rule(
        "ids-in-table",
        "Ids (gray, palette or 16-bit); all are in a column of the class table",
        "The class with that id, up to 65534; 255 is void, and so is 65535 in 16-bit "
        "files",
        lambda e: e.table and any(x.value is not None for x in e.table.entries),
        is_refusal=False,
    ),
    Rule(
        "ids-by-line",
        "Ids from 0; the class table has no ids",
        "0 is the first line of the table, 1 the second, and so on; 255 is void",
        lambda e: e.table,
        is_refusal=False,
    ),
    Rule(
        "ids",
        "Ids from 0 to 254, or 1-bit files; no class table",
        "The value is the class: `class_0`, `class_1` and so on; 255 is void, and so "
        "is 65535 in 16-bit files",
        lambda e: True,
        is_refusal=False,
    ),
)


def decide(
    files: Sequence[tuple[str, FileContents]],
    table: ClassTable | None,
    label_values: str = "auto",
    void: Sequence[str] = (),
    class_map: ClassMap | None = None,
) -> Encoding | Problem:
    """Decide how labels are read, by the first rule that applies.

    Args:
        files: name and contents of each label file.
        table: classes of a table or of the layout; None without.
        label_values: "auto", or the requested kind of encoding.
        void: names or ids of classes to ignore.
        class_map: classes of a run, for folders without a table; None infers
            the classes from the values.

    Returns:
        The encoding; the problem if the rule refuses the labels.

    Raises:
        ValueError: if `void` contains an unknown class.
    """
    evidence = Evidence(files, table, label_values, void, class_map)
    rule = next(rule for rule in RULES if rule.applies(evidence))
    best = evidence.best
    if rule.is_refusal:
        wrong = []
        for name, contents in files:
            if found := rule.at_fault(evidence, Contents([contents])):
                wrong.append(f"{name} ({summarize(found)})")
        files_word = "file" if len(wrong) == 1 else "files"
        where = f", in {len(wrong)} {files_word}: {summarize(wrong)}" if wrong else ""
        message = f"{rule.labels}: {rule.details(evidence)}{where}. {rule.result}"
        return Problem(rule.name, True, message, wrong, max(1, len(wrong)))
    decoder = LabelDecoder(best.table, best.kind == "colors")
    return Encoding(best.kind, best.description, evidence.class_map, decoder)


def rules_table() -> str:
    """Return the rules as two tables in Markdown, for docs/your-data.md."""
    lines = []
    for is_refusal, columns in (
        (False, ("Label files", "Read as")),
        (True, ("Refused", "What to do")),
    ):
        rows = [(r.labels, r.result) for r in RULES if r.is_refusal == is_refusal]
        lines += [f"| {a} | {b} |" for a, b in (columns, ("---", "---"), *rows)] + [""]
    return "\n".join(lines).strip()


def _ambiguity(evidence, second):
    """The two ways in which the labels can be read, in one line."""
    values = _named(evidence.contents.values)
    return f"{values} can be read as {evidence.best.description}; or as {second}"


def _large_ids(contents):
    """Values that are neither void nor ids without a table, ascending."""
    ids = contents.values.keys() - {VOID_ID, WIDE_VOID}
    return sorted(value for value in ids if value >= MAX_CLASSES)


def _named(values):
    return "values " + ", ".join(map(str, sorted(values)[:_MAX_NAMED]))


def _pixels(pixels, most=_MAX_NAMED):
    """Values or colors and their numbers of pixels, the most frequent first."""
    ordered = sorted(pixels, key=pixels.get, reverse=True)
    return summarize([f"{key} ({pixels[key]} pixels)" for key in ordered], most)
