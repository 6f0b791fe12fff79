"""The content of a user's folder."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from keras_fcn.classes import ClassMap
from keras_fcn.config import TrainingConfig, words
from keras_fcn.datasets.folder.labels.class_table import ClassTable
from keras_fcn.datasets.folder.labels.encoding import Encoding, decide
from keras_fcn.datasets.folder.labels.files import read_stored
from keras_fcn.datasets.folder.samples import Layout, Problem, Sample
from keras_fcn.datasets.folder.scan import SampleFacts
from keras_fcn.images.reading import as_image, read_image_values
from keras_fcn.images.value_range import (
    Extent,
    describe_range,
    find_range,
    limits_of,
    scale,
)
from keras_fcn.options import ValueRange


class MissingSplit(FileNotFoundError):
    """A folder has no images of a split."""


@dataclass
class FolderData:
    """The content of a folder.

    Attributes:
        layout: its layout; the folder is `layout.root`.
        options: the fields of `FOLDER_FIELDS` are read.
        splits: samples by split.
        facts: contents of the files of each sample, by split.
        encoding: how the labels are read; None if the rules refuse them.
        class_pixels: int64 `(num_images, num_classes)` by split; empty without an
            encoding.
        problems: errors and notes.
        decisions: lines for people: the layout, the validation split and the encoding.
        labelme_values: value of each label of labelme files.
        value_range: the range of the images' values, found or given.
    """

    layout: Layout
    options: TrainingConfig
    splits: dict[str, list[Sample]]
    facts: dict[str, list[SampleFacts]] = field(default_factory=dict)
    encoding: Encoding | None = None
    class_pixels: dict[str, np.ndarray] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    labelme_values: dict[str, int] = field(default_factory=dict)
    value_range: ValueRange = "auto"

    @property
    def root(self) -> Path:
        """The folder that has the layout."""
        return self.layout.root

    def add_problems(self, problems: Sequence[Problem]) -> None:
        """Add problems; those that the user accepts become notes.

        Args:
            problems: the problems.
        """
        for one in problems:
            is_fatal = one.is_fatal and one.kind not in words(self.options.accept)
            self.problems.append(replace(one, is_fatal=is_fatal))

    def pairs(self) -> Iterator[tuple[str, Sample, SampleFacts]]:
        """Yield split, sample and facts of each sample."""
        for split, samples in self.splits.items():
            for sample, facts in zip(samples, self.facts[split], strict=True):
                yield split, sample, facts

    def find_value_range(self) -> None:
        """Determine the value range of the images, and state it among the decisions."""
        extents = [facts.extent for _, _, facts in self.pairs() if facts.extent]
        self.value_range = find_range(extents, self.options.value_range)
        if line := describe_range(self.value_range, extents):
            self.decisions.append(line)

    def read_labels(self, table: ClassTable | None, class_map: ClassMap | None) -> None:
        """Decide how the labels are read, and count the pixels of each class.

        Args:
            table: classes of the folder; None without.
            class_map: classes of a run, for folders without a table.

        Raises:
            ValueError: if `void` names no class.
        """
        prefix = f"{self.root}{os.sep}"
        files = [
            (str(sample.label).removeprefix(prefix), facts.label)
            for _, sample, facts in self.pairs()
            if facts.label is not None
        ]
        if not files:
            return
        if table is not None:
            table = table.without_unused(
                {int(key) for _, label in files for key in label.keys}
            )
        void, label_values = words(self.options.void), self.options.label_values
        decided = decide(files, table, label_values, void, class_map)
        if isinstance(decided, Problem):
            self.problems.append(decided)
            return
        self.encoding = decided
        self.decisions.append(f"labels are read as {decided.description}")
        decoder, num_classes = decided.decoder, decided.class_map.num_classes
        for split, of_split in self.facts.items():
            pixels = np.zeros((len(of_split), num_classes), dtype="int64")  # (N, C)
            labels = [facts.label for facts in of_split]
            for row, label in zip(pixels, labels, strict=True):
                if label is None:
                    continue
                ids = decoder.class_ids(
                    label.colors if decoder.uses_colors else label.keys
                )
                # -1 is no class, which decoding refuses; 255 is void.
                is_class = (ids >= 0) & (ids < num_classes)
                # `row[ids] += counts` would add only one of two values of a class.
                np.add.at(row, ids[is_class], label.counts[is_class])
            self.class_pixels[split] = pixels

    def require_encoding(self) -> Encoding:
        """Return how the labels are read.

        Raises:
            ValueError: if there are no label maps, or the rules refuse them.
        """
        if self.encoding is None:
            raise ValueError(f"{self.root}: there are no label maps")
        return self.encoding

    def read_sample(self, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
        """Return an image, uint8 RGB, and its label map, uint8 `(height, width)`.

        Args:
            sample: one of the samples.

        Raises:
            ValueError: if a file can't be read, or has values of no class.
            OSError: if a file is missing.
        """
        decoder = self.require_encoding().decoder
        max_pixels = self.options.max_pixels
        values, _ = read_image_values(Path(sample.image), max_pixels)
        if values.dtype != np.uint8 or isinstance(self.value_range, tuple):
            extent = Extent.of(values, sample.image)
            values = scale(values, limits_of(extent, self.value_range, sample.image))
        stored = read_stored(sample.label, self.labelme_values, max_pixels)
        try:
            return as_image(values), decoder.decode(stored)
        except ValueError as error:
            raise ValueError(f"{sample.label} {error}") from error

    def count_classes(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the pixels of each class, and those of all images that have it.

        Args:
            split: name of the split.

        Returns:
            Two arrays, int64 `(num_classes,)`; void pixels count in the second only.
        """
        pixels = self.class_pixels[split]  # (N, num_classes)
        # One column, (N, 1), as an image counts for each class in it.
        areas = [[np.prod(fact.label_size or (0, 0))] for fact in self.facts[split]]
        return pixels.sum(axis=0), (np.array(areas) * (pixels > 0)).sum(axis=0)

    def refuse_problems(self) -> None:
        """Raise an error if there are fatal problems.

        Raises:
            ValueError: all fatal problems in one line, after the folder.
        """
        fatal = [problem for problem in self.problems if problem.is_fatal]
        if fatal:
            raise ValueError(
                f"{self.root}: "
                + " | ".join(problem.message for problem in fatal)
                + ("" if len(fatal) == 1 else f" ({len(fatal)} problems)")
            )
