"""What came of each image: its classes, its time, or why it was left out."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_fcn.classes import ClassMap
from keras_fcn.storage.atomic import atomic_file
from keras_fcn.typing import Size


@dataclass(frozen=True)
class Result:
    """What came of an image.

    Attributes:
        path: the file.
        frame: number of the image in a file that has several, from 0 on.
        size: height and width, pixels; None where it was not predicted.
        seconds: time to read, predict and write it; of images that were predicted
            together, an equal share of that time.
        counts: pixels of each id, int64 `(256,)`; None where it was not predicted.
        problem: why it was left out, on one line; "" where it was not.
        confidence: mean over its pixels, in [0, 1]; None where it was not asked for.
    """

    path: Path
    frame: int | None = None
    size: Size | None = None
    seconds: float = 0.0
    counts: np.ndarray | None = None
    problem: str = ""
    confidence: float | None = None

    @property
    def status(self) -> str:
        """`done`, `failed`, or `there`, of an earlier prediction."""
        if self.problem:
            return "failed"
        return "there" if self.counts is None else "done"

    def describe(self, class_map: ClassMap) -> str:
        """Name the classes with their share of the pixels, largest first.

        Args:
            class_map: the names.

        Returns:
            One line, as in `road 61.5%, sky 38.5%`; classes without a pixel are left
            out. "already there" where it was not predicted again.
        """
        if self.counts is None:
            return "already there"
        names = dict(enumerate(class_map.names)) | {class_map.void_id: "void"}
        by_size = sorted(names, key=lambda index: -self.counts[index])
        return ", ".join(
            f"{names[index]} {self.counts[index] / self.counts.sum():.1%}"
            for index in by_size
            if self.counts[index]
        )


def count_ids(label_map: np.ndarray) -> np.ndarray:
    """Count the pixels of each id.

    Args:
        label_map: uint8 `(height, width)`.

    Returns:
        int64 `(256,)`.
    """
    return np.bincount(label_map.ravel(), minlength=256)


class ResultTable:
    """A CSV file with a line for each image."""

    def __init__(self, file, class_map: ClassMap):
        """Write the header.

        Args:
            file: a text file that is open for writing.
            class_map: names the last columns.
        """
        self._writer = csv.writer(file, lineterminator="\n")
        self._ids = [*range(class_map.num_classes), class_map.void_id]
        self._writer.writerow(
            ["path", "frame", "status", "height", "width", "seconds", "problem"]
            + [*class_map.names, "void"]
        )

    def add(self, result: Result) -> None:
        """Write the line of an image: shares of the classes are from 0 to 1.

        Args:
            result: what came of it.
        """
        shares = [""] * len(self._ids)
        if result.counts is not None:
            total = result.counts.sum()
            shares = [f"{result.counts[index] / total:.6f}" for index in self._ids]
        frame = "" if result.frame is None else result.frame
        height, width = result.size or ("", "")
        seconds = f"{result.seconds:.4f}" if result.status == "done" else ""
        self._writer.writerow(
            [result.path, frame, result.status, height, width, seconds, result.problem]
            + shares
        )


@contextmanager
def result_table(path: Path, class_map: ClassMap) -> Iterator[ResultTable]:
    """Open a CSV file for the results of a block.

    It takes its name when the block ends, in whatever way: after an interruption it has
    the lines that were written until then.

    Args:
        path: the file; it is replaced whole.
        class_map: names its columns.

    Raises:
        OSError: if it can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        atomic_file(path, keep_partial=True) as part,
        # A name that is no text goes into the table byte by byte.
        part.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        yield ResultTable(file, class_map)
