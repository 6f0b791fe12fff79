"""Tables of classes: `class_dict.csv` and its other usual names and forms."""

import csv
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from keras_fcn.classes import LONGEST_NAME, MAX_CLASSES
from keras_fcn.errors import shortened
from keras_fcn.storage.regular_files import check_is_regular
from keras_fcn.typing import Color

VOID_NAMES = ("void", "unlabelled", "unlabeled", "ignore", "__ignore__")
TABLE_NAMES = (
    "class_dict.csv",
    "class_dict.txt",
    "_classes.csv",
    "classes.csv",
    "label_colors.txt",
    "classes.txt",
    "labels.txt",
)
_COLUMNS = {
    "name": ("name", "class_name", "classname", "class", "label", "label_name"),
    "r": ("r", "red"),
    "g": ("g", "green"),
    "b": ("b", "blue"),
    "id": ("id", "value", "pixel_value", "class_id", "label_id", "index"),
    "void": ("void", "is_void", "ignore"),
}
_MAX_BYTES = 2**20  # 255 classes need a few kilobytes: a larger file is another one
_TRUE, _FALSE = ("1", "true", "yes", "x"), ("", "0", "false", "no")


class ClassEntry(NamedTuple):
    """A line of a table of classes.

    Attributes:
        name: name of the class.
        color: RGB in [0, 255]; None if the table has no colours.
        value: id that label files store for it; None if the table has no ids.
        is_void: whether its pixels are ignored.
    """

    name: str
    color: Color | None
    value: int | None
    is_void: bool


class ClassTable(NamedTuple):
    """Classes, and where they are from.

    Attributes:
        entries: the classes, void among them.
        source: a file's name or what else defines them, for messages.
    """

    entries: list[ClassEntry]
    source: str


def find_class_table(folders: Sequence[Path]) -> Path | None:
    """Return the first table of classes in some folders.

    Args:
        folders: the folders, in the order of search.
    """
    for folder in folders:
        files = {name.lower(): folder / name for name in sorted(os.listdir(folder))}
        for name in TABLE_NAMES:
            if name in files and files[name].is_file():
                return files[name]
    return None


def read_class_table(path: Path) -> list[ClassEntry]:
    """Read a table of classes.

    Columns are separated by commas, semicolons, tabs or (in `.txt`) spaces; a header
    names them in any order and case: name or class_name; r, g, b; id or value; void.
    Without a header, a line has a name and three numbers, its colour; a name and one
    number, its id; or a name only.

    Args:
        path: UTF-8, UTF-16 with a byte order mark, or Latin-1.

    Returns:
        The classes in the file's order, void among them.

    Raises:
        ValueError: if a column is missing, a number is out of range, or a name, a
            colour or an id occurs twice; names the line.
    """
    numbered = [
        (number, line)
        for number, line in enumerate(_read_text(path).splitlines(), start=1)
        if line.strip()
    ]
    if not numbered:
        raise ValueError(f"{path} lists no class: it is empty")
    # The first of these in the first line: a name may contain a comma or a space.
    delimiter = next((char for char in "\t;," if char in numbered[0][1]), None)
    words = numbered[0][1].split()
    if path.suffix.lower() == ".txt" and sum(map(str.isdecimal, words)) >= 3:
        delimiter = delimiter or " "
    rows = []
    for number, line in numbered:
        row = [line]
        if delimiter == " ":
            row = line.split()
        elif delimiter is not None:
            try:
                [row] = csv.reader([line], delimiter=delimiter, skipinitialspace=True)
            except csv.Error as error:  # a cell of more than 128 KiB
                raise ValueError(f"{path}, line {number}: {error}") from error
        rows.append((number, [cell.strip() for cell in row]))
    columns, has_header = _find_columns(path, rows[0][1])
    entries = []
    for number, row in rows[has_header:]:
        cells = {
            what: row[index] if index < len(row) else ""
            for what, index in columns.items()
        }
        try:
            entries.append(_read_entry(cells))
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
    if not entries:
        raise ValueError(f"{path} lists no class")
    if len(entries) > MAX_CLASSES + 1:  # void is one more
        raise ValueError(
            f"{path} must list at most {MAX_CLASSES} classes and void. "
            f"Received: {len(entries)}"
        )
    for what, word in (("name", "name"), ("color", "colour"), ("value", "id")):
        first: dict[object, ClassEntry] = {}
        for entry in entries:
            key = getattr(entry, what)
            if key is not None and first.setdefault(key, entry) is not entry:
                shown = ",".join(map(str, key)) if what == "color" else key
                raise ValueError(
                    f"{path} has the {word} {shown} twice: {first[key].name} and "
                    f"{entry.name}"
                )
    return entries


def _read_text(path):
    check_is_regular(path)
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(
            f"{path} must have at most {_MAX_BYTES} bytes to be a table of classes. "
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
            return text
    raise ValueError(f"{path} must be text: a table of classes, name,r,g,b")


def _find_columns(path, first):
    """Index of each column by its meaning, and whether the first line is a header."""
    words = [re.sub(r"[\s-]+", "_", cell.lower()) for cell in first]
    columns = {}
    for what, names in _COLUMNS.items():
        found = [index for index, word in enumerate(words) if word in names]
        if found:
            columns[what] = found[0]
    texts = [index for index, cell in enumerate(first) if not _is_number(cell)]
    numbers = [index for index, cell in enumerate(first) if _is_number(cell)]
    received = f"Received: {shortened(','.join(first))}"
    if not numbers and ("name" in columns or len(words) > 1):
        needed = {"name", *("rgb" if columns.keys() & set("rgb") else "")}
        if missing := needed - columns.keys():
            raise ValueError(
                f"{path} needs a column {', '.join(sorted(missing))}: a header is "
                f"name,r,g,b or id,name. {received}"
            )
        return columns, True
    if len(texts) == 1 and len(numbers) in (0, 1, 3, 4):
        columns = {"name": texts[0]}
        if len(numbers) in (1, 4):
            columns["id"] = numbers.pop(0)
        columns |= dict(zip("rgb", numbers, strict=False))
        # With four numbers, the id could also be the last: only the first is read.
        if len(columns) != 5 or columns["id"] == 0:
            return columns, False
    raise ValueError(
        f"{path} must start with the header name,r,g,b or id,name. {received}"
    )


def _read_entry(cells):
    """An entry from the cells of a line, by column."""
    name = cells["name"]
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
        if not all(_is_number(cell) and int(cell) <= 255 for cell in channels):
            raise ValueError(
                "r, g and b must be integers from 0 to 255. "
                f"Received: {shortened(','.join(channels))}"
            )
        red, green, blue = map(int, channels)
        color = red, green, blue
    if "id" in cells:
        if not (_is_number(cells["id"]) and int(cells["id"]) <= 65535):
            raise ValueError(
                "an id must be an integer from 0 to 65535. "
                f"Received: {shortened(cells['id'])}"
            )
        value = int(cells["id"])
    mark = cells.get("void", "").lower()
    if mark not in (*_TRUE, *_FALSE):
        raise ValueError(f"void must be 1 or 0. Received: {shortened(cells['void'])}")
    return ClassEntry(name, color, value, mark in _TRUE or name.lower() in VOID_NAMES)


def _is_number(cell):
    return cell.isascii() and cell.isdecimal() and len(cell) < 10
