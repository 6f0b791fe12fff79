"""Images in the stages of a prediction, and their results or why they were skipped."""

import csv
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import numpy as np

from keras_fcn.classes import ClassMap
from keras_fcn.errors import is_out_of_memory, one_line
from keras_fcn.images.opening import UnreadableImage
from keras_fcn.prediction.jobs import Job
from keras_fcn.storage.atomic import atomic_file
from keras_fcn.typing import Size

logger = logging.getLogger(__name__)


@dataclass
class ImageTask:
    """An image that passes through reading, prediction and writing.

    Each stage sets the attributes that it computes.

    Attributes:
        job: the file of the image.
        frame: number of the image in a file of several, from 0; None in other files.
        image: uint8 RGB `(height, width, 3)`; None if there is nothing to predict.
        label_map: uint8 `(height, width)`.
        confidence: float32 `(height, width)` in [0, 1], if it was requested.
        probabilities: float32 `(height, width, num_classes)`, if they were requested.
        problem: why the image is skipped, on one line; "" if it is not.
        seconds: duration of the stages so far.
        started: `time.perf_counter()` at the beginning.
    """

    job: Job
    frame: int | None = None
    image: np.ndarray | None = None
    label_map: np.ndarray | None = None
    confidence: np.ndarray | None = None
    probabilities: np.ndarray | None = None
    problem: str = ""
    seconds: float = 0.0
    started: float = field(default_factory=time.perf_counter, repr=False)

    def fail(self, action: str, error: Exception) -> None:
        """Skip the image because of an error.

        Args:
            action: what failed, as a participle: "read".
            error: the cause.
        """
        name = self.job.name
        if self.frame is not None:
            name += f", frame {self.frame}"
        problem = describe_failure(name, action, error)
        # Errors of decoders name the file, also a downloaded one.
        self.problem = problem.replace(str(self.job.path), self.job.name)
        self.image = self.label_map = self.confidence = self.probabilities = None
        logger.debug("%s", self.problem, exc_info=error)


def describe_failure(name: str, action: str, error: Exception) -> str:
    """Return on one line why an image is skipped.

    Args:
        name: the image's name.
        action: what failed, as a participle: "read".
        error: the cause.
    """
    if isinstance(error, UnreadableImage | FileNotFoundError):
        return one_line(error)
    if is_out_of_memory(error):
        return f"{name} can't be {action}: out of memory"
    return f"{name} can't be {action} ({type(error).__name__}: {one_line(error)})"


@dataclass(frozen=True)
class Result:
    """The result of one image.

    Attributes:
        path: the file.
        frame: number of the image in a file of several, from 0; None in other files.
        size: height and width, pixels; None if it was not predicted.
        seconds: duration of reading, prediction and writing; images that were predicted
            together share the duration of their prediction equally.
        counts: pixels of each id, int64 `(256,)`; None if it was not predicted.
        problem: why it was skipped, on one line; "" if it was not.
        confidence: mean over its pixels, in [0, 1]; None if it was not requested.
        label_map: uint8 `(height, width)`, if a COCO file was requested.
    """

    path: Path
    frame: int | None = None
    size: Size | None = None
    seconds: float = 0.0
    counts: np.ndarray | None = None
    problem: str = ""
    confidence: float | None = None
    label_map: np.ndarray | None = None

    @property
    def status(self) -> str:
        """`done`; `failed`; or `skipped`, if its outputs existed before."""
        if self.problem:
            return "failed"
        return "skipped" if self.counts is None else "done"

    def describe(self, class_map: ClassMap) -> str:
        """Return the classes with their share of the pixels, largest first.

        Args:
            class_map: names of the classes.

        Returns:
            One line, such as `road 61.5%, sky 38.5%`; classes without a pixel are left
            out. "already there" if it was not predicted.
        """
        if self.counts is None:
            return "already there"
        names = dict(enumerate(class_map.names)) | {class_map.void_id: "void"}
        shares = self.counts / self.counts.sum()
        by_share = sorted(names, key=lambda index: -shares[index])
        return ", ".join(
            f"{names[index]} {shares[index]:.1%}" for index in by_share if shares[index]
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

    def __init__(
        self,
        file: TextIO,
        class_map: ClassMap,
        kept: dict[str, dict[str, list[str]]] | None = None,
    ):
        """Write the header.

        Args:
            file: open for writing.
            class_map: names of the last columns.
            kept: rows of an earlier table by path and frame. They replace those of
                skipped images; `write_kept` writes the rest.
        """
        self._writer = csv.writer(file, lineterminator="\n")
        self._ids = [*range(class_map.num_classes), class_map.void_id]
        self._kept = kept or {}
        self._writer.writerow(_header(class_map))

    def add(self, result: Result, name: str | None = None) -> None:
        """Write the line of an image; shares of classes are in [0, 1].

        Args:
            result: the image's result.
            name: what the column `path` contains; None for the path of the file.
        """
        path = _cell(name or str(result.path))
        frame = "" if result.frame is None else str(result.frame)
        rows = self._kept.get(path, {})
        # A file whose outputs all exist is skipped whole, with all its frames.
        frames = list(rows) if result.status == "skipped" and not frame else [frame]
        before = [rows.pop(each) for each in frames if each in rows]
        if result.status == "skipped" and before:
            self._writer.writerows(before)
            return
        shares = [""] * len(self._ids)
        if result.counts is not None:
            total = result.counts.sum()
            shares = [f"{result.counts[index] / total:.6f}" for index in self._ids]
        height, width = result.size or ("", "")
        seconds = f"{result.seconds:.4f}" if result.status == "done" else ""
        problem = _cell(result.problem)
        self._writer.writerow(
            [path, frame, result.status, height, width, seconds, problem, *shares]
        )

    def write_kept(self) -> None:
        """Write the rows of the earlier table that were not replaced."""
        for rows in self._kept.values():
            self._writer.writerows(rows.values())


def _header(class_map: ClassMap) -> list[str]:
    names = ["path", "frame", "status", "height", "width", "seconds", "problem"]
    return [*names, *map(_cell, class_map.names), "void"]


def _read_rows(path: Path, class_map: ClassMap) -> dict[str, dict[str, list[str]]]:
    """Return the rows of a table by path and frame."""
    header = _header(class_map)
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        try:
            rows = [row for row in csv.reader(file) if row]  # without empty lines
        except csv.Error:
            rows = [[]]
    if rows and (rows[0] != header or any(len(row) != len(header) for row in rows)):
        raise ValueError(
            f"{path} is no table of this network's classes, whose rows could be kept: "
            "choose another file"
        )
    kept: dict[str, dict[str, list[str]]] = {}
    for row in rows[1:]:
        kept.setdefault(row[0], {})[row[1]] = row
    return kept


def _cell(text: str) -> str:
    """Return a text that neither starts a formula nor ends the row."""
    text = text.replace("\r", "\\r")  # the csv module quotes it from Python 3.13 on
    # Quoted as OWASP recommends.
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t")) else text


@contextmanager
def result_table(
    path: Path, class_map: ClassMap, keep_rows: bool = False
) -> Iterator[ResultTable]:
    """Open a CSV file for the results of a block.

    The file appears under its name when the block ends; after an interruption it has
    the lines that were written until then.

    Args:
        path: the file; an existing one is replaced.
        class_map: names of its columns.
        keep_rows: keep the rows of an existing file for images that are skipped, or
            not among the results.

    Raises:
        OSError: if it cannot be read or written.
        ValueError: if rows are kept, and the file has other columns.
    """
    kept = _read_rows(path, class_map) if keep_rows and path.exists() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        atomic_file(path, keep_partial=True) as part,
        # File names that are not UTF-8 are written byte by byte.
        part.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        table = ResultTable(file, class_map, kept)
        try:
            yield table
        finally:
            table.write_kept()
