"""The content of a user's folder, and the options for reading it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from keras_fcn.config import MAX_IMAGE_PIXELS, TrainingConfig
from keras_fcn.datasets.folder.labels.encoding import Encoding
from keras_fcn.datasets.folder.samples import Layout, Problem, Sample
from keras_fcn.datasets.folder.scan import SampleFacts
from keras_fcn.options import Fraction, Kind, PositiveInt, validated

_Acceptable = Annotated[
    tuple[Literal["duplicates", "one-class", "unlabelled"], ...],
    Kind("one of duplicates, one-class, unlabelled"),
]


@validated
class FolderOptions:
    """Options for reading a folder: fields of `TrainingConfig` of the same names."""

    label_suffix: str | None = None
    label_values: Literal["auto", "ids", "colors", "black-white"] = "auto"
    void: tuple[str, ...] = ()
    val_share: Fraction = 0.2
    group_by: str | None = None
    accept: _Acceptable = ()
    max_pixels: PositiveInt = MAX_IMAGE_PIXELS

    @classmethod
    def of(cls, config: TrainingConfig) -> "FolderOptions":
        """Return the options of a configuration.

        Args:
            config: configuration of a training.

        Raises:
            ValueError: if `accept` names something else than an error to accept.
        """
        values = {field.name: getattr(config, field.name) for field in fields(cls)}
        for name in ("void", "accept"):
            words = (word.strip() for word in (values[name] or "").split(","))
            values[name] = tuple(filter(None, words))
        return cls(**values)


class MissingSplit(FileNotFoundError):
    """A folder has no images of a split."""


@dataclass
class FolderData:
    """The content of a folder.

    Attributes:
        root: the folder.
        layout: its layout.
        splits: samples by split.
        facts: contents of the files of each sample, by split.
        encoding: how the labels are read; None if the rules refuse them.
        class_pixels: int64 `(num_images, num_classes)` by split; empty without an
            encoding.
        problems: errors and notes.
        decisions: lines for people: the layout, the validation split and the encoding.
        labelme_values: value of each label of labelme files.
    """

    root: Path
    layout: Layout
    splits: dict[str, list[Sample]]
    facts: dict[str, list[SampleFacts]] = field(default_factory=dict)
    encoding: Encoding | None = None
    class_pixels: dict[str, np.ndarray] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    labelme_values: dict[str, int] = field(default_factory=dict)

    def add_problems(self, problems: Sequence[Problem], accept: Sequence[str]) -> None:
        """Add problems; those that the user accepts become notes.

        Args:
            problems: the problems.
            accept: kinds of problems that are accepted.
        """
        for one in problems:
            is_fatal = one.is_fatal and one.kind not in accept
            self.problems.append(replace(one, is_fatal=is_fatal))

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
