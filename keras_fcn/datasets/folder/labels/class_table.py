"""Tables of classes: `class_dict.csv` and its other usual names and forms."""

import csv
import re
import unicodedata
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from keras_fcn.classes import LONGEST_NAME, MAX_CLASSES
from keras_fcn.errors import shortened
from keras_fcn.storage.regular_files import check_is_regular
from keras_fcn.typing import Color

WIDE_VOID = 65535  # void in 16-bit files, as 255 is in 8-bit files
VOID_NAMES = ("void", "unlabelled", "unlabeled", "ignore", "__ignore__")
_COLUMNS = {
    "name": ("name", "class_name", "classname", "class", "label", "label_name"),
    "r": ("r", "red"),
    "g": ("g", "green"),
    "b": ("b", "blue"),
    "id": ("id", "value", "pixel_value", "class_id", "label_id", "index", "idx"),
    "void": ("void", "is_void", "ignore"),
}
_MAX_BYTES = 2**20  # 255 classes need a few kilobytes: a larger file is another one
_TRUE, _FALSE = ("1", "true", "yes", "x"), ("", "0", "false", "no")


class ClassEntry(NamedTuple):
    """A line of a class table.

    Attributes:
        name: name of the class.
        color: RGB in [0, 255]; None if the table has no colors.
        value: id that label files store for it; None if the table has no ids.
        is_void: whether its pixels are ignored.
    """

    name: str
    color: Color | None
    value: int | None
    is_void: bool

    @classmethod
    def from_cells(cls, cells: dict[str, str]) -> "ClassEntry":
        """Read a line of a table.

        Args:
            cells: text by column: name, and r, g and b, id or void where it has them.

        Raises:
            ValueError: if a cell is missing, or a number is out of range.
        """
        name = unicodedata.normalize("NFC", cells["name"])
        if not name:
            raise ValueError("the class has no name")
        if len(name) > LONGEST_NAME:
            raise ValueError(
                f"the name of a class may have at most {LONGEST_NAME} characters. "
                f"Received: {shortened(name)}"
            )
        color = value = None
        if "r" in cells:
            channels = [cells[channel] for channel in "rgb"]
            red, green, blue = _integers(channels, 255, "r, g and b must be integers")
            color = red, green, blue
        if "id" in cells:
            [value] = _integers([cells["id"]], WIDE_VOID, "an id must be an integer")
        mark = cells.get("void", "").lower()
        if mark not in (*_TRUE, *_FALSE):
            raise ValueError(f"void must be 1 or 0. Received: {shortened(mark)}")
        return cls(name, color, value, mark in _TRUE or name.lower() in VOID_NAMES)


class ClassTable(NamedTuple):
    """Classes, and where they are from.

    Attributes:
        entries: the classes, void among them.
        source: a file's name or what else defines them, for messages.
        background: value of a class of pixels outside all shapes, which was added to
            the others; None if there is none.
    """

    entries: list[ClassEntry]
    source: str
    background: int | None = None

    def without_unused(self, values: Collection[int]) -> "ClassTable":
        """Return the table without an added background that no pixel has.

        Args:
            values: those that the label maps have.
        """
        if self.background is None or self.background in values:
            return self
        kept = [entry for entry in self.entries if entry.value != self.background]
        return ClassTable(kept, self.source)


def read_class_table(path: Path) -> list[ClassEntry]:
    """Read a class table.

    Columns are separated by commas, semicolons, tabs or (in `.txt`) spaces; a header
    names them in any order and case: name or class_name; r, g, b; id or value; void.
    Without a header, a line has a name and three numbers, its color; a name and one
    number, its id; or a name only.

    Args:
        path: UTF-8, UTF-16 with a byte order mark, or Latin-1.

    Returns:
        The classes in the file's order, void among them.

    Raises:
        ValueError: if a column is missing, a number is out of range, or a name, a
            color or an id occurs twice; names the line.
    """
    lines = enumerate(read_text(path).split("\n"), start=1)
    numbered = [(number, line.strip(" ")) for number, line in lines if line.strip()]
    if not numbered:
        raise ValueError(f"{path} lists no class: it is empty")
    # The first of these in the first line: a name may contain a comma or a space.
    first = numbered[0][1]
    delimiter = next((char for char in "\t;," if char in first), "")
    is_txt = path.suffix.lower() == ".txt"
    if not delimiter and is_txt and sum(map(str.isdecimal, first.split())) >= 3:
        delimiter = " "
    # CamVid's label_colors.txt: the color, one or two tabs, and the name.
    is_color_first = is_txt and re.match(r"(\d+ +){2}\d+\s+\D", first)
    columns: dict[str, int] = {}
    entries = []
    for number, line in numbered:
        try:
            row = [line]
            if is_color_first:
                row = line.split(None, 3)
            elif delimiter:
                [row] = csv.reader([line], delimiter=delimiter, skipinitialspace=True)
            row = [cell.strip() for cell in row]
            if not columns:
                columns, is_header = _find_columns(row)
                if is_header:
                    continue
            row += [""] * (max(columns.values()) + 1 - len(row))
            cells = {column: row[index] for column, index in columns.items()}
            entries.append(ClassEntry.from_cells(cells))
        except (ValueError, csv.Error) as error:  # a cell of more than 128 KiB
            raise ValueError(f"{path}, line {number}: {error}") from error
    if not entries:
        raise ValueError(f"{path} lists no class")
    check_entries(path, entries)
    return entries


def check_entries(path: Path, entries: Sequence[ClassEntry]) -> None:
    """Check that names, colors and ids differ, and that there are not too many.

    Args:
        path: file of the table, for messages.
        entries: its classes.

    Raises:
        ValueError: if one occurs twice, or there are too many.
    """
    if len(entries) > MAX_CLASSES + 1:  # void is one more
        raise ValueError(
            f"{path} must list at most {MAX_CLASSES} classes and void. "
            f"Received: {len(entries)}"
        )
    first_with: dict[tuple[str, object], ClassEntry] = {}
    for entry in entries:
        color = entry.color and ",".join(map(str, entry.color))
        for key in (("name", entry.name), ("color", color), ("id", entry.value)):
            other = first_with.setdefault(key, entry)
            if key[1] is not None and other is not entry:
                raise ValueError(
                    f"{path} has the {key[0]} {key[1]} twice: {other.name} and "
                    f"{entry.name}"
                )


def read_text(path: Path) -> str:
    """Read a small text file.

    Args:
        path: UTF-8, UTF-16 with a byte order mark, or Latin-1.

    Returns:
        The text; its lines end in a line feed.

    Raises:
        ValueError: if it has more than a megabyte, or is not text.
    """
    check_is_regular(path)
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(
            f"{path} must have at most {_MAX_BYTES} bytes to be a class table. "
            f"Received: {path.stat().st_size}"
        )
    content = path.read_bytes()
    has_mark = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    for encoding in ("utf-16",) if has_mark else ("utf-8-sig", "latin-1"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        # Latin-1 decodes any bytes; a zero byte shows that they are no text.
        if "\0" not in text:
            return re.sub("\r\n?", "\n", text)
    raise ValueError(f"{path} must be text: a class table, name,r,g,b")


def _find_columns(first):
    """Index of each column by its meaning, and whether the first line is a header."""
    words = [re.sub(r"[\s-]+", "_", cell.lower()) for cell in first]
    columns = {
        column: next(index for index, word in enumerate(words) if word in names)
        for column, names in _COLUMNS.items()
        if not set(words).isdisjoint(names)
    }
    received = f"Received: {shortened(','.join(first))}"
    numbers = [index for index, cell in enumerate(first) if _is_number(cell)]
    if not numbers and ("name" in columns or len(words) > 1):
        needed = {"name", *("rgb" if columns.keys() & set("rgb") else "")}
        if missing := needed - columns.keys():
            raise ValueError(
                f"the header needs a column {', '.join(sorted(missing))}: it is "
                f"name,r,g,b or id,name. {received}"
            )
        return columns, True
    meanings = {0: "", 1: ["id"], 3: "rgb", 4: ["id", *"rgb"]}.get(len(numbers))
    # With four numbers, the id could also be the last: only the first is read.
    is_clear = len(numbers) < 4 or numbers[0] == 0
    if len(first) != len(numbers) + 1 or meanings is None or not is_clear:
        raise ValueError(f"expected the header name,r,g,b or id,name. {received}")
    [name] = set(range(len(first))) - set(numbers)
    return {"name": name} | dict(zip(meanings, numbers, strict=True)), False


def _integers(cells, largest, rule):
    """Numbers of some cells."""
    if not all(_is_number(cell) and int(cell) <= largest for cell in cells):
        received = shortened(",".join(cells))
        raise ValueError(f"{rule} from 0 to {largest}. Received: {received}")
    return list(map(int, cells))


def _is_number(cell):
    return cell.isascii() and cell.isdecimal() and len(cell) < 10
