"""A user's folder, whole: its layout, splits, classes, labels, and what is wrong."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keras_fcn.classes import ClassMap
from keras_fcn.config import MAX_IMAGE_PIXELS, TrainingConfig
from keras_fcn.datasets.folder.checks import check_files, check_labels, check_reading
from keras_fcn.datasets.folder.duplicates import (
    drop_duplicates,
    find_duplicates,
    find_same_names,
    find_shared_groups,
)
from keras_fcn.datasets.folder.labels.class_table import (
    VOID_NAMES,
    ClassEntry,
    find_class_table,
    read_class_table,
)
from keras_fcn.datasets.folder.labels.decoder import rgb
from keras_fcn.datasets.folder.labels.encoding import Reading, Undecided, decide
from keras_fcn.datasets.folder.labels.labelme import BACKGROUND, shape_names
from keras_fcn.datasets.folder.labels.stored_values import stored_values
from keras_fcn.datasets.folder.layouts.detect import find_layout
from keras_fcn.datasets.folder.samples import Layout, Problem, Sample, relative
from keras_fcn.datasets.folder.scan import Progress, SampleFacts, scan
from keras_fcn.datasets.folder.validation_split import assign_validation
from keras_fcn.errors import check_choice, summarize

ACCEPTABLE = ("duplicates", "one-class", "unlabelled")


@dataclass(frozen=True)
class FolderOptions:
    """What a user may say of a folder: fields of `TrainingConfig` of these names."""

    label_suffix: str | None = None
    label_values: str = "auto"
    void: tuple[str, ...] = ()
    val_share: float = 0.2
    group_by: str | None = None
    accept: tuple[str, ...] = ()
    max_pixels: int = MAX_IMAGE_PIXELS

    @classmethod
    def of(cls, config: TrainingConfig) -> "FolderOptions":
        """Return what a configuration says.

        Args:
            config: the training.

        Raises:
            ValueError: if `accept` names what can't be accepted.
        """
        accept = _words(config.accept)
        for word in accept:
            check_choice("accept", word, ACCEPTABLE)
        return cls(
            label_suffix=config.label_suffix,
            label_values=config.label_values,
            void=_words(config.void),
            val_share=config.val_share,
            group_by=config.group_by,
            accept=accept,
            max_pixels=config.max_pixels,
        )


def _words(text):
    """The parts of a text between commas; none of None."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


class MissingSplit(FileNotFoundError):
    """A folder has no images of a split."""


@dataclass
class FolderData:
    """What a folder holds.

    Attributes:
        root: the folder.
        layout: how it is laid out.
        splits: samples by split.
        facts: what the files of each sample hold, by split.
        reading: how the labels are read; None where that could not be decided.
        class_pixels: int64 `(num_images, num_classes)` by split, with a reading.
        problems: all that is wrong, and what should be known.
        said: lines for people: what was found and decided.
        drawn: the values of labelme's labels.
    """

    root: Path
    layout: Layout
    splits: dict[str, list[Sample]]
    facts: dict[str, list[SampleFacts]] = field(default_factory=dict)
    reading: Reading | None = None
    class_pixels: dict[str, np.ndarray] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    drawn: dict[str, int] = field(default_factory=dict)

    def count_classes(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the pixels of each class, and those of all images that show it.

        Args:
            split: which.

        Returns:
            Two of int64 `(num_classes,)`; void counts in the second alone.
        """
        pixels = self.class_pixels[split]
        areas = np.array(
            [
                [height * width]
                for height, width in (
                    fact.label_size or (0, 0) for fact in self.facts[split]
                )
            ]
        )
        return pixels.sum(axis=0), (areas * (pixels > 0)).sum(axis=0)

    def refuse_problems(self) -> None:
        """Raise what forbids a training.

        Raises:
            ValueError: all of it in one line, after the folder.
        """
        fatal = [problem for problem in self.problems if problem.is_fatal]
        if fatal:
            raise ValueError(
                f"{self.root}: "
                + " | ".join(problem.message for problem in fatal)
                + ("" if len(fatal) == 1 else f" ({len(fatal)} problems)")
            )


def read_folder(
    folder: Path,
    splits: Sequence[str] | None = None,
    options: FolderOptions | None = None,
    *,
    class_map: ClassMap | None = None,
    is_full: bool | None = None,
    progress: Progress | None = None,
) -> FolderData:
    """Find, read and check what a folder holds.

    Args:
        folder: the data.
        splits: those that are needed; None for all that there are, with validation.
        options: what the user says of it.
        class_map: classes of a run, for folders without a table of their own.
        is_full: decode every image; None where their files are small together.
        progress: called with how many files have been read, of how many.

    Raises:
        FileNotFoundError: if it has no layout that is known.
        MissingSplit: if it has no images of a split.
        ValueError: if that is ambiguous, or an option does not fit; what is wrong with
            single files is among the problems.
    """
    options = options or FolderOptions()
    layout = find_layout(folder, options.label_suffix)
    root = layout.root
    data = FolderData(root, layout, dict(layout.splits), said=[layout.description])
    data.problems += [_accepted(one, options.accept) for one in layout.problems]
    is_needed = splits is None or not {"train", "val"}.isdisjoint(splits)
    is_drawn = _divide(data, options, is_needed)
    if splits is not None:
        missing = [split for split in splits if not data.splits.get(split)]
        if missing:
            data.refuse_problems()
            raise MissingSplit(
                f"{root} has no {missing[0]} images. It has: {_counts(data.splits)}"
            )
        data.splits = {split: data.splits[split] for split in splits}
    entries, source = _entries(data)
    for split, samples in data.splits.items():
        data.facts[split] = scan(
            samples, data.drawn, is_full, progress, options.max_pixels
        )
    if is_drawn and {"train", "val"} <= data.facts.keys():
        data.problems += drop_duplicates(data.splits, data.facts, root)
    data.problems += check_files(data.splits, data.facts, root)
    _read_labels(data, entries, source, options, class_map)
    data.problems += [
        _accepted(problem, options.accept)
        for problem in (
            *find_duplicates(data.splits, data.facts, root),
            *find_shared_groups(data.splits, options.group_by),
        )
    ]
    if not any(problem.kind == "duplicates" for problem in data.problems):
        data.problems += find_same_names(data.splits, root)
    if class_map is None and data.reading is not None:
        found = check_reading(data, options.label_values)
        data.problems += [_accepted(problem, options.accept) for problem in found]
    return data


def _accepted(problem, accept):
    return problem._replace(is_fatal=problem.is_fatal and problem.kind not in accept)


def _counts(splits):
    return ", ".join(f"{split} {len(samples)}" for split, samples in splits.items())


def _divide(data, options, is_needed):
    """Draw validation where there is none and it is needed, and say so; whether so."""
    splits = data.splits
    if "all" in splits:
        splits["train"] = splits.pop("all") + splits.get("train", [])
    if splits.get("val") or not splits.get("train") or not is_needed:
        return False
    try:
        train, val = assign_validation(
            splits["train"], options.val_share, options.group_by
        )
    except ValueError as error:
        raise ValueError(f"{data.root}: {error}") from error
    test = splits.get("test")
    data.splits = {"train": train, "val": val} | ({"test": test} if test else {})
    kept = "" if options.group_by is None else f", groups {options.group_by} together"
    data.said.append(
        f"no validation split: {len(val)} of {len(train) + len(val)} images are drawn "
        f"by a hash of their names{kept} (`val_share` {options.val_share:g})"
    )
    return True


def _entries(data):
    """The table of classes, or what the layout brings, and where it is from."""
    folders = [data.root, *(path for path in data.root.iterdir() if path.is_dir())]
    path = find_class_table(folders[:64])
    entries = read_class_table(path) if path is not None else None
    source = relative(path, data.root) if path is not None else ""
    is_labelme = any(
        isinstance(sample.label, str) and sample.label.lower().endswith(".json")
        for samples in data.splits.values()
        for sample in samples[:1]
    )
    if is_labelme:
        return _labelme_entries(data, entries, source or "the labels of the shapes")
    if entries is None or data.layout.source.startswith("the categories"):
        return data.layout.entries, data.layout.source
    return entries, source


def _labelme_entries(data, entries, source):
    """Classes of labelme's labels: in the table's order, or by name."""
    names = set()
    for samples in data.splits.values():
        for sample in samples:
            try:
                names |= shape_names(Path(sample.label))
            except (ValueError, OSError):
                continue  # the scan names it
    if entries is None:
        ordered = sorted(names - {BACKGROUND}, key=str.lower)
        entries = [
            ClassEntry(name, None, None, name.lower() in VOID_NAMES) for name in ordered
        ]
    known = [entry.name.lower() for entry in entries]
    if BACKGROUND not in known and "background" not in known:
        entries = [ClassEntry("background", None, None, False), *entries]
    entries = [entry._replace(value=value) for value, entry in enumerate(entries)]
    data.drawn = {entry.name: entry.value for entry in entries}
    background = next(
        e for e in entries if e.name.lower() in (BACKGROUND, "background")
    )
    data.drawn[BACKGROUND] = background.value
    return entries, source


def _read_labels(data, entries, source, options, class_map):
    """Decide how the labels are read, count the classes, and say so."""
    of_labels = [
        fact.label for facts in data.facts.values() for fact in facts if fact.label
    ]
    if not of_labels:
        return
    union = stored_values(of_labels)
    undecided = None
    try:
        data.reading = decide(
            union, entries, source, options.label_values, options.void, class_map
        )
    except Undecided as error:
        undecided = error
    is_expected = entries is not None and undecided is None
    smoothed = check_labels(data.splits, data.facts, union, is_expected)
    data.problems += smoothed
    if data.reading is None:
        if not smoothed:  # which is the cause, where there is any
            data.problems.append(_undecided_problem(data, undecided))
        return
    data.said.append(f"labels are read as {data.reading.description}")
    for split, facts in data.facts.items():
        data.class_pixels[split] = _class_pixels(data.reading, facts)


def _undecided_problem(data, error):
    files = _holders(data, error.keys)
    where = f", in {len(files)} files: {summarize(files)}" if files else ""
    return Problem(error.kind, True, f"{error}{where}", files, max(1, len(files)))


def _holders(data, keys):
    """Label files that hold values, or colours (negative), with what they hold."""
    files = []
    for split, samples in data.splits.items():
        for sample, fact in zip(samples, data.facts[split], strict=True):
            if not keys or fact.label is None:
                continue
            held = stored_values([fact.label])
            shown = [str(key) for key in held.values if key in keys]
            shown += [rgb(key) for key in held.colors if key and -key in keys]
            if shown:
                label = relative(str(sample.label), data.root)
                files.append(f"{label} ({summarize(shown)})")
    return files


def _class_pixels(reading, facts):
    """Pixels of each class in each image, int64 `(num_images, num_classes)`."""
    num_classes = reading.class_map.num_classes
    pixels = np.zeros((len(facts), num_classes), dtype="int64")
    for row, fact in zip(pixels, facts, strict=True):
        if fact.label is None:
            continue
        keys = fact.label.keys
        if reading.decoder.takes_colors and fact.label.kind == "palette":
            keys = fact.label.palette
        elif reading.decoder.takes_colors and fact.label.kind == "values":
            keys = keys * 0x010101
        ids = reading.decoder.class_ids(keys)
        is_class = (ids >= 0) & (ids < num_classes)
        np.add.at(row, ids[is_class], fact.label.counts[is_class])
    return pixels
