"""The classes of a folder: those of a table, of its layout, or of labelme's labels."""

from collections.abc import Sequence
from pathlib import Path

from keras_fcn.datasets.folder.labels.class_table import (
    VOID_NAMES,
    ClassEntry,
    ClassTable,
)
from keras_fcn.datasets.folder.labels.files import MaskSet
from keras_fcn.datasets.folder.labels.image_shapes import (
    BACKGROUND,
    is_shapes_file,
    read_shapes,
)
from keras_fcn.datasets.folder.labels.shapes import CocoLabel
from keras_fcn.datasets.folder.labels.table_files import find_class_table
from keras_fcn.datasets.folder.labels.yolo import YoloLabel, yolo_classes
from keras_fcn.datasets.folder.samples import Layout, Sample, relative
from keras_fcn.errors import located


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
    folders = [*folders[:64], *layout.outer]
    table = None
    first = next((path for one in samples for path in one.label_files), "")
    if found := find_class_table(folders, relative(first, layout.root)):
        path, entries = found
        table = ClassTable(entries, relative(path, layout.root))
    labels = [sample.label for sample in samples]
    shapes = [
        Path(one) for one in labels if isinstance(one, str) and is_shapes_file(one)
    ]
    masks = [one.classes for one in labels if isinstance(one, MaskSet) and one.classes]
    if shapes or masks:
        return named_classes(shapes, masks, table)
    if any(isinstance(one, YoloLabel) for one in labels):
        with located(layout.root):
            table, background = yolo_classes(table)
        return table, {BACKGROUND: background}
    # The ids of a COCO file are those of its own categories.
    if table is None or any(isinstance(one, CocoLabel) for one in labels):
        table = layout.table
    return table, {}


def named_classes(
    paths: Sequence[Path], masks: Sequence[Sequence[str]], table: ClassTable | None
) -> tuple[ClassTable, dict[str, int]]:
    """Return the classes of labels with names, and the value that is drawn for each.

    Args:
        paths: annotation files of single images.
        masks: classes of the masks of each image that has a mask for each class.
        table: a class table; None takes the labels and classes, by name.

    Returns:
        The classes with their values, and values by label; a class background is added
        if there is none.
    """
    if table is None:
        labels = {name for classes in masks for name in classes}
        for path in paths:
            try:
                labels.update(shape.label for shape in read_shapes(path).shapes)
            except (ValueError, OSError):
                continue  # an error of this file, which the scan adds
        entries = [
            ClassEntry(name, None, None, name.lower() in VOID_NAMES)
            for name in sorted(labels - {BACKGROUND}, key=str.lower)
        ]
        source = "the names of the masks" if masks else "the labels of the shapes"
        table = ClassTable(entries, source)
    entries = table.entries
    # labelme has no shape for the background, but some tables name it.
    names = [entry.name.lower() for entry in entries]
    background = None
    if BACKGROUND not in names and "background" not in names:
        entries = [ClassEntry("background", None, None, False), *entries]
        names.insert(0, "background")
        background = 0
    values = {entry.name: value for value, entry in enumerate(entries)}
    values[BACKGROUND] = min(
        names.index(name) for name in (BACKGROUND, "background") if name in names
    )
    entries = [entry._replace(value=value) for value, entry in enumerate(entries)]
    return ClassTable(entries, table.source, background), values
