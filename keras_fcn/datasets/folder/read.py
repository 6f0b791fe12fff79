"""Read a user's folder: layout, splits, classes, labels, and problems."""

from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from keras_fcn.classes import ClassMap
from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.folder.checks import check, check_files, drop_duplicates
from keras_fcn.datasets.folder.folder_data import FolderData, MissingSplit
from keras_fcn.datasets.folder.labels.class_table import ClassTable
from keras_fcn.datasets.folder.labels.classes import find_classes
from keras_fcn.datasets.folder.layouts.detect import find_layout
from keras_fcn.datasets.folder.samples import Problem
from keras_fcn.datasets.folder.scan import scan
from keras_fcn.datasets.folder.validation_split import assign_validation
from keras_fcn.errors import located


def read_folder(
    folder: Path,
    splits: Sequence[str] | None = None,
    options: TrainingConfig | None = None,
    *,
    class_map: ClassMap | None = None,
    own_table: ClassTable | None = None,
    is_full: bool | None = None,
    is_training: bool = False,
) -> FolderData:
    """Find, read and check the images and labels of a folder.

    Args:
        folder: the data.
        splits: names of the splits that are needed; None for all, with validation.
        options: the fields of `FOLDER_FIELDS` are read.
        class_map: classes of a run, for folders without a class table.
        own_table: classes of a known data set; None for the folder's class table.
        is_full: decode every image; None to do so if their files are small together.
        is_training: add problems if there is no training or validation split.

    Returns:
        The content of the folder; problems of single files are in it.

    Raises:
        FileNotFoundError: if the folder has none of the known layouts.
        MissingSplit: if it has no images of a split, or only void pixels.
        ValueError: if the layout is ambiguous, or an option does not fit.
    """
    options = options or TrainingConfig()
    layout = find_layout(
        folder, options.label_suffix, options.images_dir, options.labels_dir
    )
    found = dict(layout.splits)
    data = FolderData(layout, options, found, decisions=[layout.description])
    if "all" in found:
        found["train"] = found.pop("all") + found.get("train", [])
    data.add_problems(layout.problems)
    # A test split alone, as in `evaluate`, needs no validation.
    is_needed = splits is None or not {"train", "val"}.isdisjoint(splits)
    is_assignable = bool(found.get("train")) and not found.get("val")
    is_assigned = is_needed and is_assignable
    if is_assigned:
        _assign_validation(data)
    if is_training:
        data.add_problems(_check_splits(data))
    if splits is not None:
        missing = [split for split in splits if not data.splits.get(split)]
        if missing:
            data.refuse_problems()
            if is_assignable and not is_assigned:
                with suppress(ValueError):  # of a single image
                    _assign_validation(data)
            counts = (f"{name} {len(part)}" for name, part in data.splits.items())
            raise MissingSplit(
                f"{data.root} has no {missing[0]} images. It has: {', '.join(counts)}"
            )
        data.splits = {split: data.splits[split] for split in splits}
    data.splits = {split: part for split, part in data.splits.items() if part}
    samples = [sample for part in data.splits.values() for sample in part]
    table, data.labelme_values = find_classes(layout, samples)
    table = own_table or table
    # All splits at once: the number and size of all files decide how they are read.
    facts = iter(scan(samples, data.labelme_values, is_full, options.max_pixels))
    for split, part in data.splits.items():
        data.facts[split] = list(islice(facts, len(part)))
    if is_assigned and {"train", "val"} <= data.facts.keys():
        drop_duplicates(data)
    data.add_problems(check_files(data))
    data.find_value_range()
    data.read_labels(table, class_map)
    is_valid = not any(problem.is_fatal for problem in data.problems)
    for split in data.class_pixels if splits and is_valid else ():
        if not data.class_pixels[split].any():
            raise MissingSplit(
                f"{data.root} has no labels of {split} images: all pixels are void"
            )
    # The classes of a run are not those of this folder.
    check(data, has_own_classes=class_map is None)
    return data


def _check_splits(data):
    """Problems of splits that a training needs."""
    counts = ", ".join(f"{name} {len(part)}" for name, part in data.splits.items())
    return [
        Problem(
            f"no-{split}",
            True,
            f"There are no {split} images with labels, which a training needs. The "
            f"folder has: {counts or 'none'}",
        )
        for split in ("train", "val")
        if not data.splits.get(split)
    ]


def _assign_validation(data):
    """Assign some of the training images to a validation split."""
    options = data.options
    with located(data.root):
        train, val = assign_validation(
            data.splits["train"], options.val_share, options.group_by
        )
    # In the usual order; a test split comes last.
    data.splits = {"train": train, "val": val} | (
        {"test": data.splits["test"]} if data.splits.get("test") else {}
    )
    groups = f" in groups of {options.group_by}" if options.group_by else ""
    data.decisions.append(
        f"no validation split: {len(val)} of {len(train) + len(val)} images are "
        f"assigned to it by a hash of their names{groups} (`val_share` "
        f"{options.val_share:g})"
    )
