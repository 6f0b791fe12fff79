"""Read a user's folder: layout, splits, classes, labels, and problems."""

import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from keras_fcn.classes import ClassMap
from keras_fcn.datasets.folder.checks import (
    check_classes,
    check_duplicates,
    check_files,
    check_groups,
    check_names,
    drop_duplicates,
)
from keras_fcn.datasets.folder.folder_data import (
    FolderData,
    FolderOptions,
    MissingSplit,
)
from keras_fcn.datasets.folder.labels.class_table import (
    ClassTable,
    find_class_table,
    read_class_table,
)
from keras_fcn.datasets.folder.labels.encoding import Evidence, RefusedLabels, decide
from keras_fcn.datasets.folder.labels.labelme import labelme_classes
from keras_fcn.datasets.folder.layouts.detect import find_layout
from keras_fcn.datasets.folder.samples import CocoLabel, relative
from keras_fcn.datasets.folder.scan import scan
from keras_fcn.datasets.folder.validation_split import assign_validation


def read_folder(
    folder: Path,
    splits: Sequence[str] | None = None,
    options: FolderOptions | None = None,
    *,
    class_map: ClassMap | None = None,
    is_full: bool | None = None,
) -> FolderData:
    """Find, read and check the images and labels of a folder.

    Args:
        folder: the data.
        splits: names of the splits that are needed; None for all, with validation.
        options: the user's options.
        class_map: classes of a run, for folders without a table of classes.
        is_full: decode every image; None to do so if their files are small together.

    Returns:
        The content of the folder; problems of single files are in it.

    Raises:
        FileNotFoundError: if the folder has none of the known layouts.
        MissingSplit: if it has no images of a split.
        ValueError: if the layout is ambiguous, or an option does not fit.
    """
    options = options or FolderOptions()
    layout = find_layout(folder, options.label_suffix)
    root = layout.root
    data = FolderData(root, layout, dict(layout.splits), decisions=[layout.description])
    if "all" in data.splits:
        data.splits["train"] = data.splits.pop("all") + data.splits.get("train", [])
    data.add_problems(layout.problems, options.accept)
    # A test split alone, as in `evaluate`, needs no validation.
    is_needed = splits is None or not {"train", "val"}.isdisjoint(splits)
    is_assigned = _assign_validation(data, options) if is_needed else False
    if splits is not None:
        missing = [split for split in splits if not data.splits.get(split)]
        if missing:
            data.refuse_problems()
            counts = (f"{name} {len(part)}" for name, part in data.splits.items())
            raise MissingSplit(
                f"{root} has no {missing[0]} images. It has: {', '.join(counts)}"
            )
        data.splits = {split: data.splits[split] for split in splits}
    table = _find_table(data)
    # All splits at once: the number and size of all files decide how they are read.
    samples = [sample for part in data.splits.values() for sample in part]
    facts = iter(scan(samples, data.labelme_values, is_full, options.max_pixels))
    for split, part in data.splits.items():
        data.facts[split] = list(islice(facts, len(part)))
    if is_assigned and {"train", "val"} <= data.facts.keys():
        data.problems += drop_duplicates(data.splits, data.facts)
    data.problems += check_files(data.splits, data.facts, root)
    _read_labels(data, table, options, class_map)
    duplicates = check_duplicates(data.splits, data.facts, root)
    data.add_problems(duplicates, options.accept)
    data.problems += check_groups(data.splits, options.group_by)
    if not duplicates:
        data.problems += check_names(data.splits, root)
    if class_map is None and data.encoding is not None:
        is_auto = options.label_values == "auto"
        found = check_classes(data.encoding, data.class_pixels, is_auto)
        data.add_problems(found, options.accept)
    return data


def _assign_validation(data, options):
    """Assign images to a validation split if there is none; return whether so."""
    splits = data.splits
    if splits.get("val") or not splits.get("train"):
        return False
    try:
        train, val = assign_validation(
            splits["train"], options.val_share, options.group_by
        )
    except ValueError as error:
        raise ValueError(f"{data.root}: {error}") from error
    # In the usual order; a test split comes last.
    data.splits = {"train": train, "val": val} | (
        {"test": splits["test"]} if splits.get("test") else {}
    )
    groups = "" if options.group_by is None else f" in groups of {options.group_by}"
    data.decisions.append(
        f"no validation split: {len(val)} of {len(train) + len(val)} images are "
        f"assigned to it by a hash of their names{groups} (`val_share` "
        f"{options.val_share:g})"
    )
    return True


def _find_table(data):
    """The table of classes: of a file, of the layout, or of labelme's labels."""
    # Tables are often in labels/ or next to the splits; a limit, as others have images
    # in thousands of folders.
    folders = [data.root, *(path for path in data.root.iterdir() if path.is_dir())]
    path = find_class_table(folders[:64])
    table = None
    if path is not None:
        table = ClassTable(read_class_table(path), relative(path, data.root))
    all_labels = [one.label for samples in data.splits.values() for one in samples]
    labels = [samples[0].label for samples in data.splits.values() if samples]
    if any(isinstance(one, str) and one.lower().endswith(".json") for one in labels):
        table, data.labelme_values = labelme_classes(map(str, all_labels), table)
        return table
    # The ids of a COCO file are those of its own categories.
    if table is None or any(isinstance(one, CocoLabel) for one in labels):
        return data.layout.table
    return table


def _read_labels(data, table, options, class_map):
    """Decide how the labels are read, and count the classes."""
    prefix = f"{data.root}{os.sep}"
    files = [
        (str(sample.label).removeprefix(prefix), fact.label)
        for split, samples in data.splits.items()
        for sample, fact in zip(samples, data.facts[split], strict=True)
        if fact.label is not None
    ]
    if not files:
        return
    evidence = Evidence(files, table, options.label_values, options.void, class_map)
    try:
        data.encoding = decide(evidence)
    except RefusedLabels as error:
        data.problems.append(error.problem)
        return
    data.decisions.append(f"labels are read as {data.encoding.description}")
    decoder = data.encoding.decoder
    num_classes = data.encoding.class_map.num_classes
    for split, facts in data.facts.items():
        pixels = np.zeros((len(facts), num_classes), dtype="int64")  # (N, C)
        for row, fact in zip(pixels, facts, strict=True):
            if fact.label is not None:
                keys = fact.label.colors if decoder.uses_colors else fact.label.keys
                ids = decoder.class_ids(keys)
                # -1 is no class, which decoding refuses; 255 is void.
                is_class = (ids >= 0) & (ids < num_classes)
                # `row[ids] += counts` would add only one of two values of a class.
                np.add.at(row, ids[is_class], fact.label.counts[is_class])
        data.class_pixels[split] = pixels
