"""Class tables in the files of tools and data sets."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from keras_fcn.datasets.folder.labels.class_table import (
    ClassEntry,
    check_entries,
    read_class_table,
    read_text,
)
from keras_fcn.errors import located, one_line, shortened, shown

# In the order of search: the user's own tables come before those of tools.
TABLE_NAMES = (
    "class_dict.csv",
    "class_dict.txt",
    "_classes.csv",
    "classes.csv",
    "label_colors.txt",
    "labelmap.txt",  # CVAT
    "class_names.txt",  # labelme's examples
    "classes.txt",
    "labels.txt",
    "codes.txt",  # fast.ai
    "objectinfo150.txt",  # ADE20K
    "data.yaml",  # YOLO
    "data.yml",
    "dataset.yaml",
    "id2label.json",  # Hugging Face
    "config_v2.0.json",  # Mapillary Vistas
    "config_v1.2.json",
    "config.json",
    "meta.json",  # Supervisely
)
_VERSION = re.compile(r"v\d+\.\d+")
_IMAGE_NAME = re.compile(r"\S+\.(?:png|jpe?g|tiff?|bmp|gif)\b", re.IGNORECASE)
_IGNORE = "__ignore__"


def read_table(path: Path) -> list[ClassEntry] | None:
    """Read a class table.

    Args:
        path: a file with one of `TABLE_NAMES`.

    Returns:
        The classes, void among them; None for a JSON or YAML file with other content.

    Raises:
        ValueError: if the table is damaged; names the file.
    """
    name = path.name.lower()
    if path.suffix.lower() == ".json":
        entries = _from_json(path)
    elif path.suffix.lower() in (".yaml", ".yml"):
        entries = _from_yaml(path)
    elif name == "labelmap.txt" and ":" in (text := read_text(path)):
        entries = _from_cvat(path, text)
    else:
        entries = read_class_table(path)
        if name == "objectinfo150.txt":
            entries.insert(0, ClassEntry("unlabelled", None, 0, True))
    if entries and entries[0].name == _IGNORE and entries[0].value is None:
        # The first of labelme's labels has the id -1, which its exporter stores as 255.
        values = [255, *range(len(entries) - 1)]
        entries = [e._replace(value=v) for e, v in zip(entries, values, strict=True)]
    if entries:
        check_entries(path, entries)
    return entries


def _from_json(path):
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError):
        return None  # an annotation file, or too large for a table
    if not isinstance(content, dict):
        return None
    if content and all(key.isdecimal() for key in content):
        return _from_names(path, content)
    items = content.get("labels", content.get("classes"))
    if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
        return None
    entries = []
    for value, item in enumerate(items):
        name, color = item.get("name", item.get("title")), item.get("color")
        if not isinstance(name, str) or color is None:
            return None
        if isinstance(color, str) and re.fullmatch("#[0-9A-Fa-f]{6}", color):
            color = list(bytes.fromhex(color[1:]))
        if not isinstance(color, list) or len(color) != 3:
            raise ValueError(
                f"{path}: the color of {shortened(name)} must be three numbers or "
                f"#RRGGBB. Received: {shown(color)}"
            )
        cells = {"name": name} | dict(zip("rgb", map(str, color), strict=True))
        if "labels" in content:  # their order is that of the ids
            cells["id"] = str(value)
        # Mapillary's void classes are not evaluated.
        is_void = item.get("evaluate") is False and name.startswith("void")
        cells["void"] = "1" if is_void else ""
        entries.append(_entry(path, cells))
    return entries


def _from_yaml(path):
    try:
        content = yaml.safe_load(read_text(path))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ValueError(f"{path} is not YAML: {one_line(error)}") from error
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    return _from_names(path, names) if isinstance(names, dict) else None


def _from_names(path, names):
    """Classes of names by id."""
    for name in names.values():
        # Lists of YAML that repeat others would fill the memory as text.
        if isinstance(name, list | dict | None):
            kind = type(name).__name__
            raise ValueError(f"{path}: the name of a class must be text, not {kind}")
    return [
        _entry(path, {"name": str(name), "id": str(value)})
        for value, name in names.items()
    ]


def _entry(path, cells):
    with located(path):
        return ClassEntry.from_cells(cells)


def _from_cvat(path, text: str) -> list[ClassEntry]:
    """Lines `label:red,green,blue:parts:actions`."""
    entries = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        color = rest.partition(":")[0].split(",")
        with located(f"{path}, line {number}"):
            cells = {"name": name.strip()}
            if color != [""]:
                if len(color) != 3:
                    raise ValueError("expected label:red,green,blue:parts:actions")
                cells |= dict(zip("rgb", map(str.strip, color), strict=True))
            entries.append(ClassEntry.from_cells(cells))
    return entries


def find_class_table(
    folders: Sequence[Path], labels: str = ""
) -> tuple[Path, list[ClassEntry]] | None:
    """Return the first class table in some folders, and its classes.

    Args:
        folders: the folders, in the order of search.
        labels: path of a label map; of tables of several versions, such as
            `config_v1.2.json`, the one is read whose version is in it.

    Raises:
        ValueError: if it is damaged.
    """
    for folder in folders:
        files = {path.name.lower(): path for path in sorted(folder.iterdir())}
        for name in TABLE_NAMES:
            path = files.get(name)
            if path is None or not path.is_file():
                continue
            version = _VERSION.search(labels) and _VERSION.search(name)
            if version and version[0] not in labels:
                continue
            entries = read_table(path)
            # `labels.txt` may also list images.
            is_list = any(_IMAGE_NAME.match(entry.name) for entry in entries or ())
            if entries and not is_list:
                return path, entries
    return None
