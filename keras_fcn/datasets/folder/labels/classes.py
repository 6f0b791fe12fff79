"""The classes of a folder: those of a table, of its layout, or of labelme's labels."""

import os
from collections.abc import Sequence
from pathlib import Path

from keras_fcn.datasets.folder.labels.class_table import (
    VOID_NAMES,
    ClassEntry,
    ClassTable,
    read_class_table,
)
from keras_fcn.datasets.folder.labels.shapes import (
    BACKGROUND,
    CocoLabel,
    is_labelme,
    read_labelme,
)
from keras_fcn.datasets.folder.samples import Layout, Sample, relative

TABLE_NAMES = (
    "class_dict.csv",
    "class_dict.txt",
    "_classes.csv",
    "classes.csv",
    "label_colors.txt",
    "classes.txt",
    "labels.txt",
)


def find_class_table(folders: Sequence[Path]) -> Path | None:
    """Return the first class table in some folders.

    Args:
        folders: the folders, in the order of search.
    """
    for folder in folders:
        files = {name.lower(): folder / name for name in sorted(os.listdir(folder))}
        for name in TABLE_NAMES:
            if name in files and files[name].is_file():
                return files[name]
    return None


def find_classes(
    layout: Layout, samples: Sequence[Sample]
) -> tuple[ClassTable | None, dict[str, int]]:
    """Find the classes of a folder.

    Args:
        layout: the layout of the folder.
        samples: the samples that are used.

    Returns:
        The classes, None if label values are numbers without names; and the value that
        is drawn for each label of labelme files.
    """
    # Tables are often in labels/ or next to the splits; a limit, as others have images
    # in thousands of folders.
    folders = [layout.root, *(path for path in layout.root.iterdir() if path.is_dir())]
    path = find_class_table(folders[:64])
    table = None
    if path is not None:
        table = ClassTable(read_class_table(path), relative(path, layout.root))
    labels = [sample.label for sample in samples]
    labelme = [Path(one) for one in labels if isinstance(one, str) and is_labelme(one)]
    if labelme:
        return labelme_classes(labelme, table)
    # The ids of a COCO file are those of its own categories.
    if table is None or any(isinstance(one, CocoLabel) for one in labels):
        table = layout.table
    return table, {}


def labelme_classes(
    paths: Sequence[Path], table: ClassTable | None
) -> tuple[ClassTable, dict[str, int]]:
    """Return the classes of labelme files, and the value that is drawn for each label.

    Args:
        paths: the JSON files.
        table: a class table; None takes the labels of the shapes, by name.

    Returns:
        The classes with their values, and values by label; a class background is added
        if there is none.
    """
    if table is None:
        labels: set[str] = set()
        for path in paths:
            try:
                shapes = read_labelme(path)["shapes"]
                labels.update(str(shape["label"]) for shape in shapes)
            except (ValueError, OSError):
                continue  # an error of this file, which the scan adds
        entries = [
            ClassEntry(name, None, None, name.lower() in VOID_NAMES)
            for name in sorted(labels - {BACKGROUND}, key=str.lower)
        ]
        table = ClassTable(entries, "the labels of the shapes")
    entries = table.entries
    # labelme has no shape for the background, but some tables name it.
    names = [entry.name.lower() for entry in entries]
    if BACKGROUND not in names and "background" not in names:
        entries = [ClassEntry("background", None, None, False), *entries]
        names.insert(0, "background")
    values = {entry.name: value for value, entry in enumerate(entries)}
    values[BACKGROUND] = min(
        names.index(name) for name in (BACKGROUND, "background") if name in names
    )
    entries = [entry._replace(value=value) for value, entry in enumerate(entries)]
    return ClassTable(entries, table.source), values
