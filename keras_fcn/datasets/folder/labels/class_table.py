"""Tables of classes: `class_dict.csv` and what others call it, in any of its forms."""

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
_MOST_BYTES = 2**20
_TRUE, _FALSE = ("1", "true", "yes", "x"), ("", "0", "false", "no")


class ClassEntry(NamedTuple):
    """A line of a table of classes.

    Attributes:
        name: of the class.
        color: RGB in [0, 255]; None where the table has no colours.
        value: what label files store for it; None where the table has no ids.
        is_void: whether its pixels have no class.
    """

    name: str
    color: Color | None
    value: int | None
    is_void: bool


def find_class_table(folders: Sequence[Path]) -> Path | None:
    """Return the first table of classes of a folder.

    Args:
        folders: where to look, one after the other.
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
    Without a header there is a name with three numbers, its colour, or with one, its
    id; or a name alone on each line.

    Args:
        path: UTF-8, UTF-16 with its mark, or Latin-1.

    Returns:
        The classes in the file's order, void among them.

    Raises:
        ValueError: if a column is missing, a number out of range, or a name, a colour
            or an id stands twice; names the line.
    """
    numbered = [
        (number, line)
        for number, line in enumerate(_read_text(path).splitlines(), start=1)
        if line.strip()
    ]
    if not numbered:
        raise ValueError(f"{path} lists no class: it is empty")
    numbers, lines = zip(*numbered, strict=True)
    delimiter = _delimiter(path, lines)
    if delimiter is None:
        rows = [[line.strip()] for line in lines]
    elif delimiter == " ":
        rows = [line.split() for line in lines]
    else:
        rows = [
            _cells(path, number, line, delimiter)
            for number, line in zip(numbers, lines, strict=True)
        ]
    rows = [[cell.strip() for cell in row] for row in rows]
    columns, has_header = _columns(path, rows)
    entries = [
        _entry(path, number, row, columns)
        for number, row in list(zip(numbers, rows, strict=True))[has_header:]
    ]
    if not entries:
        raise ValueError(f"{path} lists no class")
    if len(entries) > MAX_CLASSES + 1:  # void is one more
        raise ValueError(
            f"{path} must list at most {MAX_CLASSES} classes and void. "
            f"Received: {len(entries)}"
        )
    _check_unique(path, entries)
    return entries


def _cells(path, number, line, delimiter):
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))
    except csv.Error as error:  # a cell of more than 128 KiB
        raise ValueError(f"{path}, line {number}: {error}") from error


def _read_text(path):
    check_is_regular(path)
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(
            f"{path} must have at most {_MOST_BYTES} bytes, as a table of classes. "
            f"Received: {path.stat().st_size}"
        )
    content = path.read_bytes()
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encodings = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "latin-1")
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise ValueError(f"{path} must be text: a table of classes, name,r,g,b")


def _delimiter(path, lines):
    for delimiter in "\t;,":
        if delimiter in lines[0]:
            return delimiter
    numbers = re.findall(r"(?<!\S)\d+(?!\S)", lines[0])
    return " " if path.suffix.lower() == ".txt" and len(numbers) >= 3 else None


def _columns(path, rows):
    """Number of each column by what it is, and whether the first line is a header."""
    words = [re.sub(r"[\s-]+", "_", cell.lower()) for cell in rows[0]]
    columns = {}
    for what, names in _COLUMNS.items():
        found = [index for index, word in enumerate(words) if word in names]
        if found:
            columns[what] = found[0]
    if not any(_is_number(cell) for cell in rows[0]) and (
        "name" in columns or len(words) > 1
    ):
        missing = {"name"} - columns.keys()
        if columns.keys() & set("rgb"):
            missing |= set("rgb") - columns.keys()
        if missing:
            raise ValueError(
                f"{path} needs a column {', '.join(sorted(missing))}: a header is "
                f"name,r,g,b or id,name. Received: {_shown(rows[0])}"
            )
        return columns, True
    texts = [index for index, cell in enumerate(rows[0]) if not _is_number(cell)]
    numbers = [index for index in range(len(rows[0])) if index not in texts]
    if len(texts) == 1 and len(numbers) in (0, 1, 3, 4):
        columns = {"name": texts[0]}
        if len(numbers) in (1, 4):
            columns["id"] = numbers.pop(0)
        columns |= dict(zip("rgb", numbers, strict=False))
        if len(columns) != 6 or columns["id"] == 0:
            return columns, False
    raise ValueError(
        f"{path} must start with the header name,r,g,b or id,name. "
        f"Received: {_shown(rows[0])}"
    )


def _entry(path, number, row, columns):
    cells = {
        what: row[index] if index < len(row) else "" for what, index in columns.items()
    }
    if not cells["name"]:
        raise ValueError(f"{path}, line {number}: the class has no name")
    if len(cells["name"]) > LONGEST_NAME:
        raise ValueError(
            f"{path}, line {number}: a class's name may have {LONGEST_NAME} "
            f"characters. Received: {_shown([cells['name']])}"
        )
    color = value = None
    if "r" in cells:
        channels = [cells[channel] for channel in "rgb"]
        if not all(_is_number(cell) and int(cell) <= 255 for cell in channels):
            raise ValueError(
                f"{path}, line {number}: r, g and b must be whole numbers from 0 to "
                f"255. Received: {_shown(channels)}"
            )
        color = tuple(map(int, channels))
    if "id" in cells:
        if not (_is_number(cells["id"]) and int(cells["id"]) <= 65535):
            raise ValueError(
                f"{path}, line {number}: an id must be a whole number from 0 to 65535. "
                f"Received: {_shown([cells['id']])}"
            )
        value = int(cells["id"])
    mark = cells.get("void", "").lower()
    if mark not in (*_TRUE, *_FALSE):
        raise ValueError(
            f"{path}, line {number}: void must be 1 or 0. "
            f"Received: {_shown([cells['void']])}"
        )
    is_void = mark in _TRUE or cells["name"].lower() in VOID_NAMES
    return ClassEntry(cells["name"], color, value, is_void)


def _is_number(cell):
    return cell.isascii() and cell.isdecimal() and len(cell) < 10


def _shown(cells):
    return shortened(",".join(cells))


def _check_unique(path, entries):
    for what in ("name", "color", "value"):
        seen = {}
        for entry in entries:
            key = getattr(entry, what)
            if key is None:
                continue
            if key in seen:
                word = {"name": "name", "color": "colour", "value": "id"}[what]
                shown = ",".join(map(str, key)) if what == "color" else key
                raise ValueError(
                    f"{path} has the {word} {shown} twice: {seen[key].name} and "
                    f"{entry.name}"
                )
            seen[key] = entry
